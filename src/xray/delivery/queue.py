"""What the pipeline's threads hand over: encoded facts, bounded in bytes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import count, islice
from typing import Final, NamedTuple

from xray.delivery.losses import Volume
from xray.model.facts import Fact, StepFinished, StepRoster, StepRows
from xray.wire.rows import count_rows

# A queued fact costs this much beside its encoded bytes.
_OVERHEAD_BYTES: Final = 256


class Parcel(NamedTuple):
    """One encoded fact on its way.

    Args:
        number: its place in the order of this process, from 1.
        encoded: its bytes on the wire.
        decisions: how many decisions it carries.
    """

    number: int
    encoded: bytes
    decisions: int

    @property
    def held_bytes(self) -> int:
        """The memory it takes."""
        return len(self.encoded) + _OVERHEAD_BYTES

    @property
    def volume(self) -> Volume:
        """What it counts for."""
        return Volume(1, self.decisions)


def measure_parcels(parcels: Iterable[Parcel]) -> Volume:
    """What *parcels* count for together."""
    decisions = [parcel.decisions for parcel in parcels]
    return Volume(len(decisions), sum(decisions))


def count_decisions(fact: Fact) -> int:
    """How many decisions *fact* carries: rows that only illustrate and names without a row too."""
    if isinstance(fact, StepFinished):
        sampled = sum(len(reservoir.rows) for reservoir in fact.reservoirs)
        return count_rows(fact.rows) + sampled + len(fact.logged)
    if isinstance(fact, StepRoster):
        return fact.size
    return count_rows(fact.rows) if isinstance(fact, StepRows) else 0


class FactQueue:
    """Many threads put, one takes. Taking has two parts so that nothing is nowhere in between."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._parcels: deque[Parcel] = deque()
        self._held_bytes = 0
        self._numbers = count(1)
        self._last_number = 0

    def __len__(self) -> int:
        return len(self._parcels)

    @property
    def held_bytes(self) -> int:
        """The memory that waiting parcels take."""
        return self._held_bytes

    @property
    def last_number(self) -> int:
        """The number of the parcel that was put last."""
        return self._last_number

    @property
    def oldest_number(self) -> int | None:
        """The number of the parcel that has waited longest; None when none waits."""
        try:
            return self._parcels[0].number
        except IndexError:
            return None

    def put(self, encoded: bytes, decisions: int, max_bytes: int) -> bool:
        """Append a fact unless more than *max_bytes* would then be held; whether it was."""
        size = len(encoded) + _OVERHEAD_BYTES
        with self._lock:
            # A finaliser or a signal handler may put another fact between any two of these.
            if self._held_bytes + size > max_bytes:
                return False
            self._held_bytes += size
            number = next(self._numbers)
            self._parcels.append(Parcel(number, encoded, decisions))
            if number > self._last_number:
                self._last_number = number
            return True

    def peek(self, max_bytes: int, max_facts: int) -> list[Parcel]:
        """The oldest parcels within the bounds, at least one; they stay until `drop`."""
        with self._lock:
            return within_bounds(self._parcels, max_bytes, max_facts)

    def drop(self, parcels: Sequence[Parcel]) -> None:
        """Take *parcels*, which `peek` returned, out."""
        with self._lock:
            for parcel in parcels:
                self._parcels.popleft()
                self._held_bytes -= parcel.held_bytes


def within_bounds(parcels: Iterable[Parcel], max_bytes: int, max_facts: int) -> list[Parcel]:
    """The first of *parcels* that together stay within the bounds, at least one."""
    chosen: list[Parcel] = []
    size = 0
    for parcel in islice(parcels, max_facts):
        size += len(parcel.encoded)
        if chosen and size > max_bytes:
            break
        chosen.append(parcel)
    return chosen
