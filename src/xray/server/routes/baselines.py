"""`/v1/baselines`: what is usual of a pipeline's steps, and what of the latest day is not."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.model.baseline_report import BaselineReport
from xray.server.context import context_of
from xray.server.operations import Operation, Parameter
from xray.server.replies import reply


async def show_baselines(request: Request) -> Response:
    """What is usual of a pipeline's steps, day by day."""
    asked = request.query_params.multi_items()
    context = context_of(request)
    now_us = context.clock.wall_us()
    report = await context.read(lambda store: reading.show_baselines(store, asked, now_us))
    return reply(report)


OPERATIONS: Final = (
    Operation(
        name="show_baselines",
        method="GET",
        path="/v1/baselines",
        handle=show_baselines,
        summary="Say what is usual of a pipeline's steps, and what of the latest day is not",
        about="Rejection rates, shares of reasons, counts, durations and failures of each kind of "
        "step, over all days before the latest and on each of them. Kept while steps arrive, so "
        "asking reads no step.",
        parameters=(
            Parameter("pipeline", "the pipeline", is_required=True),
            Parameter("step", "the only step that is wanted, by name; all when absent"),
            Parameter("days", "how many days back, at most 366; 30 when absent", type="integer"),
        ),
        answers={200: BaselineReport},
        refusals=(400, 404, 503),
    ),
)
