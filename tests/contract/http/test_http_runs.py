"""`/v1/runs` and its alias: what clients may send and what they get back."""

from __future__ import annotations

import pytest

from tests.contract.http.api import Api
from xray.model.ids import new_uuid7, run_id_for_key


def test_a_created_run_answers_with_its_id_under_both_names(api: Api) -> None:
    answer = api.post(
        "/v1/runs",
        {
            "pipeline_type": "CompetitorDiscovery",
            "metadata": {"product_id": "prod_123"},
            "repository": "github.com/company/repo",
            "version": "a3f8c2d",
        },
    )
    assert answer.status == 201
    assert set(answer.json) == {"run_id", "id"}
    assert answer.json["run_id"] == answer.json["id"]
    run = api.get(f"/v1/runs/{answer.json['id']}").json
    assert run["pipeline"] == "CompetitorDiscovery"
    assert run["status"] == "running"
    assert run["metadata"] == {"product_id": "prod_123"}
    assert (run["repository"], run["version"]) == ("github.com/company/repo", "a3f8c2d")
    assert run["steps"] == []


def test_a_whole_run_can_be_posted_at_once(api: Api) -> None:
    answer = api.post(
        "/runs",
        {
            "pipeline": "competitor_selection",
            "input": {"product_title": "iPhone 15 Case"},
            "output": {"selected": "laptop_stand_42"},
            "status": "completed",
            "started_at": "2026-01-01T00:00:00+01:00",
            "duration_ms": 1250.5,
            "tags": ["nightly"],
            "correlation": "trace-1",
            "steps": [
                {
                    "name": "generate_keywords",
                    "step_type": "generate",
                    "output": {"keywords": ["case", "stand"]},
                },
                {
                    "name": "filter_candidates",
                    "step_type": "filter",
                    "input_count": 127,
                    "output_count": 23,
                    "candidates": [
                        {"id": "p1", "decision": "rejected", "reason": "category_mismatch"}
                    ],
                },
                {
                    "name": "select_best",
                    "step_type": "select",
                    "takes": ["filter_candidates"],
                    "candidates": [
                        {"id": "laptop_stand_42", "decision": "selected", "score": 0.87}
                    ],
                },
            ],
        },
    )
    assert answer.status == 201
    assert [step["name"] for step in answer.json["steps"]] == [
        "generate_keywords",
        "filter_candidates",
        "select_best",
    ]
    run = api.get(f"/runs/{answer.json['run_id']}").json
    assert run["status"] == "completed"
    assert run["started_at"] == "2025-12-31T23:00:00Z"
    assert run["duration_ms"] == 1250.5
    assert run["tags"] == ["nightly"]
    assert list(run["correlation"].values()) == ["trace-1"]
    generate, filtered, select = run["steps"]
    assert generate["output"] == {"keywords": ["case", "stand"]}
    assert (filtered["input_count"], filtered["output_count"]) == (127, 23)
    assert filtered["rate_basis"] == "declared"
    samples = filtered["rejections"]["category_mismatch"]["samples"]
    assert [sample["candidate_id"] for sample in samples] == ["p1"]
    assert select["decision"] == {"selected": "laptop_stand_42", "score": 0.87}
    assert select["takes"] == [filtered["step_id"]]
    assert [step["ordinal"] for step in run["steps"]] == [0, 1, 2]


def test_the_same_run_sent_again_changes_nothing_and_is_answered_with_200(api: Api) -> None:
    body = {
        "run_id": new_uuid7(),
        "pipeline": "search",
        "status": "SUCCESS",
        "steps": [
            {"name": "a", "step_type": "transform"},
            {"name": "b", "step_type": "filter", "input_count": 2, "output_count": 1},
        ],
    }
    first = api.post("/v1/runs", body)
    again = api.post("/v1/runs", body)
    assert (first.status, again.status) == (201, 200)
    assert first.json == again.json
    assert len(api.get(f"/v1/runs/{body['run_id']}").json["steps"]) == 2


def test_the_id_of_a_run_of_another_pipeline_is_a_conflict(api: Api) -> None:
    run_id = api.create_run(pipeline="search")
    answer = api.post("/v1/runs", {"run_id": run_id, "pipeline": "other"})
    assert (answer.status, answer.problem["code"]) == (409, "conflict")


