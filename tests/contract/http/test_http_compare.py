"""`/v1/compare`: two groups of runs by their queries, and faults that say in which of both."""

from __future__ import annotations

import pytest

from tests.contract.http.api import Api
from xray.client import Client
from xray.errors import InvalidQueryError
from xray.model.ids import new_uuid7


@pytest.fixture
def pipeline(api: Api) -> str:
    """A pipeline whose newer version rejects more."""
    pipeline = new_uuid7()
    for number in range(24):
        is_newer = number >= 12
        run_id = api.create_run(
            pipeline=pipeline, version="2" if is_newer else "1", status="completed"
        )
        api.create_step(
            run_id=run_id,
            name="price",
            step_type="filter",
            input_count=100,
            output_count=(20 if is_newer else 60) + number % 12,
        )
    return pipeline


def test_what_differs_between_two_groups_is_one_request(api: Api, pipeline: str) -> None:
    a, b = (f"pipeline = '{pipeline}' and version = '{version}'" for version in "12")
    answer = api.get("/v1/compare", a=a, b=b)
    assert answer.status == 200
    body = answer.json
    assert body["complete"] is True
    assert (body["a"]["runs"], body["b"]["runs"], body["b"]["query"]) == (12, 12, b)
    kinds = {(found["kind"], found["step"]): found for found in body["differences"]}
    rate = kinds["rejection_rate", "price"]
    assert (rate["a"], rate["b"]) == pytest.approx((0.345, 0.745), rel=0.01)
    assert rate["least"] > 0.3
    assert [found["path"] for found in body["settings"]] == ["version"]
    assert body["answer"].startswith("price rejected 74.5 % of its candidates in B, 34.5 % in A")


def test_the_client_and_the_route_say_the_same(api: Api, pipeline: str) -> None:
    a, b = (f"pipeline = '{pipeline}' and version = '{version}'" for version in "12")
    with Client(api.url) as client:
        compared = client.compare(a, b)
    assert compared.answer == api.get("/v1/compare", a=a, b=b).json["answer"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"a": "version = '1'"}, "missing_parameter"),
        ({"a": "", "b": "", "limit": "5"}, "invalid_query"),
        ({"a": "", "b": "", "cursor": "nothing"}, "invalid_cursor"),
    ],
)
def test_what_cannot_be_compared_is_refused(api: Api, asked: dict[str, str], code: str) -> None:
    refused = api.get("/v1/compare", **asked)
    assert (refused.status, refused.problem["code"]) == (400, code)


def test_a_fault_says_in_which_query_it_lies(api: Api) -> None:
    problem = api.get("/v1/compare", a="version = '1'", b="versoin = '2'").problem
    assert (problem["parameter"], problem["at"]) == ("b", [0, 7])
    with Client(api.url) as client, pytest.raises(InvalidQueryError) as caught:
        client.compare("version = '1'", "versoin = '2'")
    assert caught.value.query == "versoin = '2'"
