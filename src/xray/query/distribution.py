"""Weighted numbers for quantiles: exact while they are few, then in bins of a known error.

A bin is known by the number in its middle, so that both forms are the same: numbers, and how much
weight each has. Bins of a level hold two of the level before, whatever came in which order: what
comes out depends on the numbers alone, and distributions can be added up.
"""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from typing import Final

EXACT: Final = 0
MAX_LEVEL: Final = 6
FIRST_ERROR: Final = 0.01

_FIRST_LOG_WIDTH: Final = math.log((1 + FIRST_ERROR) / (1 - FIRST_ERROR))

Number = int | float
Distribution = dict[Number, float]
"""How much weight each number has."""


def relative_error(level: int) -> float:
    """How far a number in a bin of *level* may lie from the bin's own, as a share of it."""
    if level == EXACT:
        return 0.0
    width = math.exp(_log_width(level))
    return (width - 1) / (width + 1)


def round_number(number: Number, level: int) -> Number:
    """The number that stands for *number* at *level*."""
    if level == EXACT or number == 0:
        return number
    log_width = _log_width(level)
    place = math.ceil(math.log(abs(number)) / log_width)
    try:
        middle = math.exp(place * log_width) * 2 / (math.exp(log_width) + 1)
    except OverflowError:
        middle = math.inf
    return math.copysign(min(middle, sys.float_info.max), number)


def coarsen(distribution: Distribution, level: int) -> Distribution:
    """*distribution* with its numbers as *level* has them."""
    coarse: Distribution = {}
    for number, weight in distribution.items():
        middle = round_number(number, level)
        coarse[middle] = coarse.get(middle, 0.0) + weight
    return coarse


def find_quantile(distribution: Distribution, share: Fraction) -> Number | None:
    """The least number that, with all below it, has at least *share* of the weight.

    Args:
        distribution: the numbers.
        share: from 0 to 1.
    """
    numbers = sorted(distribution)
    whole = sum(distribution[number] for number in numbers)
    wanted = share * Fraction(whole)
    reached = 0.0
    for number in numbers:
        reached += distribution[number]
        if reached >= wanted:
            return number
    return numbers[-1] if numbers else None


def _log_width(level: int) -> float:
    return _FIRST_LOG_WIDTH * float(1 << level - 1)
