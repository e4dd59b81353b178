"""Where the days of a figure stand, in numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xray.web.charts.days import lay_days

figures = st.none() | st.floats(0, 1e9)


@given(st.lists(figures, max_size=40), st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)).map(sorted))
def test_no_day_leaves_the_picture_and_none_is_made_up(
    days: list[float | None], band: list[float]
) -> None:
    drawn = lay_days(days, *band, width=100, height=20)
    points = [
        tuple(map(float, pair.split(","))) for line in drawn.lines for pair in line.split()
    ] + [(dot.x, dot.y) for dot in drawn.dots]
    assert len(points) == sum(figure is not None for figure in days)
    assert all(0 <= x <= 100 and 0 <= y <= 20 for x, y in points)
    assert (drawn.latest is None) == (not days or days[-1] is None)
    assert 0 <= drawn.band_top <= 20


def test_a_day_without_a_figure_parts_the_line() -> None:
    drawn = lay_days([1, 2, None, 4, None, 2, 1], 1, 2, width=60, height=40)
    assert drawn.lines == ["0,30 10,20", "50,20 60,30"]
    assert [(dot.x, dot.y) for dot in drawn.dots] == [(30, 0)]
    assert (drawn.band_top, drawn.band_height) == (20, 10)
