"""What the writer hands to the sender, and where it is kept until a server has it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from xray.delivery.losses import Volume
from xray.delivery.queue import Parcel, measure_parcels, within_bounds


class Backlog(Protocol):
    """Keeps parcels from the writer's `append` until `settle`, through any number of failures.

    One thread appends, one takes and settles, any may read the sizes.
    """

    def append(self, parcels: Sequence[Parcel]) -> int:
        """Keep *parcels*; when this returns they are as safe as this backlog can make them.

        Returns:
            how many were kept, from the first on; the others have to wait.
        """
        ...

    def take(self, max_bytes: int, max_facts: int) -> list[Parcel]:
        """The oldest parcels not taken before, within the bounds; they stay until settled."""
        ...

    def settle(self, parcels: Sequence[Parcel]) -> list[Parcel]:
        """Let go of *parcels*; returns those that were still kept."""
        ...

    def set_aside(self, parcels: Sequence[Parcel], cause: str) -> None:
        """Keep a copy of *parcels*, which a server refused, for a person to look at."""
        ...

    def tend(self) -> bool:
        """Do what is due from time to time; whether there is more to send than before."""
        ...

    def drain(self) -> list[Parcel]:
        """Let go of everything; returns what does not outlive the process."""
        ...

    def vacate(self) -> None:
        """Leave no trace outside this process as long as nothing is kept."""
        ...

    def abandon(self) -> None:
        """In a child: let go of what the parent has open, and touch nothing of it."""
        ...

    @property
    def oldest_number(self) -> int | None:
        """The number of the oldest parcel kept; None when empty."""
        ...

    @property
    def waiting_bytes(self) -> int:
        """Wire bytes that are kept and not taken."""
        ...

    @property
    def waiting_facts(self) -> int:
        """Parcels that are kept and not taken."""
        ...

    @property
    def held_bytes(self) -> int:
        """Memory that kept parcels take."""
        ...

    @property
    def volume(self) -> Volume:
        """What would be lost if the process died now."""
        ...


class MemoryBacklog:
    """A backlog that is as safe as the process it lives in."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiting: deque[Parcel] = deque()
        self._taken: dict[int, Parcel] = {}
        self._waiting_bytes = 0
        self._held_bytes = 0

    def append(self, parcels: Sequence[Parcel]) -> int:
        """Keep *parcels*, all of them."""
        with self._lock:
            for parcel in parcels:
                self._waiting.append(parcel)
                self._waiting_bytes += len(parcel.encoded)
                self._held_bytes += parcel.held_bytes
            return len(parcels)

    def peek(self, max_bytes: int, max_facts: int) -> list[Parcel]:
        """The oldest parcels not taken, within the bounds; they stay until `forget`."""
        with self._lock:
            return within_bounds(self._waiting, max_bytes, max_facts)

    def forget(self, parcels: Sequence[Parcel]) -> None:
        """Let go of *parcels*, which `peek` returned."""
        with self._lock:
            for parcel in parcels:
                self._waiting.popleft()
                self._waiting_bytes -= len(parcel.encoded)
                self._held_bytes -= parcel.held_bytes

    def take(self, max_bytes: int, max_facts: int) -> list[Parcel]:
        """The oldest parcels not taken before, within the bounds; they stay until settled."""
        with self._lock:
            chosen = within_bounds(self._waiting, max_bytes, max_facts)
            for parcel in chosen:
                self._waiting.popleft()
                self._waiting_bytes -= len(parcel.encoded)
                self._taken[parcel.number] = parcel
            return chosen

    def settle(self, parcels: Sequence[Parcel]) -> list[Parcel]:
        """Let go of *parcels*; returns those that were still kept."""
        with self._lock:
            settled = [
                parcel for parcel in parcels if self._taken.pop(parcel.number, None) is not None
            ]
            self._held_bytes -= sum(parcel.held_bytes for parcel in settled)
            return settled

    def set_aside(self, parcels: Sequence[Parcel], cause: str) -> None:
        """Keep no copy: memory is for what can be delivered."""

    def tend(self) -> bool:
        """Nothing is ever due."""
        return False

    def vacate(self) -> None:
        """There is no trace."""

    def abandon(self) -> None:
        """Nothing is open."""

    def drain(self) -> list[Parcel]:
        """Let go of everything; returns it."""
        with self._lock:
            drained = [*self._taken.values(), *self._waiting]
            self._taken.clear()
            self._waiting.clear()
            self._waiting_bytes = self._held_bytes = 0
            return drained

    @property
    def oldest_number(self) -> int | None:
        """The number of the oldest parcel kept; None when empty."""
        with self._lock:
            numbers = [*self._taken]
            if self._waiting:
                numbers.append(self._waiting[0].number)
            return min(numbers, default=None)

    @property
    def waiting_bytes(self) -> int:
        """Wire bytes that are kept and not taken."""
        return self._waiting_bytes

    @property
    def waiting_facts(self) -> int:
        """Parcels that are kept and not taken."""
        return len(self._waiting)

    @property
    def held_bytes(self) -> int:
        """Memory that kept parcels take."""
        return self._held_bytes

    @property
    def volume(self) -> Volume:
        """What would be lost if the process died now: everything."""
        with self._lock:
            return measure_parcels([*self._taken.values(), *self._waiting])
