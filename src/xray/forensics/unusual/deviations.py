"""What is unusual about a run: its steps' figures against those of the weeks before.

Every figure is compared with how it was distributed, and told where chance does not explain it and
it is off by an amount that matters. All figures that are looked at share one probability, so a run
without anything unusual is left alone in 99 of 100 cases however many steps it has: one half of it
is divided among the reasons, which are many, the other among everything else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from xray.forensics.unusual.sentences import Numbers, tell_deviation, tell_failures
from xray.forensics.unusual.tails import (
    bound_rate,
    chance_beyond,
    place_amount,
    place_amounts,
    place_rate,
    place_rates,
)
from xray.forensics.unusual.usual import Window, open_windows
from xray.model.answers import Finding
from xray.model.baseline import Baseline, Usual, recall_figures, share_reasons
from xray.model.bins import (
    Bins,
    Number,
    find_bin,
    middle_amount,
    middle_count,
    middle_rate,
    sum_bins,
)
from xray.model.records import Run, Step

FAMILY: Final = 0.01
"""How often anything at all is said of a run that is like those before it, at most."""

_DOUBT: Final = 0.25
_MAX_FIGURES: Final = 3
_HALF_COUNT: Final = 0.5
_MIN_FACTOR: Final = 2.0
_MIN_MORE_MS: Final = 10.0
_MIN_POINTS: Final = 0.05
_MIN_SMALL_POINTS: Final = 0.01
_MIN_THINGS: Final = 3.0

Figure = Literal["duration", "rate", "share", "input", "output", "failure"]
CODES: Final[dict[Figure, str]] = {
    "duration": "unusual_duration",
    "rate": "unusual_rejection_rate",
    "share": "unusual_reason",
    "input": "unusual_input_count",
    "output": "unusual_output_count",
    "failure": "unusual_failure",
}
_FLOW: Final = frozenset({"rate", "share", "output", "input"})
_FED: Final = frozenset({"rank", "select", "transform", "custom", "group"})
"""Steps whose figures follow from how many candidates reach them."""


@dataclass(frozen=True)
class _Look:
    """One figure of one step that was looked at.

    Args:
        step: the step.
        figure: which figure.
        chance: the probability of one as far off.
        observed: what it is.
        expected: what it usually is.
        matters: whether it is off by an amount that matters.
        window: what it was compared with.
        reason: the reason, for its share.
    """

    step: Step
    figure: Figure
    chance: float
    observed: float
    expected: float
    matters: bool
    window: Window
    reason: str = ""


def find_deviations(
    run: Run, steps: Sequence[Step], baselines: Iterable[Baseline]
) -> list[Finding]:
    """What is unusual about *run*, the most surprising first.

    Args:
        run: the run.
        steps: its steps.
        baselines: what was usual of its pipeline on the days up to its own; see
            `load_baselines`.
    """
    windows = open_windows(run, steps, baselines)
    known = [
        (step, windows[step.name, step.step_type])
        for step in steps
        if (step.name, step.step_type) in windows
    ]
    figures = [
        look
        for step, window in known
        for look in _look_at(step, window, _share_doubt(_MAX_FIGURES * len(known)))
    ]
    reasons = sum(len(window.usual.shares.keys() | step.rejections) for step, window in known)
    shares = [
        look
        for step, window in known
        for look in _look_at_reasons(step, window, _share_doubt(reasons))
    ]
    unusual: list[tuple[float, _Look]] = []
    for group in (figures, shares):
        for look in group:
            adjusted = look.chance * 2 * len(group)
            if look.matters and adjusted <= FAMILY:
                unusual.append((adjusted, look))
    unusual.sort(key=lambda pair: pair[0])
    found = [_tell(adjusted, look, unusual) for adjusted, look in _leave_causes(unusual, steps)]
    return [*found, *_tell_failures(known, {one.step_id for one in found if _is_failure(one)})]


def _share_doubt(count: int) -> float:
    """The probability that may be spent on how few candidates each of *count* rates rests on."""
    return _DOUBT * FAMILY / (4 * max(1, count))


def _look_at(step: Step, window: Window, doubt: float) -> Iterator[_Look]:
    """The figures of a step other than the shares of its reasons."""
    usual = window.usual
    if step.status != "completed":
        if step.status == "failed":
            yield _look_at_failure(step, window)
        return
    if step.duration_ms is not None and usual.durations:
        yield _look_at_duration(step, step.duration_ms, window)
    rate = recall_figures(step).rejection_rate
    if rate is not None and usual.rates:
        chance = _chance_of_rate(rate, step, window, usual.rates, 0, doubt)
        number = find_bin(usual.rates, 0.5)
        expected = middle_rate(0 if number is None else number)
        matters = _is_rate_apart(rate, expected)
        yield _Look(step, "rate", chance, rate, expected, matters, window)
        if step.input_count is not None and usual.inputs:
            yield _look_at_count(step, "input", step.input_count, usual.inputs, window)
    elif step.output_count is not None and usual.outputs:
        yield _look_at_count(step, "output", step.output_count, usual.outputs, window)


def _look_at_failure(step: Step, window: Window) -> _Look:
    usual = window.usual
    failure = "" if step.error is None else step.error.type
    weight = usual.failures.get(failure, 0)
    count = window.worth(usual.weight)
    chance = min(1.0, (window.worth(weight) + 1.0) / (count + 1.0))
    expected = float(weight) / float(usual.weight) if usual.weight else 0.0
    return _Look(step, "failure", chance, 1.0, expected, True, window, failure)


def _look_at_duration(step: Step, duration_ms: float, window: Window) -> _Look:
    durations = window.usual.durations
    history = place_amounts(durations, 1)
    count = window.worth(sum_bins(durations))
    chance = chance_beyond(history, count, place_amount(duration_ms))
    expected = middle_amount(find_bin(durations, 0.5) or 0)
    is_longer = duration_ms >= _MIN_FACTOR * expected and duration_ms >= expected + _MIN_MORE_MS
    return _Look(step, "duration", chance, duration_ms, expected, is_longer, window)


def _look_at_count(step: Step, figure: Figure, number: int, bins: Bins, window: Window) -> _Look:
    count = window.worth(sum_bins(bins))
    chance = 2 * min(
        chance_beyond(
            place_amounts(bins, sign, _HALF_COUNT), count, sign * place_amount(number, _HALF_COUNT)
        )
        for sign in (1, -1)
    )
    expected = middle_count(find_bin(bins, 0.5) or 0)
    low, high = sorted((float(number), expected))
    is_apart = high >= _MIN_FACTOR * low and high - low >= min(_MIN_THINGS, expected or 1.0)
    return _Look(step, figure, min(1.0, chance), number, expected, is_apart, window)


def _look_at_reasons(step: Step, window: Window, doubt: float) -> Iterator[_Look]:
    """The share of a step's candidates that each reason rejected, also where it rejected none."""
    usual = window.usual
    figures = recall_figures(step)
    if step.status != "completed" or figures.rejection_rate is None or not usual.rates:
        return
    rated = sum_bins(usual.rates)
    shares = dict(share_reasons(figures.rejection_rate, figures.reasons))
    for reason in sorted(usual.shares.keys() | shares.keys()):
        share, bins = shares.get(reason, 0.0), usual.shares.get(reason, {})
        zeros = max(0, rated - sum_bins(bins))
        chance = _chance_of_rate(share, step, window, bins, zeros, doubt)
        number = find_bin(bins, 0.5, zeros) if sum_bins(bins) > zeros else None
        expected = 0.0 if number is None else middle_rate(number)
        matters = _is_rate_apart(share, expected)
        yield _Look(step, "share", chance, share, expected, matters, window, reason)


