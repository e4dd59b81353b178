"""Figures of two runs, one to the left of a line and one to the right of it, on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from xray.web.charts.funnel import Counted, FunnelBar, lay_funnel

WIDTH: Final = 90.0
"""How long the longest bar of one side is."""
_LEAST: Final = 1.5


@dataclass(frozen=True, slots=True)
class Wings:
    """Two bars that leave one line, in units of `WIDTH`.

    Args:
        a: how long the bar to the left is; None where there is no figure.
        b: how long the bar to the right is.
    """

    a: float | None
    b: float | None


@dataclass(frozen=True, slots=True)
class Funnels:
    """One step's bars in two runs, in units of `WIDTH`.

    Args:
        a: what came in and went on in A; None where A has no such step.
        b: the same in B.
    """

    a: FunnelBar | None
    b: FunnelBar | None


def lay_wings(
    pairs: Sequence[tuple[float | None, float | None]], width: float = WIDTH
) -> list[Wings]:
    """Two bars for each of *pairs*, as long as its figures are, on one scale for all of them.

    Args:
        pairs: a figure of A and one of B, none of them negative; None where there is none.
        width: how long the greatest is drawn.
    """
    largest = max((one for pair in pairs for one in pair if one is not None), default=0.0)
    return [Wings(_length(a, largest, width), _length(b, largest, width)) for a, b in pairs]


def lay_funnels(
    pairs: Sequence[tuple[Counted | None, Counted | None]], width: float = WIDTH
) -> list[Funnels]:
    """The funnels of two runs back to back, on one scale.

    Args:
        pairs: the same step in A and in B; None where one of them lacks it.
        width: how long the greatest count is drawn.
    """
    steps = [step for pair in pairs for step in pair if step is not None]
    bars = iter(lay_funnel(steps, width))
    return [
        Funnels(None if a is None else next(bars), None if b is None else next(bars))
        for a, b in pairs
    ]


def _length(figure: float | None, largest: float, width: float) -> float | None:
    if figure is None:
        return None
    if not figure or not largest:
        return 0.0
    return max(_LEAST, round(width * figure / largest, 1))


@dataclass(frozen=True, slots=True)
class Lean:
    """A bar to one side of a line, the nearer part of which is sure; in units of the given width.

    Args:
        x: where all of it begins.
        length: how long it is.
        sure_x: where the sure part of it begins.
        sure_length: how long that is.
    """

    x: float
    length: float
    sure_x: float
    sure_length: float


def lay_lean(figure: float, sure: float, width: float = WIDTH) -> Lean:
    """A bar for a figure from -1 to 1, to the left of the line or to the right of it.

    Args:
        figure: the figure.
        sure: how great it is at least, to whichever side.
        width: how long a bar of 1 is, and where the line is.
    """
    length = round(width * min(1.0, abs(figure)), 1)
    part = round(min(length, width * max(0.0, sure)), 1)
    if figure < 0:
        return Lean(round(width - length, 1), length, round(width - part, 1), part)
    return Lean(width, length, width, part)
