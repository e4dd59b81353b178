"""Where shares and their bounds stand, in numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xray.web.charts.ranges import lay_range

shares = st.floats(0, 1)


@given(st.tuples(shares, shares, shares).map(sorted))
def test_a_share_stands_between_its_bounds(figures: list[float]) -> None:
    least, value, most = figures
    drawn = lay_range(value, least, most, 90)
    assert 0 <= drawn.low <= drawn.at <= drawn.high <= 90


def test_without_a_bound_it_may_be_anything_on_that_side() -> None:
    drawn = lay_range(0.5, None, None, 90)
    assert (drawn.low, drawn.at, drawn.high) == (0, 45, 90)
