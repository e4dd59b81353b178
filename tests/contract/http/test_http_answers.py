"""Decisions, why, findings, health and the index over HTTP."""

from __future__ import annotations

import pytest

from tests.contract.http.api import Api
from xray.model.ids import new_uuid7


@pytest.fixture(scope="module")
def run_id(api: Api) -> str:
    """A run whose keyword `stand` brought the laptop stand that was selected."""
    run_id = new_uuid7()
    body = {
        "run_id": run_id,
        "pipeline": "competitor_selection",
        "status": "completed",
        "steps": [
            {
                "name": "keywords",
                "step_type": "generate",
                "candidates": [
                    {"id": "case", "decision": "accepted"},
                    {"id": "stand", "decision": "accepted"},
                ],
            },
            {
                "name": "search",
                "step_type": "retrieve",
                "candidates": [
                    {"id": "p1", "decision": "accepted", "origin": "case"},
                    {"id": "p2", "decision": "accepted", "origin": "case"},
                    {"id": "laptop_stand_42", "decision": "accepted", "origin": "stand"},
                ],
            },
            {
                "name": "filter",
                "step_type": "filter",
                "candidates": [
                    {
                        "id": "p1",
                        "decision": "rejected",
                        "reason": "price_too_high",
                        "checks": [
                            {
                                "name": "price_too_high",
                                "field": "price",
                                "op": "<=",
                                "observed": 150,
                                "limit": 100,
                                "passed": False,
                            }
                        ],
                    },
                    {"id": "laptop_stand_42", "decision": "accepted"},
                ],
            },
            {
                "name": "select",
                "step_type": "select",
                "candidates": [{"id": "laptop_stand_42", "decision": "selected", "score": 0.87}],
            },
        ],
    }
    assert api.post("/v1/runs", body).status == 201
    return run_id


@pytest.mark.parametrize(
    ("candidate", "outcome", "said"),
    [
        ("laptop_stand_42", "selected", "stand"),
        ("p1", "rejected", "price"),
        ("p2", "vanished", "filter"),
        ("nobody", "never_retrieved", "nobody"),
    ],
)
def test_why_answers_for_every_candidate_also_for_one_nobody_recorded(
    api: Api, run_id: str, candidate: str, outcome: str, said: str
) -> None:
    answer = api.get(f"/v1/runs/{run_id}/why", candidate=candidate)
    assert answer.status == 200
    why = answer.json
    assert (why["run_id"], why["candidate_id"], why["outcome"]) == (run_id, candidate, outcome)
    assert said in why["answer"]
    assert why["certainty"] in ("known", "inferred", "unknown")


def test_provenance_follows_what_an_item_brought(api: Api, run_id: str) -> None:
    lineage = api.get(f"/v1/runs/{run_id}/provenance", candidate="stand").json
    assert lineage["answers"] == ["laptop_stand_42"]
    assert lineage["answer"].endswith("1 selected, and it is the winner.")
    assert [one["brought_to"] for one in lineage["brought"]] == ["search"]
    unknown = api.get(f"/v1/runs/{run_id}/provenance", candidate="nobody")
    assert (unknown.status, unknown.json["is_recorded"]) == (200, False)
    assert api.ask("GET", f"/v1/runs/{run_id}/provenance").status == 400


def test_two_runs_are_compared_decision_by_decision(api: Api, run_id: str) -> None:
    same = api.get("/v1/diff", a=run_id, b=run_id).json
    assert (same["first_divergence"], same["changes"]) == (None, [])
    other = new_uuid7()
    body = {"run_id": other, "pipeline": "P", "status": "completed", "steps": []}
    assert api.post("/v1/runs", body).status == 201
    diff = api.get("/v1/diff", a=run_id, b=other).json
    assert diff["answer"].startswith("They were not given the same")
    assert [step["b"] for step in diff["steps"]] == [None] * 4
    assert api.ask("GET", f"/v1/diff?a={run_id}").status == 400
    assert api.ask("GET", f"/v1/diff?a={run_id}&b=nonsense").status == 400
    assert api.ask("GET", f"/v1/diff?a={run_id}&b={new_uuid7()}").status == 404


def test_other_limits_are_tried_on_what_was_recorded(api: Api, run_id: str) -> None:
    answer = api.ask("GET", f"/v1/runs/{run_id}/what-if?limit=price_too_high=150").json
    assert answer["steps"][0]["newly_kept"]["examples"][0]["candidate_id"] == "p1"
    assert answer["answer"].startswith("With price <= 150 instead of 100 filter would have kept")
    same = api.ask("GET", f"/v1/runs/{run_id}/what-if?limit=price=100").json
    assert (same["steps"][0]["least"], same["steps"][0]["most"]) == (1, 1)
    for wrong in ("", "?limit=nonsense", "?limit==3", "?limit=colour=3", "?other=1"):
        assert api.ask("GET", f"/v1/runs/{run_id}/what-if{wrong}").status == 400, wrong


def test_findings_name_what_was_lost(api: Api, run_id: str) -> None:
    body = api.get(f"/v1/runs/{run_id}/findings").json
    assert body["run_id"] == run_id
    vanished = [finding for finding in body["findings"] if finding["code"] == "vanished"]
    assert [finding["examples"] for finding in vanished] == [["p2"]]


