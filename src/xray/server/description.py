"""What the API says of itself: routes and bodies as the OpenAPI document describes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from msgspec import Struct

from xray.server.operations import Operation, Parameter
from xray.server.problems import PROBLEM_MEDIA_TYPE, TITLES, Problem
from xray.server.replies import JSON_MEDIA_TYPE

API_VERSION: Final = "1"
_SCHEMA_AT: Final = "#/components/schemas/{name}"
_ALWAYS_REFUSED: Final = (401, 403, 500)
_FINE: Final = {
    202: "It is under way; the same request asks how far it is",
    200: "OK",
    201: "Created",
}
_ABOUT: Final = (
    "Decision forensics for pipelines: runs, their steps, what was decided about candidates, "
    "and why. Every error is a problem document with a stable code."
)

JsonObject = dict[str, Any]
"""A part of the document: JSON by nature."""


def describe_schemas(operations: Iterable[Operation]) -> JsonObject:
    """The schema of every body and answer, by name."""
    kinds: set[type[Struct]] = {Problem}
    for op in operations:
        kinds.update(op.answers.values())
        if op.body is not None:
            kinds.add(op.body)
    _, components = msgspec.json.schema_components(kinds, ref_template=_SCHEMA_AT)
    return {name: components[name] for name in sorted(components)}


def _content(kind: type[Struct], media_types: Sequence[str]) -> JsonObject:
    schema = {"$ref": _SCHEMA_AT.format(name=kind.__name__)}
    return {media_type: {"schema": schema} for media_type in media_types}


def describe_operation(op: Operation) -> JsonObject:
    """What FastAPI is told about *op*, besides its path and handler."""
    responses: dict[int | str, JsonObject] = {
        status: {
            "description": _FINE[status],
            "content": _content(kind, (JSON_MEDIA_TYPE,)),
        }
        for status, kind in op.answers.items()
    }
    for status in sorted({*op.refusals, *_ALWAYS_REFUSED}):
        responses[status] = {
            "description": TITLES[status],
            "content": _content(Problem, (PROBLEM_MEDIA_TYPE,)),
        }
    extra: JsonObject = {}
    if op.parameters:
        extra["parameters"] = [_describe_parameter(parameter) for parameter in op.parameters]
    if op.body is not None:
        extra["requestBody"] = {
            "required": True,
            "content": _content(op.body, op.body_types),
        }
    also = f"Also at {op.alias}." if op.alias else ""
    return {
        "operation_id": op.name,
        "summary": op.summary,
        "description": " ".join(part for part in (op.about, also) if part),
        "status_code": next(iter(op.answers)),
        "responses": responses,
        "openapi_extra": extra,
    }


def _describe_parameter(parameter: Parameter) -> JsonObject:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.is_required,
        "description": parameter.about,
        "schema": {"type": parameter.type},
    }


def build_document(app: FastAPI, operations: Iterable[Operation]) -> JsonObject:
    """The document of *app*'s routes."""
    document = get_openapi(
        title="X-Ray", version=API_VERSION, description=_ABOUT, routes=app.routes
    )
    components = document.setdefault("components", {})
    components["schemas"] = describe_schemas(operations)
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{}, {"key": []}]
    return document
