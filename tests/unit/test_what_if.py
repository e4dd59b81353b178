"""What a run would have decided with other limits, in words and numbers."""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

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
    assert (tried.kept, tried.least, tried.most) == (4, 5, 10)
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
    assert caught.value.hint == (
        "Did you mean 'price'? The checks it recorded: price_too_high and sold_out."
    )


def test_a_field_that_several_checks_read_must_be_told_apart() -> None:
    low = Check("price_too_low", "price", ">=", 60, 10, passed=True)
    high = Check("price_too_high", "price", "<=", 60, 100, passed=True)
    both = filtered(row(ACCEPTED, "p_1", checks=[low, high]))
    with pytest.raises(InvalidQueryError, match="Several checks read 'price'"):
        try_limits(run_of(FOUND, both), {"price": 3})
    (tried,) = try_limits(run_of(FOUND, both), {"price_too_low": 61}).steps
    assert (tried.least, tried.most) == (0, 0)


def test_evidence_of_rejections_alone_leaves_open_what_the_kept_would_meet() -> None:
    bare = filtered(row(ACCEPTED, "p_1"), row(ACCEPTED, "p_2"), decided("p_3", 110, stock=None))
    looser = try_limits(run_of(FOUND, bare), {"price": 120})
    assert (looser.steps[0].least, looser.steps[0].most) == (2, 3)
    tighter = try_limits(run_of(FOUND, bare), {"price": 80})
    assert (tighter.steps[0].least, tighter.steps[0].most) == (0, 2)
    assert (
        looser.because
        == tighter.because
        == ("filter_price recorded checks only of candidates that it rejected")
    )
    same = try_limits(run_of(FOUND, bare), {"price": 100})
    assert (same.steps[0].least, same.steps[0].most, same.certainty) == (2, 2, "known")


def test_another_reason_of_the_step_may_be_what_comes_next() -> None:
    blocked = filtered(
        decided("p_1", 60), decided("p_2", 110), row(REJECTED, "p_3", reason="blocked")
    )
    (tried,) = try_limits(run_of(FOUND, blocked), {"price": 120}).steps
    assert (tried.least, tried.most) == (1, 2)


def checked(
    candidate_id: str, op: str, observed: object, limit: object, passed: bool
) -> DecisionRow:
    check = Check("rule", "field", op, observed, limit, passed=passed)
    verdict = ACCEPTED if passed else REJECTED
    return row(verdict, candidate_id, reason=None if passed else "rule", checks=[check])


@pytest.mark.parametrize(
    ("op", "kept", "rejected", "before", "now", "expected"),
    [
        ("<=", 5, 7, 6, 7, 2),
        ("<", 5, 7, 6, 7, 1),
        (">=", 7, 5, 6, 5, 2),
        (">", 7, 5, 6, 5, 1),
        ("==", "new", "used", "new", "used", 1),
        ("!=", "new", "used", "used", "new", 1),
        ("in", "new", "used", ["new"], ["new", "used"], 2),
        ("in", "new", "used", ["new"], "used", 1),
        ("not in", "new", "used", ["used"], [], 2),
        ("≤", 5, 7, 6, 8, 2),
        ("<=", "2024-01-01", "2024-03-01", "2024-02-01", "2024-04-01", 2),
    ],
)
def test_every_comparison_is_made_again(
    op: str, kept: object, rejected: object, before: object, now: object, expected: int
) -> None:
    both = filtered(
        checked("p_1", op, kept, before, passed=True),
        checked("p_2", op, rejected, before, passed=False),
    )
    (tried,) = try_limits(run_of(FOUND, both), {"rule": now}).steps
    assert (tried.least, tried.most, tried.certainty) == (expected, expected, "known")


@pytest.mark.parametrize("observed", [None, math.nan, "N/A"])
def test_what_cannot_be_compared_meets_no_limit(observed: object) -> None:
    odd = filtered(
        checked("p_1", "<=", 5, 6, passed=True), checked("p_2", "<=", observed, 6, passed=False)
    )
    (tried,) = try_limits(run_of(FOUND, odd), {"rule": 10_000}).steps
    assert (tried.least, tried.most, tried.certainty) == (1, 1, "known")


def test_an_infinite_value_stays_beyond_every_limit() -> None:
    endless = filtered(
        checked("p_1", "<=", 5, 6, passed=True), checked("p_2", "<=", math.inf, 6, passed=False)
    )
    (tried,) = try_limits(run_of(FOUND, endless), {"rule": 1e308}).steps
    assert (tried.least, tried.most) == (1, 1)


def test_a_value_that_was_not_kept_may_meet_any_limit() -> None:
    redacted = filtered(
        checked("p_1", "<=", {"$xray": "redacted"}, 6, passed=True),
        checked("p_2", "<=", {"$xray": "redacted"}, 6, passed=False),
    )
    (tried,) = try_limits(run_of(FOUND, redacted), {"rule": 8}).steps
    assert (tried.least, tried.most, tried.certainty) == (0, 2, "unknown")


def test_a_missing_operand_stays_its_own_reason() -> None:
    missing = Check("missing:price", "price", None, None, None, passed=False)
    gone = filtered(
        decided("p_1", 60), row(REJECTED, "p_2", reason="missing:price", checks=[missing])
    )
    (tried,) = try_limits(run_of(FOUND, gone), {"price_too_high": 500}).steps
    assert (tried.least, tried.most, tried.certainty) == (1, 1, "known")


@pytest.mark.parametrize(
    ("op", "before", "now", "said"),
    [
        ("<=", 100, "cheap", '"cheap" is no limit for rule: rule compares with a number, as 100.'),
        ("<=", 100, True, "true is no limit for rule: rule compares with a number, as 100."),
        ("<=", "a", 3, '3 is no limit for rule: rule compares with a text, as "a".'),
        (None, None, 3, "3 is no limit for rule: rule compares nothing with a limit."),
    ],
)
def test_a_limit_that_cannot_be_compared_is_refused(
    op: str, before: object, now: object, said: str
) -> None:
    step_of_one = filtered(checked("p_1", op, 5, before, passed=True))
    with pytest.raises(InvalidQueryError) as caught:
        try_limits(run_of(FOUND, step_of_one), {"rule": now})
    assert (caught.value.detail, caught.value.code) == (said, "invalid_limit")


def test_each_query_a_candidate_is_decided_for_counts_and_the_last_one_keeps_it() -> None:
    def for_query(by: str, price: float) -> DecisionRow:
        return replace(decided("p_1", price), by=by)

    by_query = filtered(for_query("a", 60), for_query("b", 90), for_query("c", 110))
    answer = try_limits(run_of(FOUND, by_query, PICKED), {"price": 80})
    (tried,) = answer.steps
    assert (tried.kept, tried.least, tried.most, answer.lost_answers) == (2, 1, 1, [])
    assert [(flip.candidate_id, flip.by) for flip in tried.newly_dropped.examples] == [("p_1", "b")]
    assert try_limits(run_of(FOUND, by_query, PICKED), {"price": 50}).lost_answers == ["p_1"]


def test_an_answer_that_came_on_another_way_is_not_lost() -> None:
    dense = step("dense", "filter", [decided("p_1", 60)], takes=[FOUND.step_id])
    sparse = step("sparse", "filter", accept("p_1"), takes=[FOUND.step_id])
    picked = step("pick", "select", select("p_1"), takes=[dense.step_id, sparse.step_id])
    answer = try_limits(run_of(FOUND, dense, sparse, picked), {"price": 50})
    assert (answer.steps[0].most, answer.lost_answers) == (0, [])
