"""What a fork must not tear apart: a module half imported is never whole in the child."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from xray.model.forking import call_at_fork

# Milliseconds on an idle machine, seconds on one that does ten things at once; a child that did not
# wait could never send.
_MAX_FORK_DELAY_S: Final = 10.0

# Hooks run before a fork in the reverse order of their registration. Logging's takes a lock that
# modules need while they are imported, so it has to be registered first to run last.
logging.getLogger("xray")


class _ForkGate:
    """Held while something is imported, and while the process forks."""

    def __init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        self.lock = threading.RLock()
        self._forking_thread = 0
        self._pid = os.getpid()

    def renew_if_forked(self) -> None:
        """Begin anew in a child that was forked where Python did not see it."""
        if os.getpid() != self._pid:
            self._renew()

    def before_fork(self) -> None:
        if self.lock.acquire(timeout=_MAX_FORK_DELAY_S):
            try:
                self._forking_thread = threading.get_ident()
            except BaseException:
                self.lock.release()
                raise

    def after_fork_in_parent(self) -> None:
        try:
            self._open()
        except BaseException:
            # What interrupts comes once; a gate that stays shut would hold up delivery for ever.
            self._open()
            raise

    def _open(self) -> None:
        if self._forking_thread == threading.get_ident():
            with suppress(RuntimeError):  # open already
                self.lock.release()
            self._forking_thread = 0

    def after_fork_in_child(self) -> None:
        self._renew()


_gate: Final = _ForkGate()

call_at_fork(
    before=_gate.before_fork,
    after_in_parent=_gate.after_fork_in_parent,
    after_in_child=_gate.after_fork_in_child,
)


@contextmanager
def hold_forks() -> Iterator[None]:
    """Let a fork wait, briefly, until what is imported inside is imported whole.

    A child inherits the lock of a module that another thread was importing, and not the thread
    that would release it.
    """
    _gate.renew_if_forked()
    with _gate.lock:
        yield
