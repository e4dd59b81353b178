"""Questions by the whole: what became of a document is what became of its chunks."""

from __future__ import annotations

import pytest

from tests.unit.small_runs import accept, evidence_of, reject, select, step
from xray.errors import NotFoundError
from xray.forensics.evidence import RunEvidence, load_evidence
from xray.forensics.why import explain
from xray.model.decisions import ListedDecisions
from xray.store.memory import MemoryStore


@pytest.fixture(scope="module")
def chunked() -> RunEvidence:
    return evidence_of(
        step("find", "retrieve", accept("a.md", "b.md")),
        step("split", "transform", accept("a#1", "a#2", "a#3", part_of="a.md"),
             accept("b#1", part_of="b.md")),
        step("f", "filter", accept("a#1", "a#2"), reject("a#3", "b#1", reason="too_short")),
        step("best", "select", select("a#1"), reject("a#2", reason="not_selected")),
    )  # fmt: skip


def test_a_whole_ends_as_the_part_that_got_furthest(chunked: RunEvidence) -> None:
    why = explain(chunked, "a.md")
    assert (why.outcome, why.decided_at) == ("selected", "best")
    assert why.answer == (
        "a.md was here in 3 parts: 1 selected, 1 outranked and 1 rejected. "
        "best chose a#1; it came from split."
    )
    assert why.parts == ["a#1", "a#2", "a#3"]


def test_a_whole_with_one_part_is_answered_by_it(chunked: RunEvidence) -> None:
    why = explain(chunked, "b.md")
    assert why.outcome == "rejected"
    assert why.answer == "b.md was here as b#1. f rejected b#1: too_short."


def test_a_whole_that_was_dropped_itself_is_answered_for_itself() -> None:
    evidence = evidence_of(
        step("find", "retrieve", accept("a.md")),
        step("f", "filter", reject("a.md", reason="old"), accept("b#1", part_of="a.md")),
    )
    why = explain(evidence, "a.md")
    assert why.outcome == "rejected"
    assert why.parts == ["b#1"]


def test_a_run_nobody_stored_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="No run has the id"):
        load_evidence(MemoryStore(), "0199c82c-d6ea-7283-8fcb-3e98e659b050")


def test_the_decisions_of_a_step_are_loaded_once_and_when_asked(chunked: RunEvidence) -> None:
    loaded: list[str] = []

    def load(step_id: str) -> ListedDecisions:
        loaded.append(step_id)
        return ListedDecisions(
            step_id,
            chunked.ledger(chunked.steps_by_id[step_id]).rows(("rejected", "accepted", "selected")),
        )

    evidence = RunEvidence(chunked.run, chunked.steps, load)
    assert loaded == []
    first = evidence.steps[0]
    assert evidence.ledger(first) is evidence.ledger(first)
    assert loaded == [first.step_id]
