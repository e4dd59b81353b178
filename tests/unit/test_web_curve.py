"""Where the curve of the kept stands, in numbers."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from xray.model.what_if import CurvePoint
from xray.web.charts.curve import choose_ticks, lay_curve

finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def points(draw: st.DrawFn) -> list[CurvePoint]:
    limits = draw(st.lists(finite, unique=True, max_size=12))
    counts = [sorted(draw(st.tuples(*2 * [st.integers(0, 10**7)]))) for _ in limits]
    return [
        CurvePoint(limit, least, most) for limit, (least, most) in zip(limits, counts, strict=True)
    ]


def read(polyline: str) -> list[tuple[float, float]]:
    return [tuple(map(float, pair.split(","))) for pair in polyline.split()]  # type: ignore[misc]


@given(points(), st.none() | st.builds(CurvePoint, finite, st.just(3), st.just(5)))
def test_no_part_of_a_curve_leaves_the_chart(
    given_points: list[CurvePoint], now: CurvePoint | None
) -> None:
    curve = lay_curve(given_points, now=now, width=500, height=100)
    if curve is None:
        assert len({point.limit for point in [*given_points, *([now] if now else [])]}) < 2
        return
    for x, y in [*read(curve.least), *read(curve.most), *read(curve.band)]:
        assert 0 <= x <= 500
        assert 0 <= y <= 100
    assert [x for x, _ in read(curve.least)] == sorted(x for x, _ in read(curve.least))
    assert all(mark.most <= mark.least for mark in curve.marks)
    assert all(-0.1 <= tick.at <= 500.1 for tick in curve.limits)
    assert all(-0.1 <= tick.at <= 100.1 for tick in curve.counts)


def test_what_is_sure_has_no_band_and_bounds_have_one() -> None:
    sure = lay_curve([CurvePoint(0, 1, 1), CurvePoint(10, 4, 4)], width=100, height=40)
    bounded = lay_curve([CurvePoint(0, 1, 1), CurvePoint(10, 2, 4)], width=100, height=40)
    assert sure is not None
    assert bounded is not None
    assert (sure.least, sure.most, sure.band) == ("0,30 100,0", "0,30 100,0", "")
    assert bounded.band == "0,30 100,0 100,20 0,30"


def test_the_limit_that_is_tried_is_a_point_of_the_curve() -> None:
    ends = [CurvePoint(0, 0, 0), CurvePoint(10, 10, 10)]
    curve = lay_curve(ends, CurvePoint(5, 2, 2), CurvePoint(7.5, 4, 6), width=100, height=100)
    assert curve is not None
    assert curve.was is not None
    assert curve.now is not None
    assert (curve.was.x, curve.was.least) == (50, 80)
    assert (curve.now.x, curve.now.least, curve.now.most) == (75, 60, 40)
    assert curve.least == "0,100 50,80 75,60 100,0"


@given(finite, finite)
def test_ticks_are_few_and_within_the_axis(one: float, other: float) -> None:
    low, high = sorted((one, other))
    ticks = choose_ticks(low, high)
    assert 0 < len(ticks) <= 16
    slack = 1e-9 * max(abs(low), abs(high), 1e-300)
    assert all(low - slack <= tick <= high + slack for tick in ticks if math.isfinite(tick))


def test_ticks_are_round() -> None:
    assert choose_ticks(8.49, 263, 5) == [100, 200]
    assert choose_ticks(0, 45, 3) == [0, 20, 40]
    assert choose_ticks(0.1, 0.32, 5) == [0.1, 0.15, 0.2, 0.25, 0.3]
