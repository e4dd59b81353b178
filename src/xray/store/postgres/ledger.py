"""A PostgreSQL database as one server's writer uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import psycopg
from psycopg import errors

from xray.model.facts import Receipt
from xray.store.frames import Compressor, Decompressor, DictionarySet, Samples
from xray.store.postgres.connection import RETRIED, connect_writer, translate_error
from xray.store.postgres.dims import SharedDims
from xray.store.postgres.directory import SharedDirectory
from xray.store.postgres.driver import Connection, PostgresDriver
from xray.store.postgres.partitions import make_partitions, read_day
from xray.store.postgres.recorder import SharedRecorder
from xray.store.sql.payloads import load_dictionaries, save_dictionaries
from xray.store.sql.postings import Postings
from xray.store.sql.recorder import Submitted
from xray.store.sql.removal import Removal
from xray.store.sql.writer import UNSTORABLE

_LOCK: Final = 0x58526179_03
_TRIES: Final = 5
_TRAINING_BYTES: Final = 1 << 20


class PostgresLedger:
    """Writes one database, beside other servers.

    Args:
        url: the database.
        connection: a connection that writes; another takes its place when it breaks.
        decompressor: is told of every dictionary generation.
        merge_fanout: how many segments of the candidate index become one.
        wake_tidier: called after each commit.
    """

    # A missing partition, table or privilege is the database's failure, not a fact's.
    unstorable: tuple[type[Exception], ...] = (
        psycopg.DataError,
        errors.NotNullViolation,
        errors.UniqueViolation,
        errors.ProgramLimitExceeded,
        *UNSTORABLE,
    )

    def __init__(
        self,
        url: str,
        connection: Connection,
        decompressor: Decompressor,
        *,
        merge_fanout: int,
        wake_tidier: Callable[[], None],
    ) -> None:
        self._url = url
        self._driver = PostgresDriver(connection)
        self._decompressor = decompressor
        self._wake_tidier = wake_tidier
        self._covered_to = make_partitions(connection)
        newest = DictionarySet(0, {})
        for newest in load_dictionaries(self._driver):
            decompressor.add(newest)
        self._dims = SharedDims(self._driver)
        self._directory = SharedDirectory(self._driver)
        self._postings = Postings(self._driver, fanout=merge_fanout)
        self._recorder = SharedRecorder(
            self._driver,
            self._directory,
            self._dims,
            self._postings,
            Compressor(newest),
            decompressor,
            None if newest.generation else Samples(_TRAINING_BYTES),
        )

    def record(self, batches: Sequence[Submitted]) -> list[Receipt]:
        """Store *batches* in one transaction, or raise and store nothing."""
        self._connect()
        connection = self._driver.connection
        try:
            if read_day(connection) + 1 >= self._covered_to:
                self._covered_to = make_partitions(connection)
            self._dims.prepare(fact for batch in batches for fact in batch.facts)
            for _ in range(_TRIES - 1):
                try:
                    return self._record_once(batches)
                except RETRIED:  # noqa: PERF203
                    self._recorder.forget()
            return self._record_once(batches)
        except BaseException:
            self._recorder.forget()
            raise

    def _record_once(self, batches: Sequence[Submitted]) -> list[Receipt]:
        with self._driver.connection.transaction():
            return self._recorder.record(batches)

    def delete(self, removal: Removal) -> Iterator[None]:
        """Delete runs, a slice between each two steps of this."""
        self._connect()
        recorder = self._recorder
        try:
            yield from removal.run(
                self._driver,
                self._driver.connection.transaction,
                self._directory,
                recorder.rosters,
                recorder.stats,
                self._postings,
            )
        except BaseException:
            recorder.forget()
            raise
        removal.finish()

    def _connect(self) -> None:
        if self._driver.connection.closed:
            self._driver.connection = connect_writer(self._url)

    def translate(self, error: Exception) -> Exception:
        """What those who wait are told of *error*."""
        return translate_error(error) if isinstance(error, psycopg.Error) else error

    def tidy(self, is_needed: Callable[[], bool]) -> None:  # noqa: ARG002  (it does little)
        """Train dictionaries; everything else is left to whichever server tidies."""
        self._wake_tidier()
        self._train_dictionaries()

    def close(self) -> None:
        """Give the connection back."""
        self._driver.connection.close()

    def _train_dictionaries(self) -> None:
        samples = self._recorder.samples
        if samples is None or not samples.is_enough:
            return
        self._recorder.samples = None
        with self._driver.connection.transaction():
            self._driver.execute("select pg_advisory_xact_lock(?)", (_LOCK,))
            known = load_dictionaries(self._driver)
            if not known:
                trained = samples.train(1)
                if not trained.by_kind:
                    return
                save_dictionaries(self._driver, trained)
                known = [trained]
        for dictionaries in known:
            self._decompressor.add(dictionaries)
        self._recorder.compressor = Compressor(known[-1])
