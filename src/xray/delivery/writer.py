"""Moves what the pipeline handed over to where it is kept until a server has it."""

from __future__ import annotations

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
        """Move what waits; returns whether anything did."""
        has_moved = False
        while parcels := self._queue.peek(
            self._settings.max_batch_bytes, self._settings.max_batch_facts
        ):
            self._backlog.append(parcels)
            self._queue.drop(parcels)
            has_moved = True
        return has_moved
