"""The way into a database file: the right to write it, and the thread that does."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from xray.errors import StoreError
from xray.model.facts import Receipt
from xray.model.forgetting import Forgotten, Progress
from xray.model.removal import Removed
from xray.model.stored_facts import StoredFact
from xray.store.frames import Decompressor
from xray.store.sql.stat_index import choose_stats
from xray.store.sql.writer import Writer
from xray.store.sqlite.connection import FileLock, connect_writer
from xray.store.sqlite.ledger import SqliteLedger

MAX_QUEUED_BYTES: Final = 64 << 20
MERGE_FANOUT: Final = 16


class Inlet:
    """Writes one SQLite file, which no other process writes meanwhile.

    It loads nothing that only questions need, so that a short program is not held up by it.

    Args:
        path: the database file, made when it does not exist.
        max_queued_bytes: estimated size of the batches that may wait to be written.
        merge_fanout: how many segments of the candidate index are merged into one.
        index_stats: the statistics of steps that are indexed; None leaves them as the file has
            them.

    Raises:
        StoreError: another process writes the file, it is no X-Ray database, or a later version
            made it.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        max_queued_bytes: int = MAX_QUEUED_BYTES,
        merge_fanout: int = MERGE_FANOUT,
        index_stats: Sequence[str] | None = None,
    ) -> None:
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(path)
        except OSError as error:
            raise StoreError(
                f"The database {path} cannot be opened: {error.strerror}.",
                hint="Name a file in a folder that can be written.",
            ) from error
        self.decompressor = Decompressor()
        try:
            connection = connect_writer(path)
            if index_stats is not None:
                _choose_stats(connection, index_stats)
            ledger = SqliteLedger(connection, self.decompressor, merge_fanout=merge_fanout)
            self._writer = Writer(ledger, max_queued_bytes=max_queued_bytes)
        except BaseException:
            self._lock.release()
            raise

    def submit(self, batch_id: str, facts: Sequence[StoredFact]) -> Future[Receipt]:
        """Store *facts*; the future is done when the commit that holds them is on disk.

        Raises:
            StoreBusyError: too much waits to be written; nothing of this batch was taken.
            StoreError: it is closed.
        """
        return self._writer.submit(batch_id, facts)

    def delete_runs(self, run_ids: Sequence[str]) -> Future[Removed]:
        """Delete runs, between the batches that are written.

        Raises:
            StoreError: it is closed.
        """
        return self._writer.delete_runs(run_ids)

    def forget_runs(
        self,
        run_ids: Sequence[str],
        pipelines: Sequence[str],
        show: Callable[[Progress], None],
    ) -> Future[Forgotten]:
        """Forget runs, between the batches that are written.

        Raises:
            StoreError: it is closed.
        """
        return self._writer.forget_runs(run_ids, pipelines, show)

    def close(self) -> None:
        """Commit what waits and give the file back."""
        self._writer.close()
        self._lock.release()

    def abandon(self) -> None:
        """In a child: leave the file to the parent, and its connection alone."""
        self._lock.release()


def _choose_stats(connection: sqlite3.Connection, names: Sequence[str]) -> None:
    first = 1 + max(
        connection.execute(f"select coalesce(max(seq), 0) from {table}").fetchone()[0]  # noqa: S608
        for table in ("steps", "early_steps")
    )
    connection.execute("begin immediate")
    choose_stats(connection, names, first)
    connection.execute("commit")
