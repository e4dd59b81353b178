"""Audits of choices: planted preferences and inventions are told, honest choices are left alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from xray import XRay, reading
from xray.cli.audit import draw_audit
from xray.cli.terminal import Terminal
from xray.errors import InvalidQueryError
from xray.model.audit import Audit, ChoiceAudit
from xray.model.facts import RunStarted
from xray.store.memory import MemoryStore
from xray.testing import MemorySink

NOW_US = 2_000_000_000_000_000
Pick = Callable[[random.Random, Sequence[str], dict[str, float]], str]


@dataclass
class Shop:
    """A search, and a model that picks one of what it brings.

    Args:
        pick: how the model picks, given the list and what each is worth to the one who asks.
        order: `chance`, or `score`: the best first.
        has_scores: whether the search gives its scores.
        params: what the picking step is told.
        reason: what the model says of the one it picked.
    """

    pick: Pick
    order: str = "chance"
    has_scores: bool = True
    params: dict[str, Any] = field(default_factory=dict)
    reason: Callable[[str, dict[str, Any]], str] | None = None
    runs: int = 60
    size: int = 8
    seed: int = 3
    step_type: str = "select"

    def audit(self, weight: float = 1.0, **asked: str) -> Audit:
        store = MemoryStore()
        sink = MemorySink()
        rng = random.Random(self.seed)
        x = XRay("shop", sink=sink)
        for number in range(self.runs):
            self._record(x, rng, number)
        facts = [
            type(fact)(**{**_fields(fact), "weight": weight}) if isinstance(fact, RunStarted)
            else fact
            for fact in sink.facts
        ]  # fmt: skip
        store.submit("batch", facts).result()
        return reading.audit_choices(store, list(asked.items()), NOW_US)

    def _record(self, x: XRay, rng: random.Random, number: int) -> None:
        worth = {f"p{number}_{at}": rng.random() for at in range(self.size)}
        names = list(worth)
        if self.order == "score":
            names.sort(key=lambda one: -worth[one])
        else:
            rng.shuffle(names)
        shelf = {one: {"price": 10 + at, "waterproof": at % 2 == 0} for at, one in enumerate(names)}
        with x.run(input={"query": f"q{number}"}) as run:
            with run.step("search", step_type="retrieve") as step:
                for one in names:
                    score = worth[one] if self.has_scores else None
                    step.accept(one, score=score, attributes=shelf[one])
            picked = self.pick(rng, names, worth)
            said = self.reason(picked, shelf.get(picked, {})) if self.reason else None
            with run.step(
                "llm", step_type=self.step_type, takes="search", params=self.params
            ) as step:
                step.select(picked, reasoning=said)
                for one in names:
                    if one != picked:
                        step.reject(one, "not_selected")


def _fields(fact: RunStarted) -> dict[str, Any]:
    return {name: getattr(fact, name) for name in fact.__struct_fields__}


def by_worth(rng: random.Random, names: Sequence[str], worth: dict[str, float]) -> str:
    """The best, most of the time: a good model that errs."""
    return max(names, key=lambda one: worth[one] + rng.gauss(0, 0.1))


def first_of(rng: random.Random, names: Sequence[str], worth: dict[str, float]) -> str:
    """Half of the time simply the first."""
    return names[0] if rng.random() < 0.5 else by_worth(rng, names, worth)


def one_of_the_ends(rng: random.Random, names: Sequence[str], worth: dict[str, float]) -> str:
    """What is in the middle gets lost."""
    return rng.choice((names[0], names[-1]))


def late(rng: random.Random, names: Sequence[str], worth: dict[str, float]) -> str:
    return names[len(names) - 1 - min(rng.randrange(len(names)), rng.randrange(len(names)))]


def step_of(audit: Audit) -> ChoiceAudit:
    (step,) = audit.steps
    return step


@pytest.mark.parametrize(
    ("pick", "said"),
    [
        (first_of, "llm prefers places: it took what came first in "),
        (one_of_the_ends, "llm prefers places: it took what came "),
        (late, "llm prefers places: it took "),
    ],
)
@pytest.mark.parametrize("step_type", ["select", "generate"])
def test_a_preference_for_a_place_shows_where_the_order_is_chance(
    pick: Pick, said: str, step_type: str
) -> None:
    audit = Shop(pick, step_type=step_type, runs=90).audit()
    position = step_of(audit).position
    assert (position.bias, position.order) == ("biased", "unrelated")
    assert position.text.startswith(said)
    assert "the order does not follow" in position.text
    assert position.text in audit.answer
    assert position.choices == sum(position.places) == 90


def test_who_picks_the_best_of_a_shuffled_list_prefers_no_place() -> None:
    for seed in range(12):
        audit = Shop(by_worth, seed=seed).audit()
        assert step_of(audit).position.bias == "none_seen"
        assert audit.answer == "Nothing was found against what llm took in 60 runs."


def test_who_picks_the_best_of_a_list_in_order_cannot_be_told_from_who_picks_the_first() -> None:
    for pick in (by_worth, first_of):
        position = step_of(Shop(pick, order="score").audit()).position
        assert (position.bias, position.order) == ("confounded", "by_score")
        assert "cannot be told from one for the best" in position.text


def test_without_scores_an_order_means_nothing_unless_the_pipeline_says_so() -> None:
    silent = step_of(Shop(first_of, has_scores=False).audit()).position
    assert (silent.bias, silent.order) == ("confounded", "unknown")
    told = step_of(Shop(first_of, has_scores=False, params={"shuffle_seed": 0}).audit()).position
    assert (told.bias, told.order) == ("biased", "shuffled")
    denied = step_of(Shop(first_of, has_scores=False, params={"shuffle": False}).audit()).position
    assert denied.bias == "confounded"


def test_a_few_choices_and_the_same_list_again_tell_nothing() -> None:
    few = step_of(Shop(first_of, runs=6).audit()).position
    assert (few.bias, few.choices, few.tests) == ("too_few", 6, [])
    sink, store = MemorySink(), MemoryStore()
    x = XRay("shop", sink=sink)
    for _ in range(40):
        with x.run(input={"query": "the same"}) as run:
            with run.step("search", step_type="retrieve") as step:
                step.accept_many([f"p{at}" for at in range(8)])
            with run.step("llm", step_type="select") as step:
                step.select("p0")
                step.reject_many([f"p{at}" for at in range(1, 8)], "not_selected")
    store.submit("batch", sink.facts).result()
    again = step_of(reading.audit_choices(store, [], NOW_US)).position
    assert (again.bias, again.choices) == ("too_few", 1)


def test_how_often_the_best_score_was_taken_is_told_with_its_bounds() -> None:
    agreement = step_of(Shop(by_worth).audit()).agreement
    assert agreement is not None
    assert agreement.of == 60
    assert 0.4 < agreement.least < agreement.share < agreement.most < 1
    always = step_of(Shop(lambda _, names, worth: max(names, key=worth.__getitem__)).audit())
    assert always.agreement is not None
    assert (always.agreement.share, always.agreement.most) == (1.0, 1.0)
    assert 0.9 < always.agreement.least < 1
    assert step_of(Shop(by_worth, has_scores=False).audit()).agreement is None


def test_made_up_ids_are_counted_and_named_and_none_seen_is_bounded() -> None:
    def invent(rng: random.Random, names: Sequence[str], worth: dict[str, float]) -> str:
        return "p999_0" if rng.random() < 0.2 else by_worth(rng, names, worth)

    audit = Shop(invent).audit()
    invented = step_of(audit).invented
    assert invented is not None
    assert 5 <= invented.count <= 20
    assert invented.of == 60
    assert {one.candidate_id for one in invented.examples} == {"p999_0"}
    assert f"llm took {invented.count} of 60 (" in audit.answer
    assert "ids that nobody had offered" in audit.answer

    honest = step_of(Shop(by_worth).audit()).invented
    assert honest is not None
    assert (honest.count, honest.least) == (0, 0.0)
    assert honest.most == pytest.approx(1 - 0.01 ** (1 / 60))


def test_reasonings_that_do_not_hold_are_counted_and_quoted() -> None:
    def lie(picked: str, attributes: dict[str, Any]) -> str:
        wrong = int(picked.split("_")[1]) == 0
        return f"A good one: price {attributes['price'] + 3 * wrong}, waterproof or whatever."

    audit = Shop(by_worth, reason=lie).audit()
    unsupported = step_of(audit).unsupported
    assert unsupported is not None
    assert 1 <= unsupported.count < 40
    assert "but its price is" in unsupported.examples[0].said or (
        "but its waterproof is" in unsupported.examples[0].said
    )
    assert "reasonings of llm contradict the record" in audit.answer

    def truth(_: str, attributes: dict[str, Any]) -> str:
        proof = "waterproof" if attributes["waterproof"] else "not waterproof"
        return f"Its price is {attributes['price']}. It is {proof}."

    honest = step_of(Shop(by_worth, reason=truth).audit()).unsupported
    assert honest is not None
    assert (honest.count, honest.of) == (0, 60)


def test_runs_that_stand_for_many_prove_no_more_than_they_are() -> None:
    light, heavy = (step_of(Shop(by_worth).audit(weight)).agreement for weight in (1.0, 50.0))
    assert light is not None
    assert heavy is not None
    assert (light.count, light.share) == (heavy.count, pytest.approx(heavy.share))
    assert (light.least, light.most) == pytest.approx((heavy.least, heavy.most))


def test_preferences_are_seldom_seen_where_there_are_none() -> None:
    seen = sum(
        step_of(Shop(by_worth, runs=20, size=5, seed=seed).audit()).position.bias == "biased"
        for seed in range(100)
    )
    # At one in a hundred, more than five in 100 come up once in 2,000 tries.
    assert seen <= 5


def test_runs_that_choose_nothing_are_told_as_such() -> None:
    audit = reading.audit_choices(MemoryStore(), [], NOW_US)
    assert (audit.certainty, audit.steps) == ("unknown", [])
    for wrong in ({"runs": "0"}, {"runs": "1001"}, {"limit": "3"}):
        with pytest.raises(InvalidQueryError):
            reading.audit_choices(MemoryStore(), list(wrong.items()), NOW_US)


def test_a_terminal_shows_places_as_bars_and_says_what_is_unknown() -> None:
    lines = draw_audit(Shop(first_of, order="score").audit(), Terminal(width=90))
    text = "\n".join(lines)
    assert "  unknown: llm took what came first in " in text
    assert "chosen by place, first to last: █" in text
    assert "took the best scores: " in text
    assert all(len(line) <= 90 for line in lines)


def test_the_order_of_a_ranking_counts_and_so_does_the_word_that_it_is_chance() -> None:
    sink, store = MemorySink(), MemoryStore()
    x = XRay("shop", sink=sink)
    rng = random.Random(2)
    for number in range(30):
        names = [f"p{number}_{at}" for at in range(6)]
        shown = rng.sample(names, 6)
        with x.run(input={"query": number}) as run:
            with run.step("search", step_type="retrieve") as step:
                for name in names:
                    step.accept(name)
            with run.step("shuffle", step_type="rank") as step:
                step.ranked(shown)
            with run.step("llm", step_type="select", params={"shuffle_seed": number}) as step:
                step.select(shown[0])
                step.reject_many(shown[1:], "not_selected")
    store.submit("batch", sink.facts).result()
    position = step_of(reading.audit_choices(store, [], NOW_US)).position
    assert (position.bias, position.order, position.places[0]) == ("biased", "shuffled", 30)
