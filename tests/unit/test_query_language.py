"""What a query means, how its parts may be spelled, and how a plan is written down again."""

from __future__ import annotations

import pytest

from xray.query.language import format_condition, parse_query
from xray.query.parameters import plan_from_parameters
from xray.query.plan import (
    AllOf,
    AnyOf,
    AnyRow,
    Comparison,
    Condition,
    Exists,
    FieldRef,
    Has,
    Not,
    Scope,
    simplify,
)

NOW_US = 1_767_225_600_000_000
HOUR_US = 3_600_000_000
RUN_ID = "0195f0a2-0000-7000-8000-000000000001"


def run(name: str, *path: str) -> FieldRef:
    return FieldRef("run", name, path)


def step(name: str, *path: str) -> FieldRef:
    return FieldRef("step", name, path)


def decision(name: str, *path: str) -> FieldRef:
    return FieldRef("decision", name, path)


STATUS = Comparison(run("status"), "=", "failed")
VERSION = Comparison(run("version"), "=", "2")
KEY = Exists(run("key"))

MEANINGS: list[tuple[Scope, str, Condition]] = [
    ("run", "", AllOf()),
    ("run", " \n\t", AllOf()),
    ("run", "status = 'failed'", STATUS),
    ("run", "status='failed'", STATUS),
    ("run", 'STATUS = "failed"'.replace("STATUS", "status"), STATUS),
    ("run", "status == 'FAILURE'", STATUS),
    ("run", "run.status = 'failed'", STATUS),
    ("run", "pipeline_type = 'a'", Comparison(run("pipeline"), "=", "a")),
    ("run", f"id = '{RUN_ID.upper()}'", Comparison(run("run_id"), "=", RUN_ID)),
    ("run", "duration > 5000", Comparison(run("duration_ms"), ">", 5000)),
    ("run", "duration_ms > 1.5s", Comparison(run("duration_ms"), ">", 1500)),
    ("run", "duration_ms <= 250ms", Comparison(run("duration_ms"), "<=", 250)),
    ("run", "started_at > 24h", Comparison(run("started_at"), ">", NOW_US - 24 * HOUR_US)),
    ("run", "started_at > '24h'", Comparison(run("started_at"), ">", NOW_US - 24 * HOUR_US)),
    (
        "run",
        "started_at < 2026-01-01T01:00:00+01:00",
        Comparison(run("started_at"), "<", NOW_US),
    ),
    ("run", "started_at < '2026-01-01'", Comparison(run("started_at"), "<", NOW_US)),
    ("run", "tag has 'a'", Has(run("tags"), "a")),
    ("run", "exists(error)", Exists(run("error"))),
    ("run", "Exists(key) AND Not version = '2'", AllOf((KEY, Not(VERSION)))),
    ("run", "output = 'x'", Comparison(run("output"), "=", "x")),
    ("run", "metadata.a.b = -1", Comparison(run("metadata", "a", "b"), "=", -1)),
    ("run", "metadata.'a.b'.0.x-y = 1e3", Comparison(run("metadata", "a.b", "0", "x-y"), "=", 1e3)),
    ("run", "metadata.\"in\".and = true", Comparison(run("metadata", "in", "and"), "=", True)),
    ("run", "metadata.x has false", Has(run("metadata", "x"), False)),
    ("run", r"key = 'it\'s \"\\\n\u00e4'", Comparison(run("key"), "=", "it's \"\\\nä")),
    ("run", "error.message contains 'Time'", Comparison(
        run("error", "message"), "contains", "Time"
    )),
    ("run", "version in ('2')", VERSION),
    ("run", "status in ('SUCCESS', 'failed')", AnyOf((
        Comparison(run("status"), "=", "completed"), STATUS
    ))),
    ("run", "attempt not in (1, 2)", AllOf((
        Comparison(run("attempt"), "!=", 1), Comparison(run("attempt"), "!=", 2)
    ))),
    ("run", "status = 'failed' or version = '2' and exists(key)", AnyOf((
        STATUS, AllOf((VERSION, KEY))
    ))),
    ("run", "(status = 'failed' or version = '2') and exists(key)", AllOf((
        AnyOf((STATUS, VERSION)), KEY
    ))),
    ("run", "not status = 'failed' and version = '2'", AllOf((Not(STATUS), VERSION))),
    ("run", "not (status = 'failed' and version = '2')", Not(AllOf((STATUS, VERSION)))),
    ("run", "not not status = 'failed'", STATUS),
    ("run", "((status = 'failed')) and ((version = '2') and (exists(key)))", AllOf((
        STATUS, VERSION, KEY
    ))),
    ("run", "any(step.score > 1)", AnyRow("step", Comparison(step("score"), ">", 1))),
    ("run", "any(decision.reason = 'x' and step.name = 'y' and run.version = '2')", AnyRow(
        "decision",
        AllOf((
            Comparison(decision("reason"), "=", "x"), Comparison(step("name"), "=", "y"), VERSION
        )),
    )),
    ("run", "any(step.name = 'y' and not any(decision.reason = 'x'))", AnyRow(
        "step",
        AllOf((
            Comparison(step("name"), "=", "y"),
            Not(AnyRow("decision", Comparison(decision("reason"), "=", "x"))),
        )),
    )),
    ("step", "step_type = 'LLM'", Comparison(step("step_type"), "=", "generate")),
    ("step", "filter_rate > 0.9", Comparison(step("rejection_rate"), ">", 0.9)),
    ("step", "run.version = '2'", VERSION),
    ("step", "step.step_name = 'x'", Comparison(step("name"), "=", "x")),
    ("decision", "verdict = 'REJECTED'", Comparison(decision("decision"), "=", "rejected")),
    ("decision", "decision = 'rejected'", Comparison(decision("decision"), "=", "rejected")),
    ("decision", "step.name = 'x'", Comparison(step("name"), "=", "x")),
]  # fmt: skip


