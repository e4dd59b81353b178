"""Where the bars of two runs stand, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from xray.web.charts.diverging import lay_funnels, lay_lean, lay_wings

figures = st.none() | st.floats(0, 1e12)
counts = st.none() | st.integers(0, 10**9)


@dataclass(frozen=True)
class Counted:
    input_count: int | None
    output_count: int | None


@given(st.lists(st.tuples(figures, figures)))
def test_both_sides_have_one_scale_and_what_is_not_known_has_no_bar(
    pairs: list[tuple[float | None, float | None]],
) -> None:
    drawn = [
        (figure, length)
        for pair, wings in zip(pairs, lay_wings(pairs, 80), strict=True)
        for figure, length in zip(pair, (wings.a, wings.b), strict=True)
    ]
    assert all((figure is None) == (length is None) for figure, length in drawn)
    known = sorted(one for one in drawn if one[0] is not None)
    assert all(0 <= length <= 80 for _, length in known)
    assert [length for _, length in known] == sorted(length for _, length in known)
    assert all((figure == 0) == (length == 0) for figure, length in known)


def test_figures_are_as_long_as_they_are_great() -> None:
    bars = lay_wings([(50, 100), (0, None), (0.001, 25)], 80)
    assert [(bar.a, bar.b) for bar in bars] == [(40, 80), (0, None), (1.5, 20)]


@given(st.lists(st.tuples(*2 * [st.none() | st.builds(Counted, counts, counts)])))
def test_a_step_that_one_run_lacks_has_no_funnel_there(
    pairs: list[tuple[Counted | None, Counted | None]],
) -> None:
    for (a, b), funnels in zip(pairs, lay_funnels(pairs), strict=True):
        assert (a is None, b is None) == (funnels.a is None, funnels.b is None)
        if a is not None and a == b:
            assert funnels.a == funnels.b


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_the_sure_part_of_a_leaning_bar_begins_at_the_line(figure: float, sure: float) -> None:
    bar = lay_lean(figure, sure, 40)
    assert 0 <= bar.sure_length <= bar.length <= 40
    ends = (bar.x, bar.x + bar.length, bar.sure_x, bar.sure_x + bar.sure_length)
    assert all(abs(40 - end) < 0.11 or (end < 40) == (figure < 0) for end in ends)


def test_a_bar_leans_to_the_side_of_its_sign() -> None:
    left, right = lay_lean(-0.5, 0.25, 40), lay_lean(1.0, 0.5, 40)
    assert (left.x, left.length, left.sure_x, left.sure_length) == (20, 20, 30, 10)
    assert (right.x, right.length, right.sure_x, right.sure_length) == (40, 40, 40, 20)
