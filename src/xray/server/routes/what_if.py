"""`/v1/runs/{id}/what-if`: what a run would have decided with other limits."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.model.what_if import WhatIf
from xray.server.context import context_of, path_id
from xray.server.operations import Operation, Parameter
from xray.server.replies import reply


async def try_limits(request: Request) -> Response:
    """What a run would have decided with other limits."""
    run_id = path_id(request, "run_id")
    asked = request.query_params.multi_items()
    answer = await context_of(request).read(lambda store: reading.try_limits(store, run_id, asked))
    return reply(answer)


OPERATIONS: Final = (
    Operation(
        name="try_limits",
        method="GET",
        path="/v1/runs/{run_id}/what-if",
        handle=try_limits,
        summary="Say what a run would have decided with other limits",
        about="Nothing is rerun: stored decisions are made again from the checks they recorded. "
        "Numbers are exact where every check was evaluated, else bounds that hold.",
        parameters=(
            Parameter("run_id", "the run's id, a UUID", place="path", is_required=True),
            Parameter(
                "limit",
                "`NAME=VALUE`, as often as there are limits: the name of a check, or its field "
                "where only one check reads it; the value as JSON, else as text",
                is_required=True,
            ),
        ),
        answers={200: WhatIf},
        refusals=(400, 404, 503),
    ),
)