def test_a_run_may_be_finished_by_posting_it_again_with_its_end(api: Api) -> None:
    run_id = api.create_run(version="1")
    answer = api.post("/v1/runs", {"id": run_id, "pipeline": "search", "status": "failed"})
    assert answer.status == 201
    run = api.get(f"/v1/runs/{run_id}").json
    assert (run["status"], run["version"]) == ("failed", "1")


def test_a_key_makes_the_run_id(api: Api) -> None:
    key = new_uuid7()
    answer = api.post("/v1/runs", {"pipeline": "search", "key": key, "attempt": 2})
    assert answer.json["run_id"] == run_id_for_key("search", key, 2)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, "running"),
        ({"status": "RUNNING", "output": 1}, "running"),
        ({"output": 1}, "completed"),
        ({"duration_ms": 3}, "completed"),
        ({"error": {"type": "TimeoutError", "message": "slow"}}, "failed"),
        ({"error": "slow"}, "failed"),
        ({"status": "FAILURE"}, "failed"),
        ({"status": "Cancelled"}, "cancelled"),
    ],
)
def test_a_run_has_the_status_its_body_says_or_implies(
    api: Api, given: dict[str, object], status: str
) -> None:
    run_id = api.create_run(**given)
    run = api.get(f"/v1/runs/{run_id}").json
    assert run["status"] == status
    assert run["output"] == given.get("output")


def test_a_change_ends_a_run_and_says_how_long_it_took(api: Api) -> None:
    run_id = api.create_run()
    changed = api.ask(
        "PATCH",
        f"/v1/runs/{run_id}",
        {"status": "SUCCESS", "output": [1], "metadata": {"a": 1}, "tags": ["late"]},
    )
    assert (changed.status, changed.json["run_id"]) == (200, run_id)
    run = api.get(f"/v1/runs/{run_id}").json
    assert (run["status"], run["output"], run["metadata"]) == ("completed", [1], {"a": 1})
    assert run["duration_ms"] >= 0
    assert run["tags"] == ["late"]


def test_changes_add_up_and_leave_the_rest_as_it_was(api: Api) -> None:
    run_id = api.create_run(metadata={"a": 1}, version="1")
    for change in ({"metadata": {"b": 2}}, {"output": "x"}, {"status": "failed", "error": "no"}):
        assert api.ask("PATCH", f"/runs/{run_id}", change).status == 200
    run = api.get(f"/v1/runs/{run_id}").json
    assert run["metadata"] == {"a": 1, "b": 2}
    assert (run["output"], run["version"], run["status"]) == ("x", "1", "failed")
    assert run["error"]["message"] == "no"


def test_names_that_mean_nothing_are_ignored_and_told(api: Api) -> None:
    body = {
        "pipeline": "search",
        "colour": "red",
        "steps": [
            {
                "name": "s",
                "step_type": "filter",
                "speed": 3,
                "candidates": [{"id": "a", "decision": "accepted", "smell": 1}],
            }
        ],
    }
    answer = api.post("/v1/runs", body)
    assert answer.status == 201
    assert answer.json["ignored"] == ["colour", "steps[0].speed", "steps[0].candidates[0].smell"]


def test_lists_are_newest_first_and_go_on_with_a_cursor(api: Api) -> None:
    pipeline = new_uuid7()
    made = [
        api.create_run(pipeline=pipeline, started_at=f"2026-01-01T00:00:0{second}Z")
        for second in range(5)
    ]
    first = api.get("/v1/runs", pipeline=pipeline, limit="2").json
    listed = {"runs", "next_cursor", "total", "total_is_exact", "complete"}
    assert set(first) - {"scan"} == listed
    assert (first["total"], first["total_is_exact"], first["complete"]) == (5, True, True)
    seen = [run["run_id"] for run in first["runs"]]
    cursor = first["next_cursor"]
    while cursor is not None:
        page = api.get("/runs", pipeline_type=pipeline, limit="2", cursor=cursor).json
        seen += [run["run_id"] for run in page["runs"]]
        cursor = page["next_cursor"]
    assert seen == made[::-1]


