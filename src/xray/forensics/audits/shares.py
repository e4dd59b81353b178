"""Between which bounds a share lies of which some cases were seen."""

from __future__ import annotations

import math
from typing import Final

DOUBT: Final = 0.01
"""How often each bound may fail to hold."""
_ROUNDS: Final = 50


def bound_share(hits: int, size: int) -> tuple[float, float]:
    """The least and the greatest share of which *hits* of *size* are no surprise.

    Each bound is exact: it fails at most as often as `DOUBT` (Clopper & Pearson 1934).
    """
    return 1.0 - _bound_above(size - hits, size), _bound_above(hits, size)


def _bound_above(hits: int, size: int) -> float:
    if hits >= size:
        return 1.0
    low, high = hits / size, 1.0
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        if _chance_of_at_most(hits, size, middle) > DOUBT:
            low = middle
        else:
            high = middle
    return high


def _chance_of_at_most(hits: int, size: int, share: float) -> float:
    if share >= 1.0:
        return 0.0
    if 2 * hits >= size:
        # The other tail has fewer terms.
        return 1.0 - _chance_of_at_most(size - hits - 1, size, 1.0 - share)
    log_odds = math.log(share) - math.log1p(-share) if share > 0 else -math.inf
    term = size * math.log1p(-share)
    terms = [math.exp(term)]
    for number in range(1, hits + 1):
        term += math.log((size - number + 1) / number) + log_odds
        terms.append(math.exp(term))
    return math.fsum(terms)
