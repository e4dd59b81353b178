"""`/v1/decisions`: what was decided about candidates."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.reading import DecisionList
from xray.server.operations import Operation
from xray.server.replies import reply
from xray.server.routes.lists import ask_list, list_parameters


async def list_decisions(request: Request) -> Response:
    """Decisions that meet the parameters."""
    return reply(await ask_list(request, reading.list_decisions))


OPERATIONS: Final = (
    Operation(
        name="list_decisions",
        method="GET",
        path="/v1/decisions",
        handle=list_decisions,
        summary="List decisions",
        about="Decisions of one step or run come as recorded, all others newest step first. A "
        "question that names no step_id, run_id or candidate_id is a scan. One that names a "
        "candidate is also put to the rosters: a decision whose `has_detail` is false was found "
        "there alone. Each roster is asked by itself, so that a question about a candidate without "
        "a step or run may come back unfinished, with a cursor, where there are many.",
        parameters=list_parameters("decision"),
        answers={200: DecisionList},
        refusals=(400, 503),
    ),
)
