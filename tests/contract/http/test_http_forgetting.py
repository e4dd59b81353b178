"""`/v1/forget`: which runs are meant, that they are gone, and what is told of what is left."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.contract.http.api import Api
from xray.model.forgetting import ForgetRequest
from xray.server import forgetting
from xray.server.forgetting import ForgettingDesk
from xray.store.memory import MemoryStore


def create_run(api: Api, pipeline: str, candidate: str, **fields: object) -> str:
    step = {
        "name": "filter",
        "step_type": "filter",
        "candidates": [
            {"candidate_id": candidate, "decision": "rejected", "reason": "too far"},
            {"candidate_id": f"{candidate}-other", "decision": "accepted"},
        ],
    }
    return api.create_run(pipeline=pipeline, status="completed", steps=[step], **fields)


def test_a_dry_run_says_which_and_deletes_nothing(api: Api) -> None:
    first = create_run(api, "dry", "dry-customer")
    second = create_run(api, "dry", "someone-else", correlation={"order": "dry-order"})
    create_run(api, "dry", "a-third-one")
    asked = {"candidate_ids": ["dry-customer"], "correlation_ids": ["dry-order"], "dry_run": True}
    report = api.post("/v1/forget", asked).json
    assert (report["runs"], report["is_dry"], report["is_complete"]) == (2, True, True)
    assert set(report["run_ids"]) == {first, second}
    assert report["answer"] == "2 runs would be forgotten."
    assert report["search"] is None
    assert all(api.get(f"/v1/runs/{run_id}").status == 200 for run_id in (first, second))


@pytest.mark.parametrize("by", ["run_ids", "pipelines", "correlation_ids", "candidate_ids"])
def test_runs_are_forgotten_by_whatever_names_them(api: Api, by: str) -> None:
    name = f"gone-{by}"
    run_id = create_run(api, name, f"{name}-customer", correlation={"order": f"{name}-order"})
    kept = create_run(api, f"kept-{by}", f"kept-{by}-customer")
    assert api.get(f"/v1/runs/{run_id}/why", candidate=f"{name}-customer").status == 200
    named = {
        "run_ids": run_id,
        "pipelines": name,
        "correlation_ids": f"{name}-order",
        "candidate_ids": f"{name}-customer",
    }
    report = api.post("/v1/forget", {by: [named[by]]}).json
    assert (report["runs"], report["steps"], report["run_ids"]) == (1, 1, [run_id])
    assert report["search"]["traces"] == []
    assert report["search"]["records"] > 0
    assert report["answer"].startswith("1 run with 1 step was forgotten. The name was looked for")
    assert report["answer"].count("found nowhere.") == 1
    assert any("backups" in where for where in report["out_of_reach"])
    assert api.get(f"/v1/runs/{run_id}").status == 404
    assert api.get(f"/v1/runs/{run_id}/why", candidate=f"{name}-customer").status == 404
    assert api.get(f"/v1/runs/{kept}/why", candidate=f"kept-{by}-customer").status == 200


def test_what_comes_later_of_a_forgotten_run_is_refused(api: Api) -> None:
    run_id = create_run(api, "late", "late-customer")
    api.post("/v1/forget", {"run_ids": [run_id]})
    again = api.post("/v1/runs", {"run_id": run_id, "pipeline": "late"})
    assert again.status == 422
    assert "was forgotten" in str(again.json)
    assert api.get(f"/v1/runs/{run_id}").status == 404


def test_what_still_names_it_is_told_with_its_run(api: Api) -> None:
    create_run(api, "told", "told-customer")
    other = create_run(api, "told", "another", metadata={"note": "asked by told-customer twice"})
    report = api.post("/v1/forget", {"candidate_ids": ["told-customer"]}).json
    assert report["runs"] == 1
    traces = report["search"]["traces"]
    assert {(one["run_id"], one["is_whole"]) for one in traces} == {(other, False)}
    assert "found as part of a longer text in" in report["answer"]
    assert "of 1 other run." in report["answer"]


def test_nothing_found_is_said(api: Api) -> None:
    report = api.post("/v1/forget", {"candidate_ids": ["never-heard-of"]}).json
    assert report["runs"] == 0
    assert report["answer"].startswith("No stored run was named by that. The name was looked for")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"run_ids": ["last"]}, 400),
        ({"candidate_ids": [""]}, 400),
        ({"candidates": [7]}, 422),
        ({"everything": True}, 422),
    ],
)
def test_what_cannot_be_meant_is_refused(api: Api, body: dict[str, object], status: int) -> None:
    assert api.post("/v1/forget", body).status == status


class SlowStore(MemoryStore):
    """A store that forgets when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = threading.Event()

    def owes_sweeping(self) -> bool:
        """Wait."""
        assert self.may_go_on.wait(20)
        return True


@pytest.fixture
def slow_store() -> Iterator[SlowStore]:
    store = SlowStore()
    yield store
    store.may_go_on.set()
    store.close()


def test_who_asks_again_hears_how_far_it_is_and_others_wait(
    slow_store: SlowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "PART_S", 0.01)
    desk = ForgettingDesk(slow_store, lambda _: None)
    asked = ForgetRequest(candidate_ids=["a"])
    first = desk.forget(asked)
    assert (first.is_complete, first.answer) == (False, "It is under way: deleting.")
    assert not desk.forget(asked).is_complete
    with pytest.raises(Exception, match="Something else is being forgotten"):
        desk.forget(ForgetRequest(candidate_ids=["b"]))
    assert desk.forget(ForgetRequest(candidate_ids=["b"], dry_run=True)).is_dry
    slow_store.may_go_on.set()
    monkeypatch.setattr(forgetting, "PART_S", 20)
    assert desk.forget(asked).is_complete
    assert desk.forget(ForgetRequest(candidate_ids=["b"])).is_complete
