"""How unlikely a value is, given what was usual: far out, where few or no earlier values lie.

Within what was seen, the share that lies as far out says it. Beyond, the distances by which earlier
values passed a threshold tell how fast the tail thins out. On the logarithmic scale used here an
exponential tail is one that falls off as a power, heavier than that of most figures. For k
distances with sum S from such a tail, the next one passes t with probability (1 + t / S) ** -k:
exact for every scale of the tail, and slow to believe while k is small. Several thresholds are
asked and the least surprising answer is taken, so that a tail which is heavier further out is
judged by its outer part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from xray.model.bins import LEAST, Bins, Number, span_amount, span_rate

_THRESHOLDS: Final = (0.5, 0.75, 0.9)
_MIN_PASSED: Final = 10
"""How many values must lie beyond a threshold above the median."""
_PRIOR: Final = 0.5
"""One distance that is taken for granted, so that equal values do not make any other impossible."""
_NOVELTY: Final = 0.1
"""What never happened is at least this likely to happen as it did, whatever the distance."""
_LEAST_RATE: Final = 1e-4
_HALVINGS: Final = 60

Placed = Sequence[tuple[float, float]]
"""Places on a scale on which far up is unusual, each with its weight."""


def chance_beyond(history: Placed, count: float, place: float) -> float:
    """The chance of a value at *place* or further up.

    Args:
        history: the places of earlier values.
        count: how many independent values they are worth.
        place: where the value is.
    """
    total = sum(weight for _, weight in history)
    if not total:
        return 1.0
    scale = count / total
    passed = sum(weight for other, weight in history if other >= place) * scale
    seen = min(1.0, (passed + 1.0) / (count + 1.0))
    if passed > 0:
        return seen
    ordered = sorted(history)
    return min(seen, max(_extrapolate(ordered, total, count, place)))


def _extrapolate(ordered: Placed, total: float, count: float, place: float) -> list[float]:
    """The chance of passing *place* by what lies beyond each threshold."""
    scale = count / total
    chances: list[float] = []
    for share in _THRESHOLDS:
        threshold = _quantile(ordered, share * total)
        beyond = [(other - threshold, weight) for other, weight in ordered if other > threshold]
        passed = sum(weight for _, weight in beyond) * scale
        if chances and passed < _MIN_PASSED:
            break
        distances = sum(distance * weight for distance, weight in beyond) * scale
        thinning = (1.0 + (place - threshold) / (distances + _PRIOR)) ** -(passed + 1.0)
        if passed < 1.0:
            thinning = max(thinning, _NOVELTY)
        chances.append((passed + 1.0) / (count + 1.0) * thinning)
    return chances


def _quantile(ordered: Placed, wanted: float) -> float:
    reached = 0.0
    for place, weight in ordered:
        reached += weight
        if reached >= wanted:
            return place
    return ordered[-1][0]


def place_amount(amount: float, least: float = LEAST) -> float:
    """Where an amount is: doubling moves it by the same distance everywhere.

    Args:
        amount: the amount.
        least: what smaller amounts, and zero, are taken for.
    """
    return math.log(max(amount, least))


def place_rate(rate: float) -> float:
    """Where a rate is: halving it, or its complement, moves it by the same distance."""
    if rate <= 0.5:
        return math.log(2.0 * max(rate, _LEAST_RATE))
    return -math.log(2.0 * max(1.0 - rate, _LEAST_RATE))


def place_amounts(bins: Bins, sign: int, least: float = LEAST) -> list[tuple[float, float]]:
    """The places of counted amounts, each at that end of its range which is further out.

    Args:
        bins: the amounts.
        sign: 1 where much is unusual, -1 where little is.
        least: what smaller amounts are taken for.
    """
    return _place(bins, sign, span_amount, lambda amount: place_amount(amount, least))


def place_rates(bins: Bins, sign: int, zeros: Number = 0) -> list[tuple[float, float]]:
    """The places of counted rates, each at that end of its range which is further out.

    Args:
        bins: the rates.
        sign: 1 where a high rate is unusual, -1 where a low one is.
        zeros: how many more are 0.
    """
    placed = _place(bins, sign, span_rate, place_rate)
    return [*placed, (sign * place_rate(0.0), float(zeros))] if zeros else placed


def _place(
    bins: Bins,
    sign: int,
    span: Callable[[int], tuple[float, float]],
    place: Callable[[float], float],
) -> list[tuple[float, float]]:
    end = 1 if sign > 0 else 0
    return [(sign * place(span(number)[end]), float(weight)) for number, weight in bins.items()]


def bound_rate(rate: float, count: float, doubt: float, sign: int) -> float:
    """How low, or how high, the rate behind an observed one may be.

    By the bound of Chernoff, which holds for every number of candidates: the observed rate is as
    far off with a probability of at most *doubt*.

    Args:
        rate: the share that was observed.
        count: of how many.
        doubt: the probability that the bound does not hold.
        sign: 1 for the least it may be, -1 for the greatest.
    """
    allowed = -math.log(doubt) / max(count, 1e-9)
    near, far = rate, 0.0 if sign > 0 else 1.0
    if _divergence(rate, far) <= allowed:
        return far
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        if _divergence(rate, middle) <= allowed:
            near = middle
        else:
            far = middle
    return near


def _divergence(rate: float, other: float) -> float:
    """How far, in nats a candidate, *rate* is from what *other* would make likely."""
    total = 0.0
    for one, two in ((rate, other), (1.0 - rate, 1.0 - other)):
        if one > 0.0:
            if two <= 0.0:
                return math.inf
            total += one * math.log(one / two)
    return total
