"""A pipeline with days of history, the last of which is unlike the others."""

from __future__ import annotations

import time
from collections.abc import Iterator

from xray.model.baseline import DAY_US
from xray.model.facts import ACCEPTED, REJECTED, DecisionRow, Fact, RunStarted, StepFinished
from xray.model.ids import new_uuid7

RUNS = 8
"""Runs of each day."""


def tell_weeks(days: int) -> Iterator[Fact]:
    """A filter that keeps half for some *days*, and today one in ten."""
    today_us = time.time_ns() // 1000 // DAY_US * DAY_US
    for age in range(days, -1, -1):
        for number in range(RUNS):
            at_us = today_us - age * DAY_US + number
            run_id = new_uuid7(at_us)
            rejected = 45 + number if age else 90
            yield RunStarted(run_id=run_id, pipeline="search", started_at_us=at_us)
            yield StepFinished(
                run_id=run_id,
                step_id=new_uuid7(at_us),
                pipeline="search",
                name="affordable",
                step_type="filter",
                ordinal=0,
                started_at_us=at_us,
                duration_ms=100.0 + number,
                rows=[DecisionRow(REJECTED, f"c{n}", "too_dear") for n in range(rejected)]
                + [DecisionRow(ACCEPTED, f"c{n}") for n in range(rejected, 100)],
            )
