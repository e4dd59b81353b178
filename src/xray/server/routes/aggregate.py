"""`/v1/aggregate`: figures of groups of records."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray import reading
from xray.model.aggregates import Aggregate
from xray.query.aggregate import MAX_GROUPS
from xray.server.operations import Operation, Parameter
from xray.server.replies import reply
from xray.server.routes.lists import ask_list


async def aggregate(request: Request) -> Response:
    """Figures of the records that meet the parameters."""
    return reply(await ask_list(request, reading.aggregate))


_FIELDS: Final = "of these fields, with commas between them; also more than once"

OPERATIONS: Final = (
    Operation(
        name="aggregate",
        method="GET",
        path="/v1/aggregate",
        handle=aggregate,
        summary="Count, add up, find means and quantiles",
        about="Any other parameter is one of the list of those records, and says which of them. "
        "Records count by their weights. Runs that were not kept, and their steps, are `tallied` "
        "where their tallies know what is asked; else those kept stand for them, and the answer "
        "`is_estimated`. A record without a number in a field is in no figure of "
        "that field, and `n` says how many are. An answer that is not `complete` is of the newest "
        "records alone: `next_cursor` goes on with the rest.",
        parameters=(
            Parameter("of", "of which records: runs, steps or decisions", is_required=True),
            Parameter("q", "which of them: a query in the language of spec/query.md"),
            Parameter("by", "group by these fields, with commas between them, e.g. run.pipeline"),
            Parameter("bucket", "also by buckets of time of this width, e.g. 15m, 1h or 1d; UTC"),
            Parameter("sum", f"the sum {_FIELDS}"),
            Parameter("mean", f"the mean {_FIELDS}"),
            Parameter("min", f"the least {_FIELDS}"),
            Parameter("max", f"the greatest {_FIELDS}"),
            Parameter("p<N>", f"the quantile p0 to p100, e.g. p50, p95 or p99.9, {_FIELDS}"),
            Parameter("sort", "count, group, time, or a figure, e.g. mean(rejection_rate)"),
            Parameter("order", "asc or desc; figures and counts come the greatest first"),
            Parameter(
                "limit",
                f"how many groups are shown one by one, 1 to {MAX_GROUPS}, which is the default",
                type="integer",
            ),
            Parameter("cursor", "next_cursor of the part before, to go on from there"),
        ),
        answers={200: Aggregate},
        refusals=(400, 503),
    ),
)
