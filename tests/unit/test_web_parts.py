"""Where the pieces of a bar stand, in numbers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from xray.web.charts.parts import lay_parts


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=8))
def test_the_parts_of_a_bar_join_and_fill_it(counts: list[int]) -> None:
    parts = lay_parts(counts, 120)
    assert len(parts) == len(counts)
    for one, other in pairwise(parts):
        assert abs(one.x + one.length - other.x) < 0.01
    assert abs(sum(part.length for part in parts) - (120 if any(counts) else 0)) < 0.01
    assert all(part.length == 0 for part, count in zip(parts, counts, strict=True) if not count)


def test_parts_are_as_long_as_they_are_great() -> None:
    assert [(part.x, part.length) for part in lay_parts([1, 0, 3], 120)] == [
        (0, 30),
        (30, 0),
        (30, 90),
    ]
