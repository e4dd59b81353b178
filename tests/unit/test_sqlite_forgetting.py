"""A canary in everything that can be recorded: found in the file first, and afterwards nowhere."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import zstandard
from msgspec import Raw

from tests.contract.store.test_store_labels import a_label
from tests.contract.store.worlds import NOW_US
from xray.model.facts import (
    ACCEPTED,
    REJECTED,
    Check,
    DecisionRow,
    ErrorInfo,
    Fact,
    OriginRef,
    RosterGroup,
    RunFinished,
    RunPatched,
    RunStarted,
    StepFinished,
    StepRoster,
    StepRows,
)
from xray.model.forgetting import Forgotten, NameSearch, Progress
from xray.model.ids import new_uuid7
from xray.model.values import pack_value
from xray.store import names
from xray.store.frames import FORMAT
from xray.store.sql import forgetting
from xray.store.sqlite import connection as connections
from xray.store.sqlite import ledger
from xray.store.sqlite.engine import SqliteStore
from xray.store.sqlite.view import SqliteView
from xray.testing.clock import FakeClock

CANARY = "Qanary-Zx81"
"""In front of what tells the places apart."""
HELD_IN = (
    "candidate", "reason", "reasoning", "attribute", "check", "origin", "by", "whole", "roster",
    "params", "input", "output", "metadata", "tag", "correlation", "earlier", "error", "note",
    "labeller", "stat", "version", "environment", "repository", "step", "declared", "late", "key",
)  # fmt: skip


def seen(where: str) -> str:
    assert where in HELD_IN
    return f"{CANARY}-{where}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "xray.db"


@pytest.fixture
def store(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteStore]:
    monkeypatch.setattr(ledger, "TRAINING_BYTES", 40_000)
    with closing(SqliteStore(file, clock=FakeClock(NOW_US), merge_fanout=2)) as opened:
        yield opened


def raw(value: object) -> Raw:
    return Raw(pack_value(value))


def plain_run(number: int, chance: random.Random) -> list[Fact]:
    """A run without a canary, of which there are many."""
    run_id, step_id = (new_uuid7(NOW_US + number) for _ in range(2))
    rows = [
        DecisionRow(
            REJECTED,
            f"plain-{chance.randrange(500)}-{place}",
            "price_too_high",
            attributes=raw({"title": f"a plain thing of {chance.randrange(10_000)} words"}),
        )
        for place in range(30)
    ]
    return [
        RunStarted(run_id=run_id, pipeline="shop", started_at_us=NOW_US, version="v1"),
        StepFinished(
            run_id=run_id, step_id=step_id, pipeline="shop", name="filter", step_type="filter",
            ordinal=0, started_at_us=NOW_US, rows=rows, params=raw({"limit": number % 5}),
        ),
        RunFinished(run_id=run_id, status="completed", output=raw([number])),
    ]  # fmt: skip


def canary_run(number: int) -> list[Fact]:
    """A run that holds the canary wherever a run can hold a text."""
    run_id, step_id, early = (new_uuid7(NOW_US + number) for _ in range(3))
    rows = [
        DecisionRow(
            REJECTED,
            f"{seen('candidate')}-{place}",
            seen("reason"),
            attributes=raw({"title": f"{seen('attribute')} {number} {place}"}),
            reasoning=f"for {seen('reasoning')} and {place}",
            origin=[OriginRef(seen("origin"))],
            checks=[Check("price", op="<=", observed=seen("check"), limit=place)],
            by=seen("by"),
            part_of=seen("whole"),
        )
        for place in range(20)
    ]
    return [
        RunStarted(
            run_id=run_id, pipeline="shop", started_at_us=NOW_US, key=f"{seen('key')}-{number}",
            input=raw({"query": seen("input")}), params=raw({"market": seen("params")}),
            metadata=raw({"user": seen("metadata")}), tags=[seen("tag")],
            correlation={"order": seen("earlier")}, version=seen("version"),
            environment=seen("environment"), repository=seen("repository"),
        ),
        RunPatched(run_id=run_id, correlation={"order": seen("correlation")}),
        StepFinished(
            run_id=run_id, step_id=step_id, pipeline="shop", name=seen("step"),
            step_type="custom", declared_type=seen("declared"), ordinal=0, started_at_us=NOW_US,
            rows=rows, params=raw({"rule": seen("params")}), stats=raw({"index": seen("stat")}),
            error=ErrorInfo("ValueError", seen("error")), status="failed", roster_chunks=2,
        ),
        *(
            StepRoster(
                run_id=run_id, step_id=step_id, chunk=chunk, total=2,
                groups=[RosterGroup(ACCEPTED, seen("roster"), None, None, [f"r{number}-{chunk}"])],
            )
            for chunk in (1, 2)
        ),
        StepRows(run_id=run_id, step_id=early, chunk=1, rows=[DecisionRow(ACCEPTED, seen("late"))]),
        a_label("bad", f"{seen('candidate')}-1", run_id, note=seen("note"),
                labelled_by=seen("labeller")),
        RunFinished(run_id=run_id, status="failed", output=raw([seen("output")])),
    ]  # fmt: skip


def fill(store: SqliteStore, seed: int = 1) -> list[str]:
    """Record plain runs and canaries, enough to train dictionaries; the canaries' ids."""
    chance = random.Random(seed)
    run_ids: list[str] = []
    for number in range(90):
        facts = plain_run(number, chance)
        if number % 3 == 0:
            facts += canary_run(number)
            run_ids.append(facts[-1].run_id)  # type: ignore[union-attr]
        receipt = store.submit(str(number), facts).result()
        assert not receipt.rejected, receipt.rejected
    return run_ids


