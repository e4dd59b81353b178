"""What chance alone explains of the places from which candidates are chosen.

Given what a step was offered and how many it chose, each set of so many places is equally likely
where the place does not matter. How often the first, or the last, is chosen is then a sum of
independent chances, and counted out exactly. The sum of all chosen places is counted out where that
is quick; else its tail is bounded by Chernoff's inequality, which holds also for several places
drawn from one list, as drawing without replacement strays no further than drawing with it
(Hoeffding 1963, theorem 4).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final

from msgspec import Struct

_MAX_COUNTED: Final = 300_000
_ROUNDS: Final = 80


class Draw(Struct, frozen=True):
    """One choice.

    Args:
        offered: among how many candidates.
        places: where the chosen stood, from 1.
    """

    offered: int
    places: tuple[int, ...]


def chance_of_hits(draws: Sequence[Draw], hits: int) -> float:
    """How often chance chooses one place of each list that many times, or stranger, either way.

    Args:
        draws: the choices.
        hits: in how many the place was chosen.
    """
    chances = [1.0]
    for draw in draws:
        p = len(draw.places) / draw.offered
        rest = [*(one * (1 - p) for one in chances), 0.0]
        chances = [a + b * p for a, b in zip(rest, [0.0, *chances], strict=True)]
    up, down = math.fsum(chances[hits:]), math.fsum(chances[: hits + 1])
    return min(1.0, 2 * min(up, down))


def chance_of_places(draws: Sequence[Draw]) -> float:
    """How often chance chooses places whose sum is as far from the middle, in either direction."""
    total = sum(sum(draw.places) for draw in draws)
    expected = math.fsum(len(draw.places) * (draw.offered + 1) / 2 for draw in draws)
    most = sum(draw.offered for draw in draws)
    if all(len(draw.places) == 1 for draw in draws) and len(draws) * most <= _MAX_COUNTED:
        return _count_sums([draw.offered for draw in draws], total)
    return min(1.0, 2 * _bound_tail(draws, abs(total - expected)))


def _count_sums(sizes: Sequence[int], total: int) -> float:
    """The doubled tail of a sum of places, one drawn from each list."""
    chances = [1.0]
    for size in sizes:
        # The next sum is any earlier one plus 1 to `size`: a window that slides over them.
        sums = [0.0, *accumulate(chances)]
        last = len(chances)
        chances = [
            (sums[min(at, last)] - sums[max(0, at - size)]) / size for at in range(last + size)
        ]
    # Each list moved the sums on by one, beginning at none.
    down, up = math.fsum(chances[: total + 1]), math.fsum(chances[total:])
    return min(1.0, 2 * min(up, down))


def _bound_tail(draws: Sequence[Draw], excess: float) -> float:
    """At most how likely the sum of places exceeds its mean by so much, or falls short of it."""
    if excess <= 0:
        return 1.0
    kinds = Counter((draw.offered, len(draw.places)) for draw in draws)

    def exponent(tilt: float) -> float:
        gained = (count * drawn * _log_mean(size, tilt) for (size, drawn), count in kinds.items())
        return math.fsum(gained) - tilt * excess

    return math.exp(min(0.0, _find_least(exponent)))


def _log_mean(size: int, tilt: float) -> float:
    """The log of the mean of `exp(tilt * distance)` over the places' distances to their middle."""
    half = (size - 1) / 2
    top = tilt * half
    rest = math.fsum(math.exp(-tilt * step) for step in range(size))
    return top + math.log(rest / size)


def _find_least(of: Callable[[float], float]) -> float:
    """The least value of a convex function above 0."""
    low, high = 0.0, 1.0
    while of(high * 2) < of(high) and high < 64:
        high *= 2
    high *= 2
    for _ in range(_ROUNDS):
        one, other = low + (high - low) / 3, high - (high - low) / 3
        if of(one) < of(other):
            high = other
        else:
            low = one
    return of((low + high) / 2)
