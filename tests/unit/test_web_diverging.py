"""Where the bars of two runs stand, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from xray.web.charts.diverging import lay_funnels, lay_wings

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
