"""A PostgreSQL database that several stores write at once, and what becomes of its schema."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.sql import SQL

from tests.contract.store.worlds import NOW_US, everything, worlds
from tests.postgres_server import (
    create_database,
    drop_database,
    execute,
    give_back,
    locate,
    take_database,
)
from xray.errors import StoreBusyError, StoreError
from xray.model.facts import ACCEPTED, DecisionRow, Fact, RunStarted, StepFinished
from xray.model.ids import new_uuid7
from xray.store.memory import MemoryStore
from xray.store.opening import open_store
from xray.store.postgres.engine import PostgresStore
from xray.store.scripts import read_scripts
from xray.testing.clock import FakeClock

SERVERS = 3


@pytest.fixture
def empty() -> Iterator[str]:
    """The URL of a database without a schema."""
    name = create_database(is_prepared=False)
    yield locate(name)
    drop_database(name)


def ask(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def test_servers_that_start_at_once_make_the_schema_once(empty: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(PostgresStore, [empty] * 4))
    for store in stores:
        store.close()
    latest = len(read_scripts("xray.store.postgres"))
    found = ask(empty, "select version from xray_schema order by version")
    assert found == [(number,) for number in range(1, latest + 1)]


def test_a_later_version_is_refused_with_a_sentence(empty: str) -> None:
    PostgresStore(empty).close()
    with psycopg.connect(empty) as connection:
        connection.execute("insert into xray_schema (version) values (99)")
    with pytest.raises(StoreError, match="has schema version 99") as refused:
        PostgresStore(empty)
    assert refused.value.code == "store_too_new"


def test_a_database_that_does_not_hold_every_text_is_refused_with_a_sentence() -> None:
    name = f"xray_latin_{new_uuid7()}"
    execute(SQL("create database {} template template0 encoding 'LATIN1' locale 'C'"), name)
    try:
        with pytest.raises(StoreError, match="has the encoding LATIN1") as refused:
            PostgresStore(locate(name))
    finally:
        drop_database(name)
    assert refused.value.code == "store_encoding"


def test_a_database_that_cannot_be_reached_is_said_so() -> None:
    with pytest.raises(StoreBusyError, match="cannot be reached"):
        open_store("postgresql://nobody@127.0.0.1:1/none?connect_timeout=2")


def test_a_task_is_one_server_s_until_it_lets_go(empty: str) -> None:
    with closing(PostgresStore(empty)) as one, closing(PostgresStore(empty)) as other:
        with (
            one.claim("retention") as is_first,
            other.claim("retention") as is_second,
            other.claim("something else") as is_other,
        ):
            assert (is_first, is_second, is_other) == (True, False, True)
        with other.claim("retention") as is_free:
            assert is_free


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(facts=worlds(), seed=st.integers(0, 1 << 32))
def test_servers_at_once_end_in_the_state_of_one(facts: list[Fact], seed: int) -> None:
    name = take_database()
    chance = random.Random(seed)

    def submit(store: PostgresStore, mixed: Sequence[Fact]) -> int:
        half = len(mixed) // 2
        parts = [store.submit("b", part) for part in (mixed[:half], mixed[half:])]
        return sum(part.result().accepted for part in parts)

    with ExitStack() as opened:
        opened.callback(give_back, name)
        stores = [
            opened.enter_context(closing(PostgresStore(locate(name), clock=FakeClock(NOW_US))))
            for _ in range(SERVERS)
        ]
        reference = opened.enter_context(closing(MemoryStore(FakeClock(NOW_US))))
        reference.submit("all", facts).result()
        # A patch that says something else than another one wins by coming later.
        mixed = [chance.sample(facts, len(facts)) for _ in stores]
        with ThreadPoolExecutor(SERVERS) as pool:
            accepted = list(pool.map(submit, stores, mixed))
        assert sum(accepted) == len(facts)
        expected = everything(reference)
        for store in stores:
            assert everything(store) == expected
        pipelines = {run.pipeline for run in map(reference.run, reference.run_ids("")) if run}
        for pipeline in pipelines:
            assert stores[0].baselines(pipeline) == reference.baselines(pipeline)


def a_step(run_id: str, number: int) -> StepFinished:
    return StepFinished(
        run_id=run_id,
        step_id=new_uuid7(),
        pipeline="p",
        name="f",
        step_type="filter",
        ordinal=number,
        started_at_us=NOW_US,
        rows=[DecisionRow(ACCEPTED, f"c{number % 7}")],
    )


def test_tidying_changes_no_answer(empty: str) -> None:
    with closing(PostgresStore(empty, clock=FakeClock(NOW_US), merge_fanout=2)) as store:
        run_id = new_uuid7()
        store.submit("s", [RunStarted(run_id=run_id, pipeline="p", started_at_us=NOW_US)]).result()
        for number in range(40):
            store.submit("b", [a_step(run_id, number)]).result()
        before = repr([store.baselines("p"), store.steps_of_run(run_id)])
        while not store.tidy():
            pass
        assert ask(empty, "select count(*) < 20 from cand_seg") == [(True,)]
        assert ask(empty, "select count(*) from baselines") == [(1,)]
        assert repr([store.baselines("p"), store.steps_of_run(run_id)]) == before


def test_a_writer_whose_connection_is_cut_goes_on_with_another(empty: str) -> None:
    with closing(PostgresStore(empty, clock=FakeClock(NOW_US))) as store:
        run_id = new_uuid7()
        fact = RunStarted(run_id=run_id, pipeline="p", started_at_us=NOW_US)
        store.submit("a", [fact]).result()
        execute(
            SQL(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name like 'xray%' and pid <> pg_backend_pid()"
                f" and datname = '{empty.partition('?')[0].rpartition('/')[2]}'"
            )
        )
        with pytest.raises(StoreBusyError):
            store.submit("b", [a_step(run_id, 0)]).result()
        assert store.submit("b", [fact, a_step(run_id, 0)]).result().accepted == 1
        run = store.run(run_id)
        assert run is not None
        assert run.pipeline == "p"


def test_what_comes_in_one_period_lies_in_one_partition(empty: str) -> None:
    with closing(PostgresStore(empty)) as store:
        run_id = new_uuid7()
        store.submit("b", [a_step(run_id, 0)]).result()
    for table in ("runs", "steps", "step_bodies", "blocks"):
        found = ask(empty, f"select count(distinct tableoid), count(*) from {table}")
        assert found == [(1, 1)]
    ahead = "select max(beyond_day) > current_date - date '2020-01-01' + 7 from periods"
    assert ask(empty, ahead) == [(True,)]
