"""`/v1/decisions`: what was decided about candidates."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from xray.server.context import context_of
from xray.server.operations import Operation
from xray.server.replies import DecisionList, reply
from xray.server.routes.lists import list_parameters, read_plan


async def list_decisions(request: Request) -> Response:
    """Decisions that meet the parameters."""
    plan = read_plan(request, "decision")
    page = await context_of(request).read(lambda store: store.decisions(plan))
    return reply(
        DecisionList(
            decisions=page.items,
            next_cursor=page.next_cursor,
            total=page.total,
            total_is_exact=page.total_is_exact,
            complete=page.complete,
            scan=page.scan or msgspec.UNSET,
        )
    )


OPERATIONS: Final = (
    Operation(
        name="list_decisions",
        method="GET",
        path="/v1/decisions",
        handle=list_decisions,
        summary="List decisions",
        about="Decisions of one step or run come as recorded, all others newest step first. A "
        "question that names no step_id, run_id or candidate_id is a scan. One that names a "
        "candidate and a step or run is also put to the rosters: a decision whose `has_detail` is "
        "false was found there alone.",
        parameters=list_parameters("decision"),
        answers={200: DecisionList},
        refusals=(400, 503),
    ),
)
