"""How many candidates are kept at each limit of a check, as a band between what is sure and not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Final

from xray.model.what_if import CurvePoint

WIDTH: Final = 560.0
HEIGHT: Final = 170.0
_TICKS: Final = 7
_STEPS: Final = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Tick:
    """A number on an axis.

    Args:
        at: where it stands along the axis.
        value: the number.
    """

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Mark:
    """One limit with how many it keeps.

    Args:
        x: where the limit stands.
        least: where the fewest it keeps stand, from above.
        most: where the most it keeps stand.
    """

    x: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Curve:
    """How many candidates are kept at each limit, in units of `WIDTH` and `HEIGHT`.

    Args:
        least: the line of the fewest, as points of an SVG polyline.
        most: the line of the most; the same where all is known.
        band: the area between the two, as points of a polygon; empty where all is known.
        marks: where the numbers are computed; between them the lines lead straight on.
        was: the limit that was recorded; None where there was none, or several.
        now: the limit that is tried.
        limits: numbers along the axis of limits.
        counts: numbers along the axis of candidates.
    """

    least: str
    most: str
    band: str
    marks: Sequence[Mark]
    was: Mark | None
    now: Mark | None
    limits: Sequence[Tick]
    counts: Sequence[Tick]


def lay_curve(
    points: Sequence[CurvePoint],
    was: CurvePoint | None = None,
    now: CurvePoint | None = None,
    width: float = WIDTH,
    height: float = HEIGHT,
) -> Curve | None:
    """The curve through *points*; None where fewer than two limits are known.

    Args:
        points: how many are kept at some limits.
        was: the same at the limit that was recorded.
        now: the same at the limit that is tried.
        width: how wide it is drawn.
        height: how high.
    """
    known = {point.limit: point for point in (*points, was, now) if point is not None}
    ordered = [known[limit] for limit in sorted(known)]
    if len(ordered) < 2:
        return None
    low, high = ordered[0].limit, ordered[-1].limit
    most = max(1, *(point.most for point in ordered))

    def place(point: CurvePoint) -> Mark:
        # Half of each first: the difference of two great numbers may be too great for one.
        share = (point.limit / 2 - low / 2) / (high / 2 - low / 2)
        return Mark(
            round(width * share, 1),
            round(height * (1 - point.least / most), 1),
            round(height * (1 - point.most / most), 1),
        )

    marks = [place(point) for point in ordered]
    upper = [(mark.x, mark.most) for mark in marks]
    lower = [(mark.x, mark.least) for mark in marks]
    return Curve(
        least=_spell(lower),
        most=_spell(upper),
        band="" if upper == lower else _spell([*upper, *reversed(lower)]),
        marks=marks,
        was=None if was is None else place(was),
        now=None if now is None else place(now),
        limits=[
            Tick(round(width * (value - low) / (high - low), 1), value)
            for value in choose_ticks(low, high)
        ],
        counts=[
            Tick(round(height * (1 - value / most), 1), value)
            for value in choose_ticks(0, most, 3)
            if value == int(value)
        ],
    )


def choose_ticks(low: float, high: float, wanted: int = _TICKS) -> list[float]:
    """About *wanted* round numbers from *low* to *high*."""
    span = high - low
    if not 0 < span < 1e300:
        return [low]
    raw = span / wanted
    power = 10.0 ** floor(log10(raw))
    step = next(power * one for one in _STEPS if power * one >= raw * 0.999)
    if step <= 0 or abs(low) / step > 1e12 or abs(high) / step > 1e12:
        return [low, high]
    first = -floor(-low / step)
    return [round(number * step, 12) for number in range(first, floor(high / step) + 1)]


def _spell(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)
