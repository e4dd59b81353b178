"""How times, counts, rates and ids are said to a person, on a terminal or on a page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from xray.model.ranking import round_measured
from xray.model.records import Step

NOT_THERE: Final = "-"
MIN_SHORT_ID: Final = 13
"""Up to here the id of a run says the millisecond it started in."""

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400


def say_when(moment: datetime, now: datetime) -> str:
    """How long ago *moment* was; after a week, its local date and time."""
    age_s = (now - moment).total_seconds()
    if -_MINUTE_S < age_s < 5:
        return "just now"
    if age_s < 0 or age_s >= 7 * _DAY_S:
        return moment.astimezone().strftime("%Y-%m-%d %H:%M")
    if age_s < _MINUTE_S:
        return f"{int(age_s)} s ago"
    if age_s < _HOUR_S:
        return f"{int(age_s // _MINUTE_S)} min ago"
    if age_s < _DAY_S:
        return f"{int(age_s // _HOUR_S)} h ago"
    days = int(age_s // _DAY_S)
    return f"{days} day{'' if days == 1 else 's'} ago"


def say_duration(duration_ms: float | None) -> str:
    """A duration with the unit a person would choose."""
    if duration_ms is None:
        return NOT_THERE
    if duration_ms < 1:
        return "<1 ms"
    if round(duration_ms) < 1000:
        return f"{duration_ms:.0f} ms"
    seconds = duration_ms / 1000
    if round(seconds, 1) < _MINUTE_S:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"


def say_count(count: int | None) -> str:
    """A count with its thousands apart; a dash where nobody counted."""
    return NOT_THERE if count is None else f"{count:,}"


def say_number_of(count: int, noun: str) -> str:
    """How many there are of something: `1 run`, `2,000 runs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def say_bytes(size: int) -> str:
    """A size with the unit a person would choose."""
    if size < 1000:
        return f"{size} B"
    if size < 999_500:
        return f"{size / 1e3:.0f} kB"
    if size < 999_950_000:
        return f"{size / 1e6:.1f} MB"
    return f"{size / 1e9:,.1f} GB"


def say_rate(step: Step) -> str:
    """A step's rejection rate; `-` where there is none, which is not 0."""
    if step.rejection_rate is None:
        return NOT_THERE
    return f"{step.rejection_rate * 100:.1f} %"


def say_number(number: float) -> str:
    """A number as short as it is exact to six digits."""
    return f"{number:.6g}" if abs(number) < 1e6 else f"{number:,.0f}"


def say_measured(number: float, error: float | None) -> str:
    """A number as it was given, or about, where a roster rounded it."""
    return (
        say_number(number)
        if error is None
        else f"about {say_number(round_measured(number, error))}"
    )


def shorten_ids(run_ids: Sequence[str]) -> dict[str, str]:
    """For each id the shortest beginning that tells it from the others, of 13 characters or more.

    Thirteen show the millisecond a run started in, so other runs rarely share them.
    """
    ordered = sorted(set(run_ids))
    shortened: dict[str, str] = {}
    for place, run_id in enumerate(ordered):
        neighbours = ordered[max(0, place - 1) : place] + ordered[place + 1 : place + 2]
        shared = max((_shared_length(run_id, other) for other in neighbours), default=0)
        shortened[run_id] = run_id[: max(MIN_SHORT_ID, shared + 1)]
    return shortened


def _shared_length(one: str, other: str) -> int:
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return place
    return min(len(one), len(other))
