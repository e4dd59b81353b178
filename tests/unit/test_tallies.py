"""Adding up what was not kept, and weighing what was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.model.clock import from_wall_us
from xray.model.records import Run
from xray.model.tallies import (
    DURATION_EDGES_MS,
    MAX_TALLY_REASONS,
    OTHER,
    RATE_EDGES,
    MinuteTally,
    RunSum,
    RunTally,
    Spread,
    StepSum,
)
from xray.model.weights import count_runs, estimate_mean, estimate_runs, estimate_share

durations = st.lists(st.integers(0, 1_000_000).map(float), max_size=50)


def a_run(weight: float) -> Run:
    return Run(
        run_id="018f0000-0000-7000-8000-000000000001",
        pipeline="p",
        status="completed",
        started_at=from_wall_us(0),
        weight=weight,
    )


@given(durations=durations)
def test_how_many_lie_above_an_edge_is_exact(durations: list[float]) -> None:
    runs = RunSum()
    for duration in durations:
        runs.add("completed", duration)
    spread = runs.seal().duration_ms
    assert (spread.count, spread.total) == (len(durations), sum(durations))
    for place, edge in enumerate(DURATION_EDGES_MS):
        assert spread.above(place) == sum(duration > edge for duration in durations)


@given(one=durations, other=durations)
def test_parts_add_up_to_the_whole(one: list[float], other: list[float]) -> None:
    whole, parts = RunSum(), RunSum()
    for half in (one, other):
        part = RunSum()
        for duration in half:
            whole.add("failed", duration)
            part.add("failed", duration)
        parts.merge(part.seal())
    assert parts.seal() == whole.seal()


def test_the_edges_that_questions_ask_for_are_there() -> None:
    assert 0.9 in RATE_EDGES
    assert 5_000 in DURATION_EDGES_MS
    assert list(RATE_EDGES) == sorted(RATE_EDGES)
    assert list(DURATION_EDGES_MS) == sorted(DURATION_EDGES_MS)


def test_a_spread_of_a_later_version_keeps_its_buckets() -> None:
    runs = RunSum()
    later = Spread(2, 3e9, [0] * 24 + [2])
    runs.merge(RunTally(statuses={"completed": 2}, duration_ms=later))
    assert runs.seal().duration_ms == later


def test_reasons_beyond_the_bound_are_counted_together() -> None:
    steps = StepSum("filter", "filter")
    for number in range(MAX_TALLY_REASONS + 40):
        steps.add(
            "completed",
            duration_ms=None,
            verdicts=(1, 0, 0),
            reasons={f"reason {number}": 1},
            input_count=1,
            output_count=0,
            rejection_rate=1.0,
        )
    sealed = steps.seal()
    assert (sealed.rejected, sealed.empty) == (MAX_TALLY_REASONS + 40,) * 2
    assert len(sealed.reasons) == MAX_TALLY_REASONS + 1
    assert sealed.reasons[OTHER] == 40
    assert sealed.duration_ms == Spread()


def test_runs_are_estimated_by_weight_and_counted_with_tallies() -> None:
    stored = [a_run(100.0), a_run(1.0), a_run(1.0)]
    minute = MinuteTally(
        minute=from_wall_us(0), pipeline="p", runs=RunTally(statuses={"completed": 97})
    )
    assert estimate_runs(stored) == 102.0
    assert count_runs(len(stored), [minute]) == 100


def test_means_and_shares_are_weighted() -> None:
    assert estimate_mean([(10.0, 99.0), (1010.0, 1.0)]) == pytest.approx(20.0)
    assert estimate_share([(True, 1.0), (False, 99.0)]) == pytest.approx(0.01)
    assert estimate_share([]) is None
