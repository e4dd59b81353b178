"""What is usual of a pipeline's steps, and what of the latest day is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from xray import reading
from xray.model.aggregates import Aggregate
from xray.model.baseline import WINDOW_DAYS
from xray.model.baseline_report import (
    BaselineReport,
    FigureKind,
    UsualFigure,
    UsualStep,
    say_figure,
)
from xray.query.tokens import say_text
from xray.questions import baselines_request
from xray.reading import Parameters
from xray.store.protocol import Store
from xray.web.addresses import compare_page, runs_page
from xray.web.asked import read_asked
from xray.web.charts.days import HEIGHT, WIDTH, Days, lay_days
from xray.web.page import Call, Link, Page
from xray.web.site import site_of

_WHAT: Final[dict[FigureKind, str]] = {
    "rejection_rate": "rejected",
    "reason": "rejected for",
    "input_count": "came in",
    "output_count": "went on",
    "duration_ms": "time it took",
    "failure_rate": "failed",
}
_MAX_FIGURES: Final = 12


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One figure of a step.

    Args:
        figure: the answer about it.
        what: which figure.
        typical: what is usual, in its unit.
        low: one step in ten is below.
        high: one step in ten is above.
        latest: what is typical on the latest day.
        days: the same day by day.
    """

    figure: UsualFigure
    what: str
    typical: str
    low: str
    high: str
    latest: str
    days: Days


@dataclass(frozen=True, slots=True)
class StepRow:
    """One kind of step, with its figures and how many are left out."""

    step: UsualStep
    figures: Sequence[FigureRow]
    more: int


@dataclass(frozen=True, slots=True)
class BaselinesModel:
    """What is usual of a pipeline.

    Args:
        asked: the parameters.
        report: the answer; None while no pipeline is named.
        steps: the kinds of steps.
        pipelines: the pipelines there are, where none is named.
        compare: the page that compares the latest day with the days before it.
    """

    asked: Parameters
    report: BaselineReport | None
    steps: Sequence[StepRow] = ()
    pipelines: Aggregate | None = None
    compare: str = ""
    width: float = WIDTH
    height: float = HEIGHT

    def given(self, name: str) -> str:
        """The value of a parameter; empty where it is not given."""
        return next((value for key, value in self.asked if key == name), "")


async def draw_baselines(request: Request) -> Page:
    """The page that says what is usual of the pipeline that the URL names."""
    asked = read_asked(request)
    site = site_of(request)
    now_us = site.clock.wall_us()
    model = await site.read(lambda store: model_baselines(store, asked, now_us))
    pipeline, step, days = (model.given(name) for name in ("pipeline", "step", "days"))
    told = [repr(pipeline), *([repr(step)] if step else []), *([f"days={days}"] if days else [])]
    return Page(
        template="baselines.html",
        title=f"What is usual of {pipeline}" if pipeline else "What is usual",
        model=model,
        section="runs",
        calls=(
            Call(
                *baselines_request(pipeline, step or None, int(days or WINDOW_DAYS)),
                f"client.baselines({', '.join(told)})",
            ),
        )
        if model.report
        else (),
        trail=(
            Link("Runs", runs_page()),
            *([Link(pipeline, runs_page(pipeline=pipeline))] if pipeline else []),
        ),
    )


def model_baselines(store: Store, asked: Parameters, now_us: int) -> BaselinesModel:
    """What the page of what is usual shows."""
    if not any(name == "pipeline" for name, _ in asked):
        pipelines = reading.aggregate(store, [("of", "runs"), ("by", "pipeline")], now_us)
        return BaselinesModel(asked, None, pipelines=pipelines)
    report = reading.show_baselines(store, asked, now_us)
    first, latest = report.days[0], report.latest
    before = (
        f"pipeline = {say_text(report.pipeline)}"
        f" and started_at >= {first} and started_at < {latest}"
    )
    return BaselinesModel(
        asked=asked,
        report=report,
        steps=[_describe(step) for step in report.steps],
        compare=compare_page(before, report.latest_runs) if len(report.days) > 1 else "",
    )


def _describe(step: UsualStep) -> StepRow:
    ordered = sorted(step.figures, key=lambda one: not one.deviates)
    return StepRow(
        step=step,
        figures=[_measure(one) for one in ordered[:_MAX_FIGURES]],
        more=max(0, len(ordered) - _MAX_FIGURES),
    )


def _measure(one: UsualFigure) -> FigureRow:
    return FigureRow(
        figure=one,
        what=f"{_WHAT[one.kind]} {one.reason}" if one.reason else _WHAT[one.kind],
        typical=say_figure(one.kind, one.typical),
        low=say_figure(one.kind, one.low),
        high=say_figure(one.kind, one.high),
        latest=say_figure(one.kind, one.latest),
        days=lay_days(one.by_day, one.low, one.high),
    )
