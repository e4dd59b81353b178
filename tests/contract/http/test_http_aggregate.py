"""`/v1/aggregate`: the average filter rate by pipeline in one request; faults are shown."""

from __future__ import annotations

import pytest

from tests.contract.http.api import Api
from xray.client import Client
from xray.errors import InvalidQueryError
from xray.model.ids import new_uuid7


@pytest.fixture
def marks(api: Api) -> tuple[str, str]:
    """Two pipelines whose filters reject 95 and 50, and 10 percent."""
    pipelines = (new_uuid7(), new_uuid7())
    for pipeline, kept in ((pipelines[0], 5), (pipelines[0], 50), (pipelines[1], 90)):
        run_id = api.create_run(pipeline=pipeline, tags=[pipelines[0]])
        api.create_step(
            run_id=run_id, name="price", step_type="filter", input_count=100, output_count=kept
        )
    return pipelines


def test_the_average_filter_rate_by_pipeline_is_one_request(
    api: Api, marks: tuple[str, str]
) -> None:
    answer = api.get(
        "/v1/aggregate",
        of="steps",
        q=f"step_type = 'filter' and run.tags has '{marks[0]}'",
        mean="rejection_rate",
        p95="rejection_rate",
        by="run.pipeline",
    )
    assert answer.status == 200
    body = answer.json
    assert (body["of"], body["by"], body["complete"]) == ("steps", ["run.pipeline"], True)
    assert [
        (group["group"]["run.pipeline"], group["count"], group["figures"])
        for group in body["groups"]
    ] == [
        (marks[0], 2, {"mean(rejection_rate)": 0.725, "p95(rejection_rate)": 0.95}),
        (marks[1], 1, {"mean(rejection_rate)": 0.1, "p95(rejection_rate)": 0.1}),
    ]
    assert body["quantiles"] == {"method": "exact", "relative_error": 0.0}
    assert "state" not in body


def test_the_parameters_of_the_list_say_which_records(api: Api, marks: tuple[str, str]) -> None:
    body = api.get("/v1/aggregate", of="steps", pipeline=marks[0], rejection_rate_gt="0.9").json
    assert body["rows"] == 1


def test_a_fault_says_in_which_parameter_it_lies(api: Api) -> None:
    refused = api.get("/v1/aggregate", of="steps", mean="rejection_rate, durration_ms")
    assert refused.status == 400
    problem = refused.problem
    assert (problem["parameter"], problem["at"]) == ("mean", [16, 28])
    assert problem["hint"] == "Did you mean duration_ms?"
    assert "parameter" not in api.get("/v1/aggregate", of="steps", q="x").problem


def test_the_client_asks_the_same(api: Api, marks: tuple[str, str]) -> None:
    with Client(api.url) as client:
        answer = client.aggregate(
            "steps", is_whole=True, pipeline=marks[0], mean="rejection_rate", bucket="1d"
        )
        (group,) = answer.groups
        assert group.figures == {"mean(rejection_rate)": 0.725}
        with pytest.raises(InvalidQueryError) as caught:
            client.aggregate("steps", by="run.pipline")
    error = caught.value
    assert (error.query, error.at, error.parameter) == ("run.pipline", (4, 11), "by")
