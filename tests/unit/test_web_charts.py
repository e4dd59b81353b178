"""Where bars stand, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.model.records import Step
from xray.web.charts.funnel import lay_funnel
from xray.web.charts.shares import lay_shares
from xray.web.charts.waterfall import lay_waterfall

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
counts = st.none() | st.integers(0, 10**9)


@dataclass(frozen=True)
class Counted:
    input_count: int | None
    output_count: int | None


def step_at(offset_ms: float, duration_ms: float | None) -> Step:
    return Step(
        step_id="s",
        run_id="r",
        pipeline="p",
        name="n",
        step_type="filter",
        ordinal=0,
        status="completed",
        started_at=START + timedelta(milliseconds=offset_ms),
        duration_ms=duration_ms,
    )


@given(st.lists(st.builds(Counted, counts, counts)))
def test_a_longer_bar_is_a_larger_count_and_none_leaves_the_chart(steps: list[Counted]) -> None:
    bars = lay_funnel(steps, 200)
    drawn = []
    for step, bar in zip(steps, bars, strict=True):
        assert (bar.went_on is None) == (step.output_count is None)
        for count, length in (
            (step.input_count, bar.came_in),
            (step.output_count, bar.went_on),
        ):
            if count is not None and length is not None:
                drawn.append((count, length))
    assert all(0 <= length <= 200 for _, length in drawn)
    assert all((length == 0) == (count == 0) for count, length in drawn)
    assert all(one[1] <= other[1] for one, other in pairwise(sorted(drawn)))


def test_a_step_nobody_counted_has_no_bar_and_one_that_kept_nothing_has_an_empty_one() -> None:
    uncounted, emptied = lay_funnel([Counted(None, None), Counted(10, 0)], 200)
    assert (uncounted.came_in, uncounted.went_on) == (0, None)
    assert (emptied.came_in, emptied.went_on) == (200, 0)


def test_steps_stand_where_they_ran() -> None:
    bars = lay_waterfall(START, 100, [step_at(0, 25), step_at(25, 50), step_at(75, None)], 160)
    assert [(bar.start, bar.length, bar.is_open) for bar in bars] == [
        (0, 40, False),
        (40, 80, False),
        (120, 40, True),
    ]


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.none() | st.floats(0, 1e6))))
def test_no_time_bar_leaves_the_chart(spans: list[tuple[float, float | None]]) -> None:
    bars = lay_waterfall(START, None, [step_at(*span) for span in spans], 160)
    for bar in bars:
        assert 0 <= bar.start <= 160
        assert bar.length > 0
        assert bar.start + bar.length <= 161.6


def test_shares_are_of_all_and_bars_of_the_greatest() -> None:
    bars = lay_shares({"a": 10, "b": 40, "c": 0}, total=100, width=200)
    assert [(bar.name, bar.share, bar.length) for bar in bars] == [
        ("b", 0.4, 200),
        ("a", 0.1, 50),
        ("c", 0, 0),
    ]


@pytest.mark.parametrize("total", [0, 5])
def test_nothing_to_share_is_no_bar(total: int) -> None:
    assert lay_shares({}, total) == []
