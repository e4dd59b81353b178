"""The OpenAPI document says what the server does, and the copy in spec/ is the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.http.api import Api
from xray.query.fields import FIELDS
from xray.query.plan import Scope

SPEC = Path(__file__).parents[3] / "spec" / "openapi.json"


@pytest.fixture(scope="module")
def document(api: Api) -> dict[str, Any]:
    body: dict[str, Any] = api.get("/openapi.json").json
    return body


def test_the_copy_in_spec_is_what_the_server_says(document: dict[str, Any]) -> None:
    written = json.loads(SPEC.read_text("utf-8"))
    assert written == document, "run: python -m xray.server.openapi > spec/openapi.json"


def test_every_operation_has_a_summary_and_says_what_it_answers(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            fine = [status for status in operation["responses"] if status.startswith("2")]
            assert fine, (method, path)
            for response in operation["responses"].values():
                assert response["content"], (method, path)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(part: object) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [ref for value in part.values() for ref in references(value)]
        if isinstance(part, list):
            return [ref for value in part for ref in references(value)]
        return []

    found = references(document)
    assert found
    for reference in found:
        name = reference.removeprefix("#/components/schemas/")
        assert name in document["components"]["schemas"]


@pytest.mark.parametrize(
    ("path", "scope"),
    [("/v1/runs", "run"), ("/v1/steps", "step"), ("/v1/decisions", "decision")],
)
def test_every_field_of_a_list_is_a_documented_parameter(
    document: dict[str, Any], path: str, scope: Scope
) -> None:
    named = {
        parameter["name"].partition(".")[0]
        for parameter in document["paths"][path]["get"]["parameters"]
    }
    assert {field.name for field in FIELDS if field.scope == scope} <= named
    assert {"limit", "cursor"} <= named
