"""Two groups of runs: read side by side, what is named, in which words, and what is left out."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from msgspec import structs

from tests.property.compared_groups import World, draw_group, fold
from xray.errors import InvalidQueryError
from xray.forensics.groups import gathering
from xray.forensics.groups.comparing import compare_groups
from xray.forensics.groups.comparison import Found, find_differences
from xray.forensics.groups.group import MAX_NAMES, MAX_STEPS, Group, join_steps
from xray.model.facts import (
    ErrorInfo,
    Fact,
    RunFinished,
    RunStarted,
    StepFinished,
    Tally,
)
from xray.model.run_figures import RunFigures, StepFigures
from xray.model.values import pack_value
from xray.store.memory import MemoryStore
from xray.testing.clock import FakeClock

NOW_US = 1_767_225_600_000_000
STILL = World(version="1")


def find(change: dict[str, object], count: int = 60, seed: int = 1) -> Found:
    dice = random.Random(seed)
    changed = replace(STILL, **change)  # type: ignore[arg-type]
    return find_differences(
        fold(draw_group(dice, STILL, count)), fold(draw_group(dice, changed, count))
    )


def put_runs(
    store: MemoryStore, version: str, count: int, *, first: int = 0, duration_ms: float = 10.0
) -> None:
    facts: list[Fact] = []
    for number in range(first, first + count):
        run_id = f"0190a000-0000-7000-8000-{number:012d}"
        began_us = NOW_US - number * 1_000_000
        facts += [
            RunStarted(
                run_id=run_id, pipeline="search", started_at_us=began_us, version=version,
                params=pack_value({"model": "large" if version == "2" else "small"}),
            ),
            StepFinished(
                run_id=run_id, step_id=f"0190b000-0000-7000-8000-{number:012d}",
                pipeline="search", name="filter", step_type="filter", ordinal=0,
                started_at_us=began_us, duration_ms=duration_ms + number % 7,
                tally=Tally(rejected=2, accepted=8, reasons={"price": 2}),
                error=ErrorInfo("TimeoutError", "") if number % 10 == 0 else None,
            ),
            RunFinished(run_id=run_id, status="completed", duration_ms=duration_ms * 2),
        ]  # fmt: skip
    store.submit(f"{version} {first}", facts).result()


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore(FakeClock(NOW_US))
    put_runs(store, "1", 40)
    put_runs(store, "2", 40, first=40, duration_ms=30.0)
    return store


def test_a_slower_step_of_another_version_is_named_with_what_else_differs(
    store: MemoryStore,
) -> None:
    compared = compare_groups(store, "version = '1'", "version = '2'", NOW_US)
    assert compared.answer == (
        "filter took 2.6 times as long in B: 33 ms, in A 13 ms (the median; at least 2.4 times). "
        "1 more figure differs. The runs also differ in params.model and version."
    )
    first, whole = compared.differences
    assert (first.kind, first.step, first.scale, first.test) == (
        "duration", "filter", "times", "mann_whitney",
    )  # fmt: skip
    assert first.effect == 1.0
    assert first.p < 1e-9
    assert {one.run_id[-2:] for one in first.b_examples} <= {str(n) for n in range(40, 80)}
    assert all(one.step_id and one.value for one in first.a_examples)
    assert (whole.step, whole.follows) == (None, True)
    assert [one.text for one in compared.settings] == [
        'params.model was "large" in B, "small" in A.',
        'version was "2" in B, "1" in A.',
    ]
    assert (compared.a.runs, compared.b.runs, compared.overlap) == (40, 40, 0)
    assert (compared.certainty, compared.complete, compared.next_cursor) == ("inferred", True, None)


def test_runs_that_meet_both_queries_are_in_neither_group(store: MemoryStore) -> None:
    compared = compare_groups(store, "", "version = '2'", NOW_US)
    assert (compared.a.runs, compared.b.runs, compared.overlap) == (40, 0, 40)
    assert compared.answer == ("No run meets the query of B that the other does not: 40 meet both.")
    some = compare_groups(store, "version = '1' or duration_ms > 50", "duration_ms > 50", NOW_US)
    assert (some.a.runs, some.b.runs, some.overlap) == (40, 0, 40)


def test_no_run_at_all_is_said(store: MemoryStore) -> None:
    compared = compare_groups(store, "version = '9'", "version = '2'", NOW_US)
    assert compared.answer == "No run meets the query of A."
    assert (compared.certainty, compared.tests) == ("unknown", 0)


def test_too_few_runs_tell_nothing_and_say_so() -> None:
    store = MemoryStore(FakeClock(NOW_US))
    put_runs(store, "1", 3)
    put_runs(store, "2", 3, first=3, duration_ms=900.0)
    compared = compare_groups(store, "version = '1'", "version = '2'", NOW_US)
    assert (
        compared.answer == "3 runs of A and 3 runs of B are too few to tell anything from chance."
    )
    assert compared.certainty == "unknown"
    assert compared.differences == []


def test_runs_without_an_end_are_counted_and_not_compared(store: MemoryStore) -> None:
    running = RunStarted(
        run_id="0190a000-0000-7000-8000-999999999999", pipeline="search", started_at_us=NOW_US,
        version="2",
    )  # fmt: skip
    store.submit("running", [running]).result()
    compared = compare_groups(store, "version = '1'", "version = '2'", NOW_US)
    assert (compared.b.runs, compared.b.unfinished) == (40, 1)


def test_a_query_that_is_none_says_which_of_both(store: MemoryStore) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        compare_groups(store, "version = '1'", "versoin = '2'", NOW_US)
    assert caught.value.parameter == "b"
    assert caught.value.at is not None


def test_reading_stops_at_its_budget_and_goes_on_to_the_same_answer(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "PAGE_RUNS", 7)
    queries = ("version = '1'", "version = '2'")
    whole = compare_groups(store, *queries, NOW_US)
    part = compare_groups(store, *queries, NOW_US, budget_s=0.0)
    assert not part.complete
    assert part.a.runs + part.b.runs < 80
    parts = 1
    while part.next_cursor is not None:
        part = compare_groups(store, *queries, NOW_US + 1, cursor=part.next_cursor, budget_s=0.0)
        parts += 1
    assert parts > 1
    assert part == whole


def test_a_cursor_goes_on_with_its_own_question_only(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "PAGE_RUNS", 7)
    part = compare_groups(store, "version = '1'", "version = '2'", NOW_US, budget_s=0.0)
    with pytest.raises(InvalidQueryError, match="no comparison of these groups"):
        compare_groups(store, "version = '2'", "version = '1'", NOW_US, cursor=part.next_cursor)
    with pytest.raises(InvalidQueryError):
        compare_groups(store, "", "", NOW_US, cursor="never given")


def test_two_pipelines_by_other_names_are_compared_step_by_step() -> None:
    dice = random.Random(4)
    a = draw_group(dice, STILL, 60)
    b = draw_group(dice, replace(STILL, slow=6.0), 60)
    renamed = [structs.replace(run, pipeline="search_v2") for run in b]
    found = find_differences(fold(a), fold(renamed))
    assert (found.differences[0].step, found.differences[0].kind) == ("search", "duration")
    assert found.settings[0].path == "pipeline"


def test_the_mix_of_pipelines_is_compared_and_each_by_itself() -> None:
    dice = random.Random(5)

    def draw(share: float) -> list[RunFigures]:
        runs = draw_group(dice, STILL, 120)
        return [
            structs.replace(run, pipeline="other") if dice.random() < share else run for run in runs
        ]

    found = find_differences(fold(draw(0.2)), fold(draw(0.8)))
    assert found.differences == []
    assert [one.path for one in found.settings] == ["pipeline"]
    assert found.settings[0].text.startswith("pipeline was other (")


def test_steps_of_one_name_count_as_one_a_run() -> None:
    def part(number: int, **fields: object) -> StepFigures:
        base = StepFigures(
            step_id=str(number), name="search", step_type="filter", ordinal=number,
            duration_ms=10.0, input_count=10, output_count=4, decided=10, rejection_rate=0.6,
            reasons={"price": 6},
        )  # fmt: skip
        return structs.replace(base, **fields)

    joined = join_steps(
        [
            part(1, error="TimeoutError", status="failed"),
            part(2, decided=30, rejection_rate=0.2, reasons={"price": 2, "stock": 4}, score=0.5),
            part(3, duration_ms=None, score=0.7),
        ]
    )
    assert (joined.step_id, joined.ordinal, joined.status) == ("3", 1, "completed")
    assert joined.error == "TimeoutError"
    assert (joined.duration_ms, joined.input_count, joined.decided) == (20.0, 30, 50)
    assert joined.rejection_rate == pytest.approx((6 + 6 + 6) / 50)
    assert (joined.reasons, joined.score) == ({"price": 14, "stock": 4}, 0.5)


def test_what_is_kept_apart_is_bounded_and_a_cut_is_said() -> None:
    def draw(number: int) -> RunFigures:
        step = StepFigures(
            step_id=str(number), name=f"step {number}", step_type="filter", decided=1,
            reasons={f"reason {number} {place}": 1 for place in range(100)},
            params={"seed": number},
        )  # fmt: skip
        return RunFigures(
            run_id=str(number), pipeline="p", status="completed", started_at_us=number,
            params={"seed": number}, steps=[step],
        )  # fmt: skip

    group = Group()
    group.add_all([draw(number) for number in range(400)])
    (fold_,) = group.pipelines.values()
    assert len(fold_.steps) == MAX_STEPS
    assert max(len(step.reasons.samples) for step in fold_.steps.values()) == MAX_NAMES
    assert fold_.is_cut
    assert fold_.settings.by_path["params.seed"] is None


SENTENCES = {
    "slow": ({"slow": 8.0}, "search took "),
    "limit": ({"price_limit": 40.0}, "filter rejected "),
    "novel": ({"extra_reason": 0.15}, "filter rejected candidates for novel in B only: "),
    "timeouts": ({"search_fails": 0.4}, "search failed with TimeoutError in "),
    "step": ({"has_dedupe": True}, "dedupe is in 100 % of the runs of B, 0 % of A "),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_what_was_changed_is_named_first(name: str) -> None:
    change, beginning = SENTENCES[name]
    found = find(change)
    assert found.differences[0].text.startswith(beginning)
    assert found.differences[0].p < 0.01
    assert found.differences[0].least is not None


def test_a_parameter_that_was_changed_is_named_beside_what_it_did() -> None:
    found = find({"price_limit": 40.0})
    assert [one.name for one in found.differences[:1]] == ["price"]
    assert found.settings[0].text == "params.price_limit of filter was 40.0 in B, 100.0 in A."
    assert [(one.value, one.share) for one in found.settings[0].b] == [("40.0", 1.0)]


def test_sampled_runs_count_by_what_they_stand_for() -> None:
    dice = random.Random(9)
    kept = replace(STILL, sampled=0.1, failing=0.03)
    a, b = draw_group(dice, kept, 300), draw_group(dice, replace(kept, slow=4.0), 300)
    found = find_differences(fold(a), fold(b))
    first = found.differences[0]
    assert (first.step, first.kind, first.test) == ("search", "duration", "weighted_ranks")
    share = find_differences(fold(a), fold(draw_group(dice, replace(kept, failing=0.2), 300)))
    failed = next(one for one in share.differences if one.kind == "failure" and one.step is None)
    assert failed.a < 0.2 < failed.b  # of the stored runs of A more than a third failed
