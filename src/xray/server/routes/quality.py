"""`/v1/quality`: how well the steps of pipelines keep what is labelled good."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.model.quality import Quality
from xray.server.operations import Operation, Parameter
from xray.server.replies import reply
from xray.server.routes.lists import ask_list


async def rate_quality(request: Request) -> Response:
    """How well the steps of some runs keep what is labelled good."""
    return reply(await ask_list(request, reading.rate_quality))


OPERATIONS: Final = (
    Operation(
        name="rate_quality",
        method="GET",
        path="/v1/quality",
        handle=rate_quality,
        summary="Say how well steps keep what is labelled good",
        about="Precision, recall, precision at k, reciprocal rank and nDCG of each step, from the "
        "labelled candidates of the runs that meet the query. Those without a label are unknown, "
        "not bad: values are over the labelled ones, and bounds say where they lie whatever the "
        "others are.",
        parameters=(
            Parameter("q", "a query about runs (spec/query.md); all labelled runs when absent"),
            Parameter("k", "precision on the first k ranks; 10 when absent", type="integer"),
            Parameter(
                "runs",
                "how many runs to look at, those labelled last first, at most 1,000; 100 when "
                "absent",
                type="integer",
            ),
        ),
        answers={200: Quality},
        refusals=(400, 503),
    ),
)
