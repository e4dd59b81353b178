"""What was taken out of a store."""

from __future__ import annotations

from msgspec import Struct


class Removed(Struct, frozen=True):
    """How much was deleted; what was not there is not counted.

    Args:
        runs: how many runs.
        steps: how many steps they had.
    """

    runs: int = 0
    steps: int = 0

    def plus(self, other: Removed) -> Removed:
        """Both together."""
        return Removed(self.runs + other.runs, self.steps + other.steps)
