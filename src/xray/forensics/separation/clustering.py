"""What chance explains where candidates of one run belong together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

_ROUNDS: Final = 80
_MOST_TILT: Final = 1e6


def bound_flips(scores: Sequence[float]) -> float:
    """A bound on how often signs drawn by lot bring *scores* to so large a sum, either way.

    Each score says how far one run leans to one side; were that chance, it might as well lean as
    far to the other. The bound is that of Chernoff (1952), which for scores of one size and one
    sign is exact.

    Args:
        scores: one for each run; those that are 0 say nothing.
    """
    sizes = [abs(score) for score in scores if score]
    total = abs(math.fsum(scores))
    if not sizes or total <= 1e-12 * max(sizes):
        return 1.0
    largest = max(sizes)
    places = [size / largest for size in sizes]
    wanted = total / largest
    if wanted >= math.fsum(places) * (1 - 1e-12):
        return min(1.0, math.ldexp(2.0, -len(places)))
    low, high = 0.0, 1.0
    while _slope(places, high) < wanted and high < _MOST_TILT:
        high *= 2
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        if _slope(places, middle) < wanted:
            low = middle
        else:
            high = middle
    gain = math.fsum(_log_cosh(low * place) for place in places) - low * wanted
    return min(1.0, 2 * math.exp(gain))


def least_flips(runs: int) -> float:
    """The least `bound_flips` there can be for that many runs."""
    return min(1.0, math.ldexp(2.0, -runs))


def _slope(places: Sequence[float], tilt: float) -> float:
    return math.fsum(place * math.tanh(tilt * place) for place in places)


def _log_cosh(x: float) -> float:
    return abs(x) + math.log1p(math.exp(-2 * abs(x))) - math.log(2)


def combine_runs(chances: Iterable[tuple[float, float]]) -> float:
    """The chance of all runs together, each of which was judged by itself (Fisher 1932).

    Args:
        chances: of each run, the chance either way and which way it leans: above 0, below, or not.
    """
    judged = list(chances)
    told = [_combine([p / 2 if lean * way > 0 else 1.0 for p, lean in judged]) for way in (1, -1)]
    return min(1.0, 2 * min(told))


def _combine(chances: Sequence[float]) -> float:
    half = -math.fsum(math.log(max(p, 1e-300)) for p in chances)
    if not half:
        return 1.0
    # The tail of chi squared with an even number of degrees of freedom, from logarithms.
    terms = [number * math.log(half) - math.lgamma(number + 1) for number in range(len(chances))]
    return min(1.0, math.fsum(math.exp(term - half) for term in terms))
