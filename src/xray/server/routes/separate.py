"""`/v1/separate`: what separates the rejected from the kept, or bad runs from good."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.model.separation import Separation
from xray.server.operations import Operation, Parameter
from xray.server.replies import reply
from xray.server.routes.lists import ask_list


async def separate(request: Request) -> Response:
    """What separates some candidates or runs from others."""
    return reply(await ask_list(request, reading.separate))


OPERATIONS: Final = (
    Operation(
        name="separate",
        method="GET",
        path="/v1/separate",
        handle=separate,
        summary="Say what separates the rejected from the kept, or bad runs from good",
        about="With `run_id`, or `where` for many runs, the candidates of a step are told apart: "
        "those that went on from those that did not, by attributes, origins, scores and whatever "
        "checks observed. With `a` and `b` whole runs are told apart, by what they were told and "
        "what their steps did. What is named is named by chance alone in at most one of a hundred "
        "cases. What the step's own checks read stands in `rules`, and what only says the same as "
        "something stronger under that.",
        parameters=(
            Parameter("run_id", "the run whose candidates are told apart"),
            Parameter("where", "instead of a run: every run that meets a query (spec/query.md)"),
            Parameter("step", "the name of the step; of one run, the one that rejected most"),
            Parameter("reason", "only candidates rejected for this reason, against the kept"),
            Parameter("selected", "true: the selected against all others"),
            Parameter("a", "the bad runs: a query (spec/query.md)"),
            Parameter("b", "the good runs; all others when absent"),
            Parameter(
                "runs", "how many runs are looked at, of each side; 1,000 when absent",
                type="integer",
            ),
        ),
        answers={200: Separation},
        refusals=(400, 404, 503),
    ),
)  # fmt: skip
