"""The read API without HTTP knows every route that reads."""

from __future__ import annotations

import re

import pytest

from xray.errors import XRayError
from xray.model.ids import new_uuid7
from xray.reading import answer
from xray.server import app
from xray.store.memory import MemoryStore

READS = [
    op.path
    for op in app._OPERATIONS
    if op.method == "GET" and op.path.startswith("/v1/") and op.path != "/v1/live"
]


@pytest.mark.parametrize("path", READS)
def test_every_route_that_reads_can_be_asked_of_a_store(path: str) -> None:
    asked = re.sub(r"\{\w+\}", new_uuid7(), path)
    assert ask(asked) != "no_such_route"


def ask(path: str) -> str:
    """The code of the refusal, if it is one."""
    try:
        answer(MemoryStore(), path, [], 1)
    except XRayError as refusal:
        return refusal.code
    return ""


def test_there_are_routes_to_ask() -> None:
    assert len(READS) >= 7


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/runs/", "/v1/runs/a/b", "/", "/v1/runs/x/y"])
def test_another_path_is_none(path: str) -> None:
    with pytest.raises(XRayError, match="There is no") as refused:
        answer(MemoryStore(), path, [], 1)
    assert refused.value.code == "no_such_route"


def test_an_id_that_is_none_is_refused() -> None:
    with pytest.raises(XRayError, match="is not an id") as refused:
        answer(MemoryStore(), "/v1/runs/not-an-id/why", [("candidate", "a")], 1)
    assert refused.value.code == "invalid_id"
