"""How far apart two groups are, and within what bounds that is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

from msgspec import Struct

from xray.forensics.groups.samples import Paired, Share, effective_runs

CONFIDENCE: Final = 0.99
_NORMAL: Final = NormalDist()
Z: Final = _NORMAL.inv_cdf(0.5 + CONFIDENCE / 2)
_MAX_VALUES: Final = 400
_ROUNDS: Final = 40
_CLOSE: Final = 1e-9
_LEAST_TIME: Final = 1e-3


class Change(Struct, frozen=True):
    """A change from A to B, and its bounds at `CONFIDENCE`."""

    change: float
    least: float
    most: float


def find_mean(values: Sequence[float], shares: Sequence[Share]) -> float:
    """The mean over the runs that *shares* stand for."""
    whole = math.fsum(share.weight for share in shares)
    return (
        math.fsum(value * share.weight for value, share in zip(values, shares, strict=True)) / whole
    )


def find_median(values: Sequence[float], shares: Sequence[Share]) -> float:
    """The least value that at least half of the runs do not exceed."""
    half = math.fsum(share.weight for share in shares) / 2
    reached = 0.0
    for value, share in zip(values, shares, strict=True):
        reached += share.weight
        if reached >= half - 1e-9:
            return value
    return values[-1]


def find_dominance(paired: Paired) -> float:
    """Cliff's delta: how much oftener a run of B exceeds one of A than the other way round."""
    a_whole = math.fsum(share.weight for share in paired.a)
    b_whole = math.fsum(share.weight for share in paired.b)
    below, won = 0.0, 0.0
    for a, b in zip(paired.a, paired.b, strict=True):
        won += b.weight * (2 * below + a.weight - a_whole)
        below += a.weight
    return max(-1.0, min(1.0, won / (a_whole * b_whole)))


def dominance_error(paired: Paired) -> float:
    """The standard error of Cliff's delta between groups that are alike, ties counted."""
    shares = [a.weight + b.weight for a, b in zip(paired.a, paired.b, strict=True)]
    whole = math.fsum(shares)
    ties = math.fsum((share / whole) ** 3 for share in shares)
    runs = 1 / max(1.0, effective_runs(paired.a)) + 1 / max(1.0, effective_runs(paired.b))
    return math.sqrt(max(0.0, (1 - ties) / 3 * runs))


def weighted_p(paired: Paired) -> float:
    """The chance of ranks this far apart where runs stand for different numbers of runs.

    Every run counts by its weight in the mean rank of its group; the weights make that mean less
    sure, as many runs of equal weight as Kish (1965) reckons would. The rank means are compared as
    Welch (1947) compares means.
    """
    shares = [a.weight + b.weight for a, b in zip(paired.a, paired.b, strict=True)]
    whole = math.fsum(shares)
    ranks, below = [], 0.0
    for share in shares:
        ranks.append((below + share / 2) / whole - 0.5)
        below += share
    difference, variance = 0.0, 0.0
    for sign, group in ((-1, paired.a), (1, paired.b)):
        weight = math.fsum(share.weight for share in group)
        difference += sign * math.fsum(
            rank * share.weight for rank, share in zip(ranks, group, strict=True)
        ) / weight  # fmt: skip
        variance += math.fsum(
            rank * rank * share.squares for rank, share in zip(ranks, group, strict=True)
        ) / weight**2  # fmt: skip
    if not variance:
        return 1.0
    freedom = min(effective_runs(paired.a), effective_runs(paired.b)) - 1
    if freedom < 1:
        return 1.0
    return 2 * _NORMAL.cdf(-_as_normal(abs(difference) / math.sqrt(variance), freedom))


def _as_normal(t: float, freedom: float) -> float:
    """The normal deviate that is as rare as *t* of Student's distribution (Wallace 1959)."""
    scale = (8 * freedom + 1) / (8 * freedom + 3)
    return scale * math.sqrt(freedom * math.log1p(t * t / freedom))


