"""The sink that sends what capture records to a server, without ever holding up the pipeline."""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from types import FrameType
from typing import Final

from xray.delivery.backlog import Backlog, MemoryBacklog
from xray.delivery.exchange.transport import HttpTransport, Transport
from xray.delivery.forks import hold_forks
from xray.delivery.hosts import may_end_unseen
from xray.delivery.losses import DeliveryStats, FlushResult, Ledger, Volume
from xray.delivery.notices import attempt
from xray.delivery.patience import attempt_within
from xray.delivery.queue import count_decisions
from xray.delivery.road import Road, is_interpreter_ending
from xray.delivery.settings import DeliverySettings
from xray.delivery.spool.spool import Spool
from xray.errors import XRayDeliveryError
from xray.model.facts import Fact
from xray.model.forking import call_at_fork
from xray.model.interruptions import is_interruption
from xray.wire.codec import encode_fact

TransportFactory = Callable[[DeliverySettings], Transport]
BacklogFactory = Callable[[DeliverySettings, Ledger], Backlog]

_FAIL_ATTEMPTS: Final = 3
_EXIT_ATTEMPTS: Final = 1
_DURABLE_EXIT_S: Final = 0.005
_LAST_WRITE_S: Final = 0.2
_LAST_DISK_S: Final = 1.0
_LAST_LOOK_S: Final = 0.02


def make_backlog(settings: DeliverySettings, ledger: Ledger) -> Backlog:
    """The spool in `buffer` mode where it has a place, else memory."""
    if settings.offline_mode == "buffer" and settings.spool_places:
        return Spool(settings, ledger)
    return MemoryBacklog()


