"""Figures over time as lines: where nothing is known the line is broken, and never at zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from xray.web.charts.curve import Tick, choose_ticks

WIDTH: Final = 900.0
HEIGHT: Final = 220.0
SMALL_WIDTH: Final = 220.0
SMALL_HEIGHT: Final = 56.0
_TICKS: Final = 5
_LABEL_WIDTH: Final = 110.0
_HEADROOM: Final = 1.05
_LEAST_TOP: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Dot:
    """One figure of a line that has no neighbour to be joined with."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """One series of figures.

    Args:
        parts: its unbroken parts, each as points of an SVG polyline.
        dots: figures that stand alone between buckets where nothing is known.
        last: where its last figure stands; None where it has none.
    """

    parts: Sequence[str]
    dots: Sequence[Dot]
    last: Dot | None


@dataclass(frozen=True, slots=True)
class Column:
    """One bucket of time, as wide as its share of the chart.

    Args:
        x: where it begins.
        width: how wide it is.
        middle: where its figures stand.
    """

    x: float
    width: float
    middle: float


@dataclass(frozen=True, slots=True)
class Lines:
    """Several series on one scale that begins at zero.

    Args:
        lines: the series, in the order they were given in.
        columns: the buckets, the first at the left.
        ticks: round figures along the scale; `at` counts from above.
        labelled: the columns with room for their time below them.
        top: the figure at the upper edge.
    """

    lines: Sequence[Line]
    columns: Sequence[Column]
    ticks: Sequence[Tick]
    labelled: Sequence[int]
    top: float


def lay_lines(
    series: Sequence[Sequence[float | None]],
    buckets: int,
    *,
    width: float = WIDTH,
    height: float = HEIGHT,
    top: float | None = None,
) -> Lines:
    """Lines through the figures of each series, bucket by bucket.

    Args:
        series: for each line a figure of every bucket; None where nothing is known.
        buckets: how many there are.
        width: how wide the chart is drawn.
        height: how high.
        top: the figure at the upper edge; a little above the greatest one when None.
    """
    known = [value for one in series for value in one if value is not None]
    greatest = top if top is not None else max(known, default=0.0) * _HEADROOM
    greatest = greatest if greatest > _LEAST_TOP else 1.0
    step = width / max(buckets, 1)
    columns = [
        Column(round(place * step, 2), round(step, 2), round((place + 0.5) * step, 2))
        for place in range(buckets)
    ]
    ticks = [
        Tick(round(height * (1 - value / greatest), 1), value)
        for value in choose_ticks(0.0, greatest, _TICKS)
        if 0 <= value <= greatest
    ]
    return Lines(
        lines=[_lay_line(one, columns, greatest, height) for one in series],
        columns=columns,
        ticks=ticks,
        labelled=choose_labelled(buckets, width),
        top=greatest,
    )


def choose_labelled(buckets: int, width: float = WIDTH) -> list[int]:
    """The places of the buckets that are labelled: evenly spread, as many as there is room for."""
    every = max(1, -(-buckets * _LABEL_WIDTH // width)) if buckets else 1
    return list(range(0, buckets, int(every)))


def _lay_line(
    values: Sequence[float | None], columns: Sequence[Column], top: float, height: float
) -> Line:
    parts: list[list[Dot]] = [[]]
    for value, column in zip(values, columns, strict=True):
        if value is None:
            parts.append([])
        else:
            y = height * (1 - min(max(value / top, 0.0), 1.0))
            parts[-1].append(Dot(column.middle, round(y, 1)))
    found = [part for part in parts if part]
    return Line(
        parts=[" ".join(f"{dot.x:g},{dot.y:g}" for dot in part) for part in found if len(part) > 1],
        dots=[part[0] for part in found if len(part) == 1],
        last=found[-1][-1] if found else None,
    )
