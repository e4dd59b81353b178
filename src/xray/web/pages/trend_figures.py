"""Figures of a pipeline's steps over time, bucket by bucket, as the read API answers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

from xray import reading
from xray.errors import NotFoundError
from xray.model.aggregates import Aggregate, FigureGroup
from xray.model.baseline import DAY_US
from xray.model.baseline_report import BaselineReport
from xray.model.clock import from_wall_us, to_wall_us
from xray.query.aggregate import find_bucket_us
from xray.questions import Pairs, baselines_request
from xray.store.protocol import Store
from xray.web.page import Call, spell_call

Unit = Literal["share", "count", "time"]

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_MAX_BUCKETS: Final = 45
_MAX_REASONS: Final = 5
_MAX_VERSIONS: Final = 5
_MAX_DEPLOYS: Final = 12
_WIDTHS: Final = (
    ("1m", 60_000_000),
    ("5m", 300_000_000),
    ("15m", 900_000_000),
    ("1h", 3_600_000_000),
    ("6h", 21_600_000_000),
    ("1d", DAY_US),
    ("1w", 7 * DAY_US),
)


@dataclass(frozen=True, slots=True)
class Metric:
    """What is drawn.

    Args:
        name: what the URL calls it.
        words: what people call it.
        unit: what its figures are.
        figures: the parameters of an aggregate that yield it, and the answer's names for them.
    """

    name: str
    words: str
    unit: Unit
    figures: Sequence[tuple[str, str]] = ()


METRICS: Final = (
    Metric("rejection_rate", "Rejection rate", "share", (("mean", "rejection_rate"),)),
    Metric("reasons", "Share by reason", "share"),
    Metric("in", "Candidates in", "count", (("mean", "input_count"),)),
    Metric("out", "Candidates out", "count", (("mean", "output_count"),)),
    Metric("duration", "Duration", "time", (("p50", "duration_ms"), ("p95", "duration_ms"))),
    Metric("failures", "Failures", "share"),
)


@dataclass(frozen=True, slots=True)
class Window:
    """The time that is drawn, in buckets.

    Args:
        starts_us: where each bucket begins, in µs since 1970.
        width_us: how wide each is.
        width: the same as the API takes it.
    """

    starts_us: Sequence[int]
    width_us: int
    width: str

    def place(self, group: FigureGroup) -> int | None:
        """Which bucket *group* is of; None where it is none of them."""
        if not isinstance(group.start, datetime):
            return None
        at = (to_wall_us(group.start) - self.starts_us[0]) // self.width_us
        return at if 0 <= at < len(self.starts_us) else None


@dataclass(frozen=True, slots=True)
class Series:
    """One line.

    Args:
        name: what it is of.
        values: a figure of every bucket; None where nothing is known.
        counts: how many steps each rests on; None where they are not counted one by one.
    """

    name: str
    values: Sequence[float | None]
    counts: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Figures:
    """What was answered.

    Args:
        series: the lines of each step, or of each version, those of the first step first.
        call: the call that yields them.
        notes: what they leave out or rest on, in sentences.
    """

    series: Mapping[str, Sequence[Series]]
    call: Call
    notes: Sequence[str]


def choose_window(span_us: int, now_us: int) -> Window:
    """Buckets that together reach *span_us* back, the last one still running."""
    fitting = [one for one in _WIDTHS if span_us <= one[1] * _MAX_BUCKETS]
    width, width_us = fitting[0] if fitting else _WIDTHS[-1]
    first_us = max(0, find_bucket_us(now_us - span_us, width_us))
    return Window(range(first_us, now_us + 1, width_us), width_us, width)


def day_window(days: int, now_us: int) -> Window:
    """The days that what is usual is told of."""
    first = max(0, now_us // DAY_US - days)
    starts = [day * DAY_US for day in range(first, now_us // DAY_US + 1)]
    return Window(starts, DAY_US, "1d")


def read_steps(
    store: Store, metric: Metric, pipeline: str, window: Window, now_us: int, step: str = ""
) -> Figures:
    """The figures of every step of a pipeline; with *step*, those of that step by version."""
    key = "run.version" if step else "name"
    pairs = [("of", "steps"), ("pipeline", pipeline), *([("name", step)] if step else [])]
    pairs += [
        ("started_at_gte", from_wall_us(window.starts_us[0]).strftime("%Y-%m-%dT%H:%M:%SZ")),
        ("bucket", window.width),
        ("by", key if metric.figures else f"{key},status"),
        *metric.figures,
        ("min", "ordinal"),
    ]
    found = reading.aggregate(store, pairs, now_us)
    firsts: dict[str, float] = {}
    for group in found.groups:
        name = _name(group, key)
        ordinal = group.figures["min(ordinal)"]
        firsts[name] = min(firsts.get(name, float("inf")), 0 if ordinal is None else ordinal)
    make = _read_figures if metric.figures else _count_failures
    series = {
        name: make([one for one in found.groups if _name(one, key) == name], metric, window)
        for name in sorted(firsts, key=lambda name: (firsts[name], name))
    }
    if step:
        series = dict(list(series.items())[-_MAX_VERSIONS:])
    call = Call("/v1/aggregate", pairs, spell_call("aggregate", pairs))
    return Figures(series, call, _say_limits(found))


def _name(group: FigureGroup, key: str) -> str:
    value = group.group[key]
    return "no version" if value is None else str(value)


def _read_figures(groups: Sequence[FigureGroup], metric: Metric, window: Window) -> list[Series]:
    series: list[Series] = []
    for word, field in metric.figures:
        values: list[float | None] = [None] * len(window.starts_us)
        counts: list[float | None] = [None] * len(window.starts_us)
        for group in groups:
            at = window.place(group)
            if at is not None:
                values[at] = group.figures[f"{word}({field})"]
                counts[at] = group.n[field]
        series.append(Series(word, values, counts))
    return series


def _count_failures(groups: Sequence[FigureGroup], _: Metric, window: Window) -> list[Series]:
    ended = [0.0] * len(window.starts_us)
    failed = [0.0] * len(window.starts_us)
    for group in groups:
        at = window.place(group)
        if at is None or group.group["status"] == "running":
            continue
        ended[at] += group.count
        failed[at] += group.count if group.group["status"] == "failed" else 0
    values = [part / all_ if all_ else None for part, all_ in zip(failed, ended, strict=True)]
    return [Series("failed", values, [count or None for count in ended])]


def _say_limits(found: Aggregate) -> list[str]:
    notes: list[str] = []
    if not found.complete and found.scan is not None:
        back = found.scan.back_to
        until = "" if back is None else f", back to {back:%Y-%m-%d %H:%M} UTC"
        notes.append(
            f"The search stopped at its budget after {found.scan.rows:,} records{until}; what is"
            " older is missing here."
        )
    if found.other is not None:
        notes.append(f"{found.other.groups:,} further buckets of steps are not drawn.")
    if found.is_estimated:
        notes.append("Whole runs were sampled: figures weigh each run that was kept.")
    return notes


def read_reasons(store: Store, pipeline: str, days: int, now_us: int) -> tuple[Figures, Window]:
    """The share of candidates that each reason rejected, day by day, of every step."""
    path, pairs = baselines_request(pipeline, None, days)
    call = Call(path, pairs, f"client.baselines({pipeline!r}, days={days})")
    window = day_window(days, now_us)
    try:
        report = reading.show_baselines(store, pairs, now_us)
    except NotFoundError:
        return Figures({}, call, ()), window
    notes = ["Shares of a day are counted in ranges: each is off by at most 1/64 of itself."]
    # Where a day deviates, the certainty is of that claim, which is not made here.
    if report.because and not report.deviations:
        notes.append(f"{report.certainty.capitalize()}: {report.because}")
    return Figures(_spread_reasons(report, window), call, notes), window


def _spread_reasons(report: BaselineReport, window: Window) -> dict[str, list[Series]]:
    days = [(day.toordinal() - _EPOCH_DAY) * DAY_US for day in report.days]
    places = {start: at for at, start in enumerate(window.starts_us)}
    spread: dict[str, list[Series]] = {}
    for step in report.steps:
        told = [figure for figure in step.figures if figure.kind == "reason"]
        told.sort(key=lambda figure: -(figure.typical))
        lines: list[Series] = []
        for figure in told[:_MAX_REASONS]:
            values: list[float | None] = [None] * len(window.starts_us)
            for day, value in zip(days, figure.by_day, strict=False):
                if day in places:
                    values[places[day]] = value
            lines.append(Series(figure.reason, values, [None] * len(values)))
        if lines:
            spread[step.name] = lines
    return spread


def find_deploys(
    store: Store, pipeline: str, window: Window, now_us: int
) -> tuple[dict[int, list[str]], Call | None]:
    """The versions that first ran in each bucket, by its place, and the call that tells them."""
    since = from_wall_us(window.starts_us[0]).strftime("%Y-%m-%dT%H:%M:%SZ")
    pairs: Pairs = [
        ("of", "runs"),
        ("pipeline", pipeline),
        ("started_at_gte", since),
        ("bucket", window.width),
        ("by", "version"),
    ]
    found = reading.aggregate(store, pairs, now_us)
    firsts: dict[str, int] = {}
    for group in found.groups:
        version, at = group.group["version"], window.place(group)
        if isinstance(version, str) and at is not None:
            firsts[version] = min(firsts.get(version, at), at)
    if not found.complete or len(firsts) > _MAX_DEPLOYS:
        return {}, None
    deploys: dict[int, list[str]] = {}
    for version, at in sorted(firsts.items()):
        of_version = [("pipeline", pipeline), ("version", version), ("started_at_lt", since)]
        before = reading.list_runs(store, [*of_version, ("limit", "1")], now_us)
        if not before.runs and before.complete:
            deploys.setdefault(at, []).append(version)
    return deploys, Call("/v1/aggregate", pairs, spell_call("aggregate", pairs))
