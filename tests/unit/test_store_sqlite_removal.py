"""Deleting from a database file: nothing is left behind, and nobody waits for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import Raw

from tests.contract.store.test_store_labels import a_label
from tests.contract.store.worlds import NOW_US
from xray.errors import StoreError
from xray.model.facts import (
    REJECTED,
    DecisionRow,
    Fact,
    RosterGroup,
    RunFinished,
    RunStarted,
    StepFinished,
    StepRoster,
    StepRows,
)
from xray.model.ids import new_uuid7
from xray.model.values import pack_value
from xray.query.plan import Comparison, FieldRef, Plan
from xray.store.sqlite.engine import SqliteStore
from xray.testing.clock import FakeClock

KEPT_TABLES = {
    "baseline_fill", "baselines", "codec_dict", "dim", "indexed_stats", "sqlite_sequence",
    "tallies",
}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "xray.db"


@pytest.fixture
def store(file: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(file, clock=FakeClock(NOW_US), merge_fanout=2)) as opened:
        yield opened


def record_run(number: int, rows: int = 40) -> list[Fact]:
    """Facts of every kind about one run, whose candidates no other run has."""
    run_id, step_id, early = (new_uuid7(NOW_US + number) for _ in range(3))
    decided = [
        DecisionRow(
            REJECTED, f"p{number}-{row}", "price", attributes=Raw(pack_value({"n": number * row}))
        )
        for row in range(rows)
    ]
    rosters = [
        StepRoster(
            run_id=run_id, step_id=step_id, chunk=chunk, total=4,
            groups=[RosterGroup(0, "price", None, None, [f"r{number}-{chunk}", f"s{chunk}"])],
        )
        for chunk in (1, 2)
    ]  # fmt: skip
    return [
        RunStarted(run_id=run_id, pipeline="search", started_at_us=NOW_US + number,
                   correlation={"order": str(number)}),
        StepFinished(run_id=run_id, step_id=step_id, pipeline="search", name="filter",
                     step_type="filter", ordinal=0, started_at_us=NOW_US + number, rows=decided,
                     stats=Raw(pack_value({"filter_rate": 0.5}))),
        *rosters,
        StepRows(run_id=run_id, step_id=early, chunk=1, rows=decided[:3]),
        RunFinished(run_id=run_id, status="completed"),
        a_label("bad", None, run_id),
        a_label("good", "p", run_id),
        a_label("bad", "q", run_id),
    ]  # fmt: skip


def count_rows(file: Path) -> dict[str, int]:
    """How many rows each table has that has any."""
    with closing(sqlite3.connect(file)) as connection:
        names = [
            name
            for (name,) in connection.execute("select name from sqlite_master where type='table'")
        ]
        counts = {
            name: connection.execute(f"select count(*) from {name}").fetchone()[0] for name in names
        }
    return {name: count for name, count in counts.items() if count}


def test_no_table_keeps_a_row_of_what_was_deleted(store: SqliteStore, file: Path) -> None:
    for number in range(30):
        store.submit(str(number), record_run(number)).result()
    run_ids = store.run_ids("", 100)
    assert len(run_ids) == 30
    full = count_rows(file)
    assert {"cand_post", "roster_parts", "step_stats", "correlated", "early_steps"} <= set(full)
    store.delete_runs(run_ids).result()
    assert set(count_rows(file)) <= KEPT_TABLES


def test_the_space_is_given_back(store: SqliteStore, file: Path) -> None:
    for number in range(60):
        store.submit(str(number), record_run(number, rows=2_000)).result()
    run_ids = store.run_ids("", 100)
    store.delete_runs([]).result()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    before = file.stat().st_size
    store.delete_runs(run_ids[10:]).result()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
        assert connection.execute("pragma freelist_count").fetchone() == (0,)
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    assert file.stat().st_size < before / 3
    assert sorted(store.run_ids("", 100)) == sorted(run_ids[:10])


def test_candidates_of_other_runs_are_found_once_the_index_was_swept(store: SqliteStore) -> None:
    for number in range(20):
        store.submit(str(number), record_run(number)).result()
    run_ids = store.run_ids("", 100)
    store.delete_runs(run_ids[1::2]).result()
    for number in range(20):
        is_kept = number % 2 == 1
        where = Comparison(FieldRef("decision", "candidate_id"), "=", f"p{number}-7")
        found = store.decisions(Plan(scope="decision", where=where)).items
        assert bool(found) == is_kept, number


def test_batches_are_written_while_many_runs_are_deleted(store: SqliteStore) -> None:
    for number in range(200):
        store.submit(str(number), record_run(number, rows=5))
    run_ids = store.run_ids("", 1000)
    while len(run_ids) < 200:
        run_ids = store.run_ids("", 1000)
    removal = store.delete_runs(run_ids)
    written = [store.submit(f"w{number}", record_run(1000 + number)) for number in range(20)]
    assert all(receipt.result().accepted for receipt in written)
    assert removal.result().runs == 200
    assert len(store.run_ids("", 1000)) == 20


def test_a_store_that_is_closed_amid_a_deletion_says_that_it_was_not_done(file: Path) -> None:
    store = SqliteStore(file, clock=FakeClock(NOW_US))
    for number in range(300):
        store.submit(str(number), record_run(number, rows=5))
    store.submit("last", []).result()
    removals = [store.delete_runs([run_id]) for run_id in store.run_ids("", 1000)]
    store.close()
    undone = sum(removal.exception() is not None for removal in removals)
    assert all(isinstance(one.exception(), StoreError) for one in removals if one.exception())
    with closing(SqliteStore(file, clock=FakeClock(NOW_US))) as again:
        assert abs(len(again.run_ids("", 1000)) - undone) <= 1
    with pytest.raises(StoreError):
        store.delete_runs(["x"])
