"""How the steps of a pipeline do over time, and since which version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.requests import Request

from xray import reading
from xray.errors import InvalidQueryError
from xray.model.baseline import DAY_US
from xray.model.clock import from_wall_us
from xray.model.sayings import say_duration
from xray.query.tokens import say_text
from xray.query.values import read_span_us
from xray.reading import Parameters
from xray.store.protocol import Store
from xray.web.addresses import runs_page, trends_page
from xray.web.asked import read_asked
from xray.web.charts.lines import SMALL_HEIGHT, SMALL_WIDTH, Lines, lay_lines
from xray.web.page import Call, Page
from xray.web.pages.trend_figures import (
    METRICS,
    Metric,
    Series,
    Window,
    choose_window,
    find_deploys,
    read_reasons,
    read_steps,
)
from xray.web.rendering import say_share
from xray.web.site import site_of

SPANS: Final = ("1h", "6h", "24h", "7d", "30d", "90d")
_KNOWN: Final = ("pipeline", "step", "metric", "since", "by")
_MAX_SPAN_US: Final = 366 * DAY_US
_MAX_SMALL_LINES: Final = 2


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket of time.

    Args:
        label: when it begins, as an axis shows it.
        start: where it begins.
        end: where the next one begins.
        href: the runs whose step began in it.
        versions: those that first ran in it.
        told: what is known of it, in words.
    """

    label: str
    start: datetime
    end: datetime
    href: str
    versions: Sequence[str]
    told: str


@dataclass(frozen=True, slots=True)
class SmallChart:
    """One step beside the others.

    Args:
        name: the step.
        lines: its lines.
        series: their figures.
        last: the newest figure of the first line, in words; empty where there is none.
        href: draws it large.
        is_chosen: it is drawn large.
    """

    name: str
    lines: Lines
    series: Sequence[Series]
    last: str
    href: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class TrendsModel:
    """How the steps of a pipeline do over time.

    Args:
        pipelines: the names of all pipelines.
        pipeline: the one that is drawn; empty where there is none.
        step: the step that is drawn large; empty where there is none.
        metric: what is drawn.
        since: how far back, as it was asked.
        by: `version` where each version has a line of its own.
        small: every step.
        chart: the step that is drawn large; None where it has no figures.
        series: its lines.
        ticks: the scale's figures in words.
        buckets: the time.
        notes: what the figures leave out or rest on.
        calls: the calls that yield them.
    """

    pipelines: Sequence[str]
    pipeline: str
    step: str
    metric: Metric
    since: str
    by: str
    small: Sequence[SmallChart] = ()
    chart: Lines | None = None
    series: Sequence[Series] = ()
    ticks: Sequence[str] = ()
    buckets: Sequence[Bucket] = ()
    notes: Sequence[str] = ()
    calls: Sequence[Call] = ()

    @property
    def metrics(self) -> Sequence[Metric]:
        """What else could be drawn."""
        return METRICS

    @property
    def spans(self) -> Sequence[str]:
        """How far back one usually looks."""
        return SPANS

    def say(self, value: float | None) -> str:
        """A figure in words; empty where nothing is known."""
        return say_figure(self.metric, value)

    def link(self, **changed: str) -> str:
        """The same page with some of its parameters changed."""
        asked = {
            "pipeline": self.pipeline,
            "step": self.step,
            "metric": self.metric.name,
            "since": self.since,
            "by": self.by,
        } | changed
        return trends_page(**{name: value for name, value in asked.items() if value})


async def draw_trends(request: Request) -> Page:
    """The page of how the steps of a pipeline do over time."""
    asked = read_asked(request)
    site = site_of(request)
    now_us = site.clock.wall_us()
    model = await site.read(lambda store: model_trends(store, asked, now_us))
    named = ": ".join(part for part in (model.pipeline, model.step) if part)
    return Page(
        template="trends.html",
        title=f"{model.metric.words} of {named}" if named else "Trends",
        model=model,
        section="trends",
        calls=model.calls,
    )


