"""A figure day by day, with the band in which it usually lies, no larger than a line of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 180.0
HEIGHT: Final = 26.0


@dataclass(frozen=True, slots=True)
class Dot:
    """One day's figure at its place."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Days:
    """A figure over some days, in units of `WIDTH` and `HEIGHT`.

    Args:
        lines: the days that follow one another, as points of a polyline each; a day without a
            figure parts them.
        dots: the days that no other stands beside.
        band_top: where the usual band begins, from above.
        band_height: how high it is.
        latest: the latest day; None where it has no figure.
    """

    lines: Sequence[str]
    dots: Sequence[Dot]
    band_top: float
    band_height: float
    latest: Dot | None


def lay_days(
    figures: Sequence[float | None],
    low: float,
    high: float,
    width: float = WIDTH,
    height: float = HEIGHT,
) -> Days:
    """A figure over days, the oldest first, on a scale that begins at zero.

    Args:
        figures: what was typical on each day, never negative; None where nothing tells it.
        low: where the band in which it usually lies begins.
        high: where it ends.
        width: how wide it is drawn.
        height: how high.
    """
    known = [one for one in figures if one is not None]
    most = max([high, *known], default=0.0) or 1.0
    pitch = width / max(1, len(figures) - 1)

    def place(at: int, figure: float) -> Dot:
        x = width if len(figures) == 1 else pitch * at
        return Dot(round(x, 1), round(height * (1 - figure / most), 1))

    parts: list[list[Dot]] = [[]]
    for at, figure in enumerate(figures):
        if figure is None:
            parts.append([])
        else:
            parts[-1].append(place(at, figure))
    last = figures[-1] if figures else None
    top = round(height * (1 - high / most), 1)
    return Days(
        lines=[" ".join(f"{dot.x:g},{dot.y:g}" for dot in part) for part in parts if len(part) > 1],
        dots=[part[0] for part in parts if len(part) == 1],
        band_top=top,
        band_height=max(1.0, round(height * (1 - low / most) - top, 1)),
        latest=None if last is None else place(len(figures) - 1, last),
    )
