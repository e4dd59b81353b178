"""`/v1/compare`: how two groups of runs differ."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.model.comparison import Comparison
from xray.server.operations import Operation, Parameter
from xray.server.replies import reply
from xray.server.routes.lists import ask_list


async def compare_groups(request: Request) -> Response:
    """How the runs that meet one query differ from those that meet another."""
    return reply(await ask_list(request, reading.compare_groups))


OPERATIONS: Final = (
    Operation(
        name="compare_groups",
        method="GET",
        path="/v1/compare",
        handle=compare_groups,
        summary="Say how two groups of runs differ beyond what chance explains",
        about="Figures of every step are compared run by run: durations, rejection rates, reasons, "
        "counts, scores, failures, logged numbers, versions and parameters. What is named, the "
        "most telling first, is named by chance alone in at most one of a hundred comparisons. "
        "Runs that meet both queries are in neither group. An answer that is not `complete` is of "
        "the newest runs alone: `next_cursor` goes on, as long as the server remembers what it "
        "read.",
        parameters=(
            Parameter(
                "a",
                "the runs that are compared with: a query in the language of spec/query.md; empty "
                "for all",
                is_required=True,
            ),
            Parameter("b", "the runs that are compared, likewise", is_required=True),
            Parameter("cursor", "next_cursor of the answer before, to go on from there"),
        ),
        answers={200: Comparison},
        refusals=(400, 503),
    ),
)
