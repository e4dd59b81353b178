"""URL parameters of both seeds become the same checked plans."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.errors import InvalidQueryError, XRayError
from xray.model.clock import parse_time_us
from xray.query.fields import BY_SCOPE
from xray.query.parameters import MAX_PARAMETERS, parameter_names, plan_from_parameters
from xray.query.plan import (
    AllOf,
    AnyOf,
    Comparator,
    Comparison,
    Condition,
    FieldRef,
    Has,
    Operand,
    Scope,
)

NOW_US = 1_767_225_600_000_000
HOUR_US = 3_600_000_000
RUN_ID = "0195f0a2-0000-7000-8000-000000000001"


def only(scope: Scope, name: str, value: str) -> Condition:
    """The one condition that a single parameter means."""
    plan = plan_from_parameters(scope, [(name, value)], NOW_US)
    assert isinstance(plan.where, AllOf)
    (condition,) = plan.where.parts
    return condition


def compared(
    scope: Scope, name: str, op: Comparator, value: Operand, path: tuple[str, ...] = ()
) -> Comparison:
    return Comparison(FieldRef(scope, name, path), op, value)


@pytest.mark.parametrize(
    ("scope", "name", "value", "meaning"),
    [
        ("run", "pipeline", "search", compared("run", "pipeline", "=", "search")),
        ("run", "pipeline_type", "search", compared("run", "pipeline", "=", "search")),
        ("run", "status", "SUCCESS", compared("run", "status", "=", "completed")),
        ("run", "status", "FAILURE", compared("run", "status", "=", "failed")),
        ("run", "status", "Abandoned", compared("run", "status", "=", "abandoned")),
        ("run", "run_id", RUN_ID.upper(), compared("run", "run_id", "=", RUN_ID)),
        ("run", "id", RUN_ID, compared("run", "run_id", "=", RUN_ID)),
        ("run", "version", "a3f8c2d", compared("run", "version", "=", "a3f8c2d")),
        ("run", "tag", "nightly", Has(FieldRef("run", "tags"), "nightly")),
        ("run", "duration_gt", "5000", compared("run", "duration_ms", ">", 5000)),
        ("step", "step_type", "FILTER", compared("step", "step_type", "=", "filter")),
        ("step", "step_type", "LLM", compared("step", "step_type", "=", "generate")),
        ("step", "status", "FAILURE", compared("step", "status", "=", "failed")),
        ("step", "step_name", "Rank", compared("step", "name", "=", "Rank")),
        ("step", "name", "Rank", compared("step", "name", "=", "Rank")),
        ("step", "rejection_rate_gt", "0.9", compared("step", "rejection_rate", ">", 0.9)),
        ("step", "filter_rate_gt", "0.9", compared("step", "rejection_rate", ">", 0.9)),
        (
            "step",
            "stats.filter_rate__gt",
            "0.9",
            compared("step", "stats", ">", 0.9, ("filter_rate",)),
        ),
        ("step", "score_lt", "0.5", compared("step", "score", "<", 0.5)),
        ("step", "run.version", "a3f", compared("run", "version", "=", "a3f")),
        ("step", "run.duration__lte", "1e3", compared("run", "duration_ms", "<=", 1000.0)),
        ("step", "run.metadata.user", "ada", compared("run", "metadata", "=", "ada", ("user",))),
        ("decision", "candidate_id", "p1", compared("decision", "candidate_id", "=", "p1")),
        ("decision", "decision", "REJECTED", compared("decision", "decision", "=", "rejected")),
    ],
)
def test_a_parameter_of_either_seed_means_one_condition(
    scope: Scope, name: str, value: str, meaning: Condition
) -> None:
    assert only(scope, name, value) == meaning


@pytest.mark.parametrize("scope", ["run", "step", "decision"])
@pytest.mark.parametrize("underscores", ["_", "__"])
@pytest.mark.parametrize(("suffix", "op"), [("gt", ">"), ("gte", ">="), ("lt", "<"), ("lte", "<=")])
def test_every_numeric_field_can_be_compared_with_one_or_two_underscores(
    scope: Scope, underscores: str, suffix: str, op: Comparator
) -> None:
    for spelling, field in BY_SCOPE[scope].items():
        if field.type == "number":
            condition = only(scope, f"{spelling}{underscores}{suffix}", "2")
            assert condition == compared(scope, field.name, op, 2)


@pytest.mark.parametrize(
    ("value", "moment_us"),
    [
        ("2026-01-01T00:00:00Z", 1_767_225_600_000_000),
        ("2026-01-01T02:00:00+02:00", 1_767_225_600_000_000),
        ("2026-01-01T02:00:00 02:00", 1_767_225_600_000_000),
        ("2026-01-01", 1_767_225_600_000_000),
        ("24h", NOW_US - 24 * HOUR_US),
        ("7d", NOW_US - 7 * 24 * HOUR_US),
        ("90m", NOW_US - 90 * 60_000_000),
        ("999999999w", 0),
    ],
)
def test_a_time_is_absolute_or_that_long_ago(value: str, moment_us: int) -> None:
    assert only("run", "started_at_gt", value) == compared("run", "started_at", ">", moment_us)


def test_a_free_form_value_matches_as_text_and_as_number() -> None:
    path = ("user",)
    assert only("run", "metadata.user", "5") == AnyOf(
        (
            compared("run", "metadata", "=", "5", path),
            compared("run", "metadata", "=", 5, path),
        )
    )
    assert only("run", "metadata.user", "ada") == compared("run", "metadata", "=", "ada", path)
    assert AnyOf(
        (
            compared("run", "metadata", "=", "true", path),
            compared("run", "metadata", "=", True, path),
        )
    ) == only("run", "metadata.user", "true")


def test_repeated_values_are_alternatives_and_repeated_tags_all_hold() -> None:
    asked = [("status", "failed"), ("status", "cancelled"), ("tag", "a"), ("tag", "b")]
    plan = plan_from_parameters("run", asked, NOW_US)
    assert isinstance(plan.where, AllOf)
    tags = FieldRef("run", "tags")
    assert set(plan.where.parts) == {
        AnyOf(
            (
                compared("run", "status", "=", "failed"),
                compared("run", "status", "=", "cancelled"),
            )
        ),
        AllOf((Has(tags, "a"), Has(tags, "b"))),
    }


def test_the_order_of_parameters_does_not_change_the_question() -> None:
    asked = [("status", "failed"), ("pipeline", "p"), ("duration_gt", "1")]
    there = plan_from_parameters("run", asked, NOW_US)
    back = plan_from_parameters("run", asked[::-1], NOW_US)
    assert there == back


@pytest.mark.parametrize(("text", "limit"), [("1", 1), ("1000", 1000)])
def test_a_limit_within_bounds_is_taken(text: str, limit: int) -> None:
    assert plan_from_parameters("run", [("limit", text)], NOW_US).limit == limit


@pytest.mark.parametrize("text", ["0", "1001", "-1", "ten", "1.5", "99999999999", "٣"])
def test_a_limit_out_of_bounds_says_what_is_allowed(text: str) -> None:
    with pytest.raises(InvalidQueryError, match="from 1 to 1000"):
        plan_from_parameters("run", [("limit", text)], NOW_US)


@pytest.mark.parametrize(
    ("scope", "name", "value", "said"),
    [
        ("run", "pipelin", "x", "Did you mean 'pipeline'?"),
        ("step", "rejecton_rate_gt", "1", "Did you mean 'rejection_rate_gt'?"),
        ("run", "metadta.user", "x", "Did you mean 'metadata.user'?"),
        ("step", "version", "x", "Did you mean 'run.version'?"),
        ("step", "metadata.user", "x", "Did you mean 'run.metadata.user'?"),
        ("run", "score_lt", "1", "It is a parameter of steps."),
        ("run", "xyzzy", "1", "There are: run_id"),
        ("run", "metadata", "x", "metadata.<name>"),
        ("run", "metadata..x", "x", "metadata.<name>"),
        ("run", "pipeline_gt", "x", "is no number"),
        ("run", "pipeline.name", "x", "There is no parameter"),
        ("run", "status", "done", "running, completed, failed, cancelled, abandoned"),
        ("step", "status", "abandoned", "running, completed, failed, cancelled"),
        ("step", "step_type", "fliter", "Did you mean 'filter'?"),
        ("step", "capture", "all", "minimal, sample, full"),
        ("step", "rate_basis", "known", "counted, declared"),
        ("decision", "decision", "maybe", "rejected, accepted, selected"),
        ("run", "run_id", "run_abc123", "UUIDs"),
        ("step", "rejection_rate_gt", "high", "is not a number"),
        ("step", "rejection_rate_gt", "1e400", "is not a number"),
        ("step", "rejection_rate_gt", "nan", "is not a number"),
        ("run", "started_at_gt", "yesterday", "24h, 7d"),
        ("run", "pipeline", "", "has no value"),
        ("run", "pipeline", "x" * 5000, "longer than"),
        ("run", "x" * 300, "x", "at most 256"),
    ],
)
def test_a_parameter_that_cannot_be_used_says_what_can(
    scope: Scope, name: str, value: str, said: str
) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        plan_from_parameters(scope, [(name, value)], NOW_US)
    assert said in str(caught.value)


def test_a_question_has_a_bounded_number_of_parameters() -> None:
    asked = [("tag", str(number)) for number in range(MAX_PARAMETERS + 1)]
    with pytest.raises(InvalidQueryError, match="at most 50"):
        plan_from_parameters("run", asked, NOW_US)


@given(
    scope=st.sampled_from(["run", "step", "decision"]),
    asked=st.lists(
        st.tuples(
            st.one_of(
                st.text(max_size=30),
                st.sampled_from([*parameter_names("step"), "stats.x__gt", "started_at_lt"]),
            ),
            st.text(max_size=30),
        ),
        max_size=6,
    ),
)
def test_whatever_is_asked_there_is_a_plan_or_one_clear_error(
    scope: Scope, asked: list[tuple[str, str]]
) -> None:
    outcome: object
    try:
        outcome = plan_from_parameters(scope, asked, NOW_US).scope
    except XRayError as error:
        outcome = error.code
    assert outcome in (scope, "invalid_query", "wrong_cursor")


@pytest.mark.parametrize("text", ["2026-13-01", "now", "", "2026-01-01T25:00:00Z", "12"])
def test_what_is_not_a_time_is_none(text: str) -> None:
    assert parse_time_us(text) is None
