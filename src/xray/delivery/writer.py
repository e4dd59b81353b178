"""Moves what the pipeline handed over to where it is kept until a server has it."""

from __future__ import annotations

import time

from xray.delivery.backlog import Backlog
from xray.delivery.queue import FactQueue
from xray.delivery.settings import DeliverySettings


class Writer:
    """Empties the queue into the backlog; one thread calls `run_once` at a time.

    Args:
        settings: how much is moved at once.
        queue: where the pipeline puts facts.
        backlog: where they are kept.
    """

    def __init__(self, settings: DeliverySettings, queue: FactQueue, backlog: Backlog) -> None:
        self._settings = settings
        self._queue = queue
        self._backlog = backlog

    def run_once(self) -> bool:
        """Move what waits, then do what is due; returns whether there is more to send."""
        has_moved = self.write_until(None)
        return self._backlog.tend() or has_moved

    def write_until(self, deadline_s: float | None) -> bool:
        """Move what waits, and begin no second part after *deadline_s*; whether anything moved.

        Args:
            deadline_s: on `time.monotonic`; None for no limit.
        """
        has_moved = False
        while True:
            parcels = self._queue.peek(
                self._settings.max_batch_bytes, self._settings.max_batch_facts
            )
            kept = self._backlog.append(parcels) if parcels else 0
            self._queue.drop(parcels[:kept])
            has_moved = has_moved or kept > 0
            is_late = deadline_s is not None and time.monotonic() >= deadline_s
            if not parcels or kept < len(parcels) or is_late:
                break
        return has_moved
