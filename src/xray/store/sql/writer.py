"""The one thread that writes: batches that wait together are committed together."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Final, Protocol

import msgspec

from xray.errors import StoreBusyError, StoreError, XRayError
from xray.model.facts import (
    DecisionRow,
    Receipt,
    Refusal,
    RunStarted,
    StepFinished,
    StepRoster,
    StepRows,
)
from xray.model.forgetting import Forgotten, Progress
from xray.model.labels import Labelled
from xray.model.removal import Removed
from xray.model.stored_facts import HashedRoster, PackedRoster, StoredFact, stored_fact_id
from xray.model.tallies import Tallied
from xray.store.sql.forgetting import Forgetting
from xray.store.sql.recorder import Submitted
from xray.store.sql.removal import Removal

_MAX_GROUP_BYTES: Final = 8 << 20
_ROW_BYTES: Final = 200
_NAME_BYTES: Final = 80
_FACT_BYTES: Final = 500
_log: Final = logging.getLogger("xray.store")

UNSTORABLE: Final = (
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


class Ledger(Protocol):
    """A database as its writer uses it, from one thread.

    Attributes:
        unstorable: what one bad fact can raise, as opposed to a failure of the database.
    """

    unstorable: tuple[type[Exception], ...]

    def record(self, batches: Sequence[Submitted]) -> list[Receipt]:
        """Store *batches* in one transaction, or raise and store nothing."""
        ...

    def translate(self, error: Exception) -> Exception:
        """What those who wait are told of *error*."""
        ...

    def delete(self, removal: Removal) -> Iterator[None]:
        """Delete or forget runs, a slice between each two steps of this."""
        ...

    def tidy(self, is_needed: Callable[[], bool]) -> None:
        """Do what can wait, as long as the writer *is_needed* by nobody."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


class _Waiting(msgspec.Struct, frozen=True):
    batch: Submitted
    size: int
    future: Future[Receipt]


class Writer:
    """Commits batches in groups.

    Args:
        ledger: where they are written; closed with the writer.
        max_queued_bytes: estimated size of what may wait.
    """

    def __init__(self, ledger: Ledger, *, max_queued_bytes: int) -> None:
        self._ledger = ledger
        self._max_queued_bytes = max_queued_bytes
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

    def submit(self, batch_id: str, facts: Sequence[StoredFact]) -> Future[Receipt]:
        """Let *facts* wait for the next commit.

        Raises:
            StoreBusyError: too much waits already.
            StoreError: the store is closed.
        """
        size = sum(map(estimate_bytes, facts))
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
        self._let_wait(removal)
        return removal.future

    def forget_runs(
        self, run_ids: Sequence[str], pipelines: Sequence[str], show: Callable[[Progress], None]
    ) -> Future[Forgotten]:
        """Delete runs, a slice at a time between commits, and sweep up whatever they left.

        Raises:
            StoreError: the store is closed.
        """
        forgetting = Forgetting(run_ids, pipelines, show)
        self._let_wait(forgetting)
        return forgetting.forgotten

    def _let_wait(self, removal: Removal) -> None:
        with self._changed:
            if self._is_closing:
                raise StoreError("The store is closed.", hint="Open it again with open_store.")
            self._removals.append(removal)
            self._changed.notify()
        if not self._is_threaded:
            with self._inline_turn:
                self._delete_waiting()

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
                self._ledger.close()
        for removal in self._removals:
            removal.fail(
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
            self._ledger.close()

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
                receipts = self._ledger.record(batches)
            except self._ledger.unstorable:
                receipts = self._commit_apart(batches)
        except Exception as error:  # noqa: BLE001  (whoever waits must be told, whatever it is)
            failure = self._ledger.translate(error)
            for waiting in group:
                waiting.future.set_exception(failure)
            return
        for waiting, receipt in zip(group, receipts, strict=True):
            waiting.future.set_result(receipt)

    def _commit_apart(self, batches: Sequence[Submitted]) -> list[Receipt]:
        """Each batch by itself, and within a batch that fails each fact by itself."""
        return [self._commit_batch(batch) for batch in batches]

    def _commit_batch(self, batch: Submitted) -> Receipt:
        try:
            return self._ledger.record([batch])[0]
        except self._ledger.unstorable:
            apart = [self._commit_fact(batch.batch_id, fact) for fact in batch.facts]
        return Receipt(
            batch_id=batch.batch_id,
            accepted=sum(receipt.accepted for receipt in apart),
            duplicate=sum(receipt.duplicate for receipt in apart),
            rejected=[refusal for receipt in apart for refusal in receipt.rejected],
        )

    def _commit_fact(self, batch_id: str, fact: StoredFact) -> Receipt:
        try:
            return self._ledger.record([Submitted(batch_id, [fact])])[0]
        except self._ledger.unstorable as error:
            detail = f"The record cannot be stored: {type(error).__name__}: {error}"[:500]
            refusal = Refusal(stored_fact_id(fact), "invalid_record", detail)
            return Receipt(batch_id=batch_id, accepted=0, duplicate=0, rejected=[refusal])

    def _delete_waiting(self) -> None:
        """A slice of what is to be deleted after every group; all of it while nobody waits."""
        while self._removals:
            removal = self._removals[0]
            try:
                if self._removing is None:
                    self._removing = self._ledger.delete(removal)
                for _ in self._removing:
                    if self._is_needed():
                        return
            except Exception as error:  # noqa: BLE001  (whoever waits must be told, whatever it is)
                removal.fail(self._ledger.translate(error))
            self._removing = None
            self._removals.popleft()

    def _tidy(self) -> None:
        """Let the ledger be tidied, once those who waited have their answer."""
        try:
            self._ledger.tidy(self._is_needed)
        except Exception as error:  # noqa: BLE001  (tidying is optional, the writer must go on)
            _log.warning("What is stored could not be tidied and is left as it is: %s", error)

    def _is_needed(self) -> bool:
        return bool(self._queue) or self._is_closing


def estimate_bytes(fact: StoredFact) -> int:
    """About how much memory *fact* takes."""
    if isinstance(fact, StepFinished):
        size = _FACT_BYTES + len(fact.input) + len(fact.output) + len(fact.params)
        size += _rows_bytes(fact.rows) + _rows_bytes(fact.logged)
        return size + sum([_rows_bytes(reservoir.rows) for reservoir in fact.reservoirs])
    if isinstance(fact, StepRows):
        return _FACT_BYTES + _rows_bytes(fact.rows)
    if isinstance(fact, StepRoster):
        return _FACT_BYTES + _NAME_BYTES * fact.size
    if isinstance(fact, HashedRoster):
        return _FACT_BYTES + len(fact.entries)
    if isinstance(fact, PackedRoster):
        return _FACT_BYTES + sum(map(len, fact.parts.values()))
    if isinstance(fact, Tallied):
        return _FACT_BYTES * (1 + len(fact.steps))
    if isinstance(fact, Labelled):
        return _FACT_BYTES + len(fact.note or "")
    if isinstance(fact, RunStarted):
        return _FACT_BYTES + len(fact.input) + len(fact.metadata)
    return _FACT_BYTES + len(fact.output) + len(fact.metadata)


def _rows_bytes(rows: Sequence[DecisionRow]) -> int:
    return sum([len(row.attributes) for row in rows]) + _ROW_BYTES * len(rows)
