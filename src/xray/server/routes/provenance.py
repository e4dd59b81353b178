"""`/v1/runs/{id}/provenance`: what an item came from and what it brought."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.model.lineage import Lineage
from xray.server.context import context_of, path_id
from xray.server.operations import Operation, Parameter
from xray.server.replies import reply


async def trace_candidate(request: Request) -> Response:
    """What an item of a run came from and what it brought."""
    run_id = path_id(request, "run_id")
    asked = request.query_params.multi_items()
    lineage = await context_of(request).read(
        lambda store: reading.trace_candidate(store, run_id, asked)
    )
    return reply(lineage)


OPERATIONS: Final = (
    Operation(
        name="trace_candidate",
        method="GET",
        path="/v1/runs/{run_id}/provenance",
        handle=trace_candidate,
        summary="Say what an item came from and what it brought",
        about="The item is a candidate, or what candidates name as their origin. What it brought "
        "is followed through every later step, with exact numbers also where detail was sampled "
        "out.",
        parameters=(
            Parameter("run_id", "the run's id, a UUID", place="path", is_required=True),
            Parameter("candidate", "the item's id", is_required=True),
        ),
        answers={200: Lineage},
        refusals=(400, 404, 503),
    ),
)
