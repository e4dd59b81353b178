"""`/v1/runs/{id}/alike`: candidates like one that were decided otherwise."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.model.neighbours import Neighbours
from xray.server.context import context_of, path_id
from xray.server.operations import Operation, Parameter
from xray.server.replies import reply


async def find_alike(request: Request) -> Response:
    """The candidates most like one among those that were decided otherwise."""
    run_id = path_id(request, "run_id")
    asked = request.query_params.multi_items()
    found = await context_of(request).read(lambda store: reading.find_alike(store, run_id, asked))
    return reply(found)


OPERATIONS: Final = (
    Operation(
        name="find_alike",
        method="GET",
        path="/v1/runs/{run_id}/alike",
        handle=find_alike,
        summary="Name candidates like one that were decided otherwise",
        about="Of a candidate that was rejected those that the same step let through, of any other "
        "those that a step on its way rejected, the most like it first, each with what differs. "
        "Attributes, what checks observed and origins are compared.",
        parameters=(
            Parameter("run_id", "the run's id, a UUID", place="path", is_required=True),
            Parameter("candidate", "the candidate's id", is_required=True),
            Parameter("limit", "how many are named, 1 to 20; 5 when absent"),
        ),
        answers={200: Neighbours},
        refusals=(400, 404, 503),
    ),
)
