"""Baselines: every engine keeps what is usual of steps, each once, whatever order they come in."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.store.conftest import FORGET_LABELS, open_engine, some_engines
from tests.contract.store.worlds import DAY_US, NOW_US, RUN_IDS, STEP_IDS, TEXTS, worlds
from xray.model.baseline import Baseline, Usual, recall_figures, sum_usual
from xray.model.bins import bin_amount, bin_rate, round_weight
from xray.model.clock import to_wall_us
from xray.model.facts import (
    ACCEPTED,
    REJECTED,
    DecisionRow,
    ErrorInfo,
    Fact,
    RunFinished,
    RunStarted,
    StepFinished,
    StepRows,
)
from xray.store.protocol import Store
from xray.store.sqlite.engine import SqliteStore

TODAY = NOW_US // DAY_US


def started(run: int = 0, weight: float = 1.0) -> RunStarted:
    return RunStarted(run_id=RUN_IDS[run], pipeline="p", started_at_us=NOW_US, weight=weight)


def a_step(step: int = 0, run: int = 0, **fields: object) -> StepFinished:
    base = StepFinished(
        run_id=RUN_IDS[run],
        step_id=STEP_IDS[step],
        pipeline="p",
        name="filter",
        step_type="filter",
        ordinal=0,
        started_at_us=NOW_US,
        duration_ms=120.0,
        rows=[DecisionRow(REJECTED, f"c{n}", "price") for n in range(3)]
        + [DecisionRow(ACCEPTED, "kept")],
    )
    return msgspec.structs.replace(base, **fields)


def put(store: Store, *facts: Fact) -> None:
    assert not store.submit("batch", facts).result().rejected


def one(store: Store) -> Usual:
    (found,) = store.baselines("p")
    return found.usual


def count_again(store: Store, pipelines: Sequence[str]) -> list[Baseline]:
    """The baselines of all that is stored, by reading every step."""
    usual: dict[tuple[str, int, str, str], Usual] = {}
    runs: dict[tuple[str, int, str, str], set[str]] = {}
    for run_id in store.run_ids("", 1_000):
        run = store.run(run_id)
        assert run is not None
        for step in store.steps_of_run(run_id, is_sampled=False):
            key = (step.pipeline, to_wall_us(step.started_at) // DAY_US, step.name, step.step_type)
            figures = recall_figures(step)
            usual.setdefault(key, Usual()).add(figures, round_weight(run.weight))
            runs.setdefault(key, set()).add(run_id)
    for key, found in usual.items():
        found.runs = len(runs[key])
    return [
        Baseline(pipeline=key[0], day=key[1], step_name=key[2], step_type=key[3], usual=usual[key])  # type: ignore[arg-type]
        for key in sorted(usual, key=lambda key: (key[0], key[1], key[2], key[3]))
        if key[0] in pipelines
    ]


def test_a_step_counts_with_all_its_figures(store: Store) -> None:
    put(store, started(), a_step())
    (found,) = store.baselines("p")
    assert (found.step_name, found.step_type, found.day) == ("filter", "filter", TODAY)
    assert found.usual == Usual(
        runs=1,
        steps=1,
        weight=1,
        squares=1,
        durations={bin_amount(120.0): 1},
        inputs={bin_amount(4): 1},
        outputs={bin_amount(1): 1},
        rates={bin_rate(0.75): 1},
        shares={"price": {bin_rate(0.75): 1}},
    )


def test_a_step_sent_twice_counts_once(store: Store) -> None:
    put(store, started(), a_step(), a_step())
    put(store, a_step())
    assert one(store).steps == 1


def test_a_failed_step_counts_by_the_kind_of_its_error_alone(store: Store) -> None:
    put(store, started(), a_step(status="failed", error=ErrorInfo(type="TimeoutError", message="")))
    put(store, a_step(1, status="failed"))
    assert one(store) == Usual(
        runs=1, steps=2, weight=2, squares=2, failures={"TimeoutError": 1, "": 1}
    )


def test_a_run_counts_once_however_many_steps_of_a_kind_it_has(store: Store) -> None:
    put(store, started(), a_step(0), a_step(1))
    put(store, a_step(2))
    put(store, started(1), a_step(3, run=1))
    assert (one(store).runs, one(store).steps) == (2, 4)


def test_days_names_types_and_pipelines_are_told_apart(store: Store) -> None:
    put(store, a_step(0), a_step(1, name="rank"), a_step(2, step_type="rank"))
    put(store, a_step(3, started_at_us=NOW_US - DAY_US), a_step(4, pipeline="other"))
    found = [(one.day, one.step_name, one.step_type) for one in store.baselines("p")]
    assert found == [
        (TODAY - 1, "filter", "filter"),
        (TODAY, "filter", "filter"),
        (TODAY, "filter", "rank"),
        (TODAY, "rank", "filter"),
    ]
    assert [one.usual.steps for one in store.baselines("other")] == [1]
    assert store.baselines("nobody") == []
    assert [one.step_name for one in store.baselines("p", "rank")] == ["rank"]
    assert store.baselines("p", "nothing") == []


def test_days_are_found_by_their_beginning(store: Store) -> None:
    put(store, *(a_step(n, started_at_us=NOW_US - n * DAY_US) for n in range(3)))
    begin = TODAY * DAY_US

    def days(from_us: int, to_us: int | None) -> list[int]:
        return [one.day - TODAY for one in store.baselines("p", from_us=from_us, to_us=to_us)]

    assert days(begin - DAY_US, None) == [-1, 0]
    assert days(begin - DAY_US + 1, None) == [0]
    assert days(0, begin) == [-2, -1]
    assert days(0, begin + 1) == [-2, -1, 0]


def test_a_step_counts_for_the_weight_of_its_run_whichever_comes_first(store: Store) -> None:
    put(store, a_step(0))
    assert one(store).weight == 1
    put(store, started(weight=100.0))
    assert (one(store).weight, one(store).squares, one(store).rates) == (
        100,
        10_000,
        {bin_rate(0.75): 100},
    )
    put(store, a_step(1), RunFinished(run_id=RUN_IDS[0], status="failed", weight=1.0))
    assert (one(store).weight, one(store).squares) == (2, 2)
    assert one(store).rates == {bin_rate(0.75): 2}


def test_rows_that_come_later_change_what_the_step_counts_for(store: Store) -> None:
    more = [DecisionRow(ACCEPTED, f"more{n}") for n in range(4)]
    put(store, started(), a_step(chunks=1))
    put(store, StepRows(run_id=RUN_IDS[0], step_id=STEP_IDS[0], chunk=1, rows=more))
    assert one(store).rates == {bin_rate(3 / 8): 1}
    assert one(store).inputs == {bin_amount(8): 1}
    assert (one(store).runs, one(store).steps) == (1, 1)


@settings(max_examples=30)
@given(facts=worlds(), cuts=st.lists(st.integers(0, 12), max_size=3), engines=some_engines)
def test_every_engine_keeps_what_counting_again_would_give(
    open_empty_once: Callable[[str], Store],
    facts: list[Fact],
    cuts: list[int],
    engines: Sequence[str],
) -> None:
    for engine in engines:
        store = open_empty_once(engine)
        places = [0, *sorted(cuts), len(facts)]
        for first, last in pairwise(places):
            store.submit("batch", facts[first:last]).result()
        kept = [found for pipeline in sorted(TEXTS) for found in store.baselines(pipeline)]
        assert kept == count_again(store, TEXTS)
        store.close()


@pytest.fixture(scope="module")
def open_empty_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Store]:
    return lambda engine: open_engine(engine, tmp_path_factory.mktemp("baselines"))


def make_old(path: Path) -> None:
    """Leave the database as a version without baselines had it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            f"{FORGET_LABELS} drop table baselines; drop table baseline_fill;"
            "pragma user_version = 4;"
        )