@pytest.mark.parametrize("path", ["/v1/runs", "/runs"])
def test_a_run_in_a_list_has_its_output_and_no_steps(api: Api, path: str) -> None:
    run_id = api.create_run(output={"selected": "x"})
    (run,) = api.get(path, run_id=run_id).json["runs"]
    assert run["output"] == {"selected": "x"}
    assert "steps" not in run


def test_runs_are_found_by_every_kind_of_parameter(api: Api) -> None:
    tag = new_uuid7()
    mine = api.create_run(
        tags=[tag, "b"],
        metadata={"user": 5},
        version="v2",
        status="failed",
        duration_ms=6000,
    )
    api.create_run(tags=[tag], metadata={"user": 6}, status="completed", duration_ms=5)
    for asked in (
        {"status": "FAILURE"},
        {"duration_gt": "5000"},
        {"duration_ms__gte": "6000"},
        {"metadata.user": "5"},
        {"metadata.user_lt": "6"},
        {"version": "v2"},
        {"status": "failed", "started_at_gt": "1h"},
    ):
        found = api.get("/v1/runs", tag=tag, **asked).json["runs"]
        assert [run["run_id"] for run in found] == [mine], asked


def test_runs_are_found_by_the_beginning_of_their_id(api: Api) -> None:
    run_id = api.create_run()
    found = api.get("/v1/runs", run_id_prefix=run_id[:-2].upper()).json["runs"]
    assert run_id in [run["run_id"] for run in found]
    assert api.get("/v1/runs", run_id_prefix="ffffffff").json["runs"] == []
    assert api.get("/v1/runs", run_id_prefix="run_%").problem["code"] == "invalid_id"


@pytest.mark.parametrize(
    ("body", "at", "said"),
    [
        ({}, "$", "pipeline"),
        ({"pipeline": 3}, "$.pipeline", "Expected `str`"),
        ({"pipeline": ""}, "$.pipeline", "length >= 1"),
        ({"pipeline": "p", "run_id": "run_abc123"}, "$.run_id", "UUIDs"),
        ({"pipeline": "p", "status": "done"}, "$.status", "running, completed, failed, cancelled"),
        ({"pipeline": "p", "status": "abandoned"}, "$.status", "running, completed"),
        ({"pipeline": "p", "started_at": "now"}, "$.started_at", "2026-01-01T00:00:00Z"),
        ({"pipeline": "p", "duration_ms": -1}, "$.duration_ms", ">= 0"),
        ({"pipeline": "p", "metadata": [1]}, "$.metadata", "Expected `object"),
        ({"pipeline": "p", "tags": "x"}, "$.tags", "Expected `array`"),
        ({"pipeline": "p", "pipeline_type": "q"}, "$.pipeline_type", "something else"),
        ({"pipeline": "p", "input": "x" * (1 << 20)}, "$.input", "at most"),
        ({"pipeline": "p", "steps": [{"name": "s"}]}, "$.steps[0].step_type", "is missing"),
        ({"pipeline": "p", "steps": [3]}, "$.steps[0]", "Expected `object`"),
    ],
)
def test_a_body_that_breaks_a_rule_says_where_and_how(
    api: Api, body: dict[str, object], at: str, said: str
) -> None:
    answer = api.post("/v1/runs", body)
    problem = answer.problem
    assert (answer.status, problem["code"]) == (422, "invalid_body")
    assert problem["errors"][0]["at"] == at
    assert said in problem["errors"][0]["detail"]


def test_everything_wrong_with_a_body_is_told_at_once(api: Api) -> None:
    body = {
        "pipeline": "p",
        "status": "done",
        "steps": [
            {"name": "a", "step_type": "fliter"},
            {"name": "b", "step_type": "filter"},
            {"name": "c", "step_type": "rank", "candidates": [{"id": 1, "decision": "maybe"}]},
        ],
    }
    problems = api.post("/v1/runs", body).problem["errors"]
    assert {problem["at"] for problem in problems} == {
        "$.status",
        "$.steps[0].step_type",
        "$.steps[1]",
        "$.steps[2].candidates[0].decision",
    }


def test_a_refused_run_leaves_nothing_behind(api: Api) -> None:
    run_id = new_uuid7()
    body = {"run_id": run_id, "pipeline": "p", "steps": [{"name": "a", "step_type": "x"}]}
    assert api.post("/v1/runs", body).status == 422
    assert api.get(f"/v1/runs/{run_id}").status == 404
