"""How alike two orders of candidates are."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence
from itertools import pairwise
from math import sqrt

_PERSISTENCE = 0.9
"""How likely a reader who looked at one rank goes on to the next, for `rank_biased_overlap`."""

_ROUNDED_OFF = 2.0**-55
"""What is smaller than this share of a sum leaves it as it is when it is added."""


def rank_biased_overlap(one: Sequence[Hashable], other: Sequence[Hashable]) -> float | None:
    """How alike two rankings are, the first ranks counting most: 1 for the same, 0 for disjoint.

    The extrapolated form for lists of any two lengths, equation 32 of W. Webber, A. Moffat and
    J. Zobel, "A similarity measure for indefinite rankings", ACM TOIS 28(4), 2010, with p = 0.9.
    None where both are empty.
    """
    short, long = sorted((one, other), key=len)
    if not long:
        return None
    if not short:
        return 0.0
    p = _PERSISTENCE
    overlap_at_short = len(set(short).intersection(long[: len(short)]))
    overlap = len(set(short).intersection(long))
    total = _sum_agreement(short, long, overlap_at_short)
    tail = (overlap - overlap_at_short) / len(long) + overlap_at_short / len(short)
    return min(1.0, (1 - p) / p * total + tail * p ** len(long))


def _sum_agreement(
    short: Sequence[Hashable], long: Sequence[Hashable], overlap_at_short: int
) -> float:
    """The share of the first ranks that both have, summed over all depths by their weight."""
    seen_short: set[Hashable] = set()
    seen_long: set[Hashable] = set()
    overlap, total = 0, 0.0
    for depth, name in enumerate(long, start=1):
        weight = _PERSISTENCE**depth
        if weight < total * _ROUNDED_OFF:
            break
        seen_long.add(name)
        if depth <= len(short):
            own = short[depth - 1]
            seen_short.add(own)
            overlap += (own in seen_long) + (name in seen_short and name != own)
            agreement = overlap / depth
        else:
            overlap += name in seen_short
            beyond = overlap_at_short * (depth - len(short)) / (len(short) * depth)
            agreement = overlap / depth + beyond
        total += agreement * weight
    return total


def kendall_tau(one: Sequence[float], other: Sequence[float]) -> float | None:
    """How far two gradings of the same things agree on their order: tau-b, which allows for ties.

    M. G. Kendall, "The treatment of ties in ranking problems", Biometrika 33(3), 1945. None where
    there are fewer than two things, or one of the gradings gives all the same grade.
    """
    count = len(one)
    everything = count * (count - 1) // 2
    ties_one, ties_other = _count_ties(one), _count_ties(other)
    if everything in (ties_one, ties_other):
        return None
    ties_both, seconds = 0, other
    if ties_one or any(grade > following for grade, following in pairwise(one)):
        # Within a tie of the first, pairs stand by the second: none of them is an inversion.
        pairs = sorted(zip(one, other, strict=True))
        ties_both = _count_ties(pairs) if ties_other else 0
        seconds = [second for _, second in pairs]
    inversions = _count_inversions(seconds)
    concordant = everything - ties_one - ties_other + ties_both - inversions
    return (concordant - inversions) / sqrt((everything - ties_one) * (everything - ties_other))


def _count_ties(grades: Sequence[Hashable]) -> int:
    """How many pairs of *grades* are alike."""
    if len(set(grades)) == len(grades):
        return 0
    return sum(count * (count - 1) // 2 for count in Counter(grades).values())


def _count_inversions(grades: Sequence[float]) -> int:
    """How many pairs come with the greater grade first."""
    seen: list[float] = []
    inversions = 0
    for grade in reversed(grades):
        place = bisect_left(seen, grade)
        inversions += place
        seen.insert(place, grade)
    return inversions
