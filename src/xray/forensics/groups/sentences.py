"""How a difference between two groups of runs reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from xray.forensics.wording import list_items, shorten_text, show_number
from xray.model.comparison import Comparison, Difference, SettingDifference, SettingShare

_MAX_NAMED: Final = 3
_CLOSE: Final = 1.25
_MAX_VALUE: Final = 60


def describe_difference(one: Difference, *, is_single: bool) -> str:
    """One difference as a sentence.

    Args:
        one: the difference, but for its text.
        is_single: all runs are of one pipeline, which needs no mention then.
    """
    told = _TOLD[one.kind](one)
    return told if is_single else f"{told[:-1]} ({one.pipeline})."


def _tell_duration(one: Difference) -> str:
    what = one.step or "A run"
    times, bound = one.change or 1.0, one.least
    is_slower = times >= 1
    if not is_slower:
        times, bound = 1 / times, None if not one.most else 1 / one.most
    amounts = f"{_say_ms(one.b)}, in A {_say_ms(one.a)}"
    if times < _CLOSE:
        word = "longer" if is_slower else "less"
        return f"{what} took {(times - 1) * 100:.1f} % {word} in B: {amounts} (the median)."
    said = f"took {_say_times(times)} as long" if is_slower else f"was {_say_times(times)} as fast"
    at_least = "" if not bound or bound <= 1 else f"; at least {_say_times(bound)}"
    return f"{what} {said} in B: {amounts} (the median{at_least})."


def _tell_rate(one: Difference) -> str:
    return f"{one.step} rejected {_rates(one, 'of its candidates')}."


def _tell_precision(one: Difference) -> str:
    return f"Of the labelled that {one.step} kept, {_rates(one, 'were good')}."


def _tell_recall(one: Difference) -> str:
    return f"{one.step} kept {_rates(one, 'of those labelled good')}."


def _tell_reason(one: Difference) -> str:
    return f"{one.step} rejected {_rates(one, f'of its candidates for {one.name}')}."


def _tell_new_reason(one: Difference) -> str:
    there, other = ("B", "A") if one.kind == "new_reason" else ("A", "B")
    share = one.b if there == "B" else one.a
    return (
        f"{one.step} rejected candidates for {one.name} in {there} only: {_say_share(share)} of "
        f"them, none in {other}."
    )


def _tell_counts(verb: str) -> Callable[[Difference], str]:
    return lambda one: f"{one.step} {verb} {_numbers(one, ' candidates')}."


def _tell_score(one: Difference) -> str:
    return f"The score of {one.step} was {_numbers(one)}."


def _tell_stat(one: Difference) -> str:
    return f"{one.name} of {one.step} was {_numbers(one)}."


def _tell_repeats(one: Difference) -> str:
    return f"{one.step} ran {_numbers(one, ' times in a run')}."


def _tell_share(said: str) -> Callable[[Difference], str]:
    return lambda one: f"{one.step or 'The run'} {said} in {_shares(one)}."


def _tell_error(one: Difference) -> str:
    return f"{one.step or 'The run'} failed with {one.name} in {_shares(one)}."


def _tell_step(one: Difference) -> str:
    return f"{one.step} is in {_shares(one)}."


_TOLD: Final[dict[str, Callable[[Difference], str]]] = {
    "duration": _tell_duration,
    "rejection_rate": _tell_rate,
    "precision": _tell_precision,
    "recall": _tell_recall,
    "reason": _tell_reason,
    "new_reason": _tell_new_reason,
    "vanished_reason": _tell_new_reason,
    "input_count": _tell_counts("got"),
    "output_count": _tell_counts("let through"),
    "empty": _tell_share("came out empty"),
    "score": _tell_score,
    "unscored": _tell_share("gave no score"),
    "stat": _tell_stat,
    "failure": _tell_share("failed"),
    "error": _tell_error,
    "lost": _tell_share("was cancelled or abandoned"),
    "repeats": _tell_repeats,
    "new_step": _tell_step,
    "vanished_step": _tell_step,
}


def _rates(one: Difference, of_what: str) -> str:
    return f"{_say_share(one.b)} {of_what} in B, {_say_share(one.a)} in A{_say_points(one)}"


def _shares(one: Difference) -> str:
    return f"{_say_share(one.b)} of the runs of B, {_say_share(one.a)} of A{_say_points(one)}"


def _numbers(one: Difference, unit: str = "") -> str:
    measure = "the median" if one.measure == "median" else "the mean"
    return f"{_say_number(one.b)}{unit} in B, {_say_number(one.a)} in A ({measure})"


def _say_points(one: Difference) -> str:
    """The bounds of a difference of shares, in points."""
    if one.least is None or one.most is None or one.least * one.most <= 0:
        return ""
    word = "more" if one.least > 0 else "less"
    low, high = sorted((abs(one.least) * 100, abs(one.most) * 100))
    return f" ({_say_point(low)} to {_say_point(high)} points {word})"


def _say_point(points: float) -> str:
    return f"{points:.1f}" if points >= 0.1 else f"{points:.2g}"


def _say_share(share: float) -> str:
    percent = share * 100
    if percent in (0.0, 100.0):
        return f"{percent:.0f} %"
    return f"{percent:.1f} %" if 0.1 <= percent <= 99.9 else f"{percent:.3g} %"


def _say_times(times: float) -> str:
    return f"{times:.1f} times" if times < 10 else f"{times:,.0f} times"


def _say_ms(duration_ms: float) -> str:
    if duration_ms < 1000:
        return f"{duration_ms:.3g} ms"
    return f"{duration_ms / 1000:,.3g} s" if duration_ms < 1e6 else f"{duration_ms / 1000:,.0f} s"


def _say_number(number: float) -> str:
    return show_number(float(f"{number:.4g}"))


def describe_setting(one: SettingDifference, *, is_single: bool) -> str:
    """What the runs were told otherwise, as a sentence."""
    what = one.path if one.step is None else f"{one.path} of {one.step}"
    told = f"{what} was {_say_values(one.b)} in B, {_say_values(one.a)} in A."
    return told if is_single or one.pipeline is None else f"{told[:-1]} ({one.pipeline})."


def _say_values(shares: list[SettingShare]) -> str:
    if not shares:
        return "nothing"
    said = [
        f"{_say_value(one.value)}" + ("" if one.share == 1 else f" ({_say_share(one.share)})")
        for one in shares
    ]
    return list_items(said)


def _say_value(value: str | None) -> str:
    return "absent" if value is None or value == "null" else shorten_text(value, _MAX_VALUE)


def answer_comparison(compared: Comparison) -> str:
    """The sentence that stands for a whole comparison."""
    a, b = compared.a.runs, compared.b.runs
    for name, runs in (("A", a), ("B", b)):
        if not runs:
            shared = f" that the other does not: {compared.overlap:,} meet both"
            return f"No run meets the query of {name}{shared if compared.overlap else ''}."
    groups = f"{_count(a)} of A and {_count(b)} of B"
    if not compared.tests:
        return f"{groups} are too few to tell anything from chance."
    told = _name_settings(compared)
    if not compared.differences:
        alike = f"Nothing that is recorded differs between {groups} by more than chance explains."
        return f"{alike} {told}" if told else alike
    first, rest = compared.differences[0], len(compared.differences) - 1
    more = (
        "" if not rest else f" {rest:,} more {'figure differs' if rest == 1 else 'figures differ'}."
    )
    return f"{first.text}{more}" + (f" {told}" if told else "")


def _name_settings(compared: Comparison) -> str:
    named = [
        one.path if one.step is None else f"{one.path} of {one.step}" for one in compared.settings
    ]
    if not named:
        return ""
    return f"The runs also differ in {list_items(list(dict.fromkeys(named)), limit=_MAX_NAMED)}."


def _count(runs: int) -> str:
    return "1 run" if runs == 1 else f"{runs:,} runs"
