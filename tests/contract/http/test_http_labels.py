"""`/v1/labels`: labelling runs and candidates, finding them again, taking it back."""

from __future__ import annotations

import pytest

from tests.contract.http.api import Api, Json
from xray.model.ids import new_uuid7
from xray.model.labels import MAX_NOTE_LENGTH

CANDIDATES = [
    {"candidate_id": "a", "decision": "accepted"},
    {"candidate_id": "b", "decision": "rejected", "reason": "price"},
]


def create_run(api: Api, **body: Json) -> str:
    step = {"name": "filter", "step_type": "filter", "candidates": CANDIDATES}
    return api.create_run(steps=[step], status="completed", **body)


def test_a_run_is_labelled_and_shows_it(api: Api) -> None:
    run_id = create_run(api)
    answer = api.post(
        "/v1/labels",
        {"run_id": run_id, "label": "BAD", "note": "a stand", "labelled_by": "ana"},
    )
    assert answer.status == 201
    assert answer.json["answer"] == f"Run {run_id} is labelled bad."
    assert (answer.json["awaited"], answer.json["unseen"]) == ([], [])
    run = api.get(f"/v1/runs/{run_id}").json
    assert run["label"] == "bad"
    (label,) = run["labels"]
    assert label == answer.json["labels"][0]
    assert (label["note"], label["labelled_by"], label["candidate_id"]) == ("a stand", "ana", None)
    assert api.get("/v1/runs", run_id=run_id, label="bad").json["runs"][0]["label"] == "bad"
    assert api.get("/v1/runs", run_id=run_id, label="good").json["runs"] == []


def test_a_candidate_is_labelled_and_its_decisions_show_it(api: Api) -> None:
    run_id = create_run(api)
    answer = api.post("/v1/labels", {"run": run_id, "candidate": "b", "label": "good"})
    assert answer.json["answer"] == f"b in run {run_id} is labelled good."
    rows = api.get("/v1/decisions", run_id=run_id, q="label = 'good'").json["decisions"]
    assert [row["candidate_id"] for row in rows] == ["b"]
    found = api.get("/v1/runs", q=f"run_id = '{run_id}' and any(decision.label = 'good')").json
    assert [run["run_id"] for run in found["runs"]] == [run_id]
    why = api.get(f"/v1/runs/{run_id}/why", candidate="b").json
    assert [label["label"] for label in why["labels"]] == ["good"]
    assert api.get(f"/v1/runs/{run_id}/why", candidate="a").json["labels"] == []


def test_a_candidate_that_no_step_saw_is_labelled_and_said_to_be_unseen(api: Api) -> None:
    run_id = create_run(api)
    answer = api.post("/v1/labels", {"run_id": run_id, "candidate_id": "z", "label": "good"})
    assert answer.status == 201
    assert answer.json["unseen"] == [run_id]
    assert "counts as never retrieved" in answer.json["answer"]


def test_a_later_label_takes_the_place_of_an_earlier_one_and_is_taken_back(api: Api) -> None:
    run_id = create_run(api)
    for label in ("bad", "good", "bad", "good"):
        api.post("/v1/labels", {"run_id": run_id, "label": label})
    assert [one["label"] for one in api.get("/v1/labels", run_id=run_id).json["labels"]] == ["good"]
    for _ in range(2):
        answer = api.ask("DELETE", f"/v1/labels?run_id={run_id}")
        assert answer.status == 200
        assert answer.json["answer"] == f"Run {run_id} is without a label."
        assert api.get("/v1/labels", run_id=run_id).json["labels"] == []
    assert api.get(f"/v1/runs/{run_id}").json["label"] is None


def test_a_label_waits_for_a_run_that_has_not_arrived(api: Api) -> None:
    run_id = new_uuid7()
    answer = api.post("/v1/labels", {"run_id": run_id, "label": "bad"})
    assert answer.status == 201
    assert answer.json["awaited"] == [run_id]
    assert "has not arrived" in answer.json["answer"]
    api.create_run(run_id=run_id)
    assert api.get(f"/v1/runs/{run_id}").json["label"] == "bad"


