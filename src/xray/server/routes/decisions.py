"""`/v1/decisions`: what was decided about candidates."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray.server.context import context_of
from xray.server.operations import Operation
from xray.server.replies import DecisionList, reply
from xray.server.routes.lists import list_parameters, read_plan


async def list_decisions(request: Request) -> Response:
    """Decisions of a step, a run or a candidate."""
    plan = read_plan(request, "decision")
    page = await context_of(request).read(lambda store: store.decisions(plan))
    return reply(
        DecisionList(
            decisions=page.items,
            next_cursor=page.next_cursor,
            total=page.total,
            total_is_exact=page.total_is_exact,
            complete=page.complete,
        )
    )


OPERATIONS: Final = (
    Operation(
        name="list_decisions",
        method="GET",
        path="/v1/decisions",
        handle=list_decisions,
        summary="List decisions of a step, a run or a candidate",
        about="One of step_id, run_id and candidate_id is required. Decisions of a step or run "
        "come as recorded, those of a candidate newest first.",
        parameters=list_parameters("decision"),
        answers={200: DecisionList},
        refusals=(400, 503),
    ),
)
