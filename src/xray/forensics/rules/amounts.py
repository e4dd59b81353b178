"""How many candidates something holds for, where some are known and others stand for more.

Rows of a census are counted. A row that was drawn stands for others of the same step, verdict and
reason, and whatever is added up from such rows is an estimate with bounds: sums of independent
draws between 0 and the heaviest weight keep to Chernoff's bound, and draws without replacement keep
to it all the more (Hoeffding, "Probability inequalities for sums of bounded random variables", JASA
58, 1963, theorem 1 and section 6).
"""

from __future__ import annotations

import math
from typing import Final

from xray.model.rules import Basis, Extent

LEVEL: Final = 0.01
"""How often a bound of one figure may fail to hold."""

_ROUNDS: Final = 60
_MAX_SUMMED: Final = 50


class Amount:
    """How many candidates something holds for, added up over steps."""

    __slots__ = ("_heaviest", "_hits", "_known", "_others", "_rows", "_unknown", "exact")

    def __init__(self) -> None:
        self.exact = 0
        self._hits = 0.0
        self._others = 0.0
        self._rows = 0
        self._known = 0
        self._heaviest = 0.0
        self._unknown = 0

    def add(self, count: int) -> None:
        """Count candidates it is known to hold for."""
        self.exact += count

    def add_unknown(self, count: int) -> None:
        """Count candidates it may hold for."""
        self._unknown += max(0, count)

    def add_drawn(
        self, hits: float, hit_rows: int, others: float, other_rows: int, heaviest: float
    ) -> None:
        """Count what rows stand for that were drawn.

        Args:
            hits: the weight of the rows it holds for.
            hit_rows: how many they are.
            others: the weight of the other rows of the same draws.
            other_rows: how many they are.
            heaviest: the largest weight of a row.
        """
        self._hits += hits
        self._others += others
        self._rows += hit_rows
        self._known += other_rows
        self._heaviest = max(self._heaviest, heaviest)

    @property
    def shown(self) -> int:
        """How many candidates are seen for whom it holds."""
        return self.exact + self._rows

    def bound(self) -> Extent:
        """At least and at most how many."""
        whole = self._hits + self._others
        if not whole:
            basis: Basis = "bounds" if self._unknown else "exact"
            return Extent(
                least=self.exact, most=self.exact + self._unknown, estimate=self.exact, basis=basis
            )
        least, most = bound_drawn(self._hits, self._others, self._heaviest)
        return Extent(
            least=self.exact + max(self._rows, math.ceil(least - 1e-6)),
            most=self.exact
            + self._unknown
            + max(self._rows, min(math.floor(most + 1e-6), round(whole) - self._known)),
            estimate=self.exact + round(self._hits),
            basis="sample",
        )


def bound_drawn(hits: float, others: float, heaviest: float) -> tuple[float, float]:
    """Between which two numbers the true sum lies that *hits* estimates, but for `LEVEL`.

    Args:
        hits: the weight of the drawn rows that count.
        others: that of those that do not.
        heaviest: the largest weight of a row.
    """
    # Both ends are told by the rows that count and by those that do not.
    surprise = math.log(4 / LEVEL)
    low, high = bound_mean(hits / heaviest, surprise)
    rest_low, rest_high = bound_mean(others / heaviest, surprise)
    whole = hits + others
    return (
        max(0.0, heaviest * low, whole - heaviest * rest_high),
        min(whole, heaviest * high, whole - heaviest * rest_low),
    )


def bound_mean(seen: float, surprise: float) -> tuple[float, float]:
    """The means for which a sum of draws from 0 to 1 as far out as *seen* is no more surprising.

    Args:
        seen: the sum.
        surprise: minus the logarithm of the chance of each end.
    """

    def cost(mean: float) -> float:
        return mean - seen + (seen * math.log(seen / mean) if seen else 0.0)

    low, high = 0.0, seen
    for _ in range(_ROUNDS if seen else 0):
        middle = (low + high) / 2
        if middle <= 0 or cost(middle) > surprise:
            low = middle
        else:
            high = middle
    least = low
    low, high = seen, seen + surprise + math.sqrt(2 * seen * surprise) + surprise
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        if cost(middle) > surprise:
            high = middle
        else:
            low = middle
    return least, high


def bound_share(hits: int, size: float) -> float:
    """The largest share of which *hits* of *size* are no surprise (Clopper & Pearson 1934).

    Args:
        hits: how many were hit.
        size: of how many; not whole where some stand for less than themselves.
    """
    if size <= hits:
        return 1.0
    if hits == 0:
        return -math.expm1(math.log(LEVEL) / size)
    if hits > _MAX_SUMMED:
        # Adding up so many terms takes long, and this bound holds as well.
        return min(1.0, bound_mean(hits, -math.log(LEVEL))[1] / size)
    low, high = hits / size, 1.0
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        if _binomial_at_most(hits, size, middle) > LEVEL:
            low = middle
        else:
            high = middle
    return high


def _binomial_at_most(hits: int, size: float, share: float) -> float:
    log_odds = math.log(share) - math.log1p(-share)
    term = size * math.log1p(-share)
    total = math.exp(term)
    for number in range(1, hits + 1):
        term += math.log((size - number + 1) / number) + log_odds
        total += math.exp(term)
    return total
