"""A SQLite file as its one writer uses it: transactions, and what is tidied between them."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from xray.model.facts import Receipt
from xray.model.forgetting import Progress
from xray.store.frames import (
    Compressor,
    Decompressor,
    DictionarySet,
    Samples,
    next_generation,
)
from xray.store.sql.dims import Dims
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
from xray.store.sql.recorder import Recorder, Submitted
from xray.store.sql.removal import Removal
from xray.store.sql.writer import UNSTORABLE
from xray.store.sqlite.connection import compact, translate_error
from xray.store.sqlite.directory import FileDirectory

TRAINING_BYTES: Final = 1 << 20
_FREED_PAGES: Final = 500


class SqliteLedger:
    """Writes one file.

    Args:
        connection: the one connection that writes; closed with the ledger.
        decompressor: is told of every dictionary generation.
        merge_fanout: how many segments of the candidate index become one.
    """

    unstorable: tuple[type[Exception], ...] = (
        sqlite3.IntegrityError,
        sqlite3.DataError,
        sqlite3.InterfaceError,
        sqlite3.ProgrammingError,
        *UNSTORABLE,
    )

    def __init__(
        self, connection: sqlite3.Connection, decompressor: Decompressor, *, merge_fanout: int
    ) -> None:
        self._connection = connection
        self._decompressor = decompressor
        newest = DictionarySet(0, {})
        for newest in load_dictionaries(connection):
            decompressor.add(newest)
        self._postings = Postings(connection, fanout=merge_fanout)
        self._directory = FileDirectory(connection)
        self._recorder = Recorder(
            connection,
            self._directory,
            Dims(connection),
            self._postings,
            Compressor(newest),
            decompressor,
            None if newest.is_trained else Samples(TRAINING_BYTES),
        )

    def record(self, batches: Sequence[Submitted]) -> list[Receipt]:
        """Store *batches* in one transaction, or raise and store nothing."""
        with self._transaction():
            return self._recorder.record(batches)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._connection.execute("begin immediate")
            yield
            self._connection.execute("commit")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            self._recorder.forget()
            raise

    def delete(self, removal: Removal) -> Iterator[None]:
        """Delete or forget runs, a slice between each two steps of this; give the space back."""
        recorder = self._recorder
        if isinstance(removal, Forgetting):
            removal.begin(self._take_leave)
        yield from removal.run(
            self._connection,
            self._transaction,
            self._directory,
            recorder.rosters,
            recorder.stats,
            self._postings,
        )
        if isinstance(removal, Forgetting):
            yield from self._sweep_up(removal)
            return
        if removal.removed.runs:
            while self._connection.execute("pragma freelist_count").fetchone()[0]:
                # Stepped through by hand, each step of this statement frees one page alone.
                self._connection.executescript(f"pragma incremental_vacuum({_FREED_PAGES})")
                yield
            # Until then the file is as long as before.
            self._connection.execute("pragma wal_checkpoint(passive)").fetchall()
        removal.finish()

    def _take_leave(self, raw: bytes, seq: int | None) -> None:
        """Before a run is forgotten: take back what it counted for, and mark it."""
        note_forgotten(self._connection, raw)
        self._recorder.has_forgotten = True
        if seq is not None:
            self._recorder.baselines.take_back_run(seq)

    def _sweep_up(self, forgetting: Forgetting) -> Iterator[None]:
        """Leave nothing of runs that were forgotten, in the file and its log."""
        connection, show = self._connection, forgetting.show
        # What waits to be trained on was taken from them too.
        self._recorder.samples = None
        yield from self._renew_dictionaries(show)
        if not self._recorder.compressor.is_trained:
            self._recorder.samples = Samples(TRAINING_BYTES)
        yield from sweep_postings(self._postings, self._transaction, show)
        with self._transaction():
            drop_pipelines(connection, forgetting.pipelines)
            sweep_texts(connection)
        self._recorder.forget()
        yield
        show(Progress("returning space"))
        forgetting.problem = compact(connection)
        forgetting.is_compact = not forgetting.problem
        if forgetting.is_compact:
            with self._transaction():
                note_swept(connection)
        forgetting.finish()

    def _renew_dictionaries(self, show: Callable[[Progress], None]) -> Iterator[None]:
        """Train dictionaries on what is left, and write every frame again with them."""
        connection, recorder, decompressor = self._connection, self._recorder, self._decompressor
        known = {one.generation for one in load_dictionaries(connection)}
        if not known:
            return
        show(Progress("rewriting"))
        newest = number = recorder.compressor.generation
        while number == newest or number in known:
            number = next_generation(number)
        renewed = train_anew(connection, decompressor, number, TRAINING_BYTES)
        with self._transaction():
            save_dictionaries(connection, renewed)
        decompressor.add(renewed)
        recorder.compressor = Compressor(renewed)
        yield
        yield from rewrite_frames(
            connection, self._transaction, recorder.compressor, decompressor, show
        )
        with self._transaction():
            drop_generations(connection, number)
        decompressor.supersede(renewed, [newest])

    def translate(self, error: Exception) -> Exception:
        """What those who wait are told of *error*."""
        return translate_error(error) if isinstance(error, sqlite3.Error) else error

    def tidy(self, is_needed: Callable[[], bool]) -> None:
        """Merge what is due, train dictionaries and fill in what is missing."""
        try:
            self._merge_segments(is_needed)
            self._train_dictionaries()
            self._merge_rosters(is_needed)
            self._fill_stats(is_needed)
            self._fill_baselines(is_needed)
        except Exception:
            with contextlib.suppress(sqlite3.Error):
                self._connection.rollback()
            raise

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def _merge_segments(self, is_needed: Callable[[], bool]) -> None:
        is_due = True
        while is_due and not is_needed():
            self._connection.execute("begin immediate")
            is_due = self._postings.merge_due()
            self._connection.execute("commit")

    def _merge_rosters(self, is_needed: Callable[[], bool]) -> None:
        """A slice after every group, so that they come to an end; the rest while nobody waits."""
        rosters = self._recorder.rosters
        while rosters.is_due:
            self._connection.execute("begin immediate")
            rosters.merge_slice()
            self._connection.execute("commit")
            if is_needed():
                return

    def _fill_stats(self, is_needed: Callable[[], bool]) -> None:
        """Older steps into the index of a statistic that was not indexed before."""
        stats = self._recorder.stats
        while stats.is_due and not is_needed():
            self._connection.execute("begin immediate")
            stats.fill_slice()
            self._connection.execute("commit")

    def _fill_baselines(self, is_needed: Callable[[], bool]) -> None:
        """Steps that were stored before there were baselines."""
        baselines = self._recorder.baselines
        while baselines.is_due and not is_needed():
            self._connection.execute("begin immediate")
            baselines.fill_slice()
            self._connection.execute("commit")

    def _train_dictionaries(self) -> None:
        samples = self._recorder.samples
        if samples is None or not samples.is_enough:
            return
        self._recorder.samples = None
        trained = samples.train(next_generation(self._recorder.compressor.generation))
        if not trained.by_kind:
            return
        self._connection.execute("begin immediate")
        save_dictionaries(self._connection, trained)
        self._connection.execute("commit")
        self._decompressor.add(trained)
        self._recorder.compressor = Compressor(trained)
