"""SIGKILL while a process ingests into SQLite: what was acknowledged is there, once and whole."""

from __future__ import annotations

import multiprocessing
import random
import sqlite3
import uuid
from concurrent.futures import Future
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from msgspec.structs import replace

from xray.model.facts import (
    REJECTED,
    SELECTED,
    DecisionRow,
    Fact,
    Receipt,
    RosterGroup,
    RunFinished,
    RunStarted,
    StepFinished,
    StepRoster,
    StepRows,
)
from xray.query.cursor import decode_cursor
from xray.query.plan import Comparison, FieldRef, Plan
from xray.store.protocol import Store
from xray.store.sqlite.engine import SqliteStore

_QUICK_KILLS = 8
_PROVEN_KILLS = 1_000
_START_US = 1_767_225_600_000_000
_MAX_WAITING = 8
_FIRST_ACK_DEADLINE_S = 30
_processes = multiprocessing.get_context("forkserver")


def _id(*parts: object) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, repr(parts)))


def _batch(life: int, number: int) -> list[Fact]:
    """One run with two steps; the second has its rows in two facts, and its roster in two."""
    run_id, first, second = (_id(life, number, part) for part in ("run", "first", "second"))
    at_us = _START_US + number
    rows = [DecisionRow(REJECTED, f"c{each}", "price") for each in range(number % 30)]
    only = DecisionRow(SELECTED, f"only-{life}-{number}", score=0.5)
    names = [f"named-{each}" for each in range(2 * (number % 30) + 2)]
    rosters = [
        StepRoster(
            run_id=run_id,
            step_id=second,
            chunk=chunk + 1,
            total=len(names),
            groups=[RosterGroup(REJECTED, "price", None, None, names[chunk::2])],
        )
        for chunk in range(2)
    ]
    step = partial(StepFinished, run_id=run_id, pipeline="p", step_type="filter")
    return [
        RunStarted(run_id=run_id, pipeline="p", started_at_us=at_us),
        step(step_id=first, name="first", ordinal=0, started_at_us=at_us, rows=[*rows, only]),
        StepRows(run_id=run_id, step_id=second, chunk=1, rows=rows),
        *rosters,
        step(step_id=second, name="second", ordinal=1, started_at_us=at_us, rows=[only], chunks=1),
        RunFinished(run_id=run_id, status="completed", duration_ms=1.0),
    ]


def _ingest(path: str, life: int, acknowledged: Connection) -> None:
    store = SqliteStore(path, merge_fanout=2)
    waiting: list[Future[Receipt]] = []
    for number in range(100_000):
        future = store.submit(str(number), _batch(life, number))
        future.add_done_callback(partial(_tell, acknowledged, number))
        waiting.append(future)
        if len(waiting) >= _MAX_WAITING:
            waiting.pop(0).result()


def _tell(acknowledged: Connection, number: int, future: Future[Receipt]) -> None:
    assert future.result().accepted == len(_batch(0, 0))
    acknowledged.send(number)


def _kill_while_ingesting(path: Path, life: int, wait_s: float) -> set[int]:
    """Let a process ingest for *wait_s* after its first acknowledgement; what it acknowledged."""
    receiving, sending = _processes.Pipe(duplex=False)
    process = _processes.Process(target=_ingest, args=(str(path), life, sending), daemon=True)
    process.start()
    sending.close()
    assert receiving.poll(_FIRST_ACK_DEADLINE_S), "nothing was acknowledged"
    process.join(wait_s)
    process.kill()
    process.join()
    process.close()
    told: set[int] = set()
    with receiving:
        try:
            while True:
                told.add(receiving.recv())
        except (EOFError, OSError):
            return told


def _assert_whole(store: Store, life: int, number: int) -> None:
    facts = _batch(life, number)
    run = store.run(facts[0].run_id)
    assert run is not None
    assert run.status == "completed"
    steps = store.steps_of_run(run.run_id)
    assert [step.name for step in steps] == ["first", "second"]
    for step in steps:
        names = list(store.decisions_of_step(step.step_id).candidate_ids)
        assert len(names) == number % 30 + 1
        assert len(set(names)) == len(names)
        assert step.counts.rejected == number % 30
    roster = store.roster_of_step(steps[1].step_id)
    assert roster is not None
    assert roster.is_complete
    for each in (0, roster.total - 1):
        assert [one.reason for one in roster.find(f"named-{each}")] == ["price"]
    named = Comparison(FieldRef("decision", "candidate_id"), "=", f"only-{life}-{number}")
    assert _count(store, Plan(scope="decision", where=named)) == 2


def _count(store: Store, plan: Plan) -> int:
    """How many decisions meet *plan*: on a busy machine a page may end at its budget of time."""
    page = store.decisions(plan)
    found = len(page.items)
    while page.next_cursor is not None:
        page = store.decisions(replace(plan, after=decode_cursor(page.next_cursor, plan)))
        found += len(page.items)
    return found


@pytest.mark.parametrize(
    "kills", [_QUICK_KILLS, pytest.param(_PROVEN_KILLS, marks=pytest.mark.prove)]
)
def test_nothing_acknowledged_is_lost_and_nothing_is_doubled_over_kills(
    tmp_path: Path, kills: int
) -> None:
    _processes.set_forkserver_preload([__name__, "xray.store.sqlite.engine"])
    path = tmp_path / "killed.db"
    dice = random.Random(7)
    total = 0
    for life in range(kills):
        acknowledged = _kill_while_ingesting(path, life, dice.uniform(0, 0.15))
        total += len(acknowledged)
        store = SqliteStore(path, merge_fanout=2)
        stored = [
            number
            for number in range(max(acknowledged) + 2 * _MAX_WAITING)
            if store.run(_batch(life, number)[0].run_id) is not None
        ]
        assert acknowledged <= set(stored)
        for number in dice.sample(stored, min(8, len(stored))) + stored[-2:]:
            _assert_whole(store, life, number)
            receipt = store.submit("again", _batch(life, number)).result()
            assert (receipt.accepted, receipt.duplicate) == (0, len(_batch(0, 0)))
            _assert_whole(store, life, number)
        store.close()
    assert total > kills
    with sqlite3.connect(path) as raw:
        assert raw.execute("pragma integrity_check").fetchone() == ("ok",)
        steps = raw.execute("select count(*), count(distinct step_id) from steps").fetchone()
        assert steps[0] == steps[1]
    raw.close()
