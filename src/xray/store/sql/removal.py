"""Runs taken out of the database with everything that was stored of them.

What is usual of steps and the tallies stay: they count, and name no candidate. The candidate index
keeps a deleted step's entries until `Postings.sweep`; a reader that follows one finds no step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Final

import msgspec

from xray.model.removal import Removed
from xray.store.sql.directory import Directory
from xray.store.sql.driver import Driver
from xray.store.sql.payloads import block_range
from xray.store.sql.postings import Postings
from xray.store.sql.rosters import Rosters, part_range
from xray.store.sql.rosters import id_range as chunk_range
from xray.store.sql.rows import raw_id
from xray.store.sql.stat_index import StatIndex

_SLICE_STEPS: Final = 1_000
_SLICE_RUNS: Final = 1_000
_StepRow = tuple[int, int, str | None]


class Removal:
    """Runs that are to be deleted, a slice at a time between two commits.

    Args:
        run_ids: the runs; those that are not stored are passed over.
    """

    def __init__(self, run_ids: Sequence[str]) -> None:
        self.future: Future[Removed] = Future()
        self.future.set_running_or_notify_cancel()
        # In the order in which they are held while they are written.
        self._waiting = deque(sorted(filter(None, map(raw_id, run_ids))))
        self.removed = Removed()
        self._windows: set[int] = set()

    def run(
        self,
        connection: Driver,
        transaction: Callable[[], AbstractContextManager[object]],
        directory: Directory,
        rosters: Rosters,
        stats: StatIndex,
        postings: Postings,
    ) -> Iterator[None]:
        """Delete the runs; between two steps of this, each a transaction, others may write."""
        while self._waiting:
            with transaction():
                removed, steps = _delete_slice(
                    connection, self._waiting, directory, stats, self.take_leave
                )
            rosters.forget(steps)
            self.removed = self.removed.plus(removed)
            self._windows.update(map(postings.window_of, steps))
            yield
        for window in sorted(self._windows):
            for segment in postings.segments_of(window):
                with transaction():
                    postings.sweep(window, segment)
                yield

    @property
    def raw_ids(self) -> list[bytes]:
        """The ids of the runs that are still to be deleted."""
        return list(self._waiting)

    def take_leave(self, raw: bytes, seq: int | None) -> None:
        """Do what is to be done before a run goes, in the transaction that deletes it.

        Args:
            raw: its id.
            seq: its number; None where it is not stored.
        """

    def fail(self, error: Exception) -> None:
        """Tell who waits that it could not be done."""
        self.future.set_exception(error)

    def finish(self) -> None:
        """Tell who waits that everything is deleted."""
        self.future.set_result(self.removed)


def _delete_slice(
    connection: Driver,
    waiting: deque[bytes],
    directory: Directory,
    stats: StatIndex,
    take_leave: Callable[[bytes, int | None], None],
) -> tuple[Removed, list[int]]:
    """Delete the first of the runs that are *waiting*; how much, and the numbers of their steps."""
    runs = 0
    steps: list[_StepRow] = []
    for _ in range(min(len(waiting), _SLICE_RUNS)):
        raw = waiting.popleft()
        directory.remove_run(raw)
        found = connection.execute(
            "select seq, correlation from runs where run_id = ?", (raw,)
        ).fetchone()
        take_leave(raw, None if found is None else found[0])
        connection.execute("delete from labels where run_id = ?", (raw,))
        connection.execute("delete from waiting_labels where run_id = ?", (raw,))
        if found is None:
            continue
        runs += 1
        steps += _delete_run(connection, directory, *found)
        if len(steps) >= _SLICE_STEPS:
            break
    return Removed(runs, _delete_steps(connection, steps, stats)), [seq for seq, _, _ in steps]


def _delete_run(
    connection: Driver, directory: Directory, seq: int, correlation: str | None
) -> list[_StepRow]:
    """Delete the run number *seq*; its steps, which are still to be deleted."""
    steps = connection.execute(
        "select seq, started_at, stats from steps where run = ?", (seq,)
    ).fetchall()
    arrived = {number for number, _, _ in steps}
    named = directory.remove_steps(seq)
    steps += [(number, 0, None) for number in named if number not in arrived]
    ids = msgspec.json.decode(correlation).values() if correlation else ()
    connection.executemany(
        "delete from correlated where id = ? and run = ?", [(one, seq) for one in ids]
    )
    connection.execute("delete from run_facts where id between ? and ?", (seq << 2, seq << 2 | 3))
    connection.execute("delete from runs where seq = ?", (seq,))
    return steps


def _delete_steps(connection: Driver, steps: Sequence[_StepRow], stats: StatIndex) -> int:
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
