"""Steps that had nothing left to decide say so, instead of leaving a question open."""

from __future__ import annotations

from tests.unit.small_runs import accept, evidence_of, reject, step
from xray.forensics.evidence import RunEvidence
from xray.forensics.findings.finders import find
from xray.forensics.why import explain


def everything_dropped(**rank_counts: int) -> RunEvidence:
    return evidence_of(
        step("search", "retrieve", accept("a", "b")),
        step("filter", "filter", reject("a", "b", reason="too_dear")),
        step("rank", "rank", **rank_counts),
    )


def test_a_step_after_the_one_that_dropped_a_candidate_was_not_reached() -> None:
    why = explain(everything_dropped(), "a")
    assert [stop.kind for stop in why.journey] == ["accepted", "rejected", "not_reached"]
    assert why.journey[-1].certainty == "inferred"
    assert why.journey[-1].because == "filter had dropped it"


def test_a_step_that_counted_nothing_in_and_nothing_out_was_not_reached_for_certain() -> None:
    why = explain(everything_dropped(input_count=0, output_count=0), "a")
    assert (why.journey[-1].kind, why.journey[-1].certainty) == ("not_reached", "known")


def test_a_retriever_that_found_nothing_leaves_no_doubt_about_the_flow() -> None:
    evidence = evidence_of(
        step("by_name", "retrieve", output_count=0, output=[]),
        step("by_alias", "retrieve", accept("a", "b")),
        step("filter", "filter", accept("a"), reject("b", reason="too_dear")),
    )
    assert [finding.code for finding in find(evidence)] == []


def test_a_retriever_that_says_nothing_leaves_the_flow_unknown() -> None:
    evidence = evidence_of(
        step("by_name", "retrieve", output=["?"]),
        step("by_alias", "retrieve", accept("a", "b")),
        step("filter", "filter", accept("a"), reject("b", reason="too_dear")),
    )
    assert "flow_unknown" in [finding.code for finding in find(evidence)]
