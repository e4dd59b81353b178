"""Conservation holds for complete pipelines, and every answer agrees with what was recorded."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.generated_runs import (
    IDS,
    arbitrary_steps,
    complete_pipelines,
    keeping_steps,
    without_candidate,
)
from tests.unit.small_runs import evidence_of
from xray.forensics.attempts import number_attempts
from xray.forensics.findings.finders import find
from xray.forensics.why import explain
from xray.model.answers import Why
from xray.model.facts import StepFinished
from xray.model.vocabulary import RunStatus

FATES = ("vanished", "not_offered", "flow_unknown")


@settings(deadline=None)
@given(complete_pipelines())
def test_a_complete_pipeline_has_no_finding(steps: list[StepFinished]) -> None:
    assert find(evidence_of(*steps)) == []


@settings(deadline=None)
@given(complete_pipelines(), st.data())
def test_one_lost_candidate_is_exactly_one_finding(
    steps: list[StepFinished], data: st.DataObject
) -> None:
    at = data.draw(st.sampled_from(keeping_steps(steps)))
    lost = data.draw(st.sampled_from([one.candidate_id for one in steps[at].rows]))
    evidence = evidence_of(*without_candidate(steps, lost, since=at))
    found = [finding for finding in find(evidence) if finding.code in FATES]
    assert [(one.code, one.step_name, one.examples) for one in found] == [
        ("vanished", steps[at].name, [lost])
    ]
    why = explain(evidence, lost)
    assert (why.outcome, why.decided_at, why.certainty) == ("vanished", steps[at].name, "known")


@settings(deadline=None)
@given(complete_pipelines(), st.data())
def test_one_dropped_decision_is_exactly_one_vanished_even_if_the_candidate_goes_on(
    steps: list[StepFinished], data: st.DataObject
) -> None:
    at = data.draw(st.sampled_from(keeping_steps(steps)))
    skipped = data.draw(st.sampled_from([one.candidate_id for one in steps[at].rows]))
    gap = without_candidate(steps, skipped, since=at)
    evidence = evidence_of(*steps[:at], gap[at], *steps[at + 1 :])
    found = [finding for finding in find(evidence) if finding.code in FATES]
    assert [(one.code, one.step_name) for one in found] == [("vanished", steps[at].name)]


@settings(deadline=None)
@given(complete_pipelines())
def test_every_candidate_of_a_complete_pipeline_has_a_known_end(steps: list[StepFinished]) -> None:
    evidence = evidence_of(*steps)
    for candidate in {one.candidate_id for fact in steps for one in fact.rows}:
        why = explain(evidence, candidate)
        assert why.certainty == "known"
        last = [fact for fact in steps if any(one.candidate_id == candidate for one in fact.rows)][
            -1
        ]
        verdict = [one for one in last.rows if one.candidate_id == candidate][-1]
        if verdict.verdict == 0:
            assert why.outcome == ("outranked" if verdict.reason == "below_cut" else "rejected")
            assert why.decided_at == last.name
        else:
            assert why.outcome == "survived"
    assert explain(evidence, "nobody").outcome == "never_retrieved"


@settings(deadline=None)
@given(arbitrary_steps(), st.sampled_from(["completed", "failed", "running"]))
def test_every_question_about_any_run_has_an_answer_that_fits_its_records(
    steps: list[StepFinished], status: RunStatus
) -> None:
    evidence = evidence_of(*steps, status=status)
    find(evidence)
    current = number_attempts(evidence.steps).current
    for candidate in (*IDS, "whole", "nobody"):
        why = explain(evidence, candidate)
        verdicts = {
            (step.name, found.decision)
            for step in current
            for found in evidence.ledger(step).find(candidate)
        }
        assert why.answer
        assert why.certainty == "known" or why.because
        if candidate == "whole":
            continue
        assert_fits(why, verdicts)


def assert_fits(why: Why, verdicts: set[tuple[str, str | None]]) -> None:
    """The answer claims nothing that the verdicts recorded contradict."""
    decided = {verdict for _, verdict in verdicts if verdict is not None}
    if why.certainty == "known" and not why.parts:
        if why.outcome in ("selected", "rejected"):
            assert (why.decided_at, why.outcome) in verdicts
        if why.outcome == "merged":
            assert (why.decided_at, "rejected") in verdicts or "rejected" in decided
    if why.outcome == "never_retrieved":
        assert not verdicts
    if why.candidate_id == "nobody":
        assert why.outcome in ("never_retrieved", "unknown")
    assert (why.decided_at is None) == (why.outcome in ("never_retrieved", "unknown"))
    for stop in why.journey:
        assert stop.text
        assert stop.certainty == "known" or stop.because
