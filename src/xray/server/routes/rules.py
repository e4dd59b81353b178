"""`/v1/rules`: how the rules of pipelines do over many runs."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.model.rules import RuleReport
from xray.server.operations import Operation, Parameter
from xray.server.replies import reply
from xray.server.routes.lists import ask_list


async def survey_rules(request: Request) -> Response:
    """How the rules of the runs that meet a question do."""
    return reply(await ask_list(request, reading.survey_rules))


OPERATIONS: Final = (
    Operation(
        name="survey_rules",
        method="GET",
        path="/v1/rules",
        handle=survey_rules,
        summary="Say how the rules of pipelines do over many runs",
        about="Any parameter of the list of runs says which of them. For every rule of every step: "
        "how many candidates were put to it, how many it killed, and how many of those alone; "
        "near misses on both sides of its limit; other rules that fail the same candidates; "
        "limits that changed; missing operands; and whether it kills another share since a "
        "version or a time, beyond what chance explains. Those that deserve attention come first. "
        "An answer that is not `complete` is of the newest runs alone: `next_cursor` goes on, as "
        "long as the server remembers what it read.",
        parameters=(
            Parameter("q", "which runs: a query in the language of spec/query.md"),
            Parameter("pipeline", "the pipeline; any other field of a run, likewise"),
            Parameter("since_version", "hold runs since this version came against those before"),
            Parameter("since", "hold runs since a time, or an age like 7d, against those before"),
            Parameter("cursor", "next_cursor of the answer before, to go on from there"),
        ),
        answers={200: RuleReport},
        refusals=(400, 503),
    ),
)
