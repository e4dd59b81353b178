"""What is usual of a pipeline, told: every figure of every step, day by day."""

from __future__ import annotations

from datetime import date
from typing import Literal

from msgspec import Struct

from xray.model.notebook import Shown
from xray.model.vocabulary import Certainty, StepType

FigureKind = Literal[
    "rejection_rate", "reason", "input_count", "output_count", "duration_ms", "failure_rate"
]


class UsualFigure(Struct, frozen=True, kw_only=True):
    """One figure of one kind of step, over the days before the latest and on each of them.

    Shares are from 0 to 1. Figures are off by at most 1/64 of themselves, as they are counted in
    ranges.

    Args:
        kind: which figure.
        reason: the reason, for the share of candidates that it rejected.
        steps: how many steps tell it, by their weights.
        typical: their median; for a reason and for failures, which most steps may lack, their mean.
        low: one step in ten is below.
        high: one step in ten is above.
        by_day: what was typical on each of the report's days; None where no step tells it.
        latest: what is typical on the latest day.
        deviates: whether the latest day is unlike the steps before it beyond chance, and outside
            every earlier day besides.
        p: the chance of steps this far apart among all figures looked at, were they alike; None
            where the latest day was not compared.
        text: for a figure that deviates, one plain sentence.
    """

    kind: FigureKind
    reason: str = ""
    steps: float
    typical: float
    low: float
    high: float
    by_day: list[float | None] = []
    latest: float | None = None
    deviates: bool = False
    p: float | None = None
    text: str = ""


class UsualStep(Struct, frozen=True, kw_only=True):
    """What is usual of one kind of step.

    Args:
        name: its name.
        step_type: its type.
        runs: how many runs had it before the latest day; on it, where there is no day before.
        steps: how many steps those are.
        stands_for: how many steps they stand for, where whole runs are sampled.
        days: on how many days it ran before the latest.
        latest_runs: how many runs had it on the latest day.
        figures: its figures, those that many steps tell first.
        failures: of the steps that failed, the share of each kind of error.
    """

    name: str
    step_type: StepType
    runs: int
    steps: int
    stands_for: float
    days: int
    latest_runs: int
    figures: list[UsualFigure] = []
    failures: dict[str, float] = {}


class BaselineReport(Shown, Struct, frozen=True, kw_only=True):
    """What is usual of a pipeline's steps, and what of the latest day is not.

    Args:
        pipeline: the pipeline.
        answer: one plain sentence.
        certainty: `known`; `inferred` where whole runs were sampled, or the latest day deviates.
        because: what it was inferred from.
        days: the days in UTC that have steps, oldest first; the last is the latest.
        latest: the latest day.
        latest_runs: a query that lists the runs of the latest day.
        steps: the kinds of steps, those with most runs first.
        tests: how many figures of the latest day were compared.
        level: the chance that any of them deviates, were the steps of all days alike.
    """

    pipeline: str
    answer: str
    certainty: Certainty = "known"
    because: str = ""
    days: list[date]
    latest: date
    latest_runs: str
    steps: list[UsualStep] = []
    tests: int = 0
    level: float = 0.01

    @property
    def deviations(self) -> list[UsualFigure]:
        """The figures of the latest day that are unlike the days before."""
        return [figure for step in self.steps for figure in step.figures if figure.deviates]


def say_figure(kind: FigureKind, value: float | None) -> str:
    """A figure with the unit a person would choose; a dash where nobody told it."""
    if value is None:
        return "-"
    if kind == "duration_ms":
        return f"{value:.3g} ms" if value < 1000 else f"{value / 1000:,.3g} s"
    if kind in ("input_count", "output_count"):
        return f"{round(value):,}"
    percent = 100 * value
    if 1 <= percent <= 99 or percent in (0, 100):
        return f"{percent:.0f} %"
    # Small shares, and small remainders, are counted as exactly as large ones.
    return f"{percent:.2g} %" if percent < 1 else f"{100 - float(f'{100 - percent:.2g}'):g} %"
