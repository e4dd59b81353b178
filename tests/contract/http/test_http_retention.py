"""`/v1/retention`: what is let go, and what of it anybody sees afterwards."""

from __future__ import annotations

from tests.contract.http.api import Api

OLD = "2020-01-01T00:00:00Z"


def create_runs(api: Api, pipeline: str) -> dict[str, str]:
    """Two runs of 2020 and one of today, by what they are."""
    step = {
        "name": "filter",
        "step_type": "filter",
        "candidates": [{"candidate_id": "a", "decision": "accepted"}],
    }
    return {
        "failed": api.create_run(pipeline=pipeline, status="failed", started_at=OLD, steps=[step]),
        "old": api.create_run(pipeline=pipeline, status="completed", started_at=OLD, steps=[step]),
        "new": api.create_run(pipeline=pipeline, status="completed", steps=[step]),
    }


def rules_for(pipeline: str) -> str:
    return f"keep forever where pipeline != '{pipeline}' or status = 'failed'; keep 14d"


def test_what_would_go_is_told_rule_by_rule_and_nothing_goes(api: Api) -> None:
    ids = create_runs(api, "foreseen")
    report = api.get("/v1/retention", rules=rules_for("foreseen")).json
    forever, fortnight = report["rules"]
    assert (forever["runs"], forever["oldest"]) == (0, None)
    assert (fortnight["runs"], fortnight["oldest"]) == (1, OLD)
    assert (report["expired"], report["removed"]) == (1, 0)
    assert "1 is older than the rules keep" in report["answer"]
    assert all(api.get(f"/v1/runs/{run_id}").status == 200 for run_id in ids.values())


def test_what_is_let_go_is_gone_also_for_whoever_had_just_asked(api: Api) -> None:
    ids = create_runs(api, "expired")
    why = {name: f"/v1/runs/{run_id}/why" for name, run_id in ids.items()}
    assert all(api.get(path, candidate="a").status == 200 for path in why.values())
    report = api.post("/v1/retention", {"rules": rules_for("expired")}).json
    assert (report["removed"], report["expired"], report["is_complete"]) == (1, 0, True)
    assert report["answer"].startswith("1 run was deleted; now ")
    for name, path in why.items():
        expected = 404 if name == "old" else 200
        assert api.get(path, candidate="a").status == expected, name
        assert api.get(f"/v1/runs/{ids[name]}").status == expected, name
    listed = api.get("/v1/runs", pipeline="expired").json["runs"]
    assert {run["run_id"] for run in listed} == {ids["failed"], ids["new"]}
    found = api.get("/v1/decisions", candidate_id="a", limit=1000).json["decisions"]
    assert {row["run_id"] for row in found} & set(ids.values()) == {ids["failed"], ids["new"]}


def test_without_rules_all_is_kept(api: Api) -> None:
    create_runs(api, "kept")
    report = api.post("/v1/retention", {}).json
    assert (report["rules"], report["removed"]) == ([], 0)
    assert "all are kept for ever" in report["answer"]


def test_rules_that_cannot_be_understood_delete_nothing_and_say_why(api: Api) -> None:
    ids = create_runs(api, "refused")
    for answer in (
        api.get("/v1/retention", rules="keep 14"),
        api.post("/v1/retention", {"rules": "keep 14"}),
    ):
        assert (answer.status, answer.json["code"]) == (400, "invalid_retention")
        assert "no rule of retention" in answer.json["detail"]
    assert api.get("/v1/retention", rule="keep 1d").status == 400
    assert api.post("/v1/retention", {"rule": "keep 1d"}).status == 422
    assert api.get(f"/v1/runs/{ids['old']}").status == 200