def test_a_correlation_id_labels_every_run_it_leads_to(api: Api) -> None:
    order = f"order-{new_uuid7()}"
    runs = [create_run(api, correlation={"order": order}) for _ in range(2)]
    create_run(api, correlation={"order": "another"})
    answer = api.post("/v1/labels", {"correlation": order, "label": "bad"})
    assert answer.status == 201
    assert sorted(answer.json["run_ids"]) == sorted(runs)
    assert answer.json["answer"].startswith("2 runs: ")
    assert answer.json["answer"].endswith("are labelled bad.")
    found = api.get("/v1/labels", q=f"correlation.order = '{order}'").json
    assert {label["run_id"] for label in found["labels"]} == set(runs)
    assert (found["total"], found["complete"], found["next_cursor"]) == (2, True, None)


def test_a_correlation_id_of_no_run_is_not_found_and_says_what_to_do(api: Api) -> None:
    problem = api.post("/v1/labels", {"correlation": "nobody", "label": "bad"}).problem
    assert (problem["status"], problem["code"]) == (404, "run_not_found")
    assert "label by run_id" in problem["hint"]


RUN = "0190a000-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"label": "bad"}, 422, "not said which run"),
        ({"run_id": RUN, "correlation": "x", "label": "bad"}, 422, "not said which run"),
        ({"run_id": "x", "label": "bad"}, 422, "no id of a run|not an id of a run"),
        ({"run_id": RUN, "label": "superb"}, 422, "'superb' is no label"),
        ({"run_id": RUN}, 422, "label"),
        ({"run_id": RUN, "label": "bad", "stars": 5}, 422, "stars"),
        ({"run_id": RUN, "label": "bad", "note": "x" * (MAX_NOTE_LENGTH + 1)}, 422, "note"),
        ({"run_id": RUN, "label": "bad", "labelled_by": "x" * 201}, 422, "labelled_by"),
    ],
)
def test_a_label_that_cannot_be_meant_is_refused(
    api: Api, body: Json, status: int, said: str
) -> None:
    answer = api.post("/v1/labels", body)
    problem = answer.problem
    assert answer.status == status
    assert any(part in str(problem) for part in said.split("|"))
    assert api.get("/v1/labels", run_id=RUN).json["labels"] == []


def test_labels_come_page_by_page_newest_first(api: Api) -> None:
    run_id = create_run(api)
    for number in range(5):
        api.post("/v1/labels", {"run_id": run_id, "candidate_id": f"c{number}", "label": "good"})
    api.post("/v1/labels", {"run_id": run_id, "label": "bad"})
    asked = {"q": f"run_id = '{run_id}'", "about": "candidate", "limit": "2"}
    named: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api.get("/v1/labels", **asked, **({"cursor": cursor} if cursor else {})).json
        named += [label["candidate_id"] for label in page["labels"]]
        cursor = page["next_cursor"]
    assert named == ["c4", "c3", "c2", "c1", "c0"]
    assert len(api.get("/v1/labels", run_id=run_id, label="bad").json["labels"]) == 1
    first = api.get("/v1/labels", run_id=run_id, limit="1").json["next_cursor"]
    problem = api.get("/v1/labels", run_id=run_id, about="run", cursor=first).problem
    assert problem["code"] == "wrong_cursor"


@pytest.mark.parametrize(
    "asked",
    [{"runn": "x"}, {"limit": "0"}, {"label": "superb"}, {"about": "step"}, {"q": "labell = 'x'"},
     {"run_id": "x"}, {"cursor": "x"}],
)  # fmt: skip
def test_a_list_that_cannot_be_meant_is_refused(api: Api, asked: dict[str, str]) -> None:
    assert api.get("/v1/labels", **asked).problem["status"] == 400


def test_what_is_taken_back_must_be_named(api: Api) -> None:
    assert api.ask("DELETE", "/v1/labels").problem["status"] == 422
    assert api.ask("DELETE", "/v1/labels?runn=x").problem["status"] == 400


def test_groups_of_runs_are_compared_by_their_labels(api: Api) -> None:
    for label in ("good", "bad"):
        run_id = create_run(api, repository=f"compared-{label}")
        api.post("/v1/labels", {"run_id": run_id, "label": label})
    answer = api.get(
        "/v1/compare",
        a="label = 'good' and repository = 'compared-good'",
        b="label = 'bad' and repository = 'compared-bad'",
    )
    assert answer.status == 200
    counted = api.get("/v1/aggregate", of="steps", by="run.label", q="run.label = 'bad'").json
    assert [group["group"] for group in counted["groups"]] == [{"run.label": "bad"}]
