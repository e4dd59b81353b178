"""How SQLite merges the chunks of a roster: in pieces, and right at every moment in between."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.store.test_store_rosters import STEP, put, roster_chunks, sampled_step
from xray.model.facts import StepRoster
from xray.model.roster import Roster
from xray.store.frames import Compressor, Decompressor, DictionarySet
from xray.store.sql.rosters import Rosters, cut_pieces, load_roster
from xray.store.sqlite.connection import connect_writer
from xray.store.sqlite.engine import SqliteStore

_SEQ = 7
_DEADLINE_S = 20.0


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    opened = connect_writer(tmp_path / "xray.db")
    yield opened
    opened.close()


def rosters_over(connection: sqlite3.Connection) -> Rosters:
    plain = Compressor(DictionarySet(0, {}))
    return Rosters(connection, Decompressor(), lambda: plain)


def merge_some(rosters: Rosters, connection: sqlite3.Connection) -> None:
    connection.execute("begin immediate")
    rosters.merge_slice()
    connection.execute("commit")


def load(connection: sqlite3.Connection) -> Roster:
    roster = load_roster(connection, _SEQ, Decompressor(), step_id="s", run_id="r")
    assert roster is not None
    return roster


def stored(connection: sqlite3.Connection) -> dict[int, bytes]:
    return dict(connection.execute("select id, data from roster_parts").fetchall())


def test_a_roster_answers_rightly_between_any_two_pieces_of_its_merging(
    connection: sqlite3.Connection,
) -> None:
    rosters = rosters_over(connection)
    for chunk in roster_chunks(25_000, chunks=20):
        assert not rosters.is_due
        rosters.add(_SEQ, chunk)
    pieces = 0
    while rosters.is_due:
        roster = load(connection)
        assert roster.is_complete
        for number in range(0, 25_000, 397):
            expected = "price" if number // 20 % 2 == 0 else "stock"
            assert [one.reason for one in roster.find(f"c{number}")] == [expected]
        merge_some(rosters, connection)
        pieces += 1
    assert pieces > 5
    assert {piece_id >> 8 for piece_id in stored(connection)} == {_SEQ << 12 | n for n in range(3)}
    assert connection.execute("select count(*) from roster_chunks").fetchone() == (0,)
    assert sum(load(connection).counts().values()) == 25_000


def test_a_merge_that_was_cut_off_anywhere_is_taken_up_again(
    connection: sqlite3.Connection,
) -> None:
    chunks = roster_chunks(25_000, chunks=20)
    rosters = rosters_over(connection)
    for chunk in chunks:
        rosters.add(_SEQ, chunk)
    allowed = 0
    while rosters.is_due:
        for _ in range(allowed):
            if rosters.is_due:
                merge_some(rosters, connection)
        assert load(connection).find("c24999")[0].reason == "stock"
        rosters = rosters_over(connection)
        allowed += 1
    assert allowed > 3
    assert sum(load(connection).counts().values()) == 25_000
    assert sum(map(len, stored(connection).values())) < 3 * 25_000


def test_chunks_that_name_different_fates_share_one_table(connection: sqlite3.Connection) -> None:
    first, second = roster_chunks(100, chunks=2)
    rosters = rosters_over(connection)
    rosters.add(_SEQ, first)
    rosters.add(
        _SEQ,
        StepRoster(
            run_id=second.run_id, step_id=STEP, chunk=2, total=100, groups=second.groups[::-1]
        ),
    )
    while rosters.is_due:
        merge_some(rosters, connection)
    assert {fate.reason: count for fate, count in load(connection).counts().items()} == {
        "price": 50, "stock": 50,
    }  # fmt: skip
    for number in range(100):
        assert load(connection).find(f"c{number}")[0].reason == (
            "price" if number // 2 % 2 == 0 else "stock"
        )


def test_a_roster_of_one_chunk_is_at_rest_at_once(connection: sqlite3.Connection) -> None:
    rosters = rosters_over(connection)
    rosters.add(_SEQ, roster_chunks(8_192)[0])
    assert not rosters.is_due
    assert sum(map(len, stored(connection).values())) < 3 * 8_192
    assert load(connection).is_complete


@pytest.mark.parametrize("size", [0, 1, 2_024, 2_025, 256 * 2_024, 256 * 2_024 + 1, 2_000_000])
def test_a_part_of_any_size_is_cut_into_few_enough_pieces(size: int) -> None:
    pieces = cut_pieces(bytes(size))
    assert sum(map(len, pieces)) == size
    assert 1 <= len(pieces) <= 256
    assert all(len(piece) == 2_024 for piece in pieces[:-1])


def test_a_store_merges_what_came_before_it_was_opened(tmp_path: Path) -> None:
    path = tmp_path / "xray.db"
    connection = connect_writer(path)
    store = SqliteStore(path)
    put(store, sampled_step(9, chunks=2), roster_chunks(9, chunks=2)[0])
    store.close()
    seq = connection.execute("select seq from steps").fetchone()[0]
    rosters_over(connection).add(seq, roster_chunks(9, chunks=2)[1])
    store = SqliteStore(path)
    deadline_s = time.monotonic() + _DEADLINE_S
    while connection.execute("select min(state) from rosters").fetchone() != (3,):
        assert time.monotonic() < deadline_s
    step = store.step(STEP)
    assert step is not None
    assert step.coverage == "named"
    store.close()
    connection.close()
