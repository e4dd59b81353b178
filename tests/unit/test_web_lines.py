"""Where the lines of figures over time stand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xray.web.charts.lines import choose_labelled, lay_lines

FIGURES = st.one_of(st.none(), st.floats(0, 1e12))


def test_figures_stand_in_the_middle_of_their_buckets_on_a_scale_from_zero() -> None:
    drawn = lay_lines([[0.0, 50.0, 100.0]], 3, width=300, height=100, top=100.0)
    assert drawn.lines[0].parts == ["50,100 150,50 250,0"]
    assert [(column.x, column.width) for column in drawn.columns] == [
        (0, 100),
        (100, 100),
        (200, 100),
    ]
    assert next((tick.value, tick.at) for tick in drawn.ticks) == (0, 100)


def test_a_line_is_broken_where_nothing_is_known_and_a_lone_figure_is_a_dot() -> None:
    drawn = lay_lines([[1.0, 2.0, None, 2.0, None]], 5, width=100, height=10, top=2.0)
    line = drawn.lines[0]
    assert line.parts == ["10,5 30,0"]
    assert [(dot.x, dot.y) for dot in line.dots] == [(70, 0)]
    assert line.last == line.dots[0]


def test_without_a_figure_there_is_a_scale_and_no_line() -> None:
    drawn = lay_lines([[None, None]], 2)
    assert drawn.lines[0].parts == []
    assert drawn.lines[0].dots == []
    assert drawn.lines[0].last is None
    assert drawn.top == 1.0
    assert lay_lines([], 0).columns == []


def test_all_zeros_are_drawn_at_the_foot() -> None:
    drawn = lay_lines([[0.0, 0.0]], 2, width=20, height=10)
    assert drawn.lines[0].parts == ["5,10 15,10"]


def test_labels_leave_room_for_one_another() -> None:
    assert choose_labelled(0) == []
    assert choose_labelled(4, 900) == [0, 1, 2, 3]
    assert all(
        (after - before) * 900 / 42 >= 110
        for before, after in zip(
            choose_labelled(42, 900), choose_labelled(42, 900)[1:], strict=False
        )
    )


@given(st.lists(st.lists(FIGURES, min_size=6, max_size=6), max_size=4))
def test_every_figure_is_drawn_once_and_within_the_chart(series: list[list[float | None]]) -> None:
    drawn = lay_lines(series, 6, width=600, height=100)
    for values, line in zip(series, drawn.lines, strict=True):
        points = [point.split(",") for part in line.parts for point in part.split()]
        places = [(float(x), float(y)) for x, y in points] + [(dot.x, dot.y) for dot in line.dots]
        assert len(places) == sum(value is not None for value in values)
        assert all(0 <= x <= 600 and 0 <= y <= 100 for x, y in places)
    assert all(0 <= tick.at <= 100 for tick in drawn.ticks)
