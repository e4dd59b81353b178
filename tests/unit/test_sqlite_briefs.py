"""What stands beside a step so that its body need not be opened says what the body says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from xray.model.facts import Fact, RunStarted, StepFinished, Tally
from xray.model.run_figures import RunFigures
from xray.model.values import pack_value
from xray.query.plan import Plan
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.store.sql import briefs
from xray.store.sql.dims import Dims
from xray.store.sqlite.connection import connect_writer
from xray.store.sqlite.engine import SqliteStore
from xray.store.words import REASON
from xray.testing.clock import FakeClock

NOW_US = 1_767_225_600_000_000
ASKED = Plan(scope="run", now_us=NOW_US)


def told_runs(count: int) -> list[Fact]:
    """Runs that were each told something else, with reasons and declared types of their own."""
    facts: list[Fact] = []
    for number in range(count):
        run_id = f"0190a000-0000-7000-8000-{number:012d}"
        facts.append(
            RunStarted(
                run_id=run_id,
                pipeline="search",
                started_at_us=NOW_US - number,
                params=pack_value({"seed": number, "least": float("nan")}),
            )
        )
        for ordinal in range(3):
            facts.append(
                StepFinished(
                    run_id=run_id,
                    step_id=f"0190b000-0000-7000-800{ordinal}-{number:012d}",
                    pipeline="search",
                    name=f"step {ordinal}",
                    step_type="custom",
                    declared_type=f"word {number}" if ordinal else None,
                    ordinal=ordinal,
                    started_at_us=NOW_US - number,
                    params=pack_value({"seed": number} if ordinal == 2 else None),
                    tally=Tally(
                        rejected=number + 2,
                        accepted=1,
                        reasons={f"why {number}": number, "price": 2, "stock": 0},
                    ),
                )
            )
    return facts


def read(store: Store) -> list[RunFigures]:
    with closing(store):
        return store.figures(ASKED).items


def stored(path: Path, facts: list[Fact]) -> list[RunFigures]:
    store = SqliteStore(path, clock=FakeClock(NOW_US))
    store.submit("all", facts).result()
    return read(store)


def remembered(facts: list[Fact]) -> list[RunFigures]:
    store = MemoryStore(FakeClock(NOW_US))
    store.submit("all", facts).result()
    return read(store)


def query(path: Path, text: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(text).fetchall()


def test_steps_and_runs_without_a_brief_are_opened_and_say_the_same(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    known = stored(path, told_runs(7))
    assert query(path, "select count(*) from steps where brief is null") == [(0,)]
    query(path, "update steps set brief = null where seq % 2")
    query(path, "update runs set params = null where seq % 2")
    assert read(SqliteStore(path, clock=FakeClock(NOW_US))) == known
    query(path, "update steps set brief = null")
    query(path, "update runs set params = null")
    assert read(SqliteStore(path, clock=FakeClock(NOW_US))) == known == remembered(told_runs(7))


@pytest.mark.parametrize("limit", ["MAX_REASONS", "MAX_DECLARED_TYPES", "MAX_PARAMS"])
def test_too_many_different_ones_are_left_to_the_bodies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(briefs, limit, 3)
    facts = told_runs(6)
    assert stored(tmp_path / "runs.db", facts) == remembered(facts)
    ((count,),) = query(tmp_path / "runs.db", "select count(*) from steps where brief is null")
    assert isinstance(count, int)
    assert 0 < count < 18


def test_params_that_are_long_are_left_to_the_bodies(tmp_path: Path) -> None:
    facts = told_runs(1)
    assert isinstance(facts[0], RunStarted)
    facts[0] = RunStarted(
        run_id=facts[0].run_id, pipeline="search", started_at_us=NOW_US,
        params=pack_value({"prompt": "words " * 400}),
    )  # fmt: skip
    assert stored(tmp_path / "runs.db", facts) == remembered(facts)
    assert query(tmp_path / "runs.db", "select params from runs") == [(None,)]


def test_a_number_that_was_taken_back_is_given_again(tmp_path: Path) -> None:
    with closing(connect_writer(tmp_path / "runs.db")) as connection:
        dims = Dims(connection)
        connection.execute("begin")
        number = dims.number_few(REASON, "price", 1)
        connection.execute("rollback")
        dims.forget()
        assert dims.number_few(REASON, "stock", 1) == number
        assert dims.number_few(REASON, "price", 1) is None
        assert dims.number_few(REASON, "stock", 1) == number
