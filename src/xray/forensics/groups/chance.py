"""What chance alone explains of a difference between two groups.

Two groups are given as how many of each hold each value, from the least value to the greatest.
The question is always the same: if group labels meant nothing, how often would the ranks of one
group add up to something as far out as they do? That is the test of Mann and Whitney (1947); where
there are two values only, it is that of Fisher (1935). Ties are taken as they are, and few values
or small groups are counted out exactly, so that a figure which is nearly always 0 is judged as
rightly as a duration.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

from xray.forensics.groups.saddlepoint import approximate_tail

_NORMAL: Final = NormalDist()
_MAX_COUNTED: Final = 600
_CHEAP: Final = 20_000_000
_MAX_EXACT: Final = 200_000_000
_PLAIN_P: Final = 0.05
_NOTHING: Final = 1e-18

Counts = Sequence[int]


def rank_p(a: Counts, b: Counts) -> float:
    """How often chance puts two groups at least as far apart, in either direction.

    Args:
        a: how many of one group hold each value, from the least to the greatest.
        b: how many of the other do.
    """
    pooled = [one + other for one, other in zip(a, b, strict=True)]
    size, drawn = sum(pooled), sum(b)
    if drawn in (0, size) or max(pooled) == size:
        return 1.0
    scores = score_ranks(pooled)
    total = sum(score * count for score, count in zip(scores, b, strict=True))
    if sum(map(bool, pooled)) == 2:
        return _fisher(pooled, b)
    if 2 * drawn > size:
        # Either group tells the same; the smaller one has fewer ways to be drawn.
        total = size * size - total
        drawn = size - drawn
    is_large = size - max(pooled) > _MAX_COUNTED
    counting = None if is_large else _Counting(pooled, scores, drawn)
    if counting is not None and counting.cost <= _CHEAP:
        return counting.find_p(total)
    plain = _normal_p(pooled, drawn, total)
    if plain > _PLAIN_P:
        return plain
    if counting is not None and counting.cost <= _MAX_EXACT:
        return counting.find_p(total)
    tail = approximate_tail(pooled, scores, drawn, total)
    return max(min(1.0, 2 * tail), least_p(pooled, drawn))


def score_ranks(pooled: Counts) -> list[int]:
    """Twice the mean rank of those who hold each value, from 0; ties share their ranks."""
    scores, below = [], 0
    for count in pooled:
        scores.append(2 * below + count)
        below += count
    return scores


def least_p(pooled: Counts, drawn: int) -> float:
    """The least `rank_p` there can be, however the labels fall.

    A question that cannot be answered with less is not worth asking (Tarone 1990).

    Args:
        pooled: how many hold each value.
        drawn: how many of them are of one group.
    """
    size = sum(pooled)
    if drawn in (0, size):
        return 1.0
    ends = (pooled, list(reversed(pooled)))
    return min(1.0, 2 * min(math.exp(_log_extreme(end, drawn, size)) for end in ends))


def _log_extreme(pooled: Counts, drawn: int, size: int) -> float:
    """The log chance that one group holds the least values there are."""
    left = drawn
    for count in pooled:
        if count >= left:
            return log_choose(count, left) - log_choose(size, drawn)
        left -= count
    return -log_choose(size, drawn)


def log_choose(size: int, drawn: int) -> float:
    """The logarithm of how many ways there are to draw *drawn* of *size*."""
    return math.lgamma(size + 1) - math.lgamma(drawn + 1) - math.lgamma(size - drawn + 1)


def _fisher(pooled: Counts, b: Counts) -> float:
    """The doubled tail of the exact test of a table of two by two (Fisher 1935)."""
    (lower, upper) = (count for count in pooled if count)
    held = next(mine for mine, count in zip(reversed(b), reversed(pooled), strict=True) if count)
    drawn = sum(b)
    if held * (lower + upper) < drawn * upper:
        # Told by those who hold the lesser value, it is the upper tail.
        lower, upper, held = upper, lower, drawn - held
    whole = log_choose(lower + upper, drawn)
    chance = math.exp(log_choose(upper, held) + log_choose(lower, drawn - held) - whole)
    tail = _add_up_tail(chance, held, upper, lower, drawn)
    # The other tail has all the rest, and what is in the middle of both.
    return min(1.0, 2 * min(tail, 1.0 - tail + chance))


def _add_up_tail(chance: float, held: int, upper: int, lower: int, drawn: int) -> float:
    """The chance of *held* or more of *upper*, where that of *held* is known and none is likelier.

    Each number more is rarer by an ever smaller factor, so that what is left soon adds nothing.
    """
    tail = chance
    for number in range(held, min(drawn, upper)):
        chance *= (upper - number) * (drawn - number)
        chance /= (number + 1) * (lower - drawn + number + 1)
        tail += chance
        if chance < tail * _NOTHING:
            break
    return tail


class _Counting:
    """Every way a group of a size can be drawn, counted by what its ranks add up to.

    Those who share the commonest value are alike, so only the others are counted out one by one:
    the ways to draw some of them, by how many and by their ranks, are the coefficients of a
    product of binomials, which stand side by side in one large integer.

    Args:
        pooled: how many hold each value.
        scores: the score of each value.
        drawn: how many are drawn.
    """

    def __init__(self, pooled: Counts, scores: Sequence[int], drawn: int) -> None:
        mode = max(range(len(pooled)), key=pooled.__getitem__)
        held = [place for place, count in enumerate(pooled) if count and place != mode]
        self._base = min(scores[place] for place in held)
        self._unit = math.gcd(*(scores[place] - self._base for place in held)) or 1
        self._steps = [
            (scores[place] - self._base) // self._unit
            for place in held
            for _ in range(pooled[place])
        ]
        self._common, self._score = pooled[mode], scores[mode]
        self._drawn, self._size = drawn, sum(pooled)
        self._most = min(drawn, len(self._steps))
        self._row = sum(self._steps[-self._most :]) + 1
        most_ways = math.comb(len(self._steps), min(self._most, len(self._steps) // 2))
        self._width = most_ways.bit_length() + 1
        self._bits = (self._most + 1) * self._row * self._width
        self.cost = self._bits * len(self._steps)

    def find_p(self, total: int) -> float:
        """The doubled tail of *total*."""
        ways = self._count_ways()
        up = down = 0
        for number in range(max(0, self._drawn - self._common), self._most + 1):
            # What the ranks of the others add up to where this many of them are drawn.
            rest = total - (self._drawn - number) * self._score - number * self._base
            low, part = divmod(rest, self._unit)
            line = ways >> (number * self._row * self._width)
            times = math.comb(self._common, self._drawn - number)
            down += times * self._add_first(line, low + 1)
            less = self._add_first(line, low + (1 if part else 0))
            up += times * (self._add_first(line, self._row) - less)
        return min(1.0, 2 * min(up, down) / math.comb(self._size, self._drawn))

    def _count_ways(self) -> int:
        mask = (1 << self._bits) - 1
        ways = 1
        for step in self._steps:
            ways = (ways + (ways << ((self._row + step) * self._width))) & mask
        return ways

    def _add_first(self, line: int, count: int) -> int:
        """The sum of the first *count* numbers of a row."""
        count = max(0, min(count, self._row))
        digits = line & ((1 << count * self._width) - 1)
        # Folding in half adds the numbers up, as each has room for the sum of all.
        while count > 1:
            half = (count + 1) // 2
            digits = (digits >> half * self._width) + (digits & ((1 << half * self._width) - 1))
            count = half
        return digits


def _normal_p(pooled: Counts, drawn: int, total: int) -> float:
    """The doubled tail as the normal distribution has it."""
    size = sum(pooled)
    spread = (size**3 - sum(count * count * count for count in pooled)) / 3
    sd = math.sqrt(spread * drawn * (size - drawn) / (size * (size - 1)))
    return 2 * _NORMAL.cdf(-abs(total - drawn * size) / sd)


def adjust(chances: Sequence[float]) -> list[float]:
    """Each chance as it is among all that were looked at (Holm 1979)."""
    order = sorted(range(len(chances)), key=chances.__getitem__)
    adjusted = [1.0] * len(chances)
    worst = 0.0
    for place, index in enumerate(order):
        worst = max(worst, min(1.0, chances[index] * (len(chances) - place)))
        adjusted[index] = worst
    return adjusted


def pick_answerable(least: Sequence[float], level: float) -> list[int]:
    """The questions that can be answered at *level* at all, though that many are asked.

    Which they are is told by the values without their labels, so picking them is no peeking
    (Tarone 1990).

    Args:
        least: the least chance each question can have.
        level: the chance of one wrong answer among all.
    """
    ordered, asked = sorted(least), 1
    while bisect_right(ordered, level / asked) > asked:
        asked += 1
    return [index for index, one in enumerate(least) if one <= level / asked]
