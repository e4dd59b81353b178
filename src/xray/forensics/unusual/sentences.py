"""How a figure that is unusual reads: what it is, what it usually is, and over how many runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from xray.forensics.wording import count_things, show_number
from xray.model.baseline import Usual
from xray.model.records import Step

MIN_FAILURES: Final = 5


class Numbers(NamedTuple):
    """A figure beside what is usual.

    Args:
        observed: what it is.
        expected: its median.
        days: over how many days.
        runs: of how many runs.
    """

    observed: float
    expected: float
    days: int
    runs: int

    @property
    def median(self) -> str:
        """`30-day median`."""
        return "median of that day" if self.days < 1 else f"{self.days}-day median"

    @property
    def basis(self) -> str:
        """`(412 runs)`."""
        return f"({count_things(self.runs, 'run')})"


def tell_deviation(
    step: Step,
    figure: str,
    numbers: Numbers,
    reason: str,
    reasons: Sequence[tuple[str, float, float]],
) -> str:
    """One sentence about a figure that is unusual.

    Args:
        step: the step.
        figure: which of its figures.
        numbers: the figure beside what is usual.
        reason: the reason, for its share; the kind of error, for a failure.
        reasons: for a rejection rate the reasons that moved the same way, with their shares here
            and usually.
    """
    tell = {
        "duration": _tell_duration,
        "rate": _tell_rate,
        "share": _tell_share,
        "input": _tell_count,
        "output": _tell_count,
        "failure": _tell_failure,
    }[figure]
    text = tell(step, numbers, f"{figure}:{reason}" if tell is _tell_count else reason)
    if reasons:
        name, share, usual = reasons[0]
        text += f"; {name} alone rejected {_say_share(share)}, usually {_say_share(usual)}"
    return f"{text}."


def _tell_duration(step: Step, numbers: Numbers, _: str) -> str:
    times = numbers.observed / numbers.expected if numbers.expected else 0.0
    longer = f"{times:.3g} times its" if times else "longer than its"
    return (
        f"{step.name} took {_say_ms(numbers.observed)}, {longer} {numbers.median} of "
        f"{_say_ms(numbers.expected)} {numbers.basis}"
    )


def _tell_rate(step: Step, numbers: Numbers, _: str) -> str:
    kept, usual = _say_share(1.0 - numbers.observed), _say_share(1.0 - numbers.expected)
    counts = ""
    if step.input_count and step.output_count is not None:
        counts = f" ({step.output_count:,} of {step.input_count:,})"
    return (
        f"{step.name} kept {kept} of its candidates{counts}; "
        f"its {numbers.median} is {usual} {numbers.basis}"
    )


def _tell_share(step: Step, numbers: Numbers, reason: str) -> str:
    return (
        f"{step.name} rejected {_say_share(numbers.observed)} of its candidates for {reason}; its "
        f"{numbers.median} is {_say_share(numbers.expected)} {numbers.basis}"
    )


def _tell_count(step: Step, numbers: Numbers, figure: str) -> str:
    number = count_things(int(numbers.observed)) if numbers.observed else "no candidate"
    went = "took in" if figure.startswith("input") else "passed on"
    usual = show_number(round(numbers.expected))
    return f"{step.name} {went} {number}; its {numbers.median} is {usual} {numbers.basis}"


def _tell_failure(step: Step, numbers: Numbers, kind: str) -> str:
    how = f" with {kind}" if kind else ""
    often = "never before" if not numbers.expected else f"in {_say_share(numbers.expected)}"
    days = f"{count_things(numbers.days, 'day')}" if numbers.days else "that day"
    if not numbers.expected:
        return f"{step.name} failed{how}, as {often} in {days} {numbers.basis}"
    return f"{step.name} failed{how}, which it did {often} of the time in {days} {numbers.basis}"


def tell_failures(step: Step, usual: Usual, days: int) -> str:
    """`80 % of the 41 failures of generate in 30 days are TimeoutError`; empty where too few."""
    failed = float(sum(usual.failures.values()))
    if failed < MIN_FAILURES:
        return ""
    kind, most = max(usual.failures.items(), key=lambda pair: (pair[1], pair[0]))
    over = "of that day" if days < 1 else f"in {count_things(days, 'day')}"
    named = kind or "of no named kind"
    own = "" if step.error is None else step.error.type
    text = (
        f"{_say_share(float(most) / failed)} of the {show_number(round(failed))} failures of "
        f"{step.name} {over} are {named}"
    )
    if own == kind:
        text += ", as this one is"
    elif own:
        text += f"; this one is {own}"
    rate = failed / float(usual.weight)
    return f"{text}. It failed in {_say_share(rate)} of {count_things(usual.runs, 'run')}."


def _say_ms(duration_ms: float) -> str:
    if duration_ms < 1000:
        return f"{duration_ms:.3g} ms"
    return f"{duration_ms / 1000:,.3g} s" if duration_ms < 1e6 else f"{duration_ms / 1000:,.0f} s"


def _say_share(share: float) -> str:
    percent = share * 100
    return f"{percent:.2g} %" if percent < 1 else f"{percent:.3g} %"
