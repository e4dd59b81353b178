"""The steps of a run as this process opened them: their order, their names, their attempts."""

from __future__ import annotations

from typing import Final

from xray.model.clock import Clock
from xray.model.forking import Turn

Place = tuple[str | None, str]
"""Where a step is tried again: its parent's id and its name."""

_LENT_ORDINALS: Final = 1_000
_SHARE_OF_LENT: Final = 10


_turn: Final = Turn()  # one for all runs


class StepSequence:
    """The order, names and attempts of the steps that this process opens in one run.

    Where several processes add steps to a run, the one that started it counts from 0 and lends a
    range to each process it sends headers to; its own later steps follow that range. A process
    that knows only the run's key numbers its steps by the clock, which puts them after all that
    were counted, and in order among others that do.

    Args:
        clock: tells the time where ordinals come from it.
        first: the first ordinal; None numbers by the clock, in milliseconds.
        room: how many ordinals were lent to this process; None when it lends itself.
    """

    def __init__(self, clock: Clock, first: int | None = 0, room: int | None = None) -> None:
        self._clock = clock
        self._is_timed = first is None
        self._next = first or 0
        self._room = room
        self._ids_by_name: dict[str, str] = {}
        self._attempts: dict[Place, tuple[int, bool]] = {}

    def take_ordinal(self) -> int:
        """The position of the next step that opens."""
        with _turn.lock:
            if self._is_timed:
                self._next = max(self._next, self._clock.wall_us() // 1_000)
            ordinal = self._next
            self._next += 1
            return ordinal

    def lend_ordinals(self) -> tuple[int, int] | None:
        """A range for the steps of another process, as first and number; None where time tells."""
        if self._is_timed:
            return None
        size = _LENT_ORDINALS if self._room is None else max(1, self._room // _SHARE_OF_LENT)
        with _turn.lock:
            first = self._next
            self._next += size
        return first, size

    def begin_attempt(self, step_id: str, place: Place) -> int:
        """Note that a step opened; which attempt it is after a failed step at its place."""
        with _turn.lock:
            number, has_failed = self._attempts.get(place, (0, False))
            attempt = number + 1 if has_failed else 1
            self._attempts[place] = (attempt, False)
            self._ids_by_name[place[1]] = step_id
        return attempt

    def end_attempt(self, place: Place, *, failed: bool) -> None:
        """Note how the last step at *place* ended."""
        with _turn.lock:
            self._attempts[place] = (self._attempts.get(place, (1, False))[0], failed)

    def find(self, name: str) -> str | None:
        """The id of the latest step that was opened under *name*."""
        return self._ids_by_name.get(name)
