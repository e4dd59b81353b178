"""Database files of this machine that processes write in turn.

One process at a time writes a file. Each holds it while records flow and a moment longer, then
gives it back; the records of the others wait in their spools meanwhile. While a server has the
file, all wait until it lets go.
"""

from __future__ import annotations

import importlib
import os
import threading
import time
from collections import Counter
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from xray.delivery.exchange.transport import TransportError
from xray.delivery.forks import hold_forks
from xray.errors import ConfigurationError, StoreBusyError, StoreError, XRayError
from xray.model.facts import Receipt
from xray.wire.address import find_file
from xray.wire.codec import DecodedBatch

if TYPE_CHECKING:
    from xray.store.sqlite.inlet import Inlet

HOLD_S: Final = 2.0
"""How long a process writes before it lets others in that wait for the file."""
IDLE_S: Final = 1.0
"""How long the file is kept while nothing is written."""

_LET_IN_S: Final = 0.05
_TURN_WAIT_S: Final = 6.0
_POLL_S: Final = 0.02
_IDLE_POLL_S: Final = 0.1
_MAX_FORK_DELAY_S: Final = 2.0


class RecordFile:
    """A database file that this process writes whenever it is its turn.

    Args:
        url: the file, as `check_file` spells it.
        is_torn: it was open when this process was forked, so that SQLite must not open it here.
    """

    def __init__(self, url: str, *, is_torn: bool = False) -> None:
        self._url = url
        self._turn = threading.Lock()
        self._store: Inlet | None = None
        self._closing: Inlet | None = None
        self._identity: tuple[int, int] | None = None
        self._opened_s = self._used_s = 0.0
        self._closed_s = -_LET_IN_S
        self._is_wanted_back = threading.Event()
        self._keeper: threading.Thread | None = None
        self._is_torn = is_torn

    def record(self, batch: DecodedBatch, deadline_s: float) -> Receipt:
        """Store the facts of *batch*; returns when they are on disk.

        Raises:
            TransportError: that could not be done until *deadline_s*, on `time.monotonic`.
        """
        if not self._turn.acquire(timeout=max(0.0, deadline_s - time.monotonic())):
            raise TransportError("the file is still busy with what came before")
        try:
            receipt = Receipt(batch_id=batch.batch_id, accepted=0, duplicate=0)
            if batch.facts:
                receipt = self._submit(batch, deadline_s)
            return msgspec.structs.replace(receipt, rejected=[*batch.refused, *receipt.rejected])
        finally:
            self._turn.release()

    def _submit(self, batch: DecodedBatch, deadline_s: float) -> Receipt:
        self._let_others_in()
        store = self._store or self._open(deadline_s)
        try:
            written = store.submit(batch.batch_id, batch.facts)
            return written.result(max(_POLL_S, deadline_s - time.monotonic()))
        except FutureTimeoutError:
            raise TransportError("it could not be written in time") from None
        except StoreError as error:
            if not isinstance(error, StoreBusyError):
                # Whatever broke, a file that is opened anew may be whole, or say what is wrong.
                self._shut()
            raise _explain(error) from error
        finally:
            self._used_s = time.monotonic()

    def _let_others_in(self) -> None:
        """Shut the file when it was held for long enough, or is not the one it was."""
        if self._store is None:
            return
        has_moved = _identify(self._url) != self._identity
        if has_moved or time.monotonic() - self._opened_s > HOLD_S:
            self._shut()

    def _open(self, deadline_s: float) -> Inlet:
        if self._is_torn:
            raise TransportError("the file was open when this process was forked", is_lasting=True)
        # Whoever waits looks every 20 ms: the file must be free for longer than that.
        time.sleep(max(0.0, min(self._closed_s + _LET_IN_S, deadline_s) - time.monotonic()))
        give_up_s = min(deadline_s, time.monotonic() + _TURN_WAIT_S)
        store = _open_inlet(self._url)
        while store is None:
            if time.monotonic() + _POLL_S > give_up_s:
                raise TransportError("another process writes the file")
            time.sleep(_POLL_S)
            store = _open_inlet(self._url)
        self._store = store
        self._identity = _identify(self._url)
        self._opened_s = time.monotonic()
        self._keep()
        return store

    def _keep(self) -> None:
        """Start the thread that gives the file back when nothing is written any more."""
        self._is_wanted_back = threading.Event()
        keeper = threading.Thread(
            target=self._give_back_when_idle,
            args=(self._store, self._is_wanted_back),
            name="xray-file",
            daemon=True,
        )
        # At the end of the interpreter none can be started; the file goes back with the process.
        with suppress(RuntimeError):
            keeper.start()
            self._keeper = keeper

    def _give_back_when_idle(self, store: Inlet, is_wanted_back: threading.Event) -> None:
        while self._store is store:
            is_due = is_wanted_back.wait(_IDLE_POLL_S)
            if not is_due and time.monotonic() - self._used_s < IDLE_S:
                continue
            with self._turn:
                if self._store is store:
                    self._shut()

    def give_back(self, timeout_s: float) -> None:
        """Let other processes have the file; what is being written is written to its end."""
        keeper = self._keeper
        self._is_wanted_back.set()
        if keeper is not None and keeper.is_alive():
            keeper.join(timeout_s)
        elif self._turn.acquire(timeout=timeout_s):
            self._shut()
            self._turn.release()

    def _shut(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            self._closing = store
            store.close()
            self._closing = None
            self._closed_s = time.monotonic()

    def hold_still(self) -> bool:
        """Before a fork: shut the file and keep it shut; whether that was possible in time."""
        if not self._turn.acquire(timeout=_MAX_FORK_DELAY_S):
            return False
        if self._store is None or self._shut_within(_MAX_FORK_DELAY_S):
            return True
        self._turn.release()
        return False

    def _shut_within(self, timeout_s: float) -> bool:
        closing = threading.Thread(target=self._shut, name="xray-file-closing", daemon=True)
        try:
            closing.start()
        except RuntimeError:
            self._shut()
            return True
        closing.join(timeout_s)
        return not closing.is_alive()

    def go_on(self) -> None:
        """After a fork, in the parent."""
        self._turn.release()

    def abandon(self) -> None:
        """After a fork, in the child: let the parent keep the file for itself."""
        store = self._store or self._closing
        if store is not None:
            store.abandon()


def _open_inlet(url: str) -> Inlet | None:
    """The way into the file at *url*; None while another process writes it."""
    with hold_forks(), suppress(ImportError):
        importlib.import_module("xray.store.sqlite.inlet")
    from xray.store.opening import open_inlet

    try:
        return open_inlet(url)
    except ConfigurationError as error:
        raise TransportError(_say(error), is_lasting=True) from error
    except StoreBusyError as error:
        raise _explain(error) from error
    except StoreError as error:
        if error.code == "store_in_use":
            return None
        raise TransportError(_say(error), is_lasting=True) from error


def is_written(url: str) -> bool:
    """Whether another process has the right to write the file at *url*; it keeps it."""
    from xray.store.sqlite.connection import FileLock

    path = find_file(url)
    if not path.exists() or not os.access(path, os.W_OK):
        return False
    try:
        FileLock(path).release()
    except StoreError:
        return True
    return False


def _explain(error: StoreError) -> TransportError:
    return TransportError(_say(error))


def _say(error: XRayError) -> str:
    return f"{error.detail} {error.hint}".strip().rstrip(".")


def _identify(url: str) -> tuple[int, int] | None:
    """Which file there is at *url*, so that a deleted or replaced one is noticed."""
    try:
        found = find_file(url).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class RecordFiles:
    """The files this process has open; each is written in one place, whoever records there."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._known: dict[str, RecordFile] = {}
        self._held: list[RecordFile] = []
        self._readers: Counter[str] = Counter()
        self._torn: set[str] = set()
        self._torn_before: frozenset[str] = frozenset()
        # Kept so that no finaliser in a child touches what its parent has open.
        self._parents: list[dict[str, RecordFile]] = []

    def find(self, url: str) -> RecordFile:
        """The file at *url*, the same for whoever records there."""
        with self._turn:
            found = self._known.get(url)
            if found is None:
                found = self._known[url] = RecordFile(url, is_torn=url in self._torn)
            return found

    def is_torn(self, url: str) -> bool:
        """Whether the file at *url* was open when this process was forked."""
        return url in self._torn

    def note_reader(self, url: str, change: int) -> None:
        """Count *change* more readers of the file at *url*, which have it open too."""
        with self._turn:
            self._readers[url] += change

    def before_fork(self) -> None:
        """Shut what can be shut, and note what a child must not open."""
        self._torn_before = frozenset(self._torn)
        # SQLite forbids to carry an open database into a child.
        for url, file in list(self._known.items()):
            if file.hold_still():
                self._held.append(file)
            else:
                self._torn.add(url)
        self._torn.update(url for url, number in self._readers.items() if number)

    def after_fork_in_parent(self) -> None:
        """Write again."""
        held, self._held = self._held, []
        self._torn = set(self._torn_before)
        for file in held:
            file.go_on()

    def after_fork_in_child(self) -> None:
        """Begin without files, and leave those of the parent alone."""
        self._turn = threading.Lock()
        self._held = []
        self._readers = Counter()
        self._parents.append(self._known)
        for file in self._known.values():
            file.abandon()
        self._known = {}


files: Final = RecordFiles()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=files.before_fork,
        after_in_parent=files.after_fork_in_parent,
        after_in_child=files.after_fork_in_child,
    )
