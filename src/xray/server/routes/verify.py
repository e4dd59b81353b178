"""`/v1/runs/{id}/verify`: whether a run decided as it was expected to."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.model.verification import Verification
from xray.server.context import context_of, path_id
from xray.server.operations import Operation, Parameter
from xray.server.replies import reply


async def verify_run(request: Request) -> Response:
    """Whether a run meets expectations."""
    run_id = path_id(request, "run_id")
    asked = request.query_params.multi_items()
    context = context_of(request)
    now_us = context.clock.wall_us()
    answer = await context.read(lambda store: reading.verify_run(store, run_id, asked, now_us))
    return reply(answer)


OPERATIONS: Final = (
    Operation(
        name="verify_run",
        method="GET",
        path="/v1/runs/{run_id}/verify",
        handle=verify_run,
        summary="Say whether a run decided as expected",
        about="Expectations speak of decisions, not of text: spec/expectations.md. Each is met, "
        "broken, or the capture cannot tell.",
        parameters=(
            Parameter("run_id", "the run's id, a UUID", place="path", is_required=True),
            Parameter(
                "that",
                "an expectation, e.g. `laptop_stand_42 is not selected`, as often as there are any",
                is_required=True,
            ),
        ),
        answers={200: Verification},
        refusals=(400, 404, 503),
    ),
)
