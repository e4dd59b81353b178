"""Defects that a single run cannot show are named between two groups of runs, among the first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.planted_defects import rescore, total_of
from tests.unit.scenarios import (
    Pipeline,
    compare_groups,
    open_gazetteer,
    places,
    record_group,
    replaced,
    resolve,
)
from xray.model.facts import Fact, StepFinished
from xray.store.memory import MemoryStore

QUERIES = [query for query, _ in places.QUERIES][:24]


def unchanged(fact: Fact) -> Fact:
    return fact


@dataclass(frozen=True)
class Defect:
    """A defect of the place resolver and the difference that names it.

    Args:
        says: the defect, in words.
        kinds: the difference may be of either kind.
        step: the step it must name.
        plant: replaces a collaborator.
        change: changes what was recorded, for what no collaborator can do.
        words: what the sentence must hold.
    """

    says: str
    kinds: tuple[str, ...]
    step: str | None
    plant: Callable[[], AbstractContextManager[object]] = nullcontext
    change: Callable[[Fact], Fact] = unchanged
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.says


def slow_down(step_name: str, fact: Fact) -> Fact:
    if isinstance(fact, StepFinished) and fact.name == step_name:
        return replace(fact, duration_ms=40 * (fact.duration_ms or 0.0) + 200)
    return fact


def timing_out(share: float) -> AbstractContextManager[object]:
    """The index of alternate names does not answer every so many times."""
    gazetteer = open_gazetteer()
    original = gazetteer.search_alternate_names
    asked = iter(range(10_000))

    def search(*given: Any) -> Any:
        number = next(asked)
        if math.floor((number + 1) * share) > math.floor(number * share):
            raise TimeoutError("no answer from the index in 5 s")
        return original(*given)

    return replaced(gazetteer, search_alternate_names=search)


DEFECTS = (
    Defect(
        "a slow step", ("duration",), "apply_hints",
        change=partial(slow_down, "apply_hints"), words=("times as long",),
    ),
    Defect(
        "timeouts", ("failure", "error"), "search_alternate_names",
        plant=lambda: timing_out(0.7), words=("search_alternate_names",),
    ),
    Defect(
        "a limit that became too strict", ("reason", "rejection_rate", "empty"), "apply_hints",
        plant=lambda: replaced(places, MIN_POPULATION=3_000_000),
    ),
    Defect(
        "a filter that lets everything through",
        ("reason", "rejection_rate", "vanished_reason"), "apply_hints",
        plant=lambda: replaced(places, MIN_TEXT_MATCH=0.0, MIN_POPULATION=0),
    ),
    Defect(
        "a dropped index", ("output_count", "empty"), "search_names",
        plant=lambda: replaced(open_gazetteer(), search_names=lambda *_: []),
    ),
    Defect(
        "a model whose scores drifted", ("score",), "select_place",
        plant=lambda: rescore(places, "score_place", total_of(lambda total, _: total / 3)),
    ),
    Defect(
        "a silent cut of what is retrieved", ("output_count", "input_count"), "search_names",
        plant=lambda: replaced(places, HITS_PER_FORM=1),
    ),
)  # fmt: skip


def pipelines() -> list[Pipeline]:
    return [partial(resolve, query) for query in QUERIES]


@cache
def usual() -> Sequence[Fact]:
    store, facts = MemoryStore(), []

    def note(fact: Fact) -> Fact:
        facts.append(fact)
        return fact

    record_group(store, "good", pipelines(), note)
    return facts


def make_store() -> MemoryStore:
    store = MemoryStore()
    store.submit("good", usual()).result()
    return store


@pytest.mark.parametrize("defect", DEFECTS, ids=str)
def test_a_planted_defect_is_among_the_first_differences_of_two_groups(defect: Defect) -> None:
    store = make_store()
    with defect.plant():
        record_group(store, "bad", pipelines(), defect.change)
    comparison = compare_groups(store)
    first = [(one.kind, one.step) for one in comparison.differences[:3]]
    named = [one for one in comparison.differences[:3] if one.step == defect.step]
    assert any(one.kind in defect.kinds for one in named), (first, comparison.answer)
    said = " ".join(one.text for one in named)
    assert [word for word in defect.words if word not in said] == []


def test_groups_of_unchanged_code_do_not_differ() -> None:
    store = make_store()
    record_group(store, "bad", pipelines())
    decided = [one for one in compare_groups(store).differences if one.kind != "duration"]
    assert decided == []
