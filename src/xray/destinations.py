"""Where this process records to: one delivery each, flushed, closed and counted together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from xray.capture.guard import guarded
from xray.delivery.forks import hold_forks
from xray.delivery.losses import DeliveryStats, FlushResult, Volume
from xray.errors import NotFoundError, XRayDeliveryError
from xray.model.facts import Fact
from xray.model.forking import call_at_fork
from xray.wire.address import names_file

if TYPE_CHECKING:
    from xray.client import Client
    from xray.delivery.delivery import Delivery, TransportFactory
    from xray.delivery.settings import DeliverySettings
    from xray.model.answers import Why
    from xray.model.summary import RunSummary

_ASK_TIMEOUT_S: Final = 5.0
_NOTHING: Final = DeliveryStats(offered=Volume(), acknowledged=Volume(), pending=Volume())
# What a flush that failed inside can say.
_UNKNOWN: Final = FlushResult(
    is_complete=False, acknowledged=Volume(), pending=Volume(), lost=Volume()
)


class Destination:
    """One server or database file in one offline mode, for as long as the process lives.

    Closing it is never final: what is recorded afterwards opens it again, so a run that was
    under way when `xray.close()` was called loses nothing.

    Args:
        settings: how to deliver there.
    """

    def __init__(self, settings: DeliverySettings) -> None:
        self._settings = settings
        self._turn = threading.RLock()
        self._open: Delivery | None = None
        # A thread may still hold what was closed last; the books of those before are final.
        self._closed: Delivery | None = None
        self._past = _NOTHING

    def put(self, fact: Fact) -> None:
        """Take *fact* to be sent; what cannot be taken is counted as a loss."""
        (self._open or self._reopen()).put(fact)

    def settle_run(self, run_id: str) -> None:
        """The run's last fact was put: in `fail` mode it is delivered before this returns.

        Raises:
            XRayDeliveryError: only in `offline_mode="fail"`.
        """
        if self._open is not None:
            self._open.settle_run(run_id)

    def count_loss(self, cause: str, records: int = 1, decisions: int = 0) -> None:
        """Count what was lost before it could become a fact."""
        (self._open or self._reopen()).count_loss(cause, records, decisions)

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything put so far is delivered or lost; whether it is.

        Raises:
            XRayDeliveryError: only in `offline_mode="fail"`: not everything was delivered.
        """
        return self._open is None or self._open.flush(timeout_s).is_complete

    def close(self, timeout_s: float) -> bool:
        """Deliver what can be within *timeout_s*, count the rest as lost, and stop."""
        with self._turn:
            closing, self._open = self._open, None
            if closing is None:
                return True
            if self._closed is not None:
                self._past = _carry_on(self._past, self._closed.stats())
            self._closed = closing
        return closing.close(timeout_s).is_complete

    def stats(self) -> DeliveryStats:
        """What became of everything that was recorded to this server."""
        with self._turn:
            books = self._past
            for delivery in (self._closed, self._open):
                if delivery is not None:
                    books = _carry_on(books, delivery.stats())
            return books

    def summarize(self, run_id: str) -> RunSummary:
        """How the run went, once it is delivered.

        Raises:
            NotFoundError: it is not delivered yet, or was lost.
            XRayError: whatever else there is no answer for.
        """
        from xray.model.summary import RunSummary

        with self._reader(run_id) as client:
            return RunSummary(client.run(run_id), client.findings(run_id))

    def explain(self, run_id: str, candidate_id: str) -> Why:
        """Why a candidate ended as it did, once the run is delivered.

        Raises:
            NotFoundError: it is not delivered yet, or was lost.
            XRayError: whatever else there is no answer for.
        """
        with self._reader(run_id) as client:
            return client.why(run_id, candidate_id)

    @contextmanager
    def _reader(self, run_id: str) -> Iterator[Client]:
        is_delivered = self.flush(_ASK_TIMEOUT_S)
        books = self.stats()
        if not is_delivered or (self._open is None and books.pending):
            raise NotFoundError(
                f"The run {run_id} is not delivered yet: {books.last_problem or 'no time'}.",
                hint="Ask again later; xray.flush() says whether everything is delivered.",
                code="run_not_delivered",
            )
        try:
            with _open_client(self._settings) as client:
                yield client
        except NotFoundError as error:
            lost = ", ".join(f"{each.records} {cause}" for cause, each in books.lost.items())
            raise NotFoundError(
                f"The run {run_id} is not stored{f'; records were lost: {lost}' if lost else ''}.",
                hint="xray.stats() says what became of the records of this process.",
                code="run_not_found",
            ) from error

    def leave_parent_behind(self) -> None:
        """Begin books of its own, in a process that was just forked."""
        self._turn = threading.RLock()
        self._closed = None
        self._past = _NOTHING

    def _reopen(self) -> Delivery:
        # Loaded when the first run needs it, so that `import xray` stays cheap.
        with hold_forks():
            from xray.delivery.delivery import Delivery

            make_transport = find_transport(self._settings.url)
        with self._turn:
            if self._open is None:
                self._open = Delivery(self._settings, make_transport)
            return self._open


def find_transport(url: str) -> TransportFactory:
    """What takes batches to *url*: a server, or a database file of this machine."""
    if names_file(url):
        from xray.local import FileTransport

        return FileTransport
    from xray.delivery.exchange.transport import HttpTransport

    return HttpTransport