def test_decisions_are_listed_by_step_by_run_and_by_candidate(api: Api, run_id: str) -> None:
    steps = api.get(f"/v1/runs/{run_id}").json["steps"]
    by_step = api.get("/v1/decisions", step_id=steps[2]["step_id"]).json
    assert set(by_step) == {"decisions", "next_cursor", "total", "total_is_exact", "complete"}
    assert [row["candidate_id"] for row in by_step["decisions"]] == ["p1", "laptop_stand_42"]
    assert by_step["decisions"][0]["checks"][0]["margin"] == 50
    by_run = api.get("/v1/decisions", run_id=run_id, decision="SELECTED").json
    assert [row["candidate_id"] for row in by_run["decisions"]] == ["laptop_stand_42"]
    by_candidate = api.get("/v1/decisions", run_id=run_id, candidate_id="p1").json
    assert {row["step_id"] for row in by_candidate["decisions"]} == {
        steps[1]["step_id"],
        steps[2]["step_id"],
    }
    rejected = api.get("/v1/decisions", candidate_id="p1", reason="price_too_high").json
    assert [row["run_id"] for row in rejected["decisions"]] == [run_id]


def test_a_candidate_without_detail_is_answered_from_the_roster(api: Api) -> None:
    run, step = new_uuid7(), new_uuid7()
    named = {
        "fact": "step_roster", "run_id": run, "step_id": step, "chunk": 1, "total": 2,
        "groups": [[0, "stock", [["stand"]], None, ["c1", "c2"]]],
    }  # fmt: skip
    finished = {
        "fact": "step_finished", "run_id": run, "step_id": step, "pipeline": "p", "name": "f",
        "step_type": "filter", "ordinal": 0, "started_at_us": 1_767_225_600_000_000,
        "rows": [[1, "c0"]], "reservoirs": [[0, "stock", 2, [[0, "c1", "stock"]]]],
        "tally": {"accepted": 1, "rejected": 2, "reasons": {"stock": 2}}, "roster_chunks": 1,
    }  # fmt: skip
    sent = {"version": 1, "batch_id": new_uuid7(), "facts": [named, finished]}
    assert api.ask("POST", "/v1/batches", sent).json["accepted"] == 2
    assert api.get(f"/v1/steps/{step}").json["coverage"] == "named"
    (decision,) = api.get("/v1/decisions", run_id=run, candidate_id="c2").json["decisions"]
    assert (decision["decision"], decision["reason"]) == ("rejected", "stock")
    assert [origin["candidate_id"] for origin in decision["origin"]] == ["stand"]
    assert (decision["has_detail"], decision["weight"]) == (False, 0.0)
    drawn = api.get("/v1/decisions", step_id=step, candidate_id="c1").json["decisions"]
    assert [(row["has_detail"], row["weight"]) for row in drawn] == [(True, 2.0)]


def test_decisions_go_on_with_a_cursor(api: Api, run_id: str) -> None:
    seen: list[str] = []
    asked = {"run_id": run_id, "limit": "2"}
    for _ in range(10):
        page = api.get("/v1/decisions", **asked).json
        seen += [row["candidate_id"] for row in page["decisions"]]
        if page["next_cursor"] is None:
            break
        asked["cursor"] = page["next_cursor"]
    everything = api.get("/v1/decisions", run_id=run_id).json["decisions"]
    assert seen == [row["candidate_id"] for row in everything]
    assert len(seen) == 8


def test_health_says_ok_and_nothing_else(api: Api) -> None:
    answer = api.get("/health")
    assert (answer.status, answer.content) == (200, b'{"status":"ok"}')


def test_the_index_names_every_route(api: Api) -> None:
    index = api.get("/").json
    document = api.get("/openapi.json").json
    named = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert set(index["routes"]) == named - {"GET /"}
    assert "/runs" in index["routes"]["GET /v1/runs"]


def test_head_answers_as_get_does_without_a_body(api: Api, run_id: str) -> None:
    why = f"/v1/runs/{run_id}/why?candidate=p1"
    for path in ("/", "/health", "/runs", f"/v1/runs/{run_id}", "/steps?limit=1", why):
        asked, answer = api.ask("GET", path), api.ask("HEAD", path)
        assert (answer.status, answer.content) == (200, b""), path
        for header in ("content-type", "content-length"):
            assert answer.headers[header] == asked.headers[header], path
    assert api.ask("HEAD", f"/v1/runs/{new_uuid7()}").status == 404
    assert api.ask("HEAD", "/v1/runs?no_such=1").status == 400


def test_candidates_alike_that_were_decided_otherwise_are_named(api: Api, run_id: str) -> None:
    found = api.get(f"/v1/runs/{run_id}/alike", candidate="p1", limit=1).json
    assert [one["candidate_id"] for one in found["neighbours"]] == ["laptop_stand_42"]
    assert (found["looked_at"], found["opposed"], found["certainty"]) == (1, 1, "known")
    assert found["neighbours"][0]["checks"][0]["observed"] == 150
    assert found["answer"].startswith("Of those decided otherwise the one most like p1: filter")
    unknown = api.get(f"/v1/runs/{run_id}/alike", candidate="nobody").json
    assert (unknown["neighbours"], unknown["certainty"]) == ([], "unknown")
    for refused in ("", "?candidate=p1&limit=0", "?candidate=p1&limit=21", "?candidate=p1&n=1"):
        assert api.ask("GET", f"/v1/runs/{run_id}/alike{refused}").status == 400
    assert api.ask("GET", f"/v1/runs/{new_uuid7()}/alike?candidate=p1").status == 404
