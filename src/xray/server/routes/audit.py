"""`/v1/audit`: what the choices of many runs rest on."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.model.audit import Audit
from xray.server.context import context_of
from xray.server.operations import Operation, Parameter
from xray.server.replies import reply


async def audit_choices(request: Request) -> Response:
    """What the choices of many runs rest on."""
    asked = request.query_params.multi_items()
    context = context_of(request)
    now_us = context.clock.wall_us()
    audit = await context.read(lambda store: reading.audit_choices(store, asked, now_us))
    return reply(audit)


OPERATIONS: Final = (
    Operation(
        name="audit_choices",
        method="GET",
        path="/v1/audit",
        handle=audit_choices,
        summary="Say what the choices of many runs rest on",
        about="For each step that chooses among candidates: whether the place in which they were "
        "offered matters beyond their quality, how many chosen ids nobody had offered, how many "
        "reasonings the record contradicts, and how often the best scores were taken.",
        parameters=(
            Parameter("q", "a query about runs (spec/query.md); all runs when absent"),
            Parameter(
                "runs",
                "how many runs to look at, the newest, at most 1,000; 200 when absent",
                type="integer",
            ),
        ),
        answers={200: Audit},
        refusals=(400, 503),
    ),
)
