"""A PostgreSQL database as one server's writer uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import psycopg
from psycopg import errors

from xray.model.facts import Receipt
from xray.model.forgetting import Progress
from xray.store.frames import Compressor, Decompressor, next_generation
from xray.store.postgres.connection import RETRIED, connect_writer, translate_error
from xray.store.postgres.dims import SharedDims
from xray.store.postgres.directory import SharedDirectory
from xray.store.postgres.driver import Connection, PostgresDriver
from xray.store.postgres.partitions import make_partitions, read_day
from xray.store.postgres.recorder import SharedRecorder
from xray.store.postgres.upkeep import (
    TIDYING_LOCK,
    compact,
    held_alone,
    load_newest,
    merge_scattered,
    tidying,
)
from xray.store.sql.forgetting import (
    Forgetting,
    drop_generations,
    drop_pipelines,
    rewrite_frames,
    sweep_postings,
    sweep_texts,
    train_anew,
)
from xray.store.sql.forgotten import note_forgotten, note_swept
from xray.store.sql.payloads import load_dictionaries, save_dictionaries
from xray.store.sql.postings import Postings
from xray.store.sql.recorder import Submitted
from xray.store.sql.removal import Removal
from xray.store.sql.writer import UNSTORABLE

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
        self._dims = SharedDims(self._driver)
        self._directory = SharedDirectory(self._driver)
        self._postings = Postings(self._driver, fanout=merge_fanout)
        self._recorder = SharedRecorder(
            self._driver,
            self._directory,
            self._dims,
            self._postings,
            decompressor,
            _TRAINING_BYTES,
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
        """Delete or forget runs, a slice between each two steps of this."""
        self._connect()
        try:
            if isinstance(removal, Forgetting):
                with tidying(self._driver):
                    yield from self._forget(removal)
            else:
                yield from self._remove(removal)
        except BaseException:
            self._recorder.forget()
            raise
        removal.finish()

    def _remove(self, removal: Removal) -> Iterator[None]:
        recorder = self._recorder
        yield from removal.run(
            self._driver,
            self._driver.connection.transaction,
            self._directory,
            recorder.rosters,
            recorder.stats,
            self._postings,
        )

    def _forget(self, forgetting: Forgetting) -> Iterator[None]:
        """Leave nothing of runs; what other servers remember of them is taken back."""
        driver, show = self._driver, forgetting.show
        transaction = driver.connection.transaction
        # Texts may have other numbers since another server has swept up.
        self._recorder.forget()
        with held_alone(driver):
            for raw in forgetting.raw_ids:
                note_forgotten(driver, raw)
        forgetting.begin(self._take_leave)
        yield from self._remove(forgetting)
        yield from self._renew_dictionaries(show)
        yield from sweep_postings(self._postings, transaction, show)
        with held_alone(driver):
            drop_pipelines(driver, forgetting.pipelines)
            while merge_scattered(driver, 1):
                pass
            sweep_texts(driver)
        self._recorder.forget()
        yield
        show(Progress("returning space"))
        forgetting.problem = compact(driver)
        forgetting.is_compact = not forgetting.problem
        if forgetting.is_compact:
            note_swept(driver)

    def _take_leave(self, raw: bytes, seq: int | None) -> None:  # noqa: ARG002
        """Before a run is forgotten: take back what it counted for."""
        if seq is not None:
            self._recorder.baselines.take_back_run(seq)

    def _renew_dictionaries(self, show: Callable[[Progress], None]) -> Iterator[None]:
        """Train dictionaries on what is left, and write every frame again with them."""
        driver, decompressor = self._driver, self._decompressor
        known = {one.generation for one in load_dictionaries(driver)}
        if not known:
            return
        show(Progress("rewriting"))
        newest = load_newest(driver, decompressor).generation
        number = next_generation(newest)
        while number in known:
            number = next_generation(number)
        renewed = train_anew(driver, decompressor, number, _TRAINING_BYTES)
        with held_alone(driver, number):
            save_dictionaries(driver, renewed)
        decompressor.add(renewed)
        yield
        yield from rewrite_frames(
            driver,
            driver.connection.transaction,
            Compressor(renewed),
            decompressor,
            show,
            held=" for update",
        )
        with held_alone(driver):
            drop_generations(driver, number)
        decompressor.supersede(renewed, [newest])

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
        driver = self._driver
        with driver.connection.transaction():
            # Whoever holds it may be writing frames anew; the samples are kept for the next time.
            query = "select pg_try_advisory_xact_lock(?)"
            if not driver.execute(query, (TIDYING_LOCK,)).fetchone()[0]:
                return
            self._recorder.samples = None
            newest = load_newest(driver, self._decompressor)
            if newest.is_trained:
                return
            trained = samples.train(next_generation(newest.generation))
            if not trained.by_kind:
                return
            with held_alone(driver, trained.generation):
                save_dictionaries(driver, trained)
        self._decompressor.add(trained)
