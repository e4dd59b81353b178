"""Counts of things as bars of one scale, the greatest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 220.0
_LEAST: Final = 1.5


@dataclass(frozen=True, slots=True)
class ShareBar:
    """One thing's bar.

    Args:
        name: the thing.
        count: how many.
        share: which share of all they are, from 0 to 1.
        length: how long its bar is, in units of `WIDTH`.
    """

    name: str
    count: int
    share: float
    length: float


def lay_shares(counts: Mapping[str, int], total: int, width: float = WIDTH) -> list[ShareBar]:
    """A bar for each of *counts*, as long as its part of the greatest.

    Args:
        counts: how many of each.
        total: of how many in all; at least their sum where things exclude each other.
        width: how long the greatest is drawn.
    """
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    largest = ordered[0][1] if ordered else 0
    return [
        ShareBar(
            name=name,
            count=count,
            share=count / total if total else 0.0,
            length=max(_LEAST, round(width * count / largest, 1)) if count else 0.0,
        )
        for name, count in ordered
    ]