@pytest.mark.parametrize(("scope", "query", "meaning"), MEANINGS, ids=lambda part: str(part)[:60])
def test_a_query_means_one_condition(scope: Scope, query: str, meaning: Condition) -> None:
    assert parse_query(query, scope, NOW_US) == meaning


@pytest.mark.parametrize(("scope", "query", "meaning"), MEANINGS, ids=lambda part: str(part)[:60])
def test_what_is_written_down_reads_back_as_the_same(
    scope: Scope, query: str, meaning: Condition
) -> None:
    text = format_condition(meaning, scope)
    assert repr(parse_query(text, scope, NOW_US)) == repr(meaning)
    assert format_condition(parse_query(text, scope, NOW_US), scope) == text


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        ("version='1' or version=\"2\"", "version in ('1', '2')"),
        ("not (attempt = 1) and attempt!=2 and attempt!=3",
         "not (attempt = 1) and attempt not in (2, 3)"),
        ("(version = '1' or key = 'a') and id = '" + RUN_ID + "'",
         f"(version = '1' or key = 'a') and run_id = '{RUN_ID}'"),
        ("metadata.x in ('1') or metadata.x in (1, 2)", "metadata.x = '1' or metadata.x in (1, 2)"),
        ("started_at > 1h", "started_at > 2025-12-31T23:00:00Z"),
        ("key = 'it\\'s'", 'key = "it\'s"'),
        ("key = '\\u0000'", r"key = '\u0000'"),
        ("NOT any(step.score>1)", "not any(step.score > 1)"),
        ("metadata.'x y' = 1", "metadata.'x y' = 1"),
    ],
)  # fmt: skip
def test_the_canonical_text_is_what_a_person_would_write(query: str, canonical: str) -> None:
    assert format_condition(parse_query(query, "run", NOW_US), "run") == canonical


def test_parameters_and_a_query_must_both_hold() -> None:
    plan = plan_from_parameters(
        "run", [("q", "version = '2' and exists(key)"), ("status", "failed")], NOW_US
    )
    assert plan.where == AllOf((STATUS, VERSION, KEY))
    asked = format_condition(plan.where, "run")
    assert asked == "status = 'failed' and version = '2' and exists(key)"


def test_an_empty_query_asks_for_everything() -> None:
    assert plan_from_parameters("run", [("q", "")], NOW_US).where == AllOf()


def test_what_both_seeds_ask_by_parameter_reads_as_a_query() -> None:
    asked = [
        ("pipeline_type", "a"), ("step_type", "FILTER"), ("rejection_rate_gt", "0.9"),
        ("stats.filter_rate__gt", "0.9"), ("duration_gt", "5000"), ("score_lt", "0.5"),
    ]  # fmt: skip
    plan = plan_from_parameters("step", asked, NOW_US)
    text = format_condition(plan.where, "step")
    assert set(text.split(" and ")) == {
        "pipeline = 'a'", "step_type = 'filter'", "rejection_rate > 0.9",
        "stats.filter_rate > 0.9", "duration_ms > 5000", "score < 0.5",
    }  # fmt: skip
    assert parse_query(text, "step", NOW_US) == plan.where


def test_a_plain_form_flattens_what_the_same_word_joins() -> None:
    nested = AllOf((AllOf((STATUS, AllOf((VERSION,)))), Not(Not(KEY))))
    assert simplify(nested) == AllOf((STATUS, VERSION, KEY))
    assert simplify(AnyOf((AnyOf((STATUS, VERSION)), KEY))) == AnyOf((STATUS, VERSION, KEY))
