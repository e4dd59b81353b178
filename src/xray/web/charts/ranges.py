"""Shares with the bounds they may lie between, on a scale from 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WIDTH: Final = 90.0


@dataclass(frozen=True, slots=True)
class Range:
    """One share, in units of the given width.

    Args:
        at: where it is.
        low: where the least it may be is.
        high: where the most it may be is.
    """

    at: float
    low: float
    high: float


def lay_range(value: float, least: float | None, most: float | None, width: float = WIDTH) -> Range:
    """A share and its bounds; without a bound it may be anything on that side.

    Args:
        value: the share.
        least: it is at least that; None where no bound is known.
        most: it is at most that.
        width: how long the scale is.
    """

    def place(share: float) -> float:
        return round(width * min(1.0, max(0.0, share)), 1)

    return Range(
        place(value), place(0.0 if least is None else least), place(1.0 if most is None else most)
    )
