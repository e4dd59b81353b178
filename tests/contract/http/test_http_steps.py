"""`/v1/steps` and its alias: steps posted one by one, and found across runs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.contract.http.api import Api
from xray.model.ids import new_uuid7
from xray.model.vocabulary import DECLARABLE_STEP_TYPES

Body = dict[str, Any]

KEPT = {"candidate_id": "a", "decision": "accepted"}
DROPPED = {"candidate_id": "b", "decision": "REJECTED", "reasoning": "Price $150 over $100"}


@pytest.fixture
def run_id(api: Api) -> str:
    return api.create_run(version="v7", metadata={"team": "a"})


def test_a_step_answers_with_its_id_and_is_shown_in_its_run(api: Api, run_id: str) -> None:
    answer = api.post(
        "/v1/steps",
        {
            "run_id": run_id,
            "step_name": "FilterCompetitors",
            "step_type": "FILTER",
            "stats": {"input_count": 120, "output_count": 12},
            "candidates": [
                {
                    "candidate_id": "prod_1",
                    "attributes": {"price": 150},
                    "decision": "rejected",
                    "reasoning": "Price exceeds threshold",
                }
            ],
        },
    )
    assert answer.status == 201
    assert answer.json["id"] == answer.json["step_id"]
    assert answer.json["run_id"] == run_id
    (step,) = api.get(f"/v1/runs/{run_id}").json["steps"]
    assert step == api.get(f"/v1/steps/{answer.json['id']}").json
    assert (step["name"], step["step_type"]) == ("FilterCompetitors", "filter")
    assert (step["input_count"], step["output_count"]) == (120, 12)
    assert (step["rejection_rate"], step["rate_basis"]) == (0.9, "declared")
    (sample,) = step["rejections"]["Price exceeds threshold"]["samples"]
    assert sample["attributes"] == {"price": 150}
    assert sample["is_reason_inferred"]


def test_candidates_beside_counts_are_samples_and_without_counts_they_are_counted(
    api: Api, run_id: str
) -> None:
    body = {"run_id": run_id, "name": "f", "step_type": "filter", "candidates": [KEPT, DROPPED]}
    counted = api.get(f"/v1/steps/{api.create_step(**body)}").json
    assert (counted["coverage"], counted["rate_basis"]) == ("all", "counted")
    assert (counted["input_count"], counted["output_count"]) == (2, 1)
    assert counted["counts"]["rejected"] == 1
    for counts in ({"input_count": 10, "output_count": 5}, {"stats": {"output_count": 5}}):
        sampled = api.get(f"/v1/steps/{api.create_step(**body, **counts)}").json
        assert (sampled["coverage"], sampled["counts"]["rejected"]) == ("logged", 0)
        assert sampled["output_count"] == 5


def test_all_that_can_be_said_about_a_candidate_is_kept(api: Api, run_id: str) -> None:
    source = api.create_step(
        run_id=run_id,
        name="keywords",
        step_type="LLM",
        decisions=[{"id": "stand", "decision": "accepted"}],
    )
    step_id = api.create_step(
        run_id=run_id,
        name="rank",
        step_type="rank",
        takes=["keywords"],
        candidates=[
            {
                "id": 42,
                "decision": "Accepted",
                "score": {"relevance": 0.5, "total": 0.7},
                "rank": 2,
                "rank_before": 1,
                "reason": "fine",
                "reasoning": "text",
                "attributes": {"a": [1, None, {"b": "c"}]},
                "origin": [
                    {"candidate_id": "stand", "step_id": "keywords", "rank": 3, "score": 0.25},
                    "other",
                ],
                "checks": [
                    {
                        "name": "cheap",
                        "field": "price",
                        "op": "≤",
                        "observed": 90,
                        "limit": 100,
                        "passed": True,
                    }
                ],
                "by": "query 1",
                "part_of": 7,
                "merged_into": "43",
            },
            {"decision": "rejected"},
            {"id": "only checked", "checks": [{"name": "c", "passed": False}]},
        ],
    )
    assert api.get(f"/v1/steps/{step_id}").json["takes"] == [source]
    kept, nameless, checked = api.get("/v1/decisions", step_id=step_id).json["decisions"]
    assert (kept["candidate_id"], kept["decision"]) == ("42", "accepted")
    assert kept["score"] == {"relevance": 0.5, "total": 0.7}
    assert (kept["rank"], kept["rank_before"]) == (2, 1)
    assert kept["attributes"] == {"a": [1, None, {"b": "c"}]}
    assert kept["origin"] == [
        {"candidate_id": "stand", "step_id": source, "rank": 3, "score": 0.25},
        {"candidate_id": "other"},
    ]
    assert kept["checks"][0]["margin"] == -10
    assert kept["checks"][0]["op"] == "<="
    assert (kept["by"], kept["part_of"], kept["merged_into"]) == ("query 1", "7", "43")
    assert (nameless["candidate_id"], nameless["is_anonymous"]) == ("anon-1", True)
    assert (checked["candidate_id"], checked["decision"]) == ("only checked", None)


def test_steps_of_a_run_are_numbered_in_the_order_they_come(api: Api, run_id: str) -> None:
    body = {"run_id": run_id, "step_type": "transform"}
    for name in ("one", "two", "three"):
        api.create_step(**body, name=name)
    api.create_step(**body, name="ten", ordinal=10)
    api.create_step(**body, name="last")
    steps = api.get(f"/v1/runs/{run_id}").json["steps"]
    assert [(step["name"], step["ordinal"]) for step in steps] == [
        ("one", 0),
        ("two", 1),
        ("three", 2),
        ("ten", 10),
        ("last", 11),
    ]


def test_steps_that_come_at_the_same_time_are_numbered_apart(api: Api, run_id: str) -> None:
    body = {"run_id": run_id, "step_type": "transform", "name": "t"}
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: api.post("/v1/steps", body), range(24)))
    assert {answer.status for answer in answers} == {201}
    assert sorted(answer.json["ordinal"] for answer in answers) == list(range(24))


def test_a_step_after_one_that_failed_is_the_next_attempt(api: Api, run_id: str) -> None:
    body = {"run_id": run_id, "name": "ask", "step_type": "generate"}
    api.create_step(**body, status="FAILURE", error={"type": "TimeoutError"})
    api.create_step(**body, output="x")
    api.create_step(**body, output="y")
    steps = api.get(f"/v1/runs/{run_id}").json["steps"]
    assert [(step["attempt"], step["status"]) for step in steps] == [
        (1, "failed"),
        (2, "completed"),
        (1, "completed"),
    ]


def test_the_same_step_sent_again_changes_nothing_and_is_answered_with_200(
    api: Api, run_id: str
) -> None:
    body = {"run_id": run_id, "step_id": new_uuid7(), "name": "t", "step_type": "transform"}
    first, again = api.post("/v1/steps", body), api.post("/steps", body)
    assert (first.status, again.status) == (201, 200)
    assert first.json == again.json
    assert len(api.get(f"/v1/runs/{run_id}").json["steps"]) == 1


def test_a_step_id_of_another_run_is_a_conflict(api: Api, run_id: str) -> None:
    step_id = api.create_step(run_id=run_id, name="t", step_type="transform")
    other = api.create_run()
    body = {"run_id": other, "step_id": step_id, "name": "t", "step_type": "transform"}
    answer = api.post("/v1/steps", body)
    assert (answer.status, answer.problem["code"]) == (409, "conflict")


def test_a_step_of_an_unknown_run_is_not_found(api: Api) -> None:
    body = {"run_id": new_uuid7(), "name": "t", "step_type": "transform"}
    answer = api.post("/v1/steps", body)
    assert (answer.status, answer.problem["code"]) == (404, "run_not_found")


@pytest.mark.parametrize("word", [None, "fliter", "custom", ""])
def test_an_unknown_or_missing_step_type_is_told_the_allowed_words(
    api: Api, run_id: str, word: str | None
) -> None:
    body: Body = {"run_id": run_id, "name": "s", "step_type": word, "output": 1}
    answer = api.post("/v1/steps", body)
    assert answer.status == 422
    for allowed in (*DECLARABLE_STEP_TYPES, "LLM"):
        assert allowed in answer.problem["detail"]


@pytest.mark.parametrize(
    ("step_type", "missing", "given"),
    [
        ("filter", "counts or decisions", {"candidates": [DROPPED]}),
        ("filter", "counts or decisions", {"input_count": 3, "output_count": 1}),
        ("filter", "counts or decisions", {"stats": {"input_count": 3, "output_count": 1}}),
        ("rank", "counts or decisions", {"candidates": [KEPT]}),
        ("select", "a selected candidate or an output", {"output": "a"}),
        (
            "select",
            "a selected candidate or an output",
            {"candidates": [{"id": "a", "decision": "selected"}]},
        ),
        ("generate", "an output or a surviving candidate", {"output": []}),
        ("retrieve", "an output or a surviving candidate", {"candidates": [KEPT]}),
    ],
)
def test_each_type_asks_for_what_makes_it_explainable(
    api: Api, run_id: str, step_type: str, missing: str, given: Body
) -> None:
    body: Body = {"run_id": run_id, "name": "s", "step_type": step_type}
    refused = api.post("/v1/steps", body)
    assert refused.status == 422
    assert missing in refused.problem["detail"]
    assert api.post("/v1/steps", {**body, **given}).status == 201
    assert api.post("/v1/steps", {**body, "status": "failed"}).status == 201


@pytest.mark.parametrize(
    ("given", "at", "said"),
    [
        ({"run_id": None}, "$.run_id", "is missing"),
        ({"run_id": "run_abc123"}, "$.run_id", "UUIDs"),
        ({"step_id": "s1"}, "$.step_id", "UUIDs"),
        ({"status": "abandoned"}, "$.status", "SUCCESS"),
        ({"capture": "all"}, "$.capture", "minimal, sample, full"),
        ({"takes": ["nobody"]}, "$.takes[0]", "earlier step"),
        ({"parent_step_id": "nobody"}, "$.parent_step_id", "earlier step"),
        ({"input_count": -1}, "$.input_count", ">= 0"),
        ({"candidates": [{"id": "a"}]}, "$.candidates[0].decision", "is missing"),
        ({"candidates": [{**KEPT, "decision": "kept"}]}, "$.candidates[0].decision", "accepted"),
        ({"candidates": [{**KEPT, "score": "high"}]}, "$.candidates[0].score", "Expected"),
        ({"candidates": [{**KEPT, "score": True}]}, "$.candidates[0].score", "Expected"),
        ({"candidates": [{**KEPT, "id": "z"}]}, "$.candidates[0].id", "something else"),
        ({"candidates": [{**KEPT, "checks": [{}]}]}, "$.candidates[0].checks[0]", "name"),
        ({"candidates": {"a": 1}}, "$.candidates", "Expected `array`"),
    ],
)
def test_a_step_that_breaks_a_rule_says_where_and_how(
    api: Api, run_id: str, given: Body, at: str, said: str
) -> None:
    body = {"run_id": run_id, "name": "s", "step_type": "transform", **given}
    answer = api.post("/v1/steps", body)
    first = answer.problem["errors"][0]
    assert (answer.status, first["at"]) == (422, at)
    assert said in first["detail"]


def test_steps_are_found_across_runs_by_their_own_fields_and_their_runs(
    api: Api, run_id: str
) -> None:
    name = new_uuid7()
    mine = api.create_step(
        run_id=run_id,
        name=name,
        step_type="filter",
        input_count=100,
        output_count=5,
        duration_ms=7000,
        stats={"filter_rate": 0.4, "cost": 3},
    )
    other = api.create_run(version="v8")
    api.create_step(run_id=other, name=name, step_type="FILTER", input_count=100, output_count=50)
    for asked in (
        {"rejection_rate_gt": "0.9"},
        {"filter_rate__gt": "0.9"},
        {"stats.filter_rate__lt": "0.5"},
        {"stats.cost": "3"},
        {"duration_gt": "5000"},
        {"run.version": "v7"},
        {"run.metadata.team": "a"},
        {"output_count_lte": "5"},
    ):
        found = api.get("/steps", step_name=name, step_type="FILTER", **asked).json
        assert [step["step_id"] for step in found["steps"]] == [mine], asked
        listed = {"steps", "next_cursor", "total", "total_is_exact", "complete"}
        assert set(found) - {"scan"} == listed


def test_the_score_of_a_step_is_the_lowest_of_its_selected(api: Api, run_id: str) -> None:
    name = new_uuid7()
    step_id = api.create_step(
        run_id=run_id,
        name=name,
        step_type="select",
        candidates=[
            {"id": "a", "decision": "selected", "score": 0.9, "rank": 2},
            {"id": "b", "decision": "selected", "score": {"other": 3, "total": 0.4}, "rank": 1},
        ],
    )
    (step,) = api.get("/steps", name=name, step_type="select", score_lt="0.5").json["steps"]
    assert step["decision"] == {"selected": ["b", "a"], "score": 0.4}
    assert step["step_id"] == step_id


def test_an_unknown_step_is_not_found(api: Api) -> None:
    answer = api.get(f"/v1/steps/{new_uuid7()}")
    assert (answer.status, answer.problem["code"]) == (404, "step_not_found")
    assert api.get("/v1/steps/s1").problem["code"] == "invalid_id"


def test_a_step_without_a_start_began_its_duration_before_it_was_received(
    api: Api, run_id: str
) -> None:
    before = datetime.now(timezone.utc)
    step_id = api.create_step(
        run_id=run_id, name="slow", step_type="filter", candidates=[KEPT], duration_ms=90_000
    )
    after = datetime.now(timezone.utc)
    started_at = datetime.fromisoformat(
        api.get(f"/v1/steps/{step_id}").json["started_at"].replace("Z", "+00:00")
    )
    duration = timedelta(minutes=1, seconds=30)
    tolerance = timedelta(milliseconds=5)
    assert before - duration - tolerance <= started_at <= after - duration + tolerance


def test_steps_sent_together_without_their_times_followed_one_another(api: Api) -> None:
    decided = [{"id": name, "decision": "accepted"} for name in ("a", "b", "c")]
    answer = api.post(
        "/v1/runs",
        {
            "pipeline": "told_afterwards",
            "status": "completed",
            "duration_ms": 6000,
            "started_at": "2026-01-01T00:00:00Z",
            "steps": [
                {
                    "name": "search",
                    "step_type": "retrieve",
                    "duration_ms": 5000,
                    "candidates": decided,
                },
                {
                    "name": "keep",
                    "step_type": "filter",
                    "duration_ms": 10,
                    "candidates": decided[:2],
                },
                {"name": "order", "step_type": "rank", "candidates": decided[:2]},
            ],
        },
    )
    run_id = answer.json["run_id"]
    steps = api.get(f"/v1/runs/{run_id}").json["steps"]
    assert [step["started_at"][17:] for step in steps] == ["00Z", "05Z", "05.010000Z"]
    why = api.get(f"/v1/runs/{run_id}/why", candidate="c").json
    assert (why["outcome"], why["certainty"]) == ("vanished", "known")
