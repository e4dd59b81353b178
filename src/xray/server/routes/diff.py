"""`/v1/diff`: how two runs differ."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.model.differences import RunDiff
from xray.server.context import context_of
from xray.server.operations import Operation, Parameter
from xray.server.replies import reply


async def diff_runs(request: Request) -> Response:
    """How two runs differ and where they first part."""
    asked = request.query_params.multi_items()
    diff = await context_of(request).read(lambda store: reading.diff_runs(store, asked))
    return reply(diff)


OPERATIONS: Final = (
    Operation(
        name="diff_runs",
        method="GET",
        path="/v1/diff",
        handle=diff_runs,
        summary="Say how two runs differ and where they first part",
        about="Steps are paired by type, name and how often they came before; candidates are "
        "compared one by one, also where detail was sampled out.",
        parameters=(
            Parameter("a", "the id of the run that is compared with, a UUID", is_required=True),
            Parameter("b", "the id of the run that is compared, a UUID", is_required=True),
        ),
        answers={200: RunDiff},
        refusals=(400, 404, 503),
    ),
)
