"""Pipelines that are not one line of steps: the right verdict, and no finding that is not true."""

from __future__ import annotations

from msgspec.structs import replace

from tests.unit.small_runs import (
    START_US,
    accept,
    evidence_of,
    reject,
    select,
    several,
    step,
)
from xray.forensics.evidence import RunEvidence
from xray.forensics.findings.finders import find
from xray.forensics.why import explain
from xray.model.facts import StepFinished, Tally


def at(made: StepFinished, start_ms: int, duration_ms: float) -> StepFinished:
    return replace(made, started_at_us=START_US + start_ms * 1000, duration_ms=duration_ms)


def codes(evidence: RunEvidence) -> list[tuple[str, str]]:
    return [(finding.code, finding.certainty) for finding in find(evidence)]


def test_what_a_step_dropped_and_the_next_chose_was_not_offered() -> None:
    evidence = evidence_of(
        step("search", "retrieve", accept(*several("d", 5))),
        step("rules", "filter", reject("d_1", "d_2", reason="dull")),
        step("best", "select", select("d_1")),
    )
    assert codes(evidence) == [("not_offered", "inferred")]
    why = explain(evidence, "d_1")
    assert why.answer == (
        "best chose d_1, though nobody offered it: before that, rules rejected it: dull."
    )
    assert (why.outcome, why.certainty) == ("not_offered", "inferred")
    assert why.because == "best decided what rules had dropped, and no step in between is recorded"


def test_a_fallback_that_says_what_it_takes_is_no_finding() -> None:
    evidence = evidence_of(
        step("search", "retrieve", accept("a", "b")),
        step("rules", "filter", accept("b"), reject("a", reason="dull")),
        step("best", "select", select("a"), reject("b"), takes=["search"]),
    )
    assert codes(evidence) == []
    assert explain(evidence, "a").outcome == "selected"


def test_candidates_handed_on_while_more_are_sought_are_followed() -> None:
    evidence = evidence_of(
        at(step("search", "retrieve", accept(*several("d", 3))), 0, 100),
        at(step("rules", "filter", accept("d_1"), reject("d_2", reason="dull")), 1, 110),
        at(step("best", "select", select("d_1")), 120, 1),
    )
    assert codes(evidence) == [("vanished", "inferred")]
    why = explain(evidence, "d_3")
    assert (why.outcome, why.certainty) == ("vanished", "inferred")
    assert why.because == "search was still at work when rules began"


def test_parallel_workers_on_parts_of_a_stream_lose_nothing() -> None:
    evidence = evidence_of(
        at(step("search", "retrieve", accept(*several("d", 4))), 0, 100),
        at(step("one", "filter", accept("d_1"), reject("d_2", reason="dull")), 5, 110),
        at(step("two", "filter", accept("d_3"), reject("d_4", reason="dull")), 6, 111),
        at(step("order", "rank", accept("d_1", "d_3")), 130, 1),
    )
    assert codes(evidence) == []
    assert explain(evidence, "d_4").outcome == "rejected"


def test_a_retriever_that_failed_empty_handed_brought_nothing() -> None:
    evidence = evidence_of(
        step("by_text", "retrieve", accept("a", "b")),
        step("by_vector", "retrieve", status="failed", error="slow"),
        step("best", "select", select("a"), reject("b")),
    )
    assert codes(evidence) == [("failed", "known")]
    why = explain(evidence, "z")
    assert (why.outcome, why.certainty) == ("never_retrieved", "known")


def test_where_nothing_was_retrieved_nothing_is_the_answer() -> None:
    evidence = evidence_of(
        step("search", "retrieve", output_count=0, output=[]),
        step("rules", "filter", input_count=0, output_count=0),
    )
    why = explain(evidence, "z")
    assert (why.outcome, why.certainty) == ("never_retrieved", "known")
    assert why.answer == "search brought no candidates, so z was never retrieved."


def test_a_retriever_that_recorded_nothing_is_named_alone() -> None:
    evidence = evidence_of(
        step("by_text", "retrieve", accept("a", "b")),
        step("by_vector", "retrieve", output=["?"]),
        step("best", "select", select("a"), reject("b")),
    )
    assert explain(evidence, "z").because == (
        "by_vector recorded no candidates, but by_text and best recorded every decision"
    )


def test_a_whole_is_followed_from_before_it_was_taken_apart() -> None:
    chunks = [
        one
        for doc in ("x.md", "y.md")
        for number in (1, 2)
        for one in accept(f"{doc}#{number}", origin=doc, part_of=doc)
    ]
    evidence = evidence_of(
        step("find", "retrieve", accept("x.md", "y.md")),
        step("split", "transform", chunks),
        step("near", "filter", accept("x.md#1"),
             reject("x.md#2", "y.md#1", "y.md#2", reason="far")),
    )  # fmt: skip
    why = explain(evidence, "y.md")
    assert why.answer == (
        "y.md was here in 2 parts, all rejected. near rejected y.md#1: far. "
        "It came from y.md of find."
    )
    assert why.journey[0].text == "find returned y.md."
    assert [stop.name for stop in explain(evidence, "x.md#2").journey] == ["split", "near"]
    assert codes(evidence) == []


def test_a_step_inside_a_group_that_was_tried_again_counts_no_more() -> None:
    first, second = step("try", "group", status="failed", error="slow"), step("try", "group")
    rules = [
        replace(step("rules", "filter", accept(*kept), reject(*dropped, reason="dull")),
                parent_step_id=group.step_id)
        for group, kept, dropped in ((first, ["a"], ["b"]), (second, ["a", "b"], ["c"]))
    ]  # fmt: skip
    evidence = evidence_of(
        step("search", "retrieve", accept("a", "b", "c")),
        first,
        rules[0],
        second,
        rules[1],
        step("best", "select", select("b"), reject("a")),
    )
    assert codes(evidence) == []
    assert explain(evidence, "b").outcome == "selected"
    assert explain(evidence, "c").decided_at == "rules"


def test_branches_that_join_without_saying_so_invent_nothing() -> None:
    evidence = evidence_of(
        step("shops", "retrieve", accept(*several("a", 3))),
        step("near", "filter", accept("a_1"), reject("a_2", "a_3", reason="far")),
        step("stalls", "retrieve", accept(*several("b", 3))),
        step("open", "filter", accept("b_1"), reject("b_2", "b_3", reason="shut")),
        step("order", "rank", accept("a_1", "b_1")),
    )
    assert codes(evidence) == []
    assert explain(evidence, "b_2").answer == "open rejected b_2: shut."


def test_a_sample_is_not_completed_from_retrievers_one_of_which_recorded_nothing() -> None:
    evidence = evidence_of(
        step("by_text", "retrieve", accept("a", "b", "c")),
        step("by_vector", "retrieve"),
        step("rules", "filter", accept("a", "b"), tally=Tally(accepted=3)),
    )
    why = explain(evidence, "c")
    assert (why.outcome, why.certainty) == ("unknown", "unknown")
    alone = evidence_of(
        step("by_text", "retrieve", accept("a", "b", "c")),
        step("rules", "filter", accept("a", "b"), tally=Tally(accepted=3)),
    )
    assert (explain(alone, "c").outcome, explain(alone, "c").certainty) == ("survived", "inferred")
