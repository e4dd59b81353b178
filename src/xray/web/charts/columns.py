"""Counts as columns that stand side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

PITCH: Final = 26.0
HEIGHT: Final = 56.0
_WIDTH: Final = 18.0
_LEAST: Final = 1.5


@dataclass(frozen=True, slots=True)
class Column:
    """One count, in the units of the chart.

    Args:
        count: the count.
        x: where its column begins.
        y: where it begins, from above.
        width: how wide it is.
        height: how high.
    """

    count: int
    x: float
    y: float
    width: float
    height: float


def lay_columns(counts: Sequence[int], height: float = HEIGHT) -> list[Column]:
    """A column for each of *counts*, as high as its part of the greatest."""
    most = max(counts, default=0)
    columns = []
    for place, count in enumerate(counts):
        tall = max(_LEAST, round(height * count / most, 1)) if count else 0.0
        columns.append(Column(count, place * PITCH, round(height - tall, 1), _WIDTH, tall))
    return columns
