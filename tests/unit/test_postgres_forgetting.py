"""Forgetting in a database that two servers write: nothing is left, and both go on."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from tests.contract.store.worlds import NOW_US
from tests.postgres_server import create_database, drop_database, locate
from tests.unit.test_sqlite_forgetting import CANARY, HELD_IN, canary_run, plain_run, seen
from xray.model.forgetting import FORGOTTEN_CODE, NameSearch
from xray.store import names
from xray.store.postgres import ledger, upkeep
from xray.store.postgres.engine import PostgresStore
from xray.store.postgres.upkeep import TIDYING_LOCK
from xray.store.sql import forgetting
from xray.testing.clock import FakeClock


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(ledger, "_TRAINING_BYTES", 40_000)
    name = create_database()
    yield locate(name)
    drop_database(name)


@pytest.fixture
def servers(database: str) -> Iterator[tuple[PostgresStore, PostgresStore]]:
    first, second = (PostgresStore(database, clock=FakeClock(NOW_US)) for _ in range(2))
    with closing(first), closing(second):
        yield first, second


def fill(store: PostgresStore, seed: int = 1) -> list[str]:
    chance = random.Random(seed)
    run_ids: list[str] = []
    for number in range(60):
        facts = plain_run(number, chance)
        if number % 3 == 0:
            facts += canary_run(number)
            run_ids.append(facts[-1].run_id)  # type: ignore[union-attr]
        assert not store.submit(str(number), facts).result().rejected
    return run_ids


def look(store: PostgresStore, *wanted: str) -> NameSearch:
    return store.find_names(wanted or [CANARY], [], lambda _: None)


def read_all(store: PostgresStore) -> dict[str, str]:
    return {
        step.step_id: repr((step, list(store.decisions_of_step(step.step_id))))
        for run_id in store.run_ids("", 1000)
        for step in store.steps_of_run(run_id)
    }


def test_a_canary_is_found_in_every_table_and_then_nowhere_while_another_server_goes_on(
    servers: tuple[PostgresStore, PostgresStore], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = servers
    run_ids = fill(first)
    # It has numbers of texts and dictionaries in mind that are about to be taken back.
    other_ids = fill(second, 2)
    monkeypatch.setattr(names, "MAX_SHOWN", 10_000)
    places = [seen(where) for where in HELD_IN]
    found = look(first, *places)
    assert {trace.name for trace in found.traces} == set(places)
    assert found.dictionaries
    assert found.files == []
    plain = set(first.run_ids("", 1000)) - {*run_ids, *other_ids}
    forgotten = first.forget_runs([*run_ids, *other_ids], [], lambda _: None).result()
    assert (forgotten.runs, forgotten.is_compact, forgotten.problem) == (40, True, "")
    assert not first.owes_sweeping()
    for store in servers:
        assert look(store, CANARY, *places, *run_ids).traces == []
        assert set(store.run_ids("", 1000)) == plain
    before = read_all(first)
    for seed, store in enumerate((second, first, second)):
        again = fill(store, 10 + seed)
        assert {trace.name for trace in look(first).traces} == {CANARY}
        first.forget_runs(again, [], lambda _: None).result()
        assert look(second).traces == []
    after = read_all(second)
    assert {step_id: after[step_id] for step_id in before} == before
    late = second.submit("late", [fact for fact in canary_run(1) if fact.run_id]).result()  # type: ignore[union-attr]
    assert late.accepted
    refused = plain_run(1, random.Random(1))
    first.forget_runs([refused[0].run_id], [], lambda _: None).result()  # type: ignore[union-attr]
    receipt = second.submit("refused", refused).result()
    assert [refusal.code for refusal in receipt.rejected] == [FORGOTTEN_CODE] * 3
    with closing(PostgresStore(database, clock=FakeClock(NOW_US))) as third:
        assert read_all(third) == read_all(first)


def read_pages(database: str) -> bytes:
    """Every page of every table, its index and what it keeps apart, as they lie on disk."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("checkpoint")
        found = connection.execute(
            "select pg_read_binary_file(pg_relation_filepath(c.oid)) from pg_class c"
            " join pg_namespace n on n.oid = relnamespace"
            " where nspname in ('public', 'pg_toast') and relkind in ('r', 'i', 't')"
            " and c.oid >= 16384"
        ).fetchall()
    return b"".join(data for (data,) in found)


def test_pages_hold_no_row_that_was_deleted(
    servers: tuple[PostgresStore, PostgresStore], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = servers
    run_ids = fill(first)
    assert CANARY.encode() in read_pages(database)
    with monkeypatch.context() as patched:
        patched.setattr(upkeep, "_TABLES", ())
        first.forget_runs(run_ids, [], lambda _: None).result()
    assert CANARY.encode() in read_pages(database)
    assert first.forget_runs([], [], lambda _: None).result().is_compact
    assert CANARY.encode() not in read_pages(database)


def test_who_tidies_or_reads_is_waited_for_and_then_it_is_said(
    servers: tuple[PostgresStore, PostgresStore], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = servers
    run_ids = fill(first)
    monkeypatch.setattr(upkeep, "_TABLES", ("dim",))
    first._writer._ledger._driver.execute("set lock_timeout = 200")  # type: ignore[attr-defined]
    with psycopg.connect(database) as connection:
        connection.execute("select count(*) from dim")
        forgotten = first.forget_runs(run_ids, [], lambda _: None).result()
        assert not forgotten.is_compact
        assert "run VACUUM FULL" in forgotten.problem
        assert first.owes_sweeping()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", (TIDYING_LOCK,))
        with pytest.raises(Exception, match="busy"):
            first.forget_runs([], [], lambda _: None).result()
    assert first.forget_runs([], [], lambda _: None).result().is_compact
    assert not first.owes_sweeping()


def test_who_records_through_another_server_meanwhile_loses_nothing(
    servers: tuple[PostgresStore, PostgresStore], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "_SLICE_ROWS", 40)
    first, second = servers
    gone = fill(first)
    kept = set(first.run_ids("", 1000)) - set(gone)
    is_over = threading.Event()
    recorded: list[str] = []

    def record() -> None:
        chance = random.Random(5)
        while not is_over.is_set() and len(recorded) < 200:
            facts = plain_run(len(recorded), chance)
            assert second.submit(str(len(recorded)), facts).result().accepted == 3
            recorded.append(facts[0].run_id)  # type: ignore[union-attr]

    recorder = threading.Thread(target=record)
    recorder.start()
    try:
        for start in range(0, len(gone), 5):
            first.forget_runs(gone[start : start + 5], [], lambda _: None).result()
    finally:
        is_over.set()
        recorder.join()
    assert recorded
    with closing(PostgresStore(database, clock=FakeClock(NOW_US))) as opened:
        assert set(opened.run_ids("", 100_000)) == kept | set(recorded)
        for run_id in opened.run_ids("", 100_000):
            (step,) = opened.steps_of_run(run_id)
            assert len(list(opened.decisions_of_step(step.step_id))) == 30
        assert look(opened).traces == []
