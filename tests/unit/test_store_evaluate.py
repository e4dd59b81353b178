"""What a condition means, case by case."""

from __future__ import annotations

import math
from datetime import datetime, timezone

import pytest

from xray.model.clock import to_wall_us
from xray.model.facts import ErrorInfo
from xray.model.records import Counts, Decision, Run, Step
from xray.query.evaluate import compare, meets, named_value, scopes_named
from xray.query.plan import (
    AllOf,
    AnyOf,
    AnyRow,
    Comparison,
    Exists,
    FieldRef,
    Has,
    Not,
    Operand,
    Scope,
)

MOMENT = datetime(2026, 1, 1, tzinfo=timezone.utc)
NOW_US = to_wall_us(MOMENT)
RUN = Run(
    run_id="r",
    pipeline="search",
    status="running",
    started_at=MOMENT,
    metadata={"user": "ada", "flag": True, "deep": {"n": 1}, "none": None},
    tags=["a", "b"],
    error=ErrorInfo(type="TimeoutError"),
)
STEP = Step(
    step_id="s",
    run_id="r",
    pipeline="search",
    name="rules",
    step_type="filter",
    ordinal=0,
    status="completed",
    started_at=MOMENT,
    rejection_rate=0.95,
    counts=Counts(rejected=19, accepted=1),
    stats={"filter_rate": 0.5, "text": "0.9"},
)
DECISION = Decision(
    candidate_id="c", decision="rejected", step_id="s", run_id="r", score={"z": 1.0, "total": 2.0}
)


def field(scope: Scope, name: str, *path: str) -> FieldRef:
    return FieldRef(scope, name, path)


@pytest.mark.parametrize(
    ("value", "op", "operand", "expected"),
    [
        (1, "=", 1.0, True),
        (1, "=", True, False),
        (True, "=", True, True),
        (True, "!=", False, True),
        (True, "<", True, False),
        (True, ">=", 1, False),
        ("1", "=", 1, False),
        ("1", "!=", 1, False),
        (None, "!=", 1, False),
        (None, "!=", "x", False),
        (math.nan, "!=", 1.0, False),
        (1.0, "!=", math.nan, False),
        (2**53 + 1, "=", float(2**53), False),
        (2**64, ">", float(2**63), True),
        ("Z", "<", "a", True),
        ("𝕏", ">", "\uffff", True),
        ("a", "<=", "a", True),
        ([1], "=", 1, False),
        ({"a": 1}, "!=", 1, False),
    ],
)
def test_a_comparison_is_two_valued_and_strict_about_types(
    value: object, op: str, operand: Operand, expected: bool
) -> None:
    assert compare(value, op, operand) is expected  # type: ignore[arg-type]


def test_a_missing_value_is_false_and_its_negation_true() -> None:
    missing = Comparison(field("run", "metadata", "nobody"), "=", "ada")
    assert not meets(missing, RUN)
    assert meets(Not(missing), RUN)
    assert not meets(Comparison(field("run", "metadata", "nobody"), "!=", "ada"), RUN)


def test_paths_lead_into_maps_and_nowhere_else() -> None:
    assert meets(Comparison(field("run", "metadata", "deep", "n"), "=", 1), RUN)
    assert not meets(Exists(field("run", "metadata", "user", "x")), RUN)
    assert not meets(Exists(field("run", "metadata", "none")), RUN)
    assert not meets(Exists(field("run", "params")), RUN)
    assert meets(Comparison(field("run", "error", "type"), "=", "TimeoutError"), RUN)


def test_a_list_is_asked_whether_it_holds_a_value() -> None:
    assert meets(Has(field("run", "tags"), "b"), RUN)
    assert not meets(Has(field("run", "tags"), "c"), RUN)
    assert not meets(Has(field("run", "pipeline"), "search"), RUN)


def test_status_is_judged_by_the_moment_of_the_question() -> None:
    abandoned = Comparison(field("run", "status"), "=", "abandoned")
    assert not meets(abandoned, RUN, now_us=NOW_US)
    assert meets(abandoned, RUN, now_us=NOW_US + 25 * 3600 * 1_000_000)


def test_a_steps_condition_may_name_its_run() -> None:
    condition = AllOf(
        (
            Comparison(field("run", "pipeline"), "=", "search"),
            Comparison(field("step", "rejection_rate"), ">", 0.9),
            Comparison(field("step", "rejected_count"), "=", 19),
            Comparison(field("step", "stats", "filter_rate"), "<", 0.9),
        )
    )
    assert meets(condition, STEP, RUN)
    assert not meets(condition, STEP)
    assert not meets(Comparison(field("step", "stats", "text"), ">", 0), STEP)


def test_a_decisions_score_is_its_overall_one() -> None:
    assert meets(Comparison(field("decision", "score"), "=", 2.0), DECISION)


def test_any_row_binds_one_row() -> None:
    both = AllOf(
        (
            Comparison(field("decision", "decision"), "=", "rejected"),
            Comparison(field("decision", "candidate_id"), "=", "c"),
        )
    )
    rows = {"step": [STEP], "decision": [DECISION]}
    any_decision = AnyRow("decision", both)
    assert meets(any_decision, STEP, rows_below=lambda scope, _: rows[scope])
    assert meets(AnyRow("step", any_decision), RUN, rows_below=lambda scope, _: rows[scope])
    assert not meets(any_decision, STEP)
    split = AnyRow("decision", Comparison(field("decision", "candidate_id"), "=", "d"))
    assert not meets(split, STEP, rows_below=lambda scope, _: rows[scope])


def test_no_parts_are_all_met_and_none_is_any() -> None:
    assert meets(AllOf(), RUN)
    assert not meets(AnyOf(()), RUN)


def test_what_a_question_demands_is_found_in_its_conjunction_only() -> None:
    named = Comparison(field("decision", "step_id"), "=", "s")
    assert named_value(AllOf((AllOf(), named)), "decision", "step_id") == "s"
    assert named_value(AnyOf((named,)), "decision", "step_id") is None
    assert named_value(Not(named), "decision", "step_id") is None
    assert scopes_named(AnyRow("step", Exists(field("run", "key")))) == {"step", "run"}
