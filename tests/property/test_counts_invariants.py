"""Counts hold whatever is recorded in whatever order."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.generated_runs import arbitrary_steps, rows
from xray.model.counts import (
    derive_reason,
    is_reason_inferred,
    reason_of,
    resolve_rows,
    summarize_step,
    tally_rows,
)
from xray.model.facts import EVIDENCE, REJECTED, DecisionRow, StepFinished


def last_verdicts(recorded: list[DecisionRow]) -> dict[tuple[str | None, str], int]:
    return {(one.by, one.candidate_id): one.verdict for one in recorded if one.verdict != EVIDENCE}


@settings(deadline=None)
@given(st.lists(rows, max_size=30))
def test_verdicts_add_up_to_the_distinct_candidates_decided(recorded: list[DecisionRow]) -> None:
    tally = tally_rows(*resolve_rows(recorded))
    expected = Counter(last_verdicts(recorded).values())
    assert (tally.rejected, tally.accepted, tally.selected) == (
        expected[0],
        expected[1],
        expected[2],
    )
    assert tally.decided == len(last_verdicts(recorded))


@settings(deadline=None)
@given(st.lists(rows, max_size=30))
def test_replaced_verdicts_and_distinct_candidates_add_up_to_the_calls(
    recorded: list[DecisionRow],
) -> None:
    resolved, redecided = resolve_rows(recorded)
    calls = sum(one.verdict != EVIDENCE for one in recorded)
    assert redecided + tally_rows(resolved).decided == calls


@settings(deadline=None)
@given(st.lists(rows, max_size=30))
def test_reasons_add_up_to_the_rejected(recorded: list[DecisionRow]) -> None:
    resolved, _ = resolve_rows(recorded)
    tally = tally_rows(resolved)
    assert sum(tally.reasons.values()) == tally.rejected
    for one in resolved:
        if one.verdict == REJECTED:
            assert reason_of(one) in tally.reasons
            assert not (is_reason_inferred(one) and one.reason)


@settings(deadline=None)
@given(st.lists(rows, max_size=30))
def test_resolving_twice_changes_nothing(recorded: list[DecisionRow]) -> None:
    resolved, _ = resolve_rows(recorded)
    again, redecided = resolve_rows(resolved)
    assert redecided == 0
    assert again == resolved


@settings(deadline=None)
@given(st.lists(rows, max_size=30))
def test_no_evidence_and_no_origin_is_lost_by_resolving(recorded: list[DecisionRow]) -> None:
    resolved, _ = resolve_rows(recorded)
    count = sum(len(one.checks or ()) for one in recorded)
    assert sum(len(one.checks or ()) for one in resolved) == count
    for one in resolved:
        named = {
            (ref.candidate_id, ref.step_id)
            for other in recorded
            if (other.by, other.candidate_id) == (one.by, one.candidate_id)
            for ref in other.origin or ()
        }
        assert {(ref.candidate_id, ref.step_id) for ref in one.origin or ()} == named


@settings(deadline=None)
@given(arbitrary_steps())
def test_a_rate_is_a_share_and_has_a_basis(steps: list[StepFinished]) -> None:
    for fact in steps:
        summary = summarize_step(fact)
        assert (summary.rejection_rate is None) == (summary.rate_basis is None)
        assert summary.rejection_rate is None or 0 <= summary.rejection_rate <= 1
        if fact.step_type in ("generate", "retrieve", "group"):
            assert summary.rejection_rate is None


@settings(deadline=None)
@given(st.text(max_size=40))
def test_a_derived_reason_has_no_digits_of_its_numbers_and_is_stable(text: str) -> None:
    reason = derive_reason(text)
    assert not any(letter in "0123456789" for letter in reason)
    assert derive_reason(reason) == reason
