"""How many candidates came into each step and how many went on, as bars one below the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log1p
from typing import Final, Protocol

WIDTH: Final = 200.0
HEIGHT: Final = 14.0
_LEAST: Final = 1.5


class Counted(Protocol):
    """A step that may know how many candidates came in and how many went on."""

    @property
    def input_count(self) -> int | None:
        """How many came in."""
        ...

    @property
    def output_count(self) -> int | None:
        """How many went on."""
        ...


@dataclass(frozen=True, slots=True)
class FunnelBar:
    """One step's bar, in units of `WIDTH`.

    Args:
        came_in: how long the bar of what came in is; 0 where nobody counted.
        went_on: how long the part of it is that went on; None where nobody counted.
    """

    came_in: float
    went_on: float | None


def lay_funnel(steps: Sequence[Counted], width: float = WIDTH) -> list[FunnelBar]:
    """A bar for each of *steps*, as long as the logarithm of its count.

    On a straight scale one step of thousands would leave nothing to see of the others.
    """
    largest = log1p(_largest(steps))
    return [
        FunnelBar(
            came_in=_length(step.input_count, largest, width) or 0.0,
            went_on=_length(step.output_count, largest, width),
        )
        for step in steps
    ]


def _largest(steps: Iterable[Counted]) -> int:
    return max(
        (max(step.input_count or 0, step.output_count or 0) for step in steps),
        default=0,
    )


def _length(count: int | None, largest: float, width: float) -> float | None:
    if count is None:
        return None
    if count == 0 or not largest:
        return 0.0
    return max(_LEAST, round(width * log1p(count) / largest, 1))
