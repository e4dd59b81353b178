"""`/v1/runs/{id}/findings`: what deserves a look in a run."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.model.answers import FindingList
from xray.server.context import context_of, path_id
from xray.server.operations import Operation, Parameter
from xray.server.replies import reply


async def list_findings(request: Request) -> Response:
    """What deserves a look in a run, what deserves it most first."""
    run_id = path_id(request, "run_id")
    found = await context_of(request).read(lambda store: reading.list_findings(store, run_id))
    return reply(found)


OPERATIONS: Final = (
    Operation(
        name="list_findings",
        method="GET",
        path="/v1/runs/{run_id}/findings",
        handle=list_findings,
        summary="List what deserves a look in a run",
        parameters=(Parameter("run_id", "the run's id, a UUID", place="path", is_required=True),),
        answers={200: FindingList},
        refusals=(400, 404, 503),
    ),
)
