"""`q` on every list: the same rows as the parameters of both seeds, and faults that are shown."""

from __future__ import annotations

import pytest

from tests.contract.http.api import Api
from xray.model.ids import new_uuid7


@pytest.fixture
def pipeline(api: Api) -> str:
    """A pipeline of its own with two runs, one of whose filters rejects nearly everything."""
    pipeline = new_uuid7()
    for kept in (5, 50):
        run_id = api.create_run(pipeline=pipeline, version=f"v{kept}")
        api.create_step(
            run_id=run_id,
            name="price",
            step_type="filter",
            input_count=100,
            output_count=kept,
            stats={"filter_rate": 1 - kept / 100},
            candidates=[
                {"candidate_id": f"{pipeline}-{kept}", "decision": "rejected", "reason": "price"}
            ],
        )
    return pipeline


def test_a_query_and_both_seeds_parameters_find_the_same_steps(api: Api, pipeline: str) -> None:
    query = f"step_type = 'filter' and rejection_rate > 0.9 and run.pipeline = '{pipeline}'"
    spellings: list[dict[str, str]] = [
        {"q": query},
        {"q": "rejection_rate > 0.9", "pipeline": pipeline, "step_type": "filter"},
        {"step_type": "filter", "rejection_rate_gt": "0.9", "pipeline": pipeline},
        {"step_type": "FILTER", "stats.filter_rate__gt": "0.9", "pipeline_type": pipeline},
    ]
    found = [
        [step["step_id"] for step in api.get(path, **asked).json["steps"]]
        for asked in spellings
        for path in ("/v1/steps", "/steps")
    ]
    assert len(found[0]) == 1
    assert all(one == found[0] for one in found)


def test_runs_are_asked_about_what_lies_below_them(api: Api, pipeline: str) -> None:
    query = "any(decision.reason = 'price' and step.rejection_rate > 0.9 and run.version = 'v5')"
    for path in ("/v1/runs", "/runs"):
        (run,) = api.get(path, q=query, pipeline=pipeline).json["runs"]
        assert run["version"] == "v5"


def test_a_candidate_has_a_history_across_runs_newest_first(api: Api) -> None:
    candidate = new_uuid7()
    made = []
    for second in (1, 3, 2):
        run_id = api.create_run(started_at=f"2026-01-01T00:00:0{second}Z")
        made.append(
            api.create_step(
                run_id=run_id,
                name="rank",
                step_type="rank",
                started_at=f"2026-01-01T00:00:0{second}Z",
                candidates=[{"candidate_id": candidate, "decision": "accepted", "score": second}],
            )
        )
    first = api.get("/v1/decisions", candidate_id=candidate, limit="2").json
    assert [one["score"] for one in first["decisions"]] == [3, 2]
    assert (first["total"], first["complete"]) == (3, True)
    rest = api.get(
        "/v1/decisions", candidate_id=candidate, limit="2", cursor=first["next_cursor"]
    ).json
    assert [one["score"] for one in rest["decisions"]] == [1]
    asked = api.get("/v1/decisions", q=f"candidate_id = '{candidate}' and score > 1.5").json
    assert [one["score"] for one in asked["decisions"]] == [3, 2]
    below = api.get("/v1/decisions", q=f"step_id = '{made[0]}'").json
    assert [one["candidate_id"] for one in below["decisions"]] == [candidate]


def test_a_fault_is_shown_by_its_place(api: Api) -> None:
    query = "step_type = 'filter' and rejection_rat > 0.9"
    problem = api.get("/v1/steps", q=query).problem
    assert problem["status"] == 400
    assert problem["code"] == "invalid_query"
    start, end = problem["at"]
    assert query[start:end] == "rejection_rat"
    assert problem["hint"] == "Did you mean rejection_rate?"


def test_a_cursor_belongs_to_its_query(api: Api, pipeline: str) -> None:
    asked = {"q": f"run.pipeline = '{pipeline}'", "limit": "1"}
    first = api.get("/v1/steps", **asked).json
    second = api.get("/v1/steps", **asked, cursor=first["next_cursor"]).json
    assert first["steps"] != second["steps"]
    other = api.get("/v1/steps", q="name = 'price'", limit="1", cursor=first["next_cursor"])
    assert other.problem["code"] == "wrong_cursor"