def look(store: SqliteStore, *wanted: str) -> NameSearch:
    return store.find_names(wanted or [CANARY], [], lambda _: None)


def forget(store: SqliteStore, run_ids: list[str]) -> Forgotten:
    return store.forget_runs(run_ids, [], lambda _: None).result()


def open_every_frame(data: bytes, dictionaries: set[bytes]) -> Iterator[bytes]:
    """Whatever can be decompressed at any place of *data*, asked of zstd byte by byte."""
    openers = [
        zstandard.ZstdDecompressor(
            dict_data=zstandard.ZstdCompressionDict(one) if one else None, format=FORMAT
        )
        for one in (*dictionaries, b"")
    ]
    for at in range(len(data)):
        # The first byte of a frame says whether its size is in it, and two bits are always unset.
        if data[at] & 0b0000_1000 or not data[at] & 0b1110_0000:
            continue
        try:
            size = zstandard.get_frame_parameters(data[at : at + 18], format=FORMAT).content_size
        except zstandard.ZstdError:
            continue
        if not 8 <= size <= 1 << 20:
            continue
        for opener in openers:
            try:
                yield opener.decompress(data[at : at + 65_536])
            except (zstandard.ZstdError, MemoryError):
                continue


def read_dictionaries(file: Path) -> set[bytes]:
    with closing(sqlite3.connect(file)) as database:
        return {data for (data,) in database.execute("select data from codec_dict")}


def read_frames(file: Path) -> list[bytes]:
    """All that is compressed with a dictionary."""
    with closing(sqlite3.connect(file)) as database:
        return [
            data[4:]
            for table in ("blocks", "step_bodies", "run_facts")
            for (data,) in database.execute(f"select data from {table}")
            if len(data) > 80
        ]


