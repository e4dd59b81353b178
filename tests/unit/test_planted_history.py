"""Defects that show against the runs before: among the first three. Usual runs are left alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial

import pytest
from msgspec.structs import replace

from tests.unit.scenarios import (
    Pipeline,
    Recorded,
    keep,
    open_gazetteer,
    places,
    record,
    record_group,
    replaced,
    resolve,
    run_facts,
)
from xray.model.facts import Fact, StepFinished
from xray.store.memory import MemoryStore

QUERIES = [query for query, _ in places.QUERIES if "near" not in query]
ROUNDS = 6
USUAL_MS = 0.001
"""So short that no step seems to run beside the next, however quick the machine is."""


def take(duration_ms: float, fact: Fact, step_name: str = "") -> Fact:
    """A step takes so long; the clock of a busy machine is no part of what is tested."""
    if isinstance(fact, StepFinished) and step_name in ("", fact.name):
        return replace(fact, duration_ms=duration_ms)
    return fact


@cache
def history() -> Sequence[Fact]:
    facts: list[Fact] = []

    def note(fact: Fact) -> Fact:
        facts.append(take(USUAL_MS * (5 + len(facts) % 7), fact))
        return facts[-1]

    pipelines = [partial(resolve, query) for query in QUERIES * ROUNDS]
    record_group(MemoryStore(), "production", pipelines, note)
    return facts


def run_after_history(pipeline: Pipeline, slow: str = "") -> Recorded:
    store = MemoryStore()
    store.submit("history", history()).result()
    run_id, facts = run_facts(pipeline)
    told = [take(6 * USUAL_MS, fact) for fact in facts]
    return keep(run_id, [take(900.0, fact, slow) if slow else fact for fact in told], store)


@dataclass(frozen=True)
class Defect:
    """A defect, and the finding against history that names it.

    Args:
        says: the defect, in words.
        query: what is asked.
        code: the code.
        step: the step.
        slow: a step that takes long.
    """

    says: str
    query: str
    code: str
    step: str
    slow: str

    def __str__(self) -> str:
        return self.says


DEFECTS = (
    Defect("a slow step", "San Jose, CA", "unusual_duration", "apply_hints", slow="apply_hints"),
    Defect(
        "a slow step near the beginning", "Paris", "unusual_duration", "search_names",
        slow="search_names",
    ),
)  # fmt: skip


def time_out(*_: object) -> object:
    raise TimeoutError("no answer from the index in 5 s")


def test_a_step_that_times_out_says_of_what_its_failures_were() -> None:
    store = MemoryStore()
    store.submit("history", history()).result()
    index = open_gazetteer()
    with replaced(index, search_alternate_names=time_out):
        record_group(store, "production", [partial(resolve, "Paris")] * 12)
        recorded = record(partial(resolve, "Paris"), store=store)
    failed, *_ = recorded.first
    assert (failed.code, failed.step_name) == ("failed", "search_alternate_names")
    (kinds,) = [one for one in recorded.found.findings if one.code == "failure_kinds"]
    assert "100 % of the 12 failures" in kinds.text
    assert "TimeoutError" in kinds.text


@pytest.mark.parametrize("defect", DEFECTS, ids=str)
def test_a_defect_that_history_shows_is_among_the_first_three(defect: Defect) -> None:
    recorded = run_after_history(partial(resolve, defect.query), defect.slow)
    first = [(one.code, one.step_name) for one in recorded.first]
    assert (defect.code, defect.step) in first, recorded.found


def test_runs_like_those_before_them_are_left_alone() -> None:
    for query in QUERIES:
        recorded = run_after_history(partial(resolve, query))
        assert set(recorded.codes) <= {"empty", "flow_unknown"}, (query, recorded.found)
