"""`/health`: whether the server serves."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray.server.operations import Operation
from xray.server.replies import Health, reply


async def say_health(_: Request) -> Response:
    """`{"status":"ok"}`, to everybody."""
    return reply(Health())


OPERATIONS: Final = (
    Operation(
        name="say_health",
        method="GET",
        path="/health",
        handle=say_health,
        summary="Say whether the server serves",
        about="Needs no key.",
        answers={200: Health},
    ),
)
