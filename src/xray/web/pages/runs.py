"""The list of runs: which one is bad?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from xray import reading
from xray.model.aggregates import Aggregate
from xray.model.clock import from_wall_us
from xray.model.records import Run
from xray.model.run_figures import StepFigures
from xray.model.sayings import shorten_ids
from xray.query.plan import AnyOf, Comparison, FieldRef, Plan
from xray.reading import Parameters, RunList
from xray.store.protocol import Store
from xray.web.addresses import LIVE, join_query
from xray.web.asked import Listed, describe, read_asked
from xray.web.charts.funnel import FunnelBar, lay_funnel
from xray.web.page import Call, Page, spell_call
from xray.web.rendering import render
from xray.web.site import site_of

FUNNEL_WIDTH: Final = 60.0
_LIVE: Final = "live"
"""What the page itself takes beside the parameters of the API: whether it follows the runs."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run of the list.

    Args:
        run: the run.
        short_id: as much of its id as tells it from the others.
        counts: how many candidates came out of each step that counted them.
        bars: the same as bars.
        failed_step: the name of the step that failed, where one did.
    """

    run: Run
    short_id: str
    counts: Sequence[int]
    bars: Sequence[FunnelBar]
    failed_step: str | None


@dataclass(frozen=True, slots=True)
class RunsModel:
    """The runs that meet the question, and what else could be asked.

    Args:
        rows: the runs.
        listed: how many they are of how many.
        pipelines: how many runs each pipeline has, as far as the search came.
        is_empty: nothing was recorded yet.
        live_address: where the same runs are told as they change.
        is_live: the page follows them from its beginning.
    """

    rows: Sequence[RunRow]
    listed: Listed
    pipelines: Aggregate
    is_empty: bool
    live_address: str = LIVE
    is_live: bool = False


async def draw_runs(request: Request) -> Page:
    """The page of runs that meet the parameters of the URL."""
    asked = read_listing(request)
    is_live = request.query_params.get(_LIVE) == "on"
    site = site_of(request)
    now_us = site.clock.wall_us()
    model = await site.read(lambda store: model_runs(store, asked, now_us, is_live=is_live))
    return Page(
        template="runs.html",
        title="Runs",
        model=model,
        section="runs",
        calls=(Call("/v1/runs", asked, spell_call("runs", asked)),),
    )


def read_listing(request: Request) -> Parameters:
    """The parameters of the URL without the one that is the page's own."""
    return [pair for pair in read_asked(request) if pair[0] != _LIVE]


def model_runs(store: Store, asked: Parameters, now_us: int, *, is_live: bool = False) -> RunsModel:
    """What the page of runs shows."""
    listed = reading.list_runs(store, asked, now_us)
    pipelines = reading.aggregate(store, [("of", "runs"), ("by", "pipeline")], now_us)
    return RunsModel(
        rows=_rows(store, listed, now_us),
        listed=describe("/v1/runs", asked, listed, len(listed.runs)),
        pipelines=pipelines,
        is_empty=not listed.runs and not pipelines.groups,
        live_address=join_query(LIVE, _conditions(asked)),
        is_live=is_live,
    )


def _conditions(asked: Parameters) -> Parameters:
    return [pair for pair in asked if pair[0] not in ("cursor", "limit")]


def draw_live_rows(store: Store, asked: Parameters, runs: RunList, now_us: int) -> str:
    """Rows of the page of runs that meet *asked*, for a page that follows them."""
    listed = describe("/v1/runs", asked, runs, len(runs.runs))
    now = from_wall_us(now_us)
    return render("run_rows.html", rows=_rows(store, runs, now_us), listed=listed, now=now)


def _rows(store: Store, listed: RunList, now_us: int) -> list[RunRow]:
    if not listed.runs:
        return []
    field = FieldRef("run", "run_id")
    wanted = AnyOf(tuple(Comparison(field, "=", run.run_id) for run in listed.runs))
    plan = Plan(scope="run", where=wanted, limit=len(listed.runs), now_us=now_us)
    steps = {one.run_id: one.steps for one in store.figures(plan).items}
    ids = shorten_ids([run.run_id for run in listed.runs])
    return [_row(run, ids[run.run_id], steps.get(run.run_id, [])) for run in listed.runs]


def _row(run: Run, short_id: str, steps: Sequence[StepFigures]) -> RunRow:
    counted = [step for step in steps if step.output_count is not None]
    return RunRow(
        run=run,
        short_id=short_id,
        counts=[step.output_count for step in counted if step.output_count is not None],
        bars=lay_funnel(counted, FUNNEL_WIDTH),
        failed_step=next((step.name for step in steps if step.status == "failed"), None),
    )
