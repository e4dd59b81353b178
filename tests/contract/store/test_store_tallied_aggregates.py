"""Aggregates over sampled runs are exact where tallies know what is asked, and say where not."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.contract.store.conftest import ENGINES, open_engine
from tests.contract.store.worlds import NOW_US
from xray import reading
from xray.model.aggregates import Aggregate, FigureGroup
from xray.model.counts import summarize_step
from xray.model.facts import (
    ACCEPTED,
    REJECTED,
    DecisionRow,
    Fact,
    RunFinished,
    RunStarted,
    StepFinished,
)
from xray.model.tallies import MINUTE_US, MinuteSum, Tallied
from xray.query.figures import add_parts
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.store.scanning import ScanBudget
from xray.testing.clock import FakeClock

RUNS = 240
SHARE = 5
BEGAN_US = NOW_US // (60 * MINUTE_US) * 60 * MINUTE_US - 180 * MINUTE_US
PIPELINES = ("big", "other", "whole")

Run = tuple[RunStarted, list[StepFinished], RunFinished]


def uuid(kind: int, number: int) -> str:
    return f"0195f0a2-0000-7000-{8000 + kind}-{number:012d}"


def make_run(number: int, weight: float) -> Run:
    """A run of two steps; the first of every pipeline filters away another share."""
    chance = random.Random(number)
    run_id, at_us = uuid(0, number), BEGAN_US + number * MINUTE_US // 2
    pipeline = PIPELINES[number % 3]
    steps = [
        StepFinished(
            run_id=run_id,
            step_id=uuid(1 + ordinal, number),
            pipeline=pipeline,
            name="ab"[ordinal],
            step_type="filter",
            ordinal=ordinal,
            started_at_us=at_us + ordinal,
            duration_ms=float(chance.randint(1, 50)),
            status="failed" if chance.random() < 0.1 else "completed",
            rows=[
                DecisionRow(chance.choice((ACCEPTED, REJECTED)), f"c{row}", "r") for row in range(4)
            ],
        )
        for ordinal in range(2)
    ]
    started = RunStarted(
        run_id=run_id,
        pipeline=pipeline,
        started_at_us=at_us,
        weight=weight,
        environment="production" if number % 2 else None,
        version="1",
    )
    status = "failed" if chance.random() < 0.2 else "completed"
    finished = RunFinished(
        run_id=run_id,
        status=status,  # type: ignore[arg-type]
        duration_ms=float(chance.randint(1, 900)),
    )
    return started, steps, finished


def list_facts(run: Run) -> list[Fact]:
    started, steps, finished = run
    return [started, *steps, finished]


def tally(number: int, run: Run) -> Tallied:
    started, steps, finished = run
    minute = MinuteSum()
    minute.runs.add(finished.status, finished.duration_ms)
    for step in steps:
        summary = summarize_step(step)
        counts = summary.counts
        minute.step(step.name, step.step_type).add(
            step.status,
            duration_ms=step.duration_ms,
            verdicts=(counts.rejected, counts.accepted, counts.selected),
            reasons=summary.reasons,
            input_count=summary.input_count,
            output_count=summary.output_count,
            rejection_rate=summary.rejection_rate,
        )
    return Tallied(
        tally_id=uuid(5, number),
        pipeline=started.pipeline,
        minute_us=started.started_at_us // MINUTE_US * MINUTE_US,
        environment=started.environment,
        version=started.version,
        runs=minute.runs.seal(),
        steps=minute.steps(),
    )


def everything() -> list[Fact]:
    return [fact for number in range(RUNS) for fact in list_facts(make_run(number, 1.0))]


def sampled() -> list[Fact]:
    """One run in `SHARE` of two pipelines, tallies of their others, and all of the third."""
    chance = random.Random(3)
    facts: list[Fact] = []
    for number in range(RUNS):
        is_kept = chance.random() < 1 / SHARE
        if number % 3 == 2:
            facts += list_facts(make_run(number, 1.0))
        elif is_kept:
            facts += list_facts(make_run(number, float(SHARE)))
        else:
            facts.append(tally(number, make_run(number, 1.0)))
    return facts


def ask(store: Store, asked: str, cursor: str | None = None) -> Aggregate:
    """The answer to a question written `name=value & name=value`."""
    pairs = [(name, value) for name, _, value in (one.partition("=") for one in asked.split(" & "))]
    if cursor is not None:
        pairs.append(("cursor", cursor))
    return reading.aggregate(store, pairs, NOW_US)


def assert_alike(found: Aggregate, wanted: Aggregate) -> None:
    """The same groups with the same counts and figures; sums may differ in their last digits."""

    def key(group: FigureGroup) -> str:
        return repr((group.group, group.start))

    assert sorted(map(key, found.groups)) == sorted(map(key, wanted.groups))
    by_key = {key(group): group for group in found.groups}
    for group in wanted.groups:
        other = by_key[key(group)]
        assert (other.count, other.n) == (group.count, group.n), key(group)
        assert other.rows + other.tallied == group.count
        for name, value in group.figures.items():
            figure = other.figures[name]
            assert value is not None
            assert figure is not None
            assert math.isclose(figure, value), (name, key(group))


COVERED = [
    "of=steps & mean=rejection_rate & by=run.pipeline",
    "of=steps & mean=rejection_rate & by=pipeline, name & bucket=1h",
    "of=steps & q=step_type = 'filter' and name = 'a' & sum=rejected_count & mean=duration_ms",
    "of=steps & by=status",
    "of=steps & q=run.environment = 'production' & sum=accepted_count, selected_count & by=name",
    "of=steps & pipeline=big & mean=rejection_rate",
    "of=runs & by=status, pipeline",
    "of=runs & mean=duration_ms & sum=duration_ms & by=version, environment & bucket=15m",
    "of=runs & q=not (status = 'failed') or pipeline = 'whole'",
    "of=runs & q=not exists(environment) & by=pipeline",
    "of=runs & q=version in ('1', '2') & bucket=1m",
]

NOT_COVERED = [
    "of=steps & p50=rejection_rate & by=run.pipeline",
    "of=steps & max=rejection_rate",
    "of=steps & mean=rejection_rate & by=status",
    "of=steps & q=rejection_rate > 0.2",
    "of=steps & mean=input_count",
    "of=runs & by=pipeline & bucket=7s",
    "of=runs & q=any(step.name = 'a')",
    "of=runs & q=metadata.user = 'u' or pipeline = 'big'",
    "of=runs & mean=weight",
    "of=decisions & by=reason",
]


@pytest.fixture(params=ENGINES)
def stores(
    request: pytest.FixtureRequest, open_empty: Callable[[str], Store]
) -> tuple[Store, Store]:
    """A store of the runs that were kept and of tallies, and one of all runs."""
    some, whole = open_empty(request.param), open_empty(request.param)
    some.submit("b", sampled()).result()
    whole.submit("b", everything()).result()
    return some, whole


@pytest.mark.parametrize("asked", COVERED)
def test_what_tallies_know_is_answered_as_if_all_runs_were_kept(
    stores: tuple[Store, Store], asked: str
) -> None:
    some, whole = stores
    found = ask(some, asked)
    assert_alike(found, ask(whole, asked))
    assert not found.is_estimated
    assert found.tallied > 0
    assert found.count == found.rows + found.tallied


@pytest.mark.parametrize("asked", NOT_COVERED)
def test_what_they_do_not_know_is_estimated_and_says_so(
    stores: tuple[Store, Store], asked: str
) -> None:
    some, whole = stores
    found = ask(some, asked)
    assert found.tallied == 0
    assert found.is_estimated == (found.rows > 0)
    exact = ask(whole, asked)
    assert not exact.is_estimated
    assert found.count == pytest.approx(exact.count, rel=0.5)


def test_a_pipeline_without_tallies_keeps_its_weights(open_empty: Callable[[str], Store]) -> None:
    for engine in ENGINES:
        store = open_empty(engine)
        weighted = [make_run(number, 7.0) for number in range(2, RUNS, 3)]
        facts = [fact for run in weighted for fact in list_facts(run)]
        facts += [fact for fact in sampled() if getattr(fact, "pipeline", "") != "whole"]
        store.submit("b", facts).result()
        for asked in ("of=runs & by=pipeline", "of=steps & by=run.pipeline & p50=score"):
            counts = {group.group.popitem()[1]: group.count for group in ask(store, asked).groups}
            steps = 1 if asked.startswith("of=runs") else 2
            assert counts["whole"] == 7 * steps * RUNS / 3
        exact = ask(store, "of=runs & by=pipeline & mean=duration_ms")
        counts = {group.group["pipeline"]: group.count for group in exact.groups}
        assert counts == {"big": RUNS / 3, "other": RUNS / 3, "whole": 7 * RUNS / 3}
        assert exact.is_estimated


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("budget_rows", [7, 50])
def test_parts_share_no_minute(tmp_path: Path, engine: str, budget_rows: int) -> None:
    budget = ScanBudget(budget_rows, budget_rows, budget_rows)
    clock = FakeClock(NOW_US)
    store = open_engine(engine, tmp_path, budget)
    whole = MemoryStore(clock)
    with closing(store), closing(whole):
        store.submit("b", sampled()).result()
        whole.submit("b", everything()).result()
        for asked in (COVERED[0], COVERED[5], COVERED[7]):
            parts = [ask(store, asked)]
            while parts[-1].next_cursor is not None:
                parts.append(ask(store, asked, parts[-1].next_cursor))
            assert len(parts) > 1
            assert_alike(add_parts(parts), ask(whole, asked))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_stretch_of_whole_minutes_is_exact(
    open_empty: Callable[[str], Store], engine: str
) -> None:
    some, whole = open_empty(engine), open_empty(engine)
    some.submit("b", sampled()).result()
    whole.submit("b", everything()).result()
    for bounds in (
        "started_at >= 150m",
        "started_at < 100m",
        "started_at >= 2h and started_at < 1h",
    ):
        asked = f"of=runs & q={bounds} & by=pipeline"
        assert_alike(ask(some, asked), ask(whole, asked))


def test_too_many_tallies_are_not_added_up(
    open_empty: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("xray.store.kept_figures", "xray.store.sql.snapshot"):
        monkeypatch.setattr(f"{module}.MAX_TALLIES", 10)
    for engine in ENGINES:
        store = open_empty(engine)
        store.submit("b", sampled()).result()
        found = ask(store, COVERED[0])
        assert (found.tallied, found.is_estimated) == (0, True)
        recent = ask(store, "of=steps & q=started_at >= 65m & mean=rejection_rate")
        assert (recent.tallied > 0, recent.is_estimated) == (True, False)
