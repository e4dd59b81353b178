"""`/v1/runs/{id}/what-if` and `/v1/what-if`: what would have been decided with other limits."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.model.what_if import WhatIf
from xray.model.what_if_runs import WhatIfOfRuns
from xray.server.context import context_of, path_id
from xray.server.operations import Operation, Parameter
from xray.server.replies import reply
from xray.server.routes.lists import ask_list


async def try_limits(request: Request) -> Response:
    """What a run would have decided with other limits."""
    run_id = path_id(request, "run_id")
    asked = request.query_params.multi_items()
    answer = await context_of(request).read(lambda store: reading.try_limits(store, run_id, asked))
    return reply(answer)


async def try_limits_on_runs(request: Request) -> Response:
    """What many runs would have decided with other limits."""
    return reply(await ask_list(request, reading.try_limits_on_runs))


OPERATIONS: Final = (
    Operation(
        name="try_limits_on_runs",
        method="GET",
        path="/v1/what-if",
        handle=try_limits_on_runs,
        summary="Say what many runs would have decided with other limits",
        about="Any parameter of the list of runs says which of them. Stored decisions are made "
        "again from the checks they recorded: exact where every check was evaluated, else bounds "
        "that hold; runs that recorded no such check are counted apart. Where runs were sampled, "
        "estimates for all stand beside the numbers of those kept. An answer that is not "
        "`complete` is of the newest runs alone: `next_cursor` goes on with the rest.",
        parameters=(
            Parameter(
                "limit",
                "`NAME=VALUE`, as often as there are limits: the name of a check, or its field "
                "where only one check reads it",
                is_required=True,
            ),
            Parameter("q", "which runs: a query in the language of spec/query.md"),
            Parameter("cursor", "next_cursor of the part before, to go on from there"),
        ),
        answers={200: WhatIfOfRuns},
        refusals=(400, 503),
    ),
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