def _chance_of_rate(
    rate: float, step: Step, window: Window, bins: Bins, zeros: Number, doubt: float
) -> float:
    """The chance of a rate as far off, whichever way, given how few candidates it may rest on."""
    count = window.worth(sum_bins(bins) + zeros)
    candidates = _count_doubted(step, window.usual)
    chances = []
    for sign in (1, -1):
        near = rate if candidates is None else bound_rate(rate, candidates, doubt, sign)
        history = place_rates(bins, sign, zeros)
        chances.append(chance_beyond(history, count, sign * place_rate(near)))
    return min(1.0, 2 * min(chances) + (0.0 if candidates is None else 2 * doubt))


def _count_doubted(step: Step, usual: Usual) -> float | None:
    """How many candidates would make a rate as uncertain as this one is more than usual.

    The rates it is compared with vary already because they rest on so many candidates as is usual:
    only what comes on top of that is doubted. None where nothing does.
    """
    candidates = _count_candidates(step)
    if candidates is None:
        return None
    typical = middle_count(find_bin(usual.inputs, 0.5) or 0)
    if not typical:
        return candidates
    return candidates * typical / (typical - candidates) if candidates < typical else None


def _count_candidates(step: Step) -> int | None:
    counts = step.counts
    decided = counts.rejected + counts.accepted + counts.selected
    is_counted = step.rate_basis in ("counted", "inferred") and decided
    return decided if is_counted else step.input_count