def model_trends(store: Store, asked: Parameters, now_us: int) -> TrendsModel:
    """What the page of trends shows.

    Raises:
        InvalidQueryError: a parameter is unknown, or its value cannot be used.
    """
    told = _read(asked)
    metric = next(one for one in METRICS if one.name == told["metric"])
    found = reading.aggregate(store, [("of", "runs"), ("by", "pipeline")], now_us)
    pipelines = [str(group.group["pipeline"]) for group in found.groups]
    pipeline = told["pipeline"] or next(iter(pipelines), "")
    if not pipeline:
        return TrendsModel(pipelines, "", "", metric, told["since"], told["by"])
    span_us = read_span_us(told["since"]) or DAY_US
    if metric.name == "reasons":
        figures, window = read_reasons(store, pipeline, max(1, span_us // DAY_US), now_us)
    else:
        window = choose_window(span_us, now_us)
        figures = read_steps(store, metric, pipeline, window, now_us)
    step = told["step"] or _choose_step(figures.series)
    series = figures.series.get(step, [])
    calls, notes = [figures.call], list(figures.notes)
    if told["by"] and step and metric.name != "reasons":
        apart = read_steps(store, metric, pipeline, window, now_us, step)
        calls.append(apart.call)
        series = [
            Series(f"{version} {one.name}" if len(lines) > 1 else version, one.values, one.counts)
            for version, lines in apart.series.items()
            for one in lines
        ]
    deploys, told_by = find_deploys(store, pipeline, window, now_us)
    model = TrendsModel(pipelines, pipeline, step, metric, told["since"], told["by"])
    chart = lay_lines([one.values for one in series], len(window.starts_us))
    is_known = any(value is not None for one in series for value in one.values)
    return TrendsModel(
        pipelines=pipelines,
        pipeline=pipeline,
        step=step,
        metric=metric,
        since=told["since"],
        by=told["by"],
        small=_draw_small(model, figures.series, len(window.starts_us)),
        chart=chart if is_known else None,
        series=series,
        ticks=[model.say(tick.value) for tick in chart.ticks],
        buckets=_list_buckets(model, window, series, deploys),
        notes=notes,
        calls=[*calls, *([told_by] if told_by and deploys else [])],
    )


def _read(asked: Parameters) -> dict[str, str]:
    """The parameters of the URL, each with its value or default."""
    told = {"metric": METRICS[0].name, "since": "7d", "by": "", "pipeline": "", "step": ""}
    for name, value in asked:
        if name not in _KNOWN:
            raise InvalidQueryError(
                f"There is no parameter {name[:60]!r} for trends.",
                hint=f"There are: {', '.join(_KNOWN)}.",
            )
        told[name] = value
    if told["metric"] not in [metric.name for metric in METRICS]:
        raise InvalidQueryError(
            f"metric={told['metric'][:60]!r} is none.",
            hint=f"There are: {', '.join(metric.name for metric in METRICS)}.",
        )
    if told["by"] not in ("", "version"):
        raise InvalidQueryError(
            f"by={told['by'][:60]!r} cannot be drawn.", hint="Write by=version or leave it out."
        )
    span_us = read_span_us(told["since"])
    if span_us is None or not 60_000_000 <= span_us <= _MAX_SPAN_US:
        raise InvalidQueryError(
            f"since={told['since'][:60]!r} is no span from 1m to 366d.", hint="Write 24h or 7d."
        )
    return told


def _choose_step(series: Mapping[str, Sequence[Series]]) -> str:
    """The first step that has a figure."""
    for name, lines in series.items():
        if any(value is not None for one in lines for value in one.values):
            return name
    return next(iter(series), "")


def _draw_small(
    model: TrendsModel, series: Mapping[str, Sequence[Series]], buckets: int
) -> list[SmallChart]:
    known = [
        value
        for lines in series.values()
        for one in lines[:_MAX_SMALL_LINES]
        for value in one.values
        if value is not None
    ]
    # Shares are drawn on one scale, so that steps can be told apart by eye; counts and times of
    # different steps differ by too much for that.
    top = max(known, default=1.0) * 1.05 if model.metric.unit == "share" else None
    charts: list[SmallChart] = []
    for name, lines in series.items():
        shown = lines[:_MAX_SMALL_LINES]
        values = [value for value in shown[0].values if value is not None]
        charts.append(
            SmallChart(
                name=name,
                lines=lay_lines(
                    [one.values for one in shown],
                    buckets,
                    width=SMALL_WIDTH,
                    height=SMALL_HEIGHT,
                    top=top,
                ),
                series=shown,
                last=model.say(values[-1]) if values else "",
                href=model.link(step=name),
                is_chosen=name == model.step,
            )
        )
    return charts


def _list_buckets(
    model: TrendsModel,
    window: Window,
    series: Sequence[Series],
    deploys: dict[int, list[str]],
) -> list[Bucket]:
    buckets: list[Bucket] = []
    form = "%d %b" if window.width_us >= DAY_US else "%H:%M"
    if window.width_us < DAY_US and window.width_us * len(window.starts_us) > 2 * DAY_US:
        form = "%d %b %H:%M"
    for place, start_us in enumerate(window.starts_us):
        start, end = from_wall_us(start_us), from_wall_us(start_us + window.width_us)
        figures = [(one.name, one.values[place], one.counts[place]) for one in series]
        said = [
            f"{name} {model.say(value)}" + ("" if count is None else f" of {round(count):,} steps")
            for name, value, count in figures
            if value is not None
        ]
        buckets.append(
            Bucket(
                label=start.strftime(form),
                start=start,
                end=end,
                href=_link_runs(model, start, end),
                versions=deploys.get(place, []),
                told="; ".join(said) or "no step",
            )
        )
    return buckets


def _link_runs(model: TrendsModel, start: datetime, end: datetime) -> str:
    conditions = [
        f"step.name = {say_text(model.step)}",
        f"step.started_at >= {start:%Y-%m-%dT%H:%M:%SZ}",
        f"step.started_at < {end:%Y-%m-%dT%H:%M:%SZ}",
    ]
    return runs_page(pipeline=model.pipeline, q=f"any({' and '.join(conditions)})")


def say_figure(metric: Metric, value: float | None) -> str:
    """A figure with its unit; empty where nothing is known."""
    if value is None:
        return ""
    if metric.unit == "share":
        return say_share(value)
    if metric.unit == "time" and value:
        return say_duration(value)
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.4g}"
