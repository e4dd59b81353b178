"""Findings of a run by what its pipeline usually does, from any store, while runs arrive."""

from __future__ import annotations

import math
import random
from contextlib import closing
from pathlib import Path

import pytest

from tests.contract.store.conftest import ENGINES, open_engine
from tests.contract.store.worlds import DAY_US, NOW_US
from xray import reading
from xray.model.answers import Finding, FindingList
from xray.model.facts import ErrorInfo, Fact, RunFinished, RunStarted, StepFinished, Tally
from xray.model.ids import new_uuid7
from xray.store.protocol import Store

DAYS = 12
RUNS_A_DAY = 10


def facts_of(
    dice: random.Random,
    day: int,
    *,
    rank_ms: float = 120.0,
    kept_share: float = 0.098,
    failure: str = "",
) -> list[Fact]:
    """A run that many days ago, with a filter by tally and a rank step."""
    at_us = NOW_US - day * DAY_US - dice.randrange(3_600_000_000)
    run_id = new_uuid7(at_us)
    found = round(dice.gauss(1_000, 100))
    kept = round(found * kept_share * math.exp(dice.gauss(0, 0.1)))
    steps = [
        StepFinished(
            run_id=run_id,
            step_id=new_uuid7(at_us + 1),
            pipeline="shop",
            name="filter",
            step_type="filter",
            ordinal=0,
            started_at_us=at_us + 1,
            duration_ms=40 * math.exp(dice.gauss(0, 0.3)),
            tally=Tally(
                rejected=found - kept, accepted=kept, reasons={"price_too_high": found - kept}
            ),
        ),
        StepFinished(
            run_id=run_id,
            step_id=new_uuid7(at_us + 2),
            pipeline="shop",
            name="generate",
            step_type="generate",
            ordinal=1,
            started_at_us=at_us + 2,
            duration_ms=rank_ms * math.exp(dice.gauss(0, 0.3)),
            status="failed" if failure else "completed",
            error=ErrorInfo(type=failure, message="") if failure else None,
            output_count=None if failure else 5,
        ),
    ]
    started = RunStarted(run_id=run_id, pipeline="shop", started_at_us=at_us)
    finished = RunFinished(run_id=run_id, status="failed" if failure else "completed")
    return [started, *steps, finished]


def fill(store: Store) -> None:
    dice = random.Random(3)
    for day in range(DAYS, 0, -1):
        for number in range(RUNS_A_DAY):
            failure = ("ValueError" if day == 5 else "TimeoutError") if number == 0 else ""
            store.submit("batch", facts_of(dice, day, failure=failure)).result()


def ask(store: Store, facts: list[Fact]) -> list[Finding]:
    store.submit("batch", facts).result()
    started = facts[0]
    assert isinstance(started, RunStarted)
    answered = reading.answer(store, f"/v1/runs/{started.run_id}/findings", [], NOW_US)
    assert isinstance(answered, FindingList)
    told = ("unusual", "failure_kinds")
    return [one for one in answered.findings if one.code.startswith(told)]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_is_held_against_the_days_before_it(engine: str, tmp_path: Path) -> None:
    dice = random.Random(8)
    with closing(open_engine(engine, tmp_path)) as store:
        fill(store)
        assert ask(store, facts_of(dice, 0)) == []
        (slow,) = ask(store, facts_of(dice, 0, rank_ms=1_600.0))
        (strict,) = ask(store, facts_of(dice, 0, kept_share=0.02))
        (failed,) = ask(store, facts_of(dice, 0, failure="TimeoutError"))
    assert slow.code == "unusual_duration"
    assert "times its 12-day median of 1" in slow.text
    assert "(120 runs)" in slow.text
    assert strict.code == "unusual_rejection_rate"
    assert "; its 12-day median is " in strict.text
    assert strict.surprise >= 0.99
    assert failed.code == "failure_kinds"
    assert failed.text == (
        "91.7 % of the 12 failures of generate in 12 days are TimeoutError, as this one is. "
        "It failed in 10 % of 120 runs."
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_said_of_a_pipeline_that_hardly_ran(engine: str, tmp_path: Path) -> None:
    dice = random.Random(8)
    with closing(open_engine(engine, tmp_path)) as store:
        for _ in range(10):
            store.submit("batch", facts_of(dice, 1)).result()
        assert ask(store, facts_of(dice, 0, rank_ms=10_000.0)) == []
