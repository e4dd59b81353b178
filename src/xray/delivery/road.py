"""Everything delivery owns in one process: queue, backlog, books, and the two threads."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from msgspec.structs import replace

from xray.delivery.backlog import Backlog
from xray.delivery.bells import Bell
from xray.delivery.exchange.errand import LeftBehindError
from xray.delivery.exchange.transport import Transport
from xray.delivery.hosts import is_about_to_fork, warn_of_held_up_threads
from xray.delivery.losses import DeliveryStats, Ledger, Volume
from xray.delivery.notices import attempt, logger, of_process
from xray.delivery.queue import FactQueue, measure_parcels
from xray.delivery.reports import Reporter, note_loss
from xray.delivery.sender import NOTHING_TO_DO_S, Sender
from xray.delivery.settings import DeliverySettings
from xray.delivery.writer import Writer
from xray.model.interruptions import is_interruption

_JOIN_S: Final = 0.2
_LOOK_S: Final = 0.02
_DOZE_S: Final = 1.0
_SHORT_LIFE_S: Final = 1.0
_BOUNDLESS: Final = sys.maxsize
# So many facts never wait while the writer lives, unless the pipeline is faster than any writer.
_SUSPICIOUS_LENGTH: Final = 256


def is_interpreter_ending() -> bool:
    """Whether the program is over, and only exit hooks, finalisers and late threads still run."""
    return not threading.main_thread().is_alive()


class Road:
    """Everything delivery owns in one process; a fork makes a road of its own.

    Args:
        settings: how delivery behaves.
        make_transport: makes what posts batches.
        backlog: where facts are kept until the server has them.
        ledger: the books.
        name_client: how the sender names itself; asked at the first batch.
    """

    def __init__(
        self,
        settings: DeliverySettings,
        make_transport: Callable[[], Transport],
        backlog: Backlog,
        ledger: Ledger,
        name_client: Callable[[], str],
    ) -> None:
        self.pid = os.getpid()
        self.settings = settings
        self.ledger = ledger
        self.queue = FactQueue()
        self.backlog = backlog
        self.sender = Sender(settings, backlog, ledger, make_transport, name_client)
        self._writer = Writer(settings, self.queue, backlog)
        self._reporter = Reporter(ledger)
        self._writer_turn = threading.Lock()
        self._sender_turn = threading.Lock()
        self._start_turn = threading.Lock()
        self._writer_bell = Bell()
        self._sender_bell = Bell()
        self._is_writer_dozing = False
        self._progress = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._own_idents: set[int] = set()
        self._waiters = 0
        self._waiters_lock = threading.RLock()
        self._is_stopping = False
        self.is_started = False

    def start(self) -> None:
        """Start the threads that do not run; where none can be started, waiting callers drain."""
        # Once the interpreter is being taken down, a thread that is started never begins, and who
        # started it waits for ever.
        if self._is_stopping or sys.is_finalizing() or is_about_to_fork():
            return
        if not self._start_turn.acquire(blocking=False):
            return
        try:
            self.is_started = True
            for name, work in (("xray-writer", self._write), ("xray-sender", self._send)):
                thread = self._threads.get(name)
                if thread is None or not thread.is_alive():
                    self._threads[name] = self._launch(name, work)
            warn_of_held_up_threads()
        except RuntimeError:
            # At the end of the interpreter nobody can, and whoever records does the work himself.
            if not is_interpreter_ending():
                of_process.warn("threads", "X-Ray: no thread could be started.")
        finally:
            self._start_turn.release()

    def _launch(self, name: str, work: Callable[[], None]) -> threading.Thread:
        began_s = time.monotonic()

        def run() -> None:
            ident = threading.get_ident()
            self._own_idents.add(ident)
            is_relieved = False
            try:
                work()
            except LeftBehindError:
                is_relieved = True
            finally:
                self._own_idents.discard(ident)
                if not is_relieved:
                    self._replace(name, work, time.monotonic() - began_s)

        thread = threading.Thread(target=attempt, args=(name, run), name=name, daemon=True)
        thread.start()
        return thread

    def _replace(self, name: str, work: Callable[[], None], lived_s: float) -> None:
        """Start a thread in place of the one that ends here though nobody stopped it.

        One that ended at once would do so again: it is left to whoever records next.
        """
        if self._is_stopping or is_interpreter_ending():
            return
        of_process.warn(name, "X-Ray: %s ended and is replaced.", name)
        if lived_s >= _SHORT_LIFE_S:
            # Where none can be started, callers that wait do the work.
            with suppress(RuntimeError):
                self._threads[name] = self._launch(name, work)

    def _relieve_sender(self) -> None:
        """Let another thread take over from one whose exchange does not end."""
        if self._is_stopping or not self.sender.is_stuck or not self.sender.leave():
            return
        # The turn of the thread that hangs is never given back.
        self._sender_turn = threading.Lock()
        self._threads.pop("xray-sender", None)
        self.start()

    def revive_if_suspicious(self) -> None:
        """Start the threads again where so much waits that they must have died."""
        if len(self.queue) % _SUSPICIOUS_LENGTH == _SUSPICIOUS_LENGTH - 1:
            self.start()

    def stop(self) -> None:
        """Let the threads end; what does not outlive the process is counted as lost."""
        self._is_stopping = True
        self._writer_bell.ring()
        self._sender_bell.ring()
        for thread in self._threads.values():
            if thread.ident != threading.get_ident():
                thread.join(_JOIN_S)
        if self._writer_turn.acquire(timeout=_JOIN_S):
            try:
                self._writer.run_once()
            finally:
                self._writer_turn.release()
        left = self.queue.peek(_BOUNDLESS, _BOUNDLESS)
        self.queue.drop(left)
        self.ledger.lose("closed", measure_parcels([*self.backlog.drain(), *left]))
        self.hang_up()

    def hang_up(self, patience_s: float = _JOIN_S) -> None:
        """Let the transport give back what it has open, unless it stays in use."""
        if self._sender_turn.acquire(timeout=patience_s):
            try:
                self.sender.transport.close()
            finally:
                self._sender_turn.release()

    @property
    def is_own_thread(self) -> bool:
        """Whether the caller is one of the two threads."""
        return threading.get_ident() in self._own_idents

    @property
    def _are_threads_alive(self) -> bool:
        return len(self._threads) == 2 and all(
            thread.is_alive() for thread in self._threads.values()
        )

    def _write(self) -> None:
        busy_at_s = time.monotonic()
        while not self._is_stopping:
            # Until then something may have to be forced to disk.
            if time.monotonic() - busy_at_s < self.settings.sync_interval_s:
                self._writer_bell.wait(self.settings.poll_interval_s)
            else:
                self._doze()
            if len(self.queue):
                busy_at_s = time.monotonic()
            self.write_once()
            self._relieve_sender()
            # Nobody else would notice: what the sender does not take, the spool keeps.
            if not self._are_threads_alive:
                self.start()

    def _doze(self) -> None:
        """Wait until something is put: an idle process is not to be woken fifty times a second."""
        self._is_writer_dozing = True
        # Whoever put something before that did not ring.
        wait_s = self.settings.poll_interval_s if len(self.queue) else _DOZE_S
        self._writer_bell.wait(wait_s)
        self._is_writer_dozing = False

    def write_once(self) -> None:
        """Do once what the writer thread does every few milliseconds."""
        if not self._writer_turn.acquire(blocking=False):
            return
        try:
            # A server that does not listen is told later: reports take room as all records do.
            if self.ledger.has_untold and self.sender.is_heard:
                self.report_losses()
            if self._writer.run_once():
                self._sender_bell.ring()
        except Exception as error:
            # A thread must outlive what it meets; a caller that drains may be interrupted.
            if is_interruption(error):
                raise
            of_process.warn("writer", "X-Ray: the writer met %s.", error)
        finally:
            self._writer_turn.release()

    def _send(self) -> None:
        while not self._is_stopping:
            wait_s = self.send_once()
            if wait_s > 0 and not self._is_stopping:
                self._sender_bell.wait(min(wait_s, NOTHING_TO_DO_S))

    def send_once(self, within_s: float = NOTHING_TO_DO_S) -> float:
        """Do once what the sender thread does; returns the seconds until there may be more.

        Args:
            within_s: how long a request may take at most.

        Raises:
            LeftBehindError: another thread took over meanwhile: this one is to end.
        """
        turn = self._sender_turn
        if not turn.acquire(blocking=False):
            return _LOOK_S
        is_left = False
        try:
            return self.sender.run_once(within_s)
        except LeftBehindError:
            is_left = True
            raise
        except Exception as error:
            if is_interruption(error):
                raise
            of_process.warn("sender", "X-Ray: the sender met %s.", error)
            return self.settings.first_backoff_s
        finally:
            # Whoever took over does so in a turn of their own.
            if not is_left:
                turn.release()
            self._progress.set()

    def wait_until_settled(self, deadline_s: float, max_failures: int | None = None) -> bool:
        """Wait for everything put so far; returns whether all of it was acknowledged or lost.

        Args:
            deadline_s: when to stop waiting, on `time.monotonic`.
            max_failures: stop after so many failed attempts, or once the server refuses all.
        """
        last_number = self.queue.last_number
        failures = self.sender.failed_attempts
        self._enter_hurry()
        try:
            while not self._is_settled(last_number):
                remaining_s = deadline_s - time.monotonic()
                if remaining_s <= 0:
                    return False
                if max_failures is not None and self._is_hopeless(
                    max_failures - self.sender.failed_attempts + failures, remaining_s
                ):
                    return False
                self._advance(remaining_s)
            return True
        finally:
            self._leave_hurry()

    def _advance(self, remaining_s: float) -> None:
        """Wait for the threads; where they are dead and stay so, do their work."""
        if not self._are_threads_alive:
            self.start()
        if self._are_threads_alive:
            self._writer_bell.ring()
            self._progress.wait(min(remaining_s, _LOOK_S))
            self._progress.clear()
            return
        self.write_once()
        pause_s = 0.0
        with suppress(LeftBehindError):
            pause_s = self.send_once(remaining_s)
        if pause_s > 0:
            time.sleep(min(remaining_s, pause_s, _LOOK_S))

    def _is_hopeless(self, failures_left: int, remaining_s: float) -> bool:
        return (
            failures_left <= 0
            or self.sender.asked_pause_s > remaining_s
            or (self.sender.is_parked and not self.sender.is_about_to_probe)
        )

    def _is_settled(self, last_number: int) -> bool:
        # In this order: a parcel is in the backlog before it leaves the queue.
        waiting = self.queue.oldest_number
        if waiting is not None and waiting <= last_number:
            return False
        kept = self.backlog.oldest_number
        return kept is None or kept > last_number

    def _enter_hurry(self) -> None:
        with self._waiters_lock:
            self._waiters += 1
            self.sender.hurry(is_hurried=True)
        self._writer_bell.ring()
        self._sender_bell.ring()

    def _leave_hurry(self) -> None:
        with self._waiters_lock:
            self._waiters -= 1
            if not self._waiters:
                self.sender.hurry(is_hurried=False)

    def stats(self) -> DeliveryStats:
        """The books with the state of the road."""
        return replace(
            self.ledger.read(),
            held_bytes=self.queue.held_bytes + self.backlog.held_bytes,
            batches=self.sender.batches,
            failed_attempts=self.sender.failed_attempts,
            state=self.sender.state,
            last_problem=self.sender.last_problem,
        )

    def put(self, encoded: bytes, decisions: int, *, may_wait: bool = True) -> None:
        """Hand over an encoded fact, or count why it could not be.

        Args:
            encoded: its bytes on the wire.
            decisions: how many decisions it carries.
            may_wait: whether the caller may be held up where the settings allow it.
        """
        if self._is_stopping:
            self.ledger.turn_away("closed", Volume(1, decisions))
            return
        # Booked first: a parcel may be acknowledged before this thread runs on.
        self.ledger.accept(decisions)
        while not self.queue.put(encoded, decisions, self._room_bytes):
            is_waiting = may_wait and self.settings.on_full == "wait" and not self._is_stopping
            # What would not fit into an empty queue is not worth waiting for.
            if not is_waiting or not (self.queue.held_bytes or self.backlog.held_bytes):
                self.ledger.lose("queue_full", Volume(1, decisions))
                note_loss(self.ledger, "queue_full", encoded)
                return
            self._wait_for_room()
        if self._is_writer_dozing:
            self._writer_bell.ring()

    @property
    def _room_bytes(self) -> int:
        return self.settings.max_queue_bytes - self.backlog.held_bytes

    def _wait_for_room(self) -> None:
        of_process.warn("wait", "X-Ray: the pipeline waits until there is room for its records.")
        self._advance(_LOOK_S)

    def write_through(self, budget_s: float) -> None:
        """Let the caller write what waits to the backlog itself, for at most *budget_s*."""
        deadline_s = time.monotonic() + budget_s
        if not self._writer_turn.acquire(timeout=budget_s):
            return
        try:
            if self._writer.write_until(deadline_s):
                self._sender_bell.ring()
        finally:
            self._writer_turn.release()

    def report_losses(self) -> None:
        """Put records on their way that tell the server which runs lost some."""
        for encoded in self._reporter.write():
            self.ledger.accept_report()
            # They are few and small, and a full queue is what they have to tell of.
            self.queue.put(encoded, 0, _BOUNDLESS)

    def report_undelivered(self) -> None:
        """Say how much is lost when the process ends."""
        lost = self.backlog.volume.records + len(self.queue)
        if lost:
            logger.warning(
                "X-Ray: the process ends with %d records undelivered (%s).",
                lost,
                self.sender.last_problem or "no time was left",
            )
