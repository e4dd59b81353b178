"""`/`: what there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray.server.operations import Handler, Operation
from xray.server.replies import Index, reply

_NAME: Final = "X-Ray"


def index_of(operations: Sequence[Operation]) -> Handler:
    """A handler that names *operations*."""
    lines = {
        f"{op.method} {op.path}": op.summary + (f" (also {op.alias})" if op.alias else "")
        for op in operations
    }
    index = Index(name=_NAME, routes=lines)

    async def name_routes(_: Request) -> Response:
        return reply(index)

    return name_routes
