"""`/v1/flakiness`: how far runs on the same input decide alike."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.model.flakiness import FlakinessReport
from xray.server.context import context_of
from xray.server.operations import Operation, Parameter
from xray.server.replies import reply


async def measure_flakiness(request: Request) -> Response:
    """How far runs on the same input decide alike."""
    asked = request.query_params.multi_items()
    context = context_of(request)
    now_us = context.clock.wall_us()
    report = await context.read(lambda store: reading.measure_flakiness(store, asked, now_us))
    return reply(report)


OPERATIONS: Final = (
    Operation(
        name="measure_flakiness",
        method="GET",
        path="/v1/flakiness",
        handle=measure_flakiness,
        summary="Say how far runs on the same input decide alike",
        about="The newest runs that meet the query are grouped by pipeline and input; each group "
        "is compared candidate by candidate, and the step named that brings the variance in.",
        parameters=(
            Parameter("q", "a query about runs (spec/query.md); all runs when absent"),
            Parameter(
                "runs", "how many runs to look at, at most 100; 20 when absent", type="integer"
            ),
        ),
        answers={200: FlakinessReport},
        refusals=(400, 503),
    ),
)
