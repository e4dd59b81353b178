"""An exchange in progress, which ends once: with what came of it, or because it was left."""

from __future__ import annotations

import threading

from xray.delivery.exchange.batches import Batch
from xray.delivery.exchange.transport import Transport


class LeftBehindError(Exception):
    """Another thread went on without this one, whose exchange took too long."""


class Errand:
    """One batch that a thread takes to the server.

    What hangs in a call of the system cannot be interrupted. So the thread stays where it is, with
    this errand and its transport, and whatever it brings back later counts for nothing.

    Args:
        transport: what it goes by; used by no other thread, even once it is left.
        batch: what it delivers.
        deadline_s: when it should be over, on the clock of delivery.
    """

    def __init__(self, transport: Transport, batch: Batch, deadline_s: float) -> None:
        self.transport = transport
        self.batch = batch
        self.deadline_s = deadline_s
        self._has_ended = threading.Lock()

    def end(self) -> bool:
        """End it; whether nobody had before."""
        return self._has_ended.acquire(blocking=False)
