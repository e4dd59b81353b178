"""`/v1/runs/{id}/why`: why a candidate ended as it did."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.model.answers import Why
from xray.server.context import context_of, path_id
from xray.server.operations import Operation, Parameter
from xray.server.replies import reply


async def explain_candidate(request: Request) -> Response:
    """Why a candidate ended as it did in a run."""
    context = context_of(request)
    run_id = path_id(request, "run_id")
    asked = request.query_params.multi_items()
    why = await context.read(lambda store: reading.explain_candidate(store, run_id, asked))
    return reply(why)


OPERATIONS: Final = (
    Operation(
        name="explain_candidate",
        method="GET",
        path="/v1/runs/{run_id}/why",
        handle=explain_candidate,
        summary="Say why a candidate ended as it did",
        about="A candidate nobody recorded has an answer too: that it was never retrieved, or "
        "that this capture level cannot tell.",
        parameters=(
            Parameter("run_id", "the run's id, a UUID", place="path", is_required=True),
            Parameter("candidate", "the candidate's id", is_required=True),
        ),
        answers={200: Why},
        refusals=(400, 404, 503),
    ),
)
