"""How high columns stand, in numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xray.web.charts.columns import lay_columns


@given(st.lists(st.integers(0, 10**9)))
def test_columns_stand_on_one_line_and_none_is_higher_than_the_chart(counts: list[int]) -> None:
    columns = lay_columns(counts, 50)
    assert [column.count for column in columns] == counts
    for column in columns:
        assert abs(column.y + column.height - 50) < 0.01
        assert 0 <= column.height <= 50
        assert (column.height == 0) == (column.count == 0)


def test_a_column_is_as_high_as_its_part_of_the_greatest() -> None:
    assert [column.height for column in lay_columns([10, 5, 0], 50)] == [50, 25, 0]
