"""Numbers counted in narrow ranges, which add up: how they lie is known within a stated error.

An amount is counted by its leading six bits, so that a range reaches from a number to at most 1/32
above it, and its middle is off by at most 1/64. A rate is counted as the smaller of itself and its
complement, so that 99.9 % and 99.8 % are told apart as well as 0.1 % and 0.2 % are. Numbers below a
millionth count as zero, zero and one each for themselves.

The counts are weights. Those are multiples of 1/64, which sums of floating-point numbers hold
exactly: counts can be added and taken back in any order and grouping.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

Number = int | float
Bins = dict[int, Number]
"""How much weight each range has, by its number; ascending numbers stand for ascending ranges."""

RELATIVE_ERROR: Final = 1 / 64
"""How far the middle of a range may be from a number in it, as a share of the number."""

LEAST: Final = 2.0**-20
_FIRST: Final = 577
_HALF: Final = 610
_WEIGHT_UNITS: Final = 64
_FIRST_WHOLE: Final = 1024
MAX_WEIGHT: Final = 1 << 16
_split: Final = math.frexp


def bin_amount(amount: float) -> int:
    """The number of the range of *amount*; 0 for what counts as zero."""
    if amount < LEAST:
        return 0
    fraction, exponent = _split(amount)
    return (exponent << 5) + int(fraction * 64) + _FIRST


_COUNTS: Final = tuple(map(bin_amount, range(1024)))


def bin_count(count: int) -> int:
    """The number of the range of a whole number."""
    return _COUNTS[count] if count < len(_COUNTS) else bin_amount(count)


def span_amount(number: int) -> tuple[float, float]:
    """The first number of a range of amounts, and the first behind it."""
    if number == 0:
        return 0.0, 0.0
    place = number - 1
    exponent, first = (place >> 5) - 25, 32 + (place & 31)
    return math.ldexp(first, exponent), math.ldexp(first + 1, exponent)


def bin_rate(rate: float) -> int:
    """The number of the range of *rate*, from 0 to 1."""
    return bin_amount(rate) - _HALF if rate <= 0.5 else _HALF - bin_amount(1.0 - rate)


def span_rate(number: int) -> tuple[float, float]:
    """The least and the greatest rate of a range."""
    first, last = span_amount(_HALF - abs(number))
    last = min(last, 0.5)
    return (first, last) if number < 0 else (1.0 - last, 1.0 - first)


def middle_amount(number: int) -> float:
    """The amount that stands for a range."""
    first, last = span_amount(number)
    return (first + last) / 2


def middle_count(number: int) -> float:
    """The whole number that stands for a range; exact below 64."""
    first, last = span_amount(number)
    return float((math.ceil(first) + max(math.ceil(last) - 1, math.ceil(first))) // 2)


def middle_rate(number: int) -> float:
    """The rate that stands for a range."""
    first, last = span_rate(number)
    return (first + last) / 2


def sum_bins(bins: Bins) -> Number:
    """The weight of all of them."""
    return sum(bins.values())


def find_bin(bins: Bins, share: float, zeros: Number = 0) -> int | None:
    """The range of the least number that, with all below it, has *share* of the weight.

    Args:
        bins: the numbers.
        share: from 0 to 1.
        zeros: what lies below all of them.
    """
    wanted = share * (sum_bins(bins) + zeros)
    reached = zeros
    last = None
    for last in sorted(bins):
        reached += bins[last]
        if reached >= wanted:
            break
    return last


def add_bins(bins: Bins, others: Iterable[tuple[int, Number]]) -> None:
    """Count *others* in *bins*; what is taken back altogether leaves nothing behind."""
    get = bins.get
    for number, weight in others:
        bins[number] = get(number, 0) + weight
    if 0 in bins.values():
        for number in [number for number, weight in bins.items() if not weight]:
            del bins[number]


def round_weight(weight: float) -> Number:
    """The weight as it is counted: at least 1/64, at most 65,536, off by little."""
    if weight == 1.0:
        return 1
    if weight >= _FIRST_WHOLE:
        return min(round(weight), MAX_WEIGHT)
    units = max(1, round(weight * _WEIGHT_UNITS))
    return units / _WEIGHT_UNITS if units % _WEIGHT_UNITS else units // _WEIGHT_UNITS
