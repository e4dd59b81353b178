"""What is usual of a pipeline's steps: how their figures lie, day by day, in a form that adds up.

One `Usual` tells of the steps of one name and type, of one pipeline and day. Each step adds to it
once, so it is kept while steps arrive and never computed by reading them again; several days add up
to a window. Everything in it is a sum, so a step can also be taken back, exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil
from typing import Final, NamedTuple, Protocol

from msgspec import Struct, field

from xray.model.bins import Bins, Number, add_bins, bin_amount, bin_count, bin_rate
from xray.model.facts import StepFinished
from xray.model.records import Step
from xray.model.vocabulary import RateBasis, StepStatus, StepType

DAY_US: Final = 86_400_000_000
WINDOW_DAYS: Final = 30
MAX_KINDS: Final = 256
"""How many reasons, and how many kinds of failure, a day tells apart; the others are one."""
OTHER: Final = "other"


class BaselineKey(NamedTuple):
    """Which steps, and which day, counted from 1970."""

    pipeline: str
    step_name: str
    step_type: StepType
    day: int


class Summary(Protocol):
    """What follows from a step's fact, as far as baselines need it."""

    @property
    def input_count(self) -> int | None:
        """How many candidates came in."""

    @property
    def output_count(self) -> int | None:
        """How many went on."""

    @property
    def rejection_rate(self) -> float | None:
        """The share it rejected."""

    @property
    def rate_basis(self) -> RateBasis | None:
        """What that rests on."""

    @property
    def reasons(self) -> dict[str, int]:
        """How many it rejected, by reason."""


class StepFigures(NamedTuple):
    """What one step adds.

    Args:
        status: how it ended; what follows its failure counts only where it was completed.
        failure: the kind of its error; empty where it named none.
        duration_ms: how long it took.
        input_count: how many candidates came in.
        output_count: how many went on.
        rejection_rate: the share it rejected; None also where that rests on logged samples alone.
        reasons: how many it rejected, by reason.
    """

    status: StepStatus
    failure: str
    duration_ms: float | None
    input_count: int | None
    output_count: int | None
    rejection_rate: float | None
    reasons: Mapping[str, int]


class Usual(Struct, array_like=True):
    """How the figures of some steps lie; amounts and rates as `model.bins` counts them.

    Args:
        runs: how many runs they belong to.
        steps: how many steps there are.
        weight: how many they stand for, where whole runs are sampled.
        squares: the sum of their squared weights, each rounded up.
        failures: the weight of those that failed, by the kind of their error.
        durations: how long the completed took, in ms.
        inputs: how many candidates came into them.
        outputs: how many went on.
        rates: the share they rejected, of those that say.
        shares: of those that tell a rate, the share of its candidates that each reason rejected; a
            step that did not give the reason is not counted there.
    """

    runs: int = 0
    steps: int = 0
    weight: Number = 0
    squares: int = 0
    failures: dict[str, Number] = field(default_factory=dict)
    durations: Bins = field(default_factory=dict)
    inputs: Bins = field(default_factory=dict)
    outputs: Bins = field(default_factory=dict)
    rates: Bins = field(default_factory=dict)
    shares: dict[str, Bins] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether every step that was counted was taken back."""
        return self.steps <= 0

    def add(self, step: StepFigures, weight: Number, sign: int = 1) -> None:
        """Count a step, or take it back.

        Args:
            step: its figures.
            weight: how many it stands for.
            sign: -1 takes it back.
        """
        signed = weight * sign
        self.steps += sign
        self.weight += signed
        self.squares += sign * ceil(weight * weight)
        status, failure, duration_ms, input_count, output_count, rate, reasons = step
        if status != "completed":
            if status == "failed":
                _add_kind(self.failures, failure, signed)
            return
        # Every step that arrives comes by here: one call a figure, and no more.
        if duration_ms is not None:
            bins, number = self.durations, bin_amount(duration_ms)
            bins[number] = bins.get(number, 0) + signed
        if input_count is not None:
            bins, number = self.inputs, bin_count(input_count)
            bins[number] = bins.get(number, 0) + signed
        if output_count is not None:
            bins, number = self.outputs, bin_count(output_count)
            bins[number] = bins.get(number, 0) + signed
        if rate is None:
            return
        bins, number = self.rates, bin_rate(rate)
        bins[number] = bins.get(number, 0) + signed
        if reasons:
            for reason, share in share_reasons(rate, reasons):
                bins, number = _find_reason(self.shares, reason), bin_rate(share)
                bins[number] = bins.get(number, 0) + signed

    def merge(self, other: Usual) -> None:
        """Count what was added up elsewhere."""
        self.runs += other.runs
        self.steps += other.steps
        self.weight += other.weight
        self.squares += other.squares
        for kind, weight in other.failures.items():
            _add_kind(self.failures, kind, weight)
        self.failures = {kind: weight for kind, weight in self.failures.items() if weight}
        add_bins(self.durations, other.durations.items())
        add_bins(self.inputs, other.inputs.items())
        add_bins(self.outputs, other.outputs.items())
        add_bins(self.rates, other.rates.items())
        for reason, bins in other.shares.items():
            add_bins(_find_reason(self.shares, reason), bins.items())
        self.shares = {reason: bins for reason, bins in self.shares.items() if bins}


class Baseline(Struct, frozen=True, kw_only=True):
    """What was usual of one kind of step on one day.

    Args:
        pipeline: their pipeline.
        step_name: their name.
        step_type: their type.
        day: the day on which they began in UTC, counted from 1970.
        usual: their figures.
    """

    pipeline: str
    step_name: str
    step_type: StepType
    day: int
    usual: Usual


def _add_kind(kinds: dict[str, Number], kind: str, weight: Number) -> None:
    if kind not in kinds and len(kinds) >= MAX_KINDS:
        kind = OTHER
    kinds[kind] = kinds.get(kind, 0) + weight


def _find_reason(shares: dict[str, Bins], reason: str) -> Bins:
    found = shares.get(reason)
    if found is None:
        found = shares.setdefault(reason if len(shares) < MAX_KINDS else OTHER, {})
    return found


def read_figures(fact: StepFinished, summary: Summary) -> StepFigures:
    """What a step that arrives adds to what is usual."""
    return StepFigures(
        fact.status,
        "" if fact.error is None else fact.error.type,
        fact.duration_ms,
        summary.input_count,
        summary.output_count,
        None if summary.rate_basis == "sampled" else summary.rejection_rate,
        summary.reasons,
    )


def recall_figures(step: Step) -> StepFigures:
    """What *step*, which is stored, added to what is usual."""
    return StepFigures(
        step.status,
        "" if step.error is None else step.error.type,
        step.duration_ms,
        step.input_count,
        step.output_count,
        None if step.rate_basis == "sampled" else step.rejection_rate,
        {reason: one.count for reason, one in step.rejections.items()},
    )


def share_reasons(rejection_rate: float, reasons: Mapping[str, int]) -> Iterable[tuple[str, float]]:
    """The share of a step's candidates that each reason rejected; they add up to the rate."""
    rejected = sum(reasons.values())
    if not rejected:
        return []
    if len(reasons) == 1:
        return [(reason, rejection_rate) for reason in reasons]
    each = rejection_rate / rejected
    return [(reason, min(1.0, count * each)) for reason, count in reasons.items() if count]


def sum_usual(parts: Iterable[Usual]) -> Usual:
    """What is usual of all *parts* together."""
    total = Usual()
    for part in parts:
        total.merge(part)
    return total
