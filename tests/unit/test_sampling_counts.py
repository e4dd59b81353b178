"""Counts stay exact when a step has more decisions than it keeps in detail."""

from __future__ import annotations

import threading

import pytest

from xray import XRay
from xray.testing import MemorySink


@pytest.mark.parametrize("size", [1, 1_023, 1_024, 1_025, 5_000])
def test_counts_are_exact_on_both_sides_of_the_census(size: int) -> None:
    sink = MemorySink()
    with XRay("p", sink=sink).run() as run, run.step("filter", "filter") as step:
        for number in range(size):
            if number % 3:
                step.reject(f"id_{number}", "too_dear", {"price": number})
            else:
                step.accept(f"id_{number}")
    summary = sink.summary("filter")
    accepted = (size + 2) // 3
    assert (summary.counts.accepted, summary.counts.rejected) == (accepted, size - accepted)
    assert sum(summary.reasons.values()) == size - accepted
    assert summary.coverage == ("all" if size <= 1_024 else "sampled")


def test_a_sample_stands_for_exactly_the_rows_it_was_drawn_from() -> None:
    sink = MemorySink()
    with XRay("p", sink=sink).run() as run, run.step("filter", "filter") as step:
        for number in range(4_000):
            step.reject(number, "odd" if number % 2 else "even")
    fact = sink.step("filter")
    assert {reservoir.reason: reservoir.seen for reservoir in fact.reservoirs} == {
        "even": (4_000 - 1_024) // 2,
        "odd": (4_000 - 1_024) // 2,
    }
    assert all(len(reservoir.rows) == 50 for reservoir in fact.reservoirs)
    assert fact.omissions == {"sampled_out": 4_000 - 1_024 - 100}


def test_a_candidate_decided_again_after_the_census_counts_once_under_its_last_verdict() -> None:
    sink = MemorySink()
    with XRay("p", sink=sink).run() as run, run.step("pick", "select") as step:
        for number in range(3_000):
            step.accept(f"id_{number}", score=number / 3_000)
        step.select("id_7")
        step.reject("id_8", "too_dear")
    summary = sink.summary("pick")
    counts = summary.counts
    assert (counts.accepted, counts.rejected, counts.selected) == (2_998, 1, 1)
    assert counts.redecided == 2
    assert summary.selected == ["id_7"]
    assert summary.score == pytest.approx(7 / 3_000)


def test_a_full_capture_travels_in_pieces_and_keeps_every_row() -> None:
    sink = MemorySink()
    with XRay("p", sink=sink).run() as run, run.step("filter", "filter", capture="full") as step:
        for number in range(9_000):
            step.reject(f"id_{number}", "too_dear", {"price": number, "title": "x" * 20})
    fact = sink.step("filter")
    assert fact.chunks > 0
    assert fact.tally is not None
    assert fact.tally.rejected == 9_000
    assert len(sink.decisions("filter")) == 9_000


def test_a_minimal_capture_counts_calls_and_keeps_nobody() -> None:
    sink = MemorySink()
    with XRay("p", sink=sink).run() as run, run.step("f", "filter", capture="minimal") as step:
        for _ in range(5):
            step.reject("same", "too_dear")
        step.accept("other")
    summary = sink.summary("f")
    assert (summary.counts.rejected, summary.counts.accepted) == (5, 1)
    assert summary.coverage == "none"


def test_counts_are_exact_when_four_threads_record_into_one_step() -> None:
    sink = MemorySink()
    with XRay("p", sink=sink).run() as run, run.step("filter", "filter") as step:

        def record(thread: int) -> None:
            for number in range(5_000):
                step.reject(f"{thread}_{number}", f"reason_{number % 3}")

        threads = [threading.Thread(target=record, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    summary = sink.summary("filter")
    assert summary.counts.rejected == 20_000
    assert summary.counts.redecided == 0


def test_reasons_and_ids_that_no_wire_takes_are_mended_after_the_census_too() -> None:
    sink = MemorySink()
    with XRay("p", sink=sink).run() as run, run.step("filter", "filter") as step:
        for number in range(1_100):
            step.reject(f"id_{number}", "plain")
        step.reject("a", "bad\ud800")
        step.reject("b", "r" * 10_000)
        step.reject("", "plain")
    reasons = sink.summary("filter").reasons
    assert reasons["bad\ufffd"] == 1
    assert all(len(reason) <= 256 for reason in reasons)
    assert sum(reasons.values()) == 1_103
