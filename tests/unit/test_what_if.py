"""What a run would have decided with other limits, in words and numbers."""

from __future__ import annotations

import pytest

from tests.unit.small_runs import accept, evidence_of, row, select, several, step
from xray.errors import InvalidQueryError
from xray.forensics.evidence import RunEvidence
from xray.forensics.what_if import try_limits
from xray.model.facts import ACCEPTED, REJECTED, Check, DecisionRow, StepFinished, Tally

FOUND = step("search", "retrieve", accept(*several("p", 6)))
PICKED = step("pick", "select", select("p_1"))


def decided(name: str, price: float, stock: int | None = 1, limit: float = 100) -> DecisionRow:
    """A product put to two checks, the second only where *stock* is given."""
    checks = [Check("price_too_high", "price", "<=", price, limit, passed=price <= limit)]
    if stock is not None:
        checks.append(Check("sold_out", "stock", ">", stock, 0, passed=stock > 0))
    failed = next((check.name for check in checks if not check.passed), None)
    return row(REJECTED if failed else ACCEPTED, name, reason=failed, checks=checks)


def filtered(*rows: DecisionRow) -> StepFinished:
    return step("filter_price", "filter", rows)


WHOLE = filtered(
    decided("p_1", 60),
    decided("p_2", 90),
    decided("p_3", 110),
    decided("p_4", 115, stock=0),
    decided("p_5", 150),
    decided("p_6", 70, stock=0),
)


def run_of(*steps: StepFinished) -> RunEvidence:
    return evidence_of(*steps)


def test_a_higher_limit_keeps_those_that_meet_every_other_check() -> None:
    answer = try_limits(run_of(FOUND, WHOLE, PICKED), {"price_too_high": 120})
    assert answer.answer == (
        "With price <= 120 instead of 100 filter_price would have kept 3 instead of 2 candidates. "
        "What pick would make of the candidates kept besides, only a rerun can tell."
    )
    assert (answer.certainty, answer.rescored) == ("known", ["pick"])
    assert [flip.candidate_id for flip in answer.steps[0].newly_kept.examples] == ["p_3"]


def test_a_lower_limit_says_what_it_would_have_cost_the_answer() -> None:
    answer = try_limits(run_of(FOUND, WHOLE, PICKED), {"price": 50})
    assert answer.answer == (
        "With price <= 50 instead of 100 filter_price would have kept 0 instead of 2 candidates. "
        "p_1, which was the answer, would not have got so far."
    )
    assert answer.lost_answers == ["p_1"]
    flips = answer.steps[0].newly_dropped
    assert [(flip.candidate_id, flip.observed) for flip in flips.examples] == [
        ("p_1", 60),
        ("p_2", 90),
    ]


def test_several_limits_are_tried_together() -> None:
    (tried,) = try_limits(run_of(FOUND, WHOLE), {"price_too_high": 120, "sold_out": -1}).steps
    assert (tried.least, tried.most, tried.curve) == (5, 5, [])
    assert {flip.candidate_id for flip in tried.newly_kept.examples} == {"p_3", "p_4", "p_6"}


def test_the_curve_counts_survivors_at_what_was_observed() -> None:
    (tried,) = try_limits(run_of(FOUND, WHOLE), {"price_too_high": 120}).steps
    assert [(point.limit, point.least, point.most) for point in tried.curve] == [
        (60, 1, 1), (70, 1, 1), (90, 2, 2), (100, 2, 2), (110, 3, 3), (115, 3, 3), (120, 3, 3),
        (150, 4, 4),
    ]  # fmt: skip


def test_a_check_that_was_not_evaluated_leaves_the_candidate_at_most_kept() -> None:
    first_only = filtered(decided("p_1", 60), decided("p_2", 110, stock=None))
    answer = try_limits(run_of(FOUND, first_only), {"price_too_high": 120})
    (tried,) = answer.steps
    assert (tried.least, tried.most, tried.certainty) == (1, 2, "unknown")
    assert tried.newly_kept.examples[0].certainty == "unknown"
    assert "would have kept 1 to 2 instead of 1 candidate" in answer.answer
    assert answer.because == "filter_price did not put every candidate to every check"


def test_a_rejection_without_evidence_may_be_kept_too() -> None:
    bare = filtered(decided("p_1", 60), row(REJECTED, "p_2", reason="price_too_high"))
    (tried,) = try_limits(run_of(FOUND, bare), {"price_too_high": 120}).steps
    assert (tried.least, tried.most) == (1, 2)


def test_a_rejection_for_another_reason_stays() -> None:
    other = filtered(decided("p_1", 60), row(REJECTED, "p_2", reason="blocked"))
    (tried,) = try_limits(run_of(FOUND, other), {"price_too_high": 500}).steps
    assert (tried.least, tried.most, tried.certainty) == (1, 1, "known")
    assert tried.text == (
        "With price <= 500 instead of 100 filter_price would have kept the same 1 candidate."
    )


def test_a_step_that_kept_what_failed_says_that_the_check_does_not_decide() -> None:
    check = Check("price_too_high", "price", "<=", 150, 100, passed=False)
    ignoring = filtered(row(ACCEPTED, "p_1", checks=[check]), decided("p_2", 50))
    answer = try_limits(run_of(FOUND, ignoring), {"price_too_high": 40})
    assert "filter_price kept candidates that failed the check" in answer.because


def test_what_has_no_detail_is_bounded_by_its_reasons() -> None:
    sampled = step(
        "filter_price", "filter", [decided("p_1", 60), decided("p_2", 110)],
        tally=Tally(accepted=4, rejected=9, reasons={"price_too_high": 6, "sold_out": 3}),
    )  # fmt: skip
    (tried,) = try_limits(run_of(FOUND, sampled), {"price_too_high": 120}).steps
    assert (tried.kept, tried.least, tried.most) == (4, 2, 10)
    assert tried.certainty == "unknown"


def test_limits_that_differ_between_candidates_are_not_called_one() -> None:
    own = filtered(decided("p_1", 60), decided("p_2", 110, limit=105))
    (tried,) = try_limits(run_of(FOUND, own), {"price": 120}).steps
    assert tried.changes[0].was is None
    assert tried.text.startswith("With price <= 120 filter_price would")


def test_a_check_that_nobody_recorded_is_named_with_those_there_are() -> None:
    with pytest.raises(InvalidQueryError) as caught:
        try_limits(run_of(FOUND, WHOLE), {"prise": 3})
    assert str(caught.value.detail) == "No step of this run recorded a check 'prise'."
    assert caught.value.hint == "The checks it recorded: price_too_high and sold_out."


def test_a_field_that_several_checks_read_must_be_told_apart() -> None:
    low = Check("price_too_low", "price", ">=", 60, 10, passed=True)
    high = Check("price_too_high", "price", "<=", 60, 100, passed=True)
    both = filtered(row(ACCEPTED, "p_1", checks=[low, high]))
    with pytest.raises(InvalidQueryError, match="Several checks read 'price'"):
        try_limits(run_of(FOUND, both), {"price": 3})
    (tried,) = try_limits(run_of(FOUND, both), {"price_too_low": 61}).steps
    assert (tried.least, tried.most) == (0, 0)
