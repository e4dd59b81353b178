"""A clock that stands still until a test moves it."""

from __future__ import annotations

from typing import Final

_2026_US: Final = 1_767_225_600_000_000


class FakeClock:
    """A clock that stands still until a test moves it.

    Args:
        wall_us: where its wall clock begins, in microseconds since 1970; the start of 2026.
    """

    def __init__(self, wall_us: int = _2026_US) -> None:
        self._wall_us = wall_us
        self._monotonic_us = 0

    def wall_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return self._wall_us

    def monotonic_s(self) -> float:
        """Seconds that never go backwards."""
        return self._monotonic_us / 1e6

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass on both clocks."""
        if seconds < 0:
            raise ValueError("Time only passes forwards; set_wall turns the wall clock back.")
        elapsed_us = round(seconds * 1e6)
        self._wall_us += elapsed_us
        self._monotonic_us += elapsed_us

    def set_wall(self, wall_us: int) -> None:
        """Set the wall clock, as an administrator or a leap would; no time passes."""
        self._wall_us = wall_us