def wait_for(store: SqliteStore, steps: int) -> list[Baseline]:
    until = time.monotonic() + 60
    while True:
        found = store.baselines("p")
        if sum(one.usual.steps for one in found) >= steps or time.monotonic() > until:
            return found
        time.sleep(0.01)


def test_steps_of_an_older_database_are_counted_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    facts: list[Fact] = [started(0, weight=10.0), started(1)]
    facts += [a_step(n, run=n % 2, duration_ms=float(n)) for n in range(6)]
    with closing(SqliteStore(path)) as store:
        put(store, *facts)
        before = store.baselines("p")
    make_old(path)
    with closing(SqliteStore(path)) as store:
        assert wait_for(store, 6) == before
        assert sum_usual(one.usual for one in before).weight == 33
    with closing(SqliteStore(path)) as store:
        assert store.baselines("p") == before


def test_what_arrives_while_an_older_database_is_being_counted_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    rows = StepRows(run_id=RUN_IDS[0], step_id=STEP_IDS[1], chunk=1, rows=[])
    with closing(SqliteStore(path)) as store:
        put(store, started(), a_step(0), rows)
    make_old(path)
    with closing(SqliteStore(path)) as store:
        put(store, a_step(0), a_step(1), a_step(2))
        put(store, RunFinished(run_id=RUN_IDS[0], status="completed", weight=3.0))
        found = wait_for(store, 3)
        assert found == count_again(store, ["p"])
        assert found[0].usual.weight == 9
