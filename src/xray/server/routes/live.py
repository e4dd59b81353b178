"""`/v1/live`: runs as they begin and change, by server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from xray.query.parameters import plan_from_parameters
from xray.query.plan import AllOf, AnyOf, Comparison, FieldRef, Plan
from xray.reading import Parameters, RunList
from xray.server.context import Context, context_of
from xray.server.operations import Operation
from xray.server.routes.lists import list_parameters
from xray.store.protocol import Store
from xray.web.addresses import LIVE
from xray.web.pages.runs import draw_live_rows, read_listing

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    # Proxies that gather answers would hold changes back.
    "X-Accel-Buffering": "no",
}
_MAX_RUNS: Final = 200
_BEAT_S: Final = 10.0
_LIFE_S: Final = 30.0
"""A stream ends after this, and browsers ask again: a server that is told to stop waits for it."""

Draw = Callable[[Store, RunList], str]


async def stream_runs(request: Request) -> Response:
    """Runs that meet the parameters, as they begin and change, as JSON."""
    asked = request.query_params.multi_items()
    return _stream(request, asked, lambda _, runs: msgspec.json.encode(runs).decode())


async def stream_rows(request: Request) -> Response:
    """The same as rows of the page of runs."""
    asked, clock = read_listing(request), context_of(request).clock
    return _stream(
        request, asked, lambda store, runs: draw_live_rows(store, asked, runs, clock.wall_us())
    )


def _stream(request: Request, asked: Parameters, draw: Draw) -> Response:
    context = context_of(request)
    plan = plan_from_parameters("run", asked, context.clock.wall_us())
    since = request.headers.get("last-event-id") or context.feed.moment
    return StreamingResponse(
        _tell(context, plan, since, draw), headers=_HEADERS, media_type="text/event-stream"
    )


async def _tell(context: Context, plan: Plan, since: str, draw: Draw) -> AsyncIterator[str]:
    feed, clock = context.feed, context.clock
    ends_at_s = clock.monotonic_s() + _LIFE_S
    yield f"retry: 1000\nid: {since}\n\n"
    while not feed.is_ended and clock.monotonic_s() < ends_at_s:
        changes = await feed.wait(since, _BEAT_S)
        since = changes.until
        if changes.missed:
            yield f"event: missed\nid: {since}\ndata: {changes.missed}\n\n"
        for first in range(0, len(changes.run_ids), _MAX_RUNS):
            some = _about(plan, changes.run_ids[first : first + _MAX_RUNS])
            text = await context.read(partial(_draw, plan=some, draw=draw))
            if text:
                lines = "".join(f"data: {line}\n" for line in text.split("\n"))
                yield f"event: runs\nid: {since}\n{lines}\n"
        if not changes.run_ids:
            yield ": still here\n\n"


def _about(plan: Plan, run_ids: list[str]) -> Plan:
    field = FieldRef("run", "run_id")
    these = AnyOf(tuple(Comparison(field, "=", run_id) for run_id in run_ids))
    return Plan(
        scope="run", where=AllOf((plan.where, these)), limit=len(run_ids), now_us=plan.now_us
    )


def _draw(store: Store, plan: Plan, draw: Draw) -> str:
    page = store.runs(plan)
    if not page.items:
        return ""
    return draw(store, RunList(runs=page.items, total=len(page.items), total_is_exact=True))


OPERATIONS: Final = (
    Operation(
        name="stream_runs",
        method="GET",
        path="/v1/live",
        handle=stream_runs,
        summary="Tell of runs as they begin and change",
        about="Server-sent events: `runs` holds a list of runs as `GET /v1/runs` does, `missed` "
        "how many changes were forgotten before they could be told. A stream ends after half a "
        "minute; ask again with the last id in `Last-Event-ID`, as browsers do by themselves.",
        parameters=list_parameters("run"),
        answers={200: RunList},
        refusals=(400, 503),
    ),
)
ROUTES: Final = (Route(LIVE, stream_rows, methods=["GET"]),)
