"""The one thread that writes: batches that wait together are committed together."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Final

import msgspec

from xray.errors import StoreBusyError, StoreError, XRayError
from xray.model.facts import (
    DecisionRow,
    Fact,
    Receipt,
    Refusal,
    RunStarted,
    StepFinished,
    StepRoster,
    StepRows,
    fact_id,
)
from xray.model.labels import Labelled
from xray.model.removal import Removed
from xray.model.tallies import Tallied
from xray.store.sqlite.connection import translate_error
from xray.store.sqlite.dims import Dims
from xray.store.sqlite.frames import (
    Compressor,
    Decompressor,
    DictionarySet,
    Samples,
    load_dictionaries,
    save_dictionaries,
)
from xray.store.sqlite.postings import Postings
from xray.store.sqlite.recorder import Recorder, Submitted
from xray.store.sqlite.removal import Removal

_MAX_GROUP_BYTES: Final = 8 << 20
_TRAINING_BYTES: Final = 1 << 20
_ROW_BYTES: Final = 200
_NAME_BYTES: Final = 80
_FACT_BYTES: Final = 500
_log: Final = logging.getLogger("xray.store")

_UNSTORABLE: Final = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    msgspec.MsgspecError,
    XRayError,
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    RecursionError,
    AttributeError,
)
"""What one bad fact can raise; the others of its group are then stored without it."""


class _Waiting(msgspec.Struct, frozen=True):
    batch: Submitted
    size: int
    future: Future[Receipt]


class Writer:
    """Commits batches in groups.

    Args:
        connection: the one connection that writes; closed with the writer.
        decompressor: is told of every dictionary generation.
        max_queued_bytes: estimated size of what may wait.
        merge_fanout: how many segments of the candidate index become one.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        decompressor: Decompressor,
        *,
        max_queued_bytes: int,
        merge_fanout: int,
    ) -> None:
        self._connection = connection
        self._decompressor = decompressor
        self._max_queued_bytes = max_queued_bytes
        newest = DictionarySet(0, {})
        for newest in load_dictionaries(connection):
            decompressor.add(newest)
        self._postings = Postings(connection, fanout=merge_fanout)
        self._recorder = Recorder(
            connection,
            Dims(connection),
            self._postings,
            Compressor(newest),
            decompressor,
            None if newest.generation else Samples(_TRAINING_BYTES),
        )
        self._queue: deque[_Waiting] = deque()
        self._queued_bytes = 0
        self._removals: deque[Removal] = deque()
        self._removing: Iterator[None] | None = None
        self._changed = threading.Condition()
        self._inline_turn = threading.Lock()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="xray-store-writer", daemon=True)
        self._is_threaded = True
        try:
            self._thread.start()
        except RuntimeError:
            # An interpreter that ends starts no thread; whoever submits writes then.
            self._is_threaded = False

    def submit(self, batch_id: str, facts: Sequence[Fact]) -> Future[Receipt]:
        """Let *facts* wait for the next commit.

        Raises:
            StoreBusyError: too much waits already.
            StoreError: the store is closed.
        """
        size = sum(map(_estimate_bytes, facts))
        waiting = _Waiting(Submitted(batch_id, facts), size, Future())
        waiting.future.set_running_or_notify_cancel()
        with self._changed:
            if self._is_closing:
                raise StoreError("The store is closed.", hint="Open it again with open_store.")
            if self._queue and self._queued_bytes + size > self._max_queued_bytes:
                raise StoreBusyError(
                    "Too much waits to be written.", hint="Send the same batch again later."
                )
            self._queue.append(waiting)
            self._queued_bytes += size
            self._changed.notify()
        if not self._is_threaded:
            with self._inline_turn:
                self._commit_waiting()
                self._delete_waiting()
        return waiting.future

    def delete_runs(self, run_ids: Sequence[str]) -> Future[Removed]:
        """Delete runs, a slice at a time between commits.

        Raises:
            StoreError: the store is closed.
        """
        removal = Removal(run_ids)
        with self._changed:
            if self._is_closing:
                raise StoreError("The store is closed.", hint="Open it again with open_store.")
            self._removals.append(removal)
            self._changed.notify()
        if not self._is_threaded:
            with self._inline_turn:
                self._delete_waiting()
        return removal.future

    def _commit_waiting(self) -> None:
        while self._queue:
            self._commit_group(self._next_group())

    def close(self) -> None:
        """Commit what waits, then give the connection back."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if self._is_threaded:
            self._thread.join()
        else:
            with self._inline_turn:
                self._connection.close()
        for removal in self._removals:
            removal.future.set_exception(
                StoreError("The store was closed before all of it was deleted.", hint="Ask again.")
            )

    def _run(self) -> None:
        try:
            self._tidy()
            while self._wait():
                group = self._next_group()
                if group:
                    self._commit_group(group)
                self._delete_waiting()
                self._tidy()
        finally:
            self._connection.close()

    def _wait(self) -> bool:
        """Wait for something to do; False when there is nothing more, ever."""
        with self._changed:
            while not self._queue and not self._removals and not self._is_closing:
                self._changed.wait()
            return bool(self._queue) or not self._is_closing

    def _next_group(self) -> list[_Waiting]:
        with self._changed:
            group: list[_Waiting] = []
            size = 0
            while self._queue and (not group or size + self._queue[0].size <= _MAX_GROUP_BYTES):
                waiting = self._queue.popleft()
                group.append(waiting)
                size += waiting.size
            self._queued_bytes -= size
            return group

    def _commit_group(self, group: list[_Waiting]) -> None:
        batches = [waiting.batch for waiting in group]
        try:
            try:
                receipts = self._in_transaction(batches)
            except _UNSTORABLE:
                receipts = self._commit_apart(batches)
        except Exception as error:  # noqa: BLE001  (whoever waits must be told, whatever it is)
            failure = translate_error(error) if isinstance(error, sqlite3.Error) else error
            for waiting in group:
                waiting.future.set_exception(failure)
            return
        for waiting, receipt in zip(group, receipts, strict=True):
            waiting.future.set_result(receipt)

    def _in_transaction(self, batches: Sequence[Submitted]) -> list[Receipt]:
        try:
            self._connection.execute("begin immediate")
            receipts = self._recorder.record(batches)
            self._connection.execute("commit")
        except BaseException:
            self._take_back()
            raise
        return receipts

    def _commit_apart(self, batches: Sequence[Submitted]) -> list[Receipt]:
        """Each batch by itself, and within a batch that fails each fact by itself."""
        return [self._commit_batch(batch) for batch in batches]

    def _commit_batch(self, batch: Submitted) -> Receipt:
        try:
            return self._in_transaction([batch])[0]
        except _UNSTORABLE:
            apart = [self._commit_fact(batch.batch_id, fact) for fact in batch.facts]
        return Receipt(
            batch_id=batch.batch_id,
            accepted=sum(receipt.accepted for receipt in apart),
            duplicate=sum(receipt.duplicate for receipt in apart),
            rejected=[refusal for receipt in apart for refusal in receipt.rejected],
        )

    def _commit_fact(self, batch_id: str, fact: Fact) -> Receipt:
        try:
            return self._in_transaction([Submitted(batch_id, [fact])])[0]
        except _UNSTORABLE as error:
            detail = f"The record cannot be stored: {type(error).__name__}: {error}"[:500]
            refusal = Refusal(fact_id(fact), "invalid_record", detail)
            return Receipt(batch_id=batch_id, accepted=0, duplicate=0, rejected=[refusal])

    def _take_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("rollback")
        self._recorder.forget()

    def _delete_waiting(self) -> None:
        """A slice of what is to be deleted after every group; all of it while nobody waits."""
        while self._removals:
            removal = self._removals[0]
            try:
                if self._removing is None:
                    recorder = self._recorder
                    self._removing = removal.run(
                        self._connection, recorder.rosters, recorder.stats, self._postings
                    )
                for _ in self._removing:
                    if self._queue or self._is_closing:
                        return
            except Exception as error:  # noqa: BLE001  (whoever waits must be told, whatever it is)
                self._take_back()
                failure = translate_error(error) if isinstance(error, sqlite3.Error) else error
                removal.future.set_exception(failure)
            self._removing = None
            self._removals.popleft()

    def _tidy(self) -> None:
        """Merge what is due and train dictionaries, once those who waited have their answer."""
        try:
            self._merge_segments()
            self._train_dictionaries()
            self._merge_rosters()
            self._fill_stats()
            self._fill_baselines()
        except Exception as error:  # noqa: BLE001  (tidying is optional, the writer must go on)
            with contextlib.suppress(sqlite3.Error):
                self._connection.rollback()
            _log.warning("What is stored could not be tidied and is left as it is: %s", error)

    def _merge_segments(self) -> None:
        is_due = True
        while is_due and not self._queue:
            self._connection.execute("begin immediate")
            is_due = self._postings.merge_due()
            self._connection.execute("commit")

    def _merge_rosters(self) -> None:
        """A slice after every group, so that they come to an end; the rest while nobody waits."""
        rosters = self._recorder.rosters
        while rosters.is_due:
            self._connection.execute("begin immediate")
            rosters.merge_slice()
            self._connection.execute("commit")
            if self._queue or self._is_closing:
                return

    def _fill_stats(self) -> None:
        """Older steps into the index of a statistic that was not indexed before."""
        stats = self._recorder.stats
        while stats.is_due and not self._queue and not self._is_closing:
            self._connection.execute("begin immediate")
            stats.fill_slice()
            self._connection.execute("commit")

    def _fill_baselines(self) -> None:
        """Steps that were stored before there were baselines."""
        baselines = self._recorder.baselines
        while baselines.is_due and not self._queue and not self._is_closing:
            self._connection.execute("begin immediate")
            baselines.fill_slice()
            self._connection.execute("commit")

    def _train_dictionaries(self) -> None:
        samples = self._recorder.samples
        if samples is None or not samples.is_enough:
            return
        self._recorder.samples = None
        trained = samples.train(self._recorder.compressor.generation + 1)
        if not trained.by_kind:
            return
        self._connection.execute("begin immediate")
        save_dictionaries(self._connection, trained)
        self._connection.execute("commit")
        self._decompressor.add(trained)
        self._recorder.compressor = Compressor(trained)


def _estimate_bytes(fact: Fact) -> int:
    if isinstance(fact, StepFinished):
        size = _FACT_BYTES + len(fact.input) + len(fact.output) + len(fact.params)
        size += _rows_bytes(fact.rows) + _rows_bytes(fact.logged)
        return size + sum([_rows_bytes(reservoir.rows) for reservoir in fact.reservoirs])
    if isinstance(fact, StepRows):
        return _FACT_BYTES + _rows_bytes(fact.rows)
    if isinstance(fact, StepRoster):
        return _FACT_BYTES + _NAME_BYTES * fact.size
    if isinstance(fact, Tallied):
        return _FACT_BYTES * (1 + len(fact.steps))
    if isinstance(fact, Labelled):
        return _FACT_BYTES + len(fact.note or "")
    if isinstance(fact, RunStarted):
        return _FACT_BYTES + len(fact.input) + len(fact.metadata)
    return _FACT_BYTES + len(fact.output) + len(fact.metadata)


def _rows_bytes(rows: Sequence[DecisionRow]) -> int:
    return sum([len(row.attributes) for row in rows]) + _ROW_BYTES * len(rows)
