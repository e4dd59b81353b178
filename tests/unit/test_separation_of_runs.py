"""What separates bad runs from good: what they were told, what their steps did, what they chose."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from xray import XRay
from xray.errors import InvalidQueryError
from xray.model.separation import Separation, Separator
from xray.reading import separate as read_separation
from xray.store.memory import MemoryStore
from xray.testing import MemorySink

BAD, GOOD = "metadata.verdict = 'bad'", "metadata.verdict = 'good'"
Told = dict[str, Any]


def nothing(_: bool, __: random.Random) -> Told:
    return {}


def record(
    tell: Callable[[bool, random.Random], Told] = nothing,
    *,
    runs: int = 120,
    origin: Callable[[bool, random.Random], str] = lambda _, dice: dice.choice(("stand", "desk")),
    reject: Callable[[bool, random.Random], int] = lambda _, dice: dice.randrange(4),
    reranks: Callable[[bool, random.Random], bool] = lambda *_: False,
) -> MemoryStore:
    """A quarter of the runs are bad; each function says what else they are."""
    sink, dice = MemorySink(), random.Random(7)
    for number in range(runs):
        is_bad = number % 4 == 0
        told = {"region": dice.choice(("eu", "us")), "user": f"u{number}", **tell(is_bad, dice)}
        version = told.pop("version", "1.4")
        metadata = {**told, "verdict": "bad" if is_bad else "good"}
        x = XRay("shop", sink=sink, capture="full", version=version)
        with x.run(
            input={"query": dice.choice(("lamp", "mat")), "limit": dice.randint(1, 9)},
            metadata=metadata,
            tags=["canary"] if dice.random() < 0.3 else [],
        ) as run:
            record_steps(run, is_bad, dice, origin, reject, reranks)
    store = MemoryStore()
    store.submit("01890000-0000-7000-8000-000000000000", sink.facts).result()
    return store


def record_steps(run: Any, is_bad: bool, dice: random.Random, *ways: Callable[..., Any]) -> None:
    origin, reject, reranks = ways
    chosen = f"p{dice.getrandbits(30)}"
    with run.step("keywords", step_type="generate") as step:
        step.accept("stand")
        step.accept("desk")
    with run.step("search", step_type="retrieve") as step:
        step.accept(chosen, origin=origin(is_bad, dice))
        for number in range(6):
            step.accept(f"p{number}", origin=dice.choice(("stand", "desk")))
    with run.step("filter", step_type="filter") as step:
        dropped = reject(is_bad, dice)
        for number in range(6):
            if number < dropped:
                step.reject(f"p{number}", "too_dear")
            else:
                step.accept(f"p{number}")
        step.accept(chosen)
    if reranks(is_bad, dice):
        with run.step("rerank", step_type="rank") as step:
            step.accept(chosen)
    with run.step("pick", step_type="select") as step:
        step.select(chosen)


def separate(store: MemoryStore, a: str = BAD, b: str = GOOD, **more: str) -> Separation:
    return read_separation(store, [("a", a), ("b", b), *more.items()], 0)


def of_runs(found: Separation) -> Sequence[Separator]:
    """Without how long things took, which nobody planted."""
    return [one for one in found.separators if "duration_ms" not in one.path]


def test_a_key_of_the_metadata_that_separates_bad_runs_from_good_comes_first() -> None:
    def tell(is_bad: bool, dice: random.Random) -> Told:
        return {"region": "ap"} if is_bad and dice.random() < 0.9 else {}

    found = separate(record(tell))
    first = found.separators[0]
    assert (first.path, first.source, first.step) == ("metadata.region", "metadata", None)
    assert (first.split.value, first.split.b, first.split.b_of) == ("ap", 0, 90)
    assert first.text == (
        f'metadata.region is "ap" for {first.split.a} of 30 runs of A and none of 90 runs of B.'
    )
    assert found.answer.startswith(f"What separates 30 runs of A from 90 runs of B: {first.text}")
    assert (found.of, found.unit, found.runs, found.complete) == ("runs", "run", 120, True)
    assert (found.a.name, found.b.name) == (BAD, GOOD)
    assert found.a.first is not None
    assert first.a_examples[0].candidate_id is None


def test_a_version_that_bad_runs_have_is_named() -> None:
    def tell(is_bad: bool, dice: random.Random) -> Told:
        return {"version": "1.5" if is_bad else dice.choice(("1.4", "1.3"))}

    first = separate(record(tell)).separators[0]
    assert (first.path, first.split.value) == ("version", "1.5")


def test_the_origin_of_what_bad_runs_chose_is_named() -> None:
    found = separate(record(origin=lambda is_bad, _: "stand" if is_bad else "desk"))
    first = found.separators[0]
    assert (first.path, first.source) == ("origin of the answer", "answer")
    assert first.text == (
        'origin of the answer has "stand" for all 30 runs of A and none of 90 runs of B.'
    )


def test_a_reason_that_rejects_more_in_bad_runs_is_named_with_its_step() -> None:
    found = separate(record(reject=lambda is_bad, dice: dice.randrange(3, 6) if is_bad else 1))
    first = of_runs(found)[0]
    told = [first.text, *(proxy.text for proxy in first.proxies)]
    assert first.step in ("filter", "pick")
    assert any(text.startswith("share rejected for too_dear of filter is above ") for text in told)


def test_a_step_that_only_bad_runs_have_is_named() -> None:
    found = separate(record(reranks=lambda is_bad, dice: is_bad or dice.random() < 0.1))
    first = of_runs(found)[0]
    assert first.text.startswith("rerank ran for all 30 runs of A and ")
    assert first.split.value is True


def test_what_the_queries_ask_for_is_no_answer() -> None:
    store = record()
    found = separate(store, "metadata.region = 'eu'", "")
    left = {one.path: one.because for one in found.left_out}
    assert left["metadata.region"] == "it is what the queries ask for"
    assert left["metadata.user"] == "120 different texts in 120: ids or free text"
    assert not any(one.path == "metadata.region" for one in found.separators)


def test_without_a_second_query_all_other_runs_are_meant() -> None:
    found = separate(record(), BAD, "")
    assert (found.a.count, found.b.count) == (30, 90)


def test_a_run_that_meets_both_queries_is_on_the_first_side_alone() -> None:
    found = separate(record(), BAD, "started_at > 2000-01-01")
    assert (found.a.count, found.b.count) == (30, 90)


def test_where_nothing_separates_runs_nothing_is_named() -> None:
    found = separate(record())
    assert of_runs(found) == []
    assert found.rules == []


def test_runs_on_one_side_alone_leave_nothing_to_tell_apart() -> None:
    found = separate(record(runs=8), "version = '9'")
    assert found.answer == "No run is on side A, so there is nothing to tell apart."
    assert {one.because for one in found.left_out} == {"it is what the queries ask for"}
    assert found.certainty == "unknown"


def test_how_many_of_the_newest_runs_were_looked_at_is_said() -> None:
    found = separate(record(runs=40), runs="8")
    assert (found.a.count, found.b.count, found.complete) == (8, 8, False)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "It is not said what is to be told apart."),
        ({"a": ""}, "It is not said which runs are meant."),
        ({"b": GOOD}, "It is not said which runs are meant."),
        ({"a": BAD, "step": "filter"}, "step= does not go together with a=."),
        ({"run_id": "x", "where": ""}, "where= does not go together with run_id=."),
        ({"step": "filter", "selected": "maybe"}, "selected='maybe' is neither true nor false."),
        ({"step": "f", "reason": "x", "selected": "true"}, "reason= does not go together"),
        ({"a": BAD, "runs": "0"}, "runs='0' is no number from 1 to 5,000."),
        ({"sides": "2"}, "There is no parameter 'sides' here."),
    ],
)
def test_a_question_that_asks_nothing_is_refused(parameters: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        read_separation(MemoryStore(), list(parameters.items()), 0)
    assert said in str(caught.value)


def test_a_query_that_is_none_says_which_of_both() -> None:
    with pytest.raises(InvalidQueryError) as caught:
        separate(MemoryStore(), BAD, "versoin = '2'")
    assert caught.value.parameter == "b"
