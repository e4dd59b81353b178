"""Runs taken out of the database with everything that was stored of them.

What is usual of steps and the tallies stay: they count, and name no candidate. The candidate index
keeps a deleted step's entries until `Postings.sweep`; a reader that follows one finds no step.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Final

import msgspec

from xray.model.removal import Removed
from xray.store.sqlite.blocks import block_range
from xray.store.sqlite.postings import Postings
from xray.store.sqlite.rosters import Rosters, part_range
from xray.store.sqlite.rosters import id_range as chunk_range
from xray.store.sqlite.rows import raw_id
from xray.store.sqlite.stat_index import StatIndex

_SLICE_STEPS: Final = 1_000
_SLICE_RUNS: Final = 1_000
_FREED_PAGES: Final = 500
_StepRow = tuple[int, int, str | None]


class Removal:
    """Runs that are to be deleted, a slice at a time between two commits.

    Args:
        run_ids: the runs; those that are not stored are passed over.
    """

    def __init__(self, run_ids: Sequence[str]) -> None:
        self.future: Future[Removed] = Future()
        self.future.set_running_or_notify_cancel()
        self._waiting = deque(filter(None, map(raw_id, run_ids)))
        self._removed = Removed()
        self._windows: set[int] = set()

    def run(
        self,
        connection: sqlite3.Connection,
        rosters: Rosters,
        stats: StatIndex,
        postings: Postings,
    ) -> Iterator[None]:
        """Delete the runs; between two steps of this, each a transaction, others may write."""
        while self._waiting:
            connection.execute("begin immediate")
            removed, steps = _delete_slice(connection, self._waiting, stats)
            connection.execute("commit")
            rosters.forget(steps)
            self._removed = self._removed.plus(removed)
            self._windows.update(map(postings.window_of, steps))
            yield
        for window in sorted(self._windows):
            for segment in postings.segments_of(window):
                connection.execute("begin immediate")
                postings.sweep(window, segment)
                connection.execute("commit")
                yield
        if self._removed.runs:
            while connection.execute("pragma freelist_count").fetchone()[0]:
                # Stepped through by hand, each step of this statement frees one page alone.
                connection.executescript(f"pragma incremental_vacuum({_FREED_PAGES})")
                yield
            # Until then the file is as long as before.
            connection.execute("pragma wal_checkpoint(passive)").fetchall()
        self.future.set_result(self._removed)


def _delete_slice(
    connection: sqlite3.Connection, waiting: deque[bytes], stats: StatIndex
) -> tuple[Removed, list[int]]:
    """Delete the first of the runs that are *waiting*; how much, and the numbers of their steps."""
    runs = 0
    steps: list[_StepRow] = []
    for _ in range(min(len(waiting), _SLICE_RUNS)):
        raw = waiting.popleft()
        found = connection.execute(
            "select seq, correlation from runs where run_id = ?", (raw,)
        ).fetchone()
        connection.execute("delete from labels where run_id = ?", (raw,))
        connection.execute("delete from waiting_labels where run_id = ?", (raw,))
        if found is None:
            continue
        runs += 1
        steps += _delete_run(connection, *found)
        if len(steps) >= _SLICE_STEPS:
            break
    return Removed(runs, _delete_steps(connection, steps, stats)), [seq for seq, _, _ in steps]


def _delete_run(
    connection: sqlite3.Connection, seq: int, correlation: str | None
) -> list[_StepRow]:
    """Delete the run number *seq*; its steps, which are still to be deleted."""
    steps = connection.execute(
        "select seq, started_at, stats from steps where run = ?"
        " union all select seq, 0, null from early_steps where run = ?",
        (seq, seq),
    ).fetchall()
    connection.execute("delete from early_steps where run = ?", (seq,))
    ids = msgspec.json.decode(correlation).values() if correlation else ()
    connection.executemany(
        "delete from correlated where id = ? and run = ?", [(one, seq) for one in ids]
    )
    connection.execute("delete from run_facts where id between ? and ?", (seq << 2, seq << 2 | 3))
    connection.execute("delete from runs where seq = ?", (seq,))
    return steps


def _delete_steps(
    connection: sqlite3.Connection, steps: Sequence[_StepRow], stats: StatIndex
) -> int:
    """Delete what is stored of these steps; how many of them had arrived themselves."""
    numbers = [(seq,) for seq, _, _ in steps]
    arrived = connection.executemany("delete from steps where seq = ?", numbers).rowcount
    for table in ("step_bodies", "rosters"):
        connection.executemany(f"delete from {table} where seq = ?", numbers)  # noqa: S608
    for table, range_of in (
        ("blocks", block_range),
        ("roster_chunks", chunk_range),
        ("roster_parts", part_range),
    ):
        ranges = [range_of(seq) for (seq,) in numbers]
        connection.executemany(f"delete from {table} where id between ? and ?", ranges)  # noqa: S608
    stats.remove(steps)
    return max(arrived, 0)