def _is_rate_apart(rate: float, expected: float) -> bool:
    points = abs(rate - expected)
    if points >= _MIN_POINTS:
        return True
    pairs = ((rate, expected), (1.0 - rate, 1.0 - expected))
    return points >= _MIN_SMALL_POINTS and any(
        max(pair) >= _MIN_FACTOR * min(pair) for pair in pairs
    )


def _leave_causes(
    unusual: Sequence[tuple[float, _Look]], steps: Sequence[Step]
) -> Iterator[tuple[float, _Look]]:
    """What does not follow from something else that is told, each figure of a kind once."""
    parents = {step.step_id: step.parent_step_id for step in steps}
    slow_parents = {parents[look.step.step_id] for _, look in unusual if look.figure == "duration"}
    first = min(
        (look.step.ordinal for _, look in unusual if look.figure in _FLOW), default=math.inf
    )
    told: set[tuple[str, str, Figure, str]] = set()
    for adjusted, look in unusual:
        step = look.step
        is_rated = any(other.figure == "rate" and other.step is step for _, other in unusual)
        is_fed = look.figure == "input" or step.step_type in _FED
        if look.figure == "duration" and step.step_id in slow_parents:
            continue
        if look.figure == "share" and is_rated:
            continue
        if look.figure in _FLOW and step.ordinal > first and is_fed:
            continue
        key = (step.name, step.step_type, look.figure, look.reason)
        if key not in told:
            told.add(key)
            yield adjusted, look


def _tell(adjusted: float, look: _Look, unusual: Sequence[tuple[float, _Look]]) -> Finding:
    step, usual = look.step, look.window.usual
    reasons = [
        (other.reason, other.observed, other.expected)
        for _, other in unusual
        if look.figure == "rate"
        and other.figure == "share"
        and other.step is step
        and (other.observed > other.expected) == (look.observed > look.expected)
    ]
    numbers = Numbers(look.observed, look.expected, look.window.days, usual.runs)
    is_kept = look.figure == "rate"
    return Finding(
        code=CODES[look.figure],
        text=tell_deviation(step, look.figure, numbers, look.reason, reasons),
        certainty="known" if usual.weight == usual.steps else "inferred",
        because="" if usual.weight == usual.steps else "whole runs were sampled and weighted",
        step_id=step.step_id,
        step_name=step.name,
        surprise=1.0 - adjusted,
        observed=1.0 - look.observed if is_kept else look.observed,
        expected=1.0 - look.expected if is_kept else look.expected,
    )


def _is_failure(finding: Finding) -> bool:
    return finding.code == CODES["failure"]


def _tell_failures(
    known: Sequence[tuple[Step, Window]], told: set[str | None]
) -> Iterator[Finding]:
    """What the failures of a step that failed usually are."""
    seen: set[str] = set()
    for step, window in known:
        if step.status == "failed" and step.step_id not in told and step.name not in seen:
            seen.add(step.name)
            text = tell_failures(step, window.usual, window.days)
            if text:
                yield Finding(
                    code="failure_kinds",
                    text=text,
                    certainty="known",
                    step_id=step.step_id,
                    step_name=step.name,
                )