def _open_client(settings: DeliverySettings) -> Client:
    with hold_forks():
        from xray.client import Client

        if names_file(settings.url):
            from xray.local import LocalClient
    if names_file(settings.url):
        return LocalClient(settings.url)
    return Client(settings.url, settings.api_key)


class _Destinations:
    """Every destination of this process, by where it is and how it is delivered to."""

    def __init__(self) -> None:
        self._turn = threading.RLock()
        self._known: dict[tuple[str, str | None, str], Destination] = {}

    def find(self, settings: DeliverySettings) -> Destination:
        key = (settings.url, settings.api_key, settings.offline_mode)
        with self._turn:
            found = self._known.get(key)
            if found is None:
                found = self._known[key] = Destination(settings)
            return found

    def all(self) -> list[Destination]:
        with self._turn:
            return list(self._known.values())

    def forget(self) -> None:
        with self._turn:
            self._known.clear()

    def leave_parent_behind(self) -> None:
        self._turn = threading.RLock()
        for destination in self._known.values():
            destination.leave_parent_behind()


_destinations: Final = _Destinations()
# Another thread may hold a lock while the process forks, and is not there to release it after.
call_at_fork(after_in_child=_destinations.leave_parent_behind)


def find_destination(settings: DeliverySettings) -> Destination:
    """The one destination of this process for that server, key and mode."""
    return _destinations.find(settings)


_before_flush: Final[list[Callable[[], object]]] = []


def call_before_flush(say_rest: Callable[[], object]) -> None:
    """Let *say_rest* put what it holds back before what waits is sent."""
    _before_flush.append(say_rest)


def _collect() -> None:
    for say_rest in _before_flush:
        with guarded("flush"):
            say_rest()


def flush(timeout_s: float = 5.0) -> FlushResult:
    """Send what waits, for at most *timeout_s* seconds.

    Returns:
        whether everything recorded so far was acknowledged or counted as lost, and the volumes.

    Raises:
        XRayDeliveryError: in `offline_mode="fail"`, when something could not be delivered.
    """
    with guarded("flush"):
        return _sum_up(_flush_all(timeout_s))
    return _UNKNOWN


def _flush_all(timeout_s: float) -> bool:
    deadline_s = time.monotonic() + timeout_s
    _collect()
    failure: XRayDeliveryError | None = None
    is_complete = True
    for destination in _destinations.all():
        try:
            is_done = destination.flush(max(0.0, deadline_s - time.monotonic()))
            is_complete = is_complete and is_done
        except XRayDeliveryError as error:  # noqa: PERF203  (one server's failure is not all)
            failure = failure or error
    if failure is not None:
        raise failure
    return is_complete


def close(timeout_s: float = 2.0) -> FlushResult:
    """Send what waits, for at most *timeout_s* seconds, count the rest as lost, and stop sending.

    It ends nothing for good: what is recorded afterwards is delivered again. A program need not
    call it, because what waits is also sent, for a short time, when the process exits.
    """
    with guarded("close"):
        return _sum_up(_close_all(timeout_s))
    return _UNKNOWN


def _close_all(timeout_s: float) -> bool:
    deadline_s = time.monotonic() + timeout_s
    _collect()
    results = [
        destination.close(max(0.0, deadline_s - time.monotonic()))
        for destination in _destinations.all()
    ]
    return all(results)


def stats() -> DeliveryStats:
    """What became of everything this process recorded: offered, acknowledged, pending, lost."""
    with guarded("stats"):
        return add_up([destination.stats() for destination in _destinations.all()])
    return _NOTHING


def forget_destinations() -> None:
    """Begin with no destination and empty books, as a test does; close them first."""
    _destinations.forget()


def add_up(books: Iterable[DeliveryStats]) -> DeliveryStats:
    """The books of several deliveries as one; of states and problems, the first that tells."""
    found = list(books)
    lost: dict[str, Volume] = {}
    for one in found:
        for cause, volume in one.lost.items():
            lost[cause] = lost.get(cause, Volume()) + volume
    return DeliveryStats(
        offered=sum((one.offered for one in found), Volume()),
        acknowledged=sum((one.acknowledged for one in found), Volume()),
        pending=sum((one.pending for one in found), Volume()),
        lost=lost,
        adopted=sum((one.adopted for one in found), Volume()),
        held_bytes=sum(one.held_bytes for one in found),
        batches=sum(one.batches for one in found),
        failed_attempts=sum(one.failed_attempts for one in found),
        state=next((one.state for one in found if one.state != "idle"), "idle"),
        last_problem=next((one.last_problem for one in found if one.last_problem), None),
    )


def _carry_on(before: DeliveryStats, after: DeliveryStats) -> DeliveryStats:
    """The books of a delivery that was closed and of the one that follows it.

    What the first left in the spool and the second took up from there is still the same.
    """
    handed_on = Volume(
        min(before.pending.records, after.adopted.records),
        min(before.pending.decisions, after.adopted.decisions),
    )
    both = add_up((after, before))
    return replace(
        both,
        offered=both.offered - handed_on,
        pending=both.pending - handed_on,
        adopted=both.adopted - handed_on,
    )


def _sum_up(is_complete: bool) -> FlushResult:
    books = stats()
    return FlushResult(
        is_complete=is_complete,
        acknowledged=books.acknowledged,
        pending=books.pending,
        lost=books.total_lost,
    )
