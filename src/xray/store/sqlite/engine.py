"""The SQLite store: a writer thread, a pool of readers, and the right to write the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path

from xray.errors import StoreError
from xray.model.clock import Clock, SystemClock
from xray.model.facts import Receipt
from xray.model.forgetting import Forgotten, Progress
from xray.model.removal import Removed
from xray.model.stored_facts import StoredFact
from xray.store.names import Names
from xray.store.scanning import ScanBudget
from xray.store.sql.answers import Answers
from xray.store.sql.payloads import load_dictionaries
from xray.store.sql.snapshot import Snapshot
from xray.store.sqlite.connection import connect_reader
from xray.store.sqlite.inlet import MAX_QUEUED_BYTES, MERGE_FANOUT, Inlet
from xray.store.sqlite.raw_bytes import search_files
from xray.store.sqlite.reader import Reader


class SqliteStore(Answers):
    """Runs, steps and decisions in one SQLite file that this process alone writes.

    Args:
        path: the database file, made when it does not exist.
        clock: tells when a run without an end counts as abandoned.
        max_queued_bytes: estimated size of the batches that may wait to be written.
        budget: where scans stop.
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
        clock: Clock | None = None,
        max_queued_bytes: int = MAX_QUEUED_BYTES,
        budget: ScanBudget | None = None,
        merge_fanout: int = MERGE_FANOUT,
        index_stats: Sequence[str] | None = None,
    ) -> None:
        self._is_closed = False
        self._path = Path(path)
        self._inlet = Inlet(
            path,
            max_queued_bytes=max_queued_bytes,
            merge_fanout=merge_fanout,
            index_stats=index_stats,
        )
        self._reader = Reader(
            Path(path), self._inlet.decompressor, clock or SystemClock(), budget or ScanBudget()
        )

    def submit(self, batch_id: str, facts: Sequence[StoredFact]) -> Future[Receipt]:
        """Store *facts*; the future is done when the commit that holds them is on disk.

        Raises:
            StoreBusyError: too much waits to be written; nothing of this batch was taken.
        """
        return self._inlet.submit(batch_id, facts)

    def delete_runs(self, run_ids: Sequence[str]) -> Future[Removed]:
        """Delete runs with all that was recorded of them; the future is done when that is on disk.

        Raises:
            StoreError: the store is closed.
        """
        return self._inlet.delete_runs(run_ids)

    def claim(self, task: str) -> AbstractContextManager[bool]:  # noqa: ARG002
        """Always: the file has one writer."""
        return nullcontext(True)

    def forget_runs(
        self,
        run_ids: Sequence[str],
        pipelines: Sequence[str],
        show: Callable[[Progress], None],
    ) -> Future[Forgotten]:
        """Delete runs so that nothing stored tells what they held, and record them no more.

        Raises:
            StoreError: the store is closed.
        """
        return self._inlet.forget_runs(run_ids, pipelines, show)

    def close(self) -> None:
        """Commit what waits and give the file back; the store cannot be used afterwards."""
        if self._is_closed:
            return
        self._is_closed = True
        self._reader.close()
        self._inlet.close()

    def _search_bytes(self, names: Names) -> None:
        with closing(connect_reader(self._path)) as connection:
            dictionaries = load_dictionaries(connection)
        search_files(self._path, names, dictionaries)

    def _snapshot(self) -> AbstractContextManager[Snapshot]:
        if self._is_closed:
            raise StoreError("The store is closed.", hint="Open it again with open_store.")
        return self._reader.snapshot()