def test_a_canary_is_found_everywhere_and_after_it_was_forgotten_nowhere(
    store: SqliteStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_ids = fill(store)
    log = Path(f"{file}-wal")
    old = read_dictionaries(file)
    assert any(CANARY.encode() in dictionary for dictionary in old)
    assert log.stat().st_size
    # Found by every way of looking: rows, frames, dictionaries, and the bytes of the log.
    monkeypatch.setattr(names, "MAX_SHOWN", 10_000)
    places = [seen(where) for where in HELD_IN]
    assert {trace.name for trace in look(store, *places).traces} == set(places)
    frames = read_frames(file)
    assert CANARY.encode() in log.read_bytes()
    found = look(store)
    assert found.dictionaries
    assert found.frames > 100
    assert found.files == ["xray.db", "xray.db-wal"]

    progress: list[Progress] = []
    forgotten = store.forget_runs(run_ids, [], progress.append).result()
    assert (forgotten.runs, forgotten.steps) == (30, 30)
    assert forgotten.is_compact
    assert {one.stage for one in progress} >= {"rewriting", "sweeping", "returning space"}

    assert look(store, CANARY, *places, *run_ids).traces == []
    everything = file.read_bytes() + (log.read_bytes() if log.exists() else b"")
    assert CANARY.encode() not in everything
    new = read_dictionaries(file)
    assert new
    assert not new & old
    # Neither a frame as it was nor one that can be opened: an old frame needs an old dictionary.
    assert len(frames) > 200
    assert not any(frame in everything for frame in frames)
    opened = 0
    for payload in open_every_frame(everything, new):
        opened += 1
        assert CANARY.encode() not in payload
    assert opened > 100


def test_what_is_left_is_read_as_before_also_by_who_had_the_file_open(
    store: SqliteStore, file: Path
) -> None:
    run_ids = fill(store)
    with closing(SqliteView(file)) as view:
        plain = [run_id for run_id in store.run_ids("", 1000) if run_id not in run_ids]
        before = {run_id: repr(view.steps_of_run(run_id)) for run_id in plain}
        rows = {
            step.step_id: repr(list(view.decisions_of_step(step.step_id)))
            for run_id in plain
            for step in view.steps_of_run(run_id)
        }
        forget(store, run_ids)
        for opened in (view, store):
            assert sorted(opened.run_ids("", 1000)) == sorted(plain)
            assert {one: repr(opened.steps_of_run(one)) for one in plain} == before
            assert {one: repr(list(opened.decisions_of_step(one))) for one in rows} == rows


def test_it_goes_on_being_written_and_forgets_again_and_again(
    store: SqliteStore, file: Path
) -> None:
    generations = []
    for turn in range(4):
        run_ids = fill(store, turn)
        forget(store, run_ids)
        with closing(sqlite3.connect(file)) as database:
            found = database.execute("select distinct generation from codec_dict").fetchall()
            assert database.execute("pragma freelist_count").fetchone() == (0,)
            assert database.execute("pragma integrity_check").fetchone() == ("ok",)
            assert database.execute("pragma auto_vacuum").fetchone() == (2,)
        generations += [number for (number,) in found]
        assert look(store).traces == []
    assert len(generations) == len(set(generations)) == 4
    store.close()
    with closing(SqliteStore(file, clock=FakeClock(NOW_US))) as opened:
        assert len(opened.run_ids("", 1000)) == 360
        for run_id in opened.run_ids("", 1000):
            for step in opened.steps_of_run(run_id):
                assert len(list(opened.decisions_of_step(step.step_id))) == 30
        assert opened.submit("late", canary_run(0)).result().accepted


def test_numbers_of_dictionaries_come_round(store: SqliteStore, file: Path) -> None:
    store.close()
    with closing(sqlite3.connect(file)) as database:
        database.execute("insert into codec_dict values (255, 0, x'')")
        database.commit()
    with closing(SqliteStore(file, clock=FakeClock(NOW_US))) as opened:
        forget(opened, [])
        with closing(sqlite3.connect(file)) as database:
            found = database.execute("select distinct generation from codec_dict").fetchall()
        assert found == [(1,)]


def test_an_interrupted_forgetting_is_known_and_ended(
    store: SqliteStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_ids = fill(store)

    def stop(*_: object) -> str:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "compact", stop)
        with pytest.raises(Exception, match="cannot grow"):
            forget(store, run_ids)
    assert store.owes_sweeping()
    assert store.run(run_ids[0]) is None
    assert forget(store, []).is_compact
    assert not store.owes_sweeping()
    assert look(store).traces == []


def test_who_reads_meanwhile_is_respected_and_it_is_said_that_the_log_is_not_empty(
    store: SqliteStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_ids = fill(store)
    monkeypatch.setattr(connections, "_READERS_WAIT_MS", 1)
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("begin")
        (before,) = reader.execute("select count(*) from runs").fetchone()
        forgotten = forget(store, run_ids)
        assert not forgotten.is_compact
        assert "somebody reads them" in forgotten.problem
        assert reader.execute("select count(*) from runs").fetchone() == (before,)
        assert store.owes_sweeping()
        reader.execute("commit")
    assert forget(store, []).is_compact
    assert look(store).traces == []


def test_short_names_are_not_looked_for_in_bytes_and_that_is_said(store: SqliteStore) -> None:
    fill(store)
    assert look(store, "shop", CANARY).unsearched == ["shop"]


def test_who_records_meanwhile_loses_nothing(
    store: SqliteStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "_SLICE_ROWS", 40)
    gone = fill(store)
    kept = set(store.run_ids("", 1000)) - set(gone)
    is_over = threading.Event()
    recorded: list[str] = []

    def record() -> None:
        chance = random.Random(5)
        while not is_over.is_set() and len(recorded) < 200:
            facts = plain_run(len(recorded), chance)
            assert store.submit(str(len(recorded)), facts).result().accepted == 3
            recorded.append(facts[0].run_id)  # type: ignore[union-attr]

    recorder = threading.Thread(target=record)
    recorder.start()
    try:
        for start in range(0, len(gone), 6):
            assert forget(store, gone[start : start + 6]).is_compact
    finally:
        is_over.set()
        recorder.join()
    assert recorded
    store.close()
    with closing(SqliteStore(file, clock=FakeClock(NOW_US))) as opened:
        assert set(opened.run_ids("", 100_000)) == kept | set(recorded)
        for run_id in opened.run_ids("", 100_000):
            (step,) = opened.steps_of_run(run_id)
            assert len(list(opened.decisions_of_step(step.step_id))) == 30
        assert look(opened).traces == []
