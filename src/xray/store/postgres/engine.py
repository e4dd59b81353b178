"""The PostgreSQL store: a writer thread, a pool of readers, and somebody who tidies."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Final

import psycopg

from xray.errors import StoreError
from xray.model.clock import Clock, SystemClock
from xray.model.facts import Receipt
from xray.model.forgetting import Forgotten, Progress
from xray.model.removal import Removed
from xray.model.stored_facts import StoredFact
from xray.store.frames import Decompressor, DictionarySet
from xray.store.postgres.connection import connect_writer, translate_error
from xray.store.postgres.driver import Connection, PostgresDriver
from xray.store.postgres.ledger import PostgresLedger
from xray.store.postgres.migrating import migrate
from xray.store.postgres.partitions import COUNT_BITS, read_day
from xray.store.postgres.reader import Reader
from xray.store.postgres.tidier import Tidier
from xray.store.scanning import ScanBudget
from xray.store.sql.answers import Answers
from xray.store.sql.payloads import load_dictionaries
from xray.store.sql.snapshot import Snapshot
from xray.store.sql.stat_index import choose_stats
from xray.store.sql.writer import Writer

_MAX_QUEUED_BYTES: Final = 64 << 20
_MERGE_FANOUT: Final = 16
_CLAIMS: Final = 0x5852_6179 >> 4
"""The upper half of the keys of advisory locks that claims take."""


class PostgresStore(Answers):
    """Runs, steps and decisions in a PostgreSQL database that several processes write.

    Args:
        url: the database, as `postgresql://user@host/name`.
        clock: tells when a run without an end counts as abandoned.
        max_queued_bytes: estimated size of the batches that may wait to be written.
        budget: where scans stop.
        merge_fanout: how many segments of the candidate index are merged into one.
        index_stats: the statistics of steps that are indexed; None leaves them as the database
            has them.

    Raises:
        StoreError: the database cannot be reached, or a later version made it.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        max_queued_bytes: int = _MAX_QUEUED_BYTES,
        budget: ScanBudget | None = None,
        merge_fanout: int = _MERGE_FANOUT,
        index_stats: Sequence[str] | None = None,
    ) -> None:
        self._is_closed = False
        self._url = url
        decompressor = Decompressor(self._find_dictionaries)
        try:
            connection = connect_writer(url)
        except psycopg.Error as error:
            raise translate_error(error) from error
        try:
            migrate(connection)
            if index_stats is not None:
                _choose_stats(connection, index_stats)
            self._tidier = Tidier(url, decompressor, merge_fanout=merge_fanout)
            ledger = PostgresLedger(
                url,
                connection,
                decompressor,
                merge_fanout=merge_fanout,
                wake_tidier=self._tidier.wake,
            )
        except psycopg.Error as error:
            connection.close()
            raise translate_error(error) from error
        except BaseException:
            connection.close()
            raise
        self._writer = Writer(ledger, max_queued_bytes=max_queued_bytes)
        self._reader = Reader(url, decompressor, clock or SystemClock(), budget or ScanBudget())

    def submit(self, batch_id: str, facts: Sequence[StoredFact]) -> Future[Receipt]:
        """Store *facts*; the future is done when the commit that holds them is on disk.

        Raises:
            StoreBusyError: too much waits to be written; nothing of this batch was taken.
        """
        return self._writer.submit(batch_id, facts)

    def delete_runs(self, run_ids: Sequence[str]) -> Future[Removed]:
        """Delete runs with all that was recorded of them; the future is done when that is on disk.

        Raises:
            StoreError: the store is closed.
        """
        return self._writer.delete_runs(run_ids)

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
        return self._writer.forget_runs(run_ids, pipelines, show)

    def tidy(self) -> bool:
        """Merge now what commits have added; False where another server is at it."""
        return self._tidier.tidy()

    @contextmanager
    def claim(self, task: str) -> Iterator[bool]:
        """Whether this server alone does *task*, as long as the context lasts.

        A server that ends, however it ends, lets go of what it claimed with its connection.
        """
        try:
            with closing(connect_writer(self._url)) as connection:
                key = _CLAIMS << 32 | zlib.crc32(task.encode())
                found = connection.execute("select pg_try_advisory_lock(%s)", (key,)).fetchone()
                yield bool(found and found[0])
        except psycopg.Error as error:
            raise translate_error(error) from error

    def close(self) -> None:
        """Commit what waits and give the connections back; it cannot be used afterwards."""
        if self._is_closed:
            return
        self._is_closed = True
        self._reader.close()
        self._writer.close()
        self._tidier.close()

    def _snapshot(self) -> AbstractContextManager[Snapshot]:
        if self._is_closed:
            raise StoreError("The store is closed.", hint="Open it again with open_store.")
        return self._reader.snapshot()

    def _find_dictionaries(self) -> list[DictionarySet]:
        """Those that another server may have added since."""
        with closing(connect_writer(self._url)) as connection:
            return load_dictionaries(PostgresDriver(connection))


def _choose_stats(connection: Connection, names: Sequence[str]) -> None:
    with connection.transaction():
        # Whoever writes steps knows from then on what is indexed; nobody is writing any now.
        connection.execute("lock table indexed_stats in access exclusive mode")
        first = read_day(connection) + 1 << COUNT_BITS
        choose_stats(PostgresDriver(connection), names, first)