def change_of_means(paired: Paired) -> Change:
    """The difference of the groups' means."""
    means, error = [], 0.0
    for group in (paired.a, paired.b):
        mean = find_mean(paired.values, group)
        weight = math.fsum(share.weight for share in group)
        error += math.fsum(
            (value - mean) ** 2 * share.squares
            for value, share in zip(paired.values, group, strict=True)
        ) / weight**2  # fmt: skip
        means.append(mean)
    change, width = means[1] - means[0], Z * math.sqrt(error)
    return Change(change, change - width, change + width)


def change_of_shares(paired: Paired) -> Change:
    """The difference of two shares of runs, by the hybrid score method (Newcombe 1998)."""
    a, b = (find_mean(paired.values, group) for group in (paired.a, paired.b))
    a_low, a_high = _wilson(a, effective_runs(paired.a))
    b_low, b_high = _wilson(b, effective_runs(paired.b))
    return Change(
        b - a,
        b - a - math.hypot(b - b_low, a_high - a),
        b - a + math.hypot(b_high - b, a - a_low),
    )


def _wilson(share: float, runs: float) -> tuple[float, float]:
    """The bounds of one share (Wilson 1927)."""
    square = Z * Z
    middle = (share + square / (2 * runs)) / (1 + square / runs)
    width = Z * math.sqrt(share * (1 - share) / runs + square / (4 * runs**2)) / (1 + square / runs)
    return max(0.0, middle - width), min(1.0, middle + width)


def change_of_pairs(paired: Paired, *, is_ratio: bool) -> Change:
    """By how much a run of B typically exceeds one of A (Hodges & Lehmann 1963).

    The bounds are those differences that the rank test would not reject.

    Args:
        paired: the figure.
        is_ratio: how many times as much, instead of how much more.
    """
    a = _thin(paired.values, paired.a, is_ratio=is_ratio)
    b = _thin(paired.values, paired.b, is_ratio=is_ratio)
    width = Z * dominance_error(paired) / 2
    middle = (_find_shift(a, b, 0.5), _find_shift(a, b, 0.5, is_upper=True))
    found = (
        sum(middle) / 2,
        _find_shift(a, b, 0.5 - width),
        _find_shift(a, b, 0.5 + width, is_upper=True),
    )
    return Change(*map(math.exp, found)) if is_ratio else Change(*found)


_Points = list[tuple[float, float]]


def _thin(values: Sequence[float], shares: Sequence[Share], *, is_ratio: bool) -> _Points:
    """Values with their weights, neighbours taken together where there are many."""
    held = [
        (math.log(max(value, _LEAST_TIME)) if is_ratio else value, share.weight)
        for value, share in zip(values, shares, strict=True)
        if share.runs
    ]
    if len(held) <= _MAX_VALUES:
        return held
    room = math.fsum(weight for _, weight in held) / _MAX_VALUES
    points: _Points = []
    moment = whole = 0.0
    for value, weight in held:
        moment += value * weight
        whole += weight
        if whole >= room:
            points.append((moment / whole, whole))
            moment = whole = 0.0
    if whole:
        points.append((moment / whole, whole))
    return points


def _find_shift(a: _Points, b: _Points, share: float, *, is_upper: bool = False) -> float:
    """The least shift that *share* of all pairs, or with *is_upper* more, do not exceed."""
    low, high = b[0][0] - a[-1][0], b[-1][0] - a[0][0]
    if share <= 0:
        return low
    if share >= 1:
        return high
    whole = math.fsum(weight for _, weight in a) * math.fsum(weight for _, weight in b)
    wanted = (share + (_CLOSE if is_upper else -_CLOSE)) * whole
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        if _count_pairs(a, b, middle) >= wanted:
            high = middle
        else:
            low = middle
    return float(f"{high:.7g}")


def _count_pairs(a: _Points, b: _Points, shift: float) -> float:
    """The weight of the pairs in which B exceeds A by no more than *shift*."""
    place, above, total = len(a), 0.0, 0.0
    for value, weight in reversed(b):
        while place and a[place - 1][0] >= value - shift:
            place -= 1
            above += a[place][1]
        total += weight * above
    return total