def _is_in_finaliser() -> bool:
    """Whether the collector, which runs in any thread, lets an object of the pipeline's go."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


class Delivery:
    """Sends facts to a server from two threads of its own.

    Nothing is opened and no thread is started before the first fact. After a fork the child has
    an empty queue, books of its own, and its own threads at its first fact.

    Args:
        settings: how delivery behaves.
        make_transport: makes what posts the batches; HTTP when absent.
        make_backlog: makes what keeps facts until the server has them.
    """

    def __init__(
        self,
        settings: DeliverySettings,
        make_transport: TransportFactory = HttpTransport,
        make_backlog: BacklogFactory = make_backlog,
    ) -> None:
        self.settings = settings
        self._make_transport = make_transport
        self._make_backlog = make_backlog
        self._roads: dict[int, Road] = {}
        self._reported = Volume()

    def start(self) -> None:
        """Begin to deliver what earlier processes left, without waiting for a fact."""
        self._road().start()

    def put(self, fact: Fact) -> None:
        """Take *fact* to be sent; what cannot be taken is counted as a loss."""
        road = self._road()
        decisions = count_decisions(fact)
        is_own_thread = road.is_own_thread
        if is_own_thread and not _is_in_finaliser():
            # What records each request would have to be sent by a request that is recorded.
            road.ledger.turn_away("reentrant", Volume(1, decisions))
            return
        try:
            encoded = encode_fact(fact)
        except Exception as error:
            if is_interruption(error):
                raise
            road.ledger.turn_away("unencodable", Volume(1, decisions))
            return
        road.put(encoded, decisions, may_wait=not (_exit.has_begun or is_own_thread))
        if is_own_thread:
            return  # it is what would write and send
        if _exit.has_begun:
            road.write_through(_LAST_WRITE_S)
            # While modules are taken down nothing can be imported, so the next process sends it.
            if not sys.is_finalizing():
                road.wait_until_settled(_exit.deadline_s, _EXIT_ATTEMPTS)
        elif road.is_started:
            road.revive_if_suspicious()
        else:
            road.start()

    def settle_run(self, run_id: str) -> None:  # noqa: ARG002  (whole queues are delivered)
        """The run's last fact was put: it is delivered in `fail` mode before this returns.

        With `durable_exit` it is in the spool before this returns, unless that takes too long.

        Raises:
            XRayDeliveryError: only in `offline_mode="fail"`.
        """
        if self.settings.offline_mode == "fail":
            self.flush(self.settings.fail_deadline_s)
        elif self._is_exit_durable():
            self._road().write_through(_DURABLE_EXIT_S)

    def _is_exit_durable(self) -> bool:
        asked = self.settings.durable_exit
        if asked is None:
            return _exit.may_come_unseen
        return asked

    def count_loss(self, cause: str, records: int = 1, decisions: int = 0) -> None:
        """Count what was lost before it could become a fact."""
        self._road().ledger.turn_away(cause, Volume(records, decisions))

    def flush(self, timeout_s: float = 5.0) -> FlushResult:
        """Wait until everything put so far is delivered, at most *timeout_s*.

        Raises:
            XRayDeliveryError: only in `offline_mode="fail"`: not everything was delivered.
        """
        is_failing = self.settings.offline_mode == "fail"
        result = self._wait(timeout_s, _FAIL_ATTEMPTS if is_failing else None)
        if is_failing:
            self._raise_if_incomplete(result)
        return result

    def close(self, timeout_s: float = 2.0) -> FlushResult:
        """Deliver what can be within *timeout_s*, and stop the threads.

        The rest stays in the spool for the next process; without a spool it is counted as lost.
        """
        self._wait(timeout_s, None)
        road = self._road()
        attempt_within(_LAST_DISK_S, "the end of the client", road.stop, road.queue.__len__)
        _living.discard(self)
        return self._result(road, is_complete=not road.ledger.read().pending)

    def stats(self) -> DeliveryStats:
        """What became of everything that was offered in this process."""
        return self._road().stats()

    def _wait(self, timeout_s: float, max_failures: int | None) -> FlushResult:
        deadline_s = time.monotonic() + max(timeout_s, 0.0)
        road = self._road()
        is_complete = not road.is_own_thread and road.wait_until_settled(deadline_s, max_failures)
        return self._result(road, is_complete)

    def _result(self, road: Road, is_complete: bool) -> FlushResult:
        books = road.ledger.read()
        return FlushResult(is_complete, books.acknowledged, books.pending, books.total_lost)

    def _raise_if_incomplete(self, result: FlushResult) -> None:
        lost = result.lost - self._reported
        self._reported = result.lost
        if result.is_complete and not lost:
            return
        problem = self._road().sender.last_problem or "no answer in time"
        raise XRayDeliveryError(
            f"{result.pending.records} records ({result.pending.decisions} decisions) are not "
            f"delivered and {lost.records} ({lost.decisions}) are lost: {problem}.",
            hint="See that the server runs and its address is right, or use another offline_mode.",
        )

    def _road(self) -> Road:
        # The process id tells a child even where the fork ran no Python hook.
        pid = os.getpid()
        road = self._roads.get(pid)
        if road is None:
            # Made first: after a fork that ran no hook, making it replaces the table of roads.
            road = self._make_road()
            road = self._roads.setdefault(pid, road)
        return road

    def _make_road(self) -> Road:
        if self._roads:
            # A fork that ran no hook: as long as this process held its parent's spool open, nobody
            # could adopt that.
            self.leave_parent_behind()
        _deliver_at_worker_exit()
        if is_interpreter_ending():
            # What is loaded by an exit hook is called by none any more.
            _exit.begin(self.settings.exit_budget_s)
        _living.add(self)
        ledger = Ledger()
        return Road(
            self.settings,
            lambda: self._make_transport(self.settings),
            self._make_backlog(self.settings, ledger),
            ledger,
            self._name_client,
        )

    def _name_client(self) -> str:
        return self.settings.client or name_client()

    def leave_parent_behind(self) -> None:
        """Forget the road of the process that was forked, and leave its connections alone."""
        for road in self._roads.values():
            _abandoned.append(road.sender.transport)
            road.backlog.abandon()
        self._roads = {}
        self._reported = Volume()

    def write_at_exit(self, deadline_s: float) -> None:
        """Put what was recorded where a later process finds it, begun before *deadline_s*."""
        road = self._roads.get(os.getpid())
        if road is None:
            return

        def write() -> None:
            # A later process may find a server that listens.
            attempt("the last reports", road.report_losses)
            road.write_through(max(deadline_s - time.monotonic(), _LAST_WRITE_S))

        attempt_within(_LAST_DISK_S, "the last write", write, road.queue.__len__)

    def deliver_at_exit(self, deadline_s: float) -> None:
        """Deliver what can be until *deadline_s*; say what is lost."""
        road = self._roads.get(os.getpid())
        if road is None:
            return

        def settle() -> None:
            if road.ledger.read().pending.records:
                road.wait_until_settled(deadline_s, _EXIT_ATTEMPTS)
                road.report_undelivered()

        attempt("the last delivery", settle)
        attempt_within(_LAST_WRITE_S, "the end of the spool", road.backlog.vacate)
        # One that a server keeps waiting ends with the process.
        attempt("the end of the connection", lambda: road.hang_up(_LAST_LOOK_S))


class _Exit:
    """The end of this process, once it has begun."""

    def __init__(self) -> None:
        self.has_begun = False
        self.deadline_s = 0.0
        self.may_come_unseen = may_end_unseen()

    def begin(self, budget_s: float) -> None:
        self.has_begun = True
        self.deadline_s = time.monotonic() + budget_s


@cache
def name_client() -> str:
    """How this release names itself to a server, e.g. `xray-python/0.1.0`."""
    with hold_forks():
        from importlib.metadata import PackageNotFoundError, version

        try:
            return f"xray-python/{version('xray-forensics')}"
        except PackageNotFoundError:
            return "xray-python"


def _deliver_at_exit() -> None:
    attempt("the end of the process", _deliver_all)


def _deliver_all() -> None:
    deliveries = list(_living)
    if not deliveries:
        return
    _exit.begin(max(delivery.settings.exit_budget_s for delivery in deliveries))
    for delivery in deliveries:
        delivery.write_at_exit(_exit.deadline_s)
    for delivery in deliveries:
        delivery.deliver_at_exit(_exit.deadline_s)


def _deliver_at_worker_exit() -> None:
    """Processes of `multiprocessing` end without the exit hooks of the interpreter."""
    processes = sys.modules.get("multiprocessing.process")
    endings = sys.modules.get("multiprocessing.util")
    if processes is not None and endings is not None and processes.parent_process() is not None:
        endings.Finalize(None, _deliver_at_exit, exitpriority=100)


def _leave_parent_behind() -> None:
    _exit.has_begun = False
    # Whoever forked this process may end it without notice, as pools of workers do.
    _exit.may_come_unseen = True
    for delivery in list(_living):
        delivery.leave_parent_behind()


# Whoever recorded something and let go of its client still wants it delivered.
_living: Final[set[Delivery]] = set()
# Kept so that no finaliser in a child speaks on a connection of its parent.
_abandoned: Final[list[Transport]] = []
_exit: Final = _Exit()

atexit.register(_deliver_at_exit)
call_at_fork(after_in_child=_leave_parent_behind)
