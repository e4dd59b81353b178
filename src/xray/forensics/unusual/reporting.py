"""Baselines as a person reads them: what is usual, how it went day by day, what the latest day is.

The latest day is held against the steps of all earlier days, figure by figure, by the test of Mann
and Whitney on their ranges; all figures share one probability. Days differ for reasons of their
own, which that test knows nothing of, so a day deviates only where it also lies outside every
earlier day, of which there must be several.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Final

from msgspec.structs import replace

from xray.forensics.groups.chance import adjust, rank_p
from xray.forensics.wording import count_things, list_items
from xray.model.baseline import Baseline, Usual, sum_usual
from xray.model.baseline_report import (
    BaselineReport,
    FigureKind,
    UsualFigure,
    UsualStep,
    say_figure,
)
from xray.model.bins import (
    Bins,
    Number,
    bin_rate,
    find_bin,
    middle_amount,
    middle_count,
    middle_rate,
    sum_bins,
)
from xray.model.vocabulary import StepType

FAMILY: Final = 0.01
"""How often anything deviates where the steps of all days are alike, at most."""
MIN_DAYS: Final = 5
"""How many earlier days there must be before the latest is held against them."""
_MIN_TIMES: Final = 1.25
_MIN_POINTS: Final = 0.05
_MIN_SMALL_POINTS: Final = 0.01
_SMALL_TIMES: Final = 2.0
_MAX_REASONS: Final = 20
_MAX_TOLD: Final = 2
_EPOCH: Final = date(1970, 1, 1)

_Kind = tuple[str, StepType]


@dataclass(frozen=True, slots=True)
class _Values:
    """The values of one figure over some steps: those in ranges, and how many are 0 besides."""

    bins: Bins
    zeros: Number = 0

    @property
    def weight(self) -> float:
        """How many steps tell it."""
        return float(sum_bins(self.bins) + self.zeros)


@dataclass(frozen=True, slots=True)
class _Figure:
    """How one figure is read from what is usual.

    Args:
        kind: which figure.
        read: its values.
        middle: the value that stands for a range.
        reason: the reason, for its share.
        is_mean: whether its mean is typical instead of its median.
    """

    kind: FigureKind
    read: Callable[[Usual], _Values]
    middle: Callable[[int], float]
    reason: str = ""
    is_mean: bool = False

    def quantile(self, values: _Values, share: float) -> float:
        """The value that *share* of the steps do not exceed."""
        if share * values.weight <= values.zeros or not values.bins:
            return 0.0
        return self.middle(find_bin(values.bins, share, values.zeros) or 0)

    def typify(self, usual: Usual) -> float | None:
        """What is typical; None where no step tells."""
        values = self.read(usual)
        if not values.weight:
            return None
        if not self.is_mean:
            return self.quantile(values, 0.5)
        summed = math.fsum(self.middle(one) * float(held) for one, held in values.bins.items())
        return summed / values.weight


def _read_failures(usual: Usual) -> _Values:
    failed = sum(usual.failures.values())
    return _Values({bin_rate(1.0): failed} if failed else {}, usual.weight - failed)


def _read_reason(usual: Usual, reason: str) -> _Values:
    bins = usual.shares.get(reason, {})
    return _Values(bins, max(0, sum_bins(usual.rates) - sum_bins(bins)))


_FIGURES: Final = (
    _Figure("rejection_rate", lambda usual: _Values(usual.rates), middle_rate),
    _Figure("input_count", lambda usual: _Values(usual.inputs), middle_count),
    _Figure("output_count", lambda usual: _Values(usual.outputs), middle_count),
    _Figure("duration_ms", lambda usual: _Values(usual.durations), middle_amount),
    _Figure("failure_rate", _read_failures, middle_rate, is_mean=True),
)


def report_baselines(pipeline: str, baselines: Iterable[Baseline]) -> BaselineReport:
    """What is usual of the steps of *pipeline*, and what of its latest day is not.

    Args:
        pipeline: the pipeline.
        baselines: its steps day by day; at least one.
    """
    kinds: dict[_Kind, dict[int, Usual]] = {}
    for one in baselines:
        if one.usual.steps > 0:
            kinds.setdefault((one.step_name, one.step_type), {})[one.day] = one.usual
    days = sorted({day for by_day in kinds.values() for day in by_day})
    steps = [_report_step(kind, by_day, days) for kind, by_day in kinds.items()]
    steps = _judge(steps, kinds, days)
    steps.sort(key=lambda step: (-step.runs - step.latest_runs, step.name))
    found = [one for step in steps for one in step.figures if one.deviates]
    is_sampled = any(step.stands_for != step.steps for step in steps)
    grounds = ["whole runs were sampled and weighted"] if is_sampled else []
    if found:
        grounds.append("were all days alike, chance would set any apart in 1 report of 100 at most")
    latest = _date_of(days[-1])
    return BaselineReport(
        pipeline=pipeline,
        answer=_tell(pipeline, steps, days),
        certainty="inferred" if grounds else "known",
        because="; ".join(grounds),
        days=[_date_of(day) for day in days],
        latest=latest,
        latest_runs=f"pipeline = {_quote(pipeline)} and started_at >= {latest} and "
        f"started_at < {latest + timedelta(days=1)}",
        steps=steps,
        tests=sum(figure.p is not None for step in steps for figure in step.figures),
        level=FAMILY,
    )


def _date_of(day: int) -> date:
    return _EPOCH + timedelta(days=day)


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _report_step(kind: _Kind, by_day: dict[int, Usual], days: Sequence[int]) -> UsualStep:
    usual, latest = _split(by_day, days[-1])
    figures = [
        UsualFigure(
            kind=figure.kind,
            reason=figure.reason,
            steps=values.weight,
            typical=figure.typify(usual) or 0.0,
            low=figure.quantile(values, 0.1),
            high=figure.quantile(values, 0.9),
            by_day=[figure.typify(by_day[day]) if day in by_day else None for day in days],
            latest=None if latest is None else figure.typify(latest),
        )
        for figure in _list_figures(by_day.values())
        for values in [figure.read(usual)]
        if values.weight
    ]
    failed = float(sum(usual.failures.values()))
    kinds = sorted(usual.failures.items(), key=lambda pair: (-pair[1], pair[0]))
    return UsualStep(
        name=kind[0],
        step_type=kind[1],
        runs=usual.runs,
        steps=usual.steps,
        stands_for=float(usual.weight),
        days=sum(day < days[-1] for day in by_day),
        latest_runs=0 if latest is None else latest.runs,
        figures=figures,
        failures={name or "of no named kind": float(held) / failed for name, held in kinds},
    )


def _split(by_day: dict[int, Usual], latest_day: int) -> tuple[Usual, Usual | None]:
    """What was usual before the latest day, and on it; the same where nothing was before."""
    latest = by_day.get(latest_day)
    earlier = sum_usual(usual for day, usual in by_day.items() if day < latest_day)
    return (latest if latest is not None and not earlier.steps else earlier), latest


def _list_figures(days: Iterable[Usual]) -> list[_Figure]:
    """The figures of a kind of step: the rate and its reasons first, the commonest leading."""
    whole = sum_usual(days)
    reasons = sorted(
        whole.shares,
        key=lambda reason: (
            -math.fsum(
                middle_rate(number) * float(held) for number, held in whole.shares[reason].items()
            ),
            reason,
        ),
    )
    shares = [
        _Figure(
            "reason",
            partial(_read_reason, reason=reason),
            middle_rate,
            reason,
            is_mean=True,
        )
        for reason in reasons[:_MAX_REASONS]
    ]
    return [_FIGURES[0], *shares, *_FIGURES[1:]]


def _judge(
    steps: Sequence[UsualStep], kinds: dict[_Kind, dict[int, Usual]], days: Sequence[int]
) -> list[UsualStep]:
    """*steps* with what of the latest day deviates."""
    looks: list[tuple[int, int, float]] = []
    for at, step in enumerate(steps):
        by_day = kinds[step.name, step.step_type]
        usual, latest = _split(by_day, days[-1])
        if latest is None or step.days < MIN_DAYS:
            continue
        readers = {(one.kind, one.reason): one for one in _list_figures(by_day.values())}
        for place, figure in enumerate(step.figures):
            if figure.latest is not None:
                reader = readers[figure.kind, figure.reason]
                looks.append((at, place, _compare(reader, usual, latest)))
    judged = [list(step.figures) for step in steps]
    for (at, place, _), p in zip(looks, adjust([one[2] for one in looks]), strict=True):
        figure = judged[at][place]
        earlier = [value for value in figure.by_day[:-1] if value is not None]
        is_outside = _is_outside(figure.latest, earlier) and _matters(figure)
        deviates = p <= FAMILY and is_outside
        text = _tell_figure(steps[at].name, figure, len(earlier)) if deviates else ""
        judged[at][place] = replace(figure, p=p, deviates=deviates, text=text)
    return [replace(step, figures=found) for step, found in zip(steps, judged, strict=True)]


def _compare(figure: _Figure, usual: Usual, latest: Usual) -> float:
    """The chance of two groups of steps this far apart, were they alike."""
    groups = []
    for one in (usual, latest):
        values, worth = figure.read(one), _independence(one)
        counts = {number: round(float(held) * worth) for number, held in values.bins.items()}
        # Whatever is 0 stands at the range of 0, where some may have been counted already.
        zero = bin_rate(0.0)
        if values.zeros:
            counts[zero] = counts.get(zero, 0) + round(float(values.zeros) * worth)
        groups.append(counts)
    numbers = sorted(groups[0].keys() | groups[1].keys())
    a, b = ([group.get(number, 0) for number in numbers] for group in groups)
    return rank_p(a, b) if any(a) and any(b) else 1.0


def _independence(usual: Usual) -> float:
    """How many independent steps a unit of weight is worth: those of one run are alike."""
    if not usual.squares or not usual.steps:
        return 0.0
    return float(usual.weight) / float(usual.squares) * min(1.0, usual.runs / usual.steps)


def _is_outside(latest: float | None, earlier: Sequence[float]) -> bool:
    if latest is None or len(earlier) < MIN_DAYS:
        return False
    return latest > max(earlier) or latest < min(earlier)


def _matters(figure: UsualFigure) -> bool:
    """Whether the latest day is off by an amount that matters to anybody."""
    assert figure.latest is not None
    low, high = sorted((figure.latest, figure.typical))
    if figure.kind in ("duration_ms", "input_count", "output_count"):
        return high >= _MIN_TIMES * low and high > 0
    points = high - low
    return points >= _MIN_POINTS or (points >= _MIN_SMALL_POINTS and high >= _SMALL_TIMES * low)


def _tell(pipeline: str, steps: Sequence[UsualStep], days: Sequence[int]) -> str:
    latest = _date_of(days[-1])
    now = f"{latest} ({count_things(max(step.latest_runs for step in steps), 'run')})"
    if len(days) == 1:
        return f"{pipeline} has one day of history, {now}: nothing to hold it against."
    runs = count_things(max(step.runs for step in steps if step.days), "run")
    text = f"{pipeline}: usual is what {runs} of {count_things(len(days) - 1, 'day')} showed"
    if len(days) - 1 < MIN_DAYS:
        return f"{text}; {now} is not held against so few days."
    found = [figure.text for step in steps for figure in step.figures if figure.deviates]
    if not found:
        return f"{text}; {now} is like the days before."
    more = len(found) - _MAX_TOLD
    told = [*found[:_MAX_TOLD], *([f"{more} more"] if more > 0 else [])]
    return f"{text}; {now} is not like them: {list_items(told)}."


def _tell_figure(name: str, figure: UsualFigure, days: int) -> str:
    latest, typical = (
        say_figure(figure.kind, figure.latest),
        say_figure(figure.kind, figure.typical),
    )
    told = {
        "rejection_rate": f"{name} rejected {latest} of its candidates",
        "reason": f"{name} rejected {latest} for {figure.reason}",
        "input_count": f"{name} took in {latest} candidates",
        "output_count": f"{name} passed on {latest} candidates",
        "duration_ms": f"{name} took {latest}",
        "failure_rate": f"{name} failed in {latest} of its runs",
    }[figure.kind]
    is_more = (figure.latest or 0.0) > figure.typical
    return f"{told} (usually {typical}, {'more' if is_more else 'less'} than on any of {days} days)"
