"""What values a check observed: counts by value, or by narrow ranges, over any number of rows.

Up to 64 different values are counted as they are. Beyond, values are counted by their leading bits:
sign, exponent and 7 bits of fraction, so that a range reaches from a number to at most 1/128 above
it. Where that takes more than 512 ranges, neighbours are joined two by two until it does not. A
range is known exactly, and so are the smallest and the largest value; whatever is asked is answered
with bounds that hold, not with an estimate that is likely to.

Why ranges of relative width and not a sample or a t-digest: their bounds hold for every input, and
two sketches merge by adding counts, in any order and grouping, to what one over all the values
would have been (Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable quantile sketch with
relative-error guarantees", VLDB 12(12), 2019). Cutting the bits of a double off instead of taking a
logarithm, as HdrHistogram does, costs a shift, and gives every machine the same ranges.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Final

from msgspec import Struct

MAX_EXACT: Final = 64
MAX_RANGES: Final = 512
MAX_SKETCHES: Final = 128
"""How many a step has: 64 checks, met and failed."""

_FINEST: Final = 7
"""How many bits of a fraction are kept, at most."""
_COARSEST: Final = -5
_FRACTION_BITS: Final = 52
_SIGN: Final = 1 << 63
MAGNITUDE: Final = _SIGN - 1
RANGE_SHIFT: Final = _FRACTION_BITS - _FINEST
"""By how many bits the magnitude of a double is shifted for the number of its range."""
_QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


class Quantile(Struct, frozen=True):
    """The value below or at which a share of the values lie.

    Args:
        share: the share, from 0 to 1.
        value: the value, as near as is known.
        error: by how much it may be off; 0 where it is known exactly.
    """

    share: float
    value: float
    error: float


class Observed(Struct, frozen=True, kw_only=True):
    """What values a check observed, in short.

    Args:
        count: how many.
        least: the smallest.
        greatest: the largest.
        quantiles: the values at some shares.
    """

    count: int
    least: float
    greatest: float
    quantiles: list[Quantile]


class Sketch(Struct, array_like=True, frozen=True):
    """The values of one check.

    Args:
        least: the smallest value.
        greatest: the largest.
        bits: how many bits of the fraction tell ranges apart, fewer than 0 where several exponents
            share one; None where each value is counted by itself.
        keys: the values, or the numbers of the ranges, ascending.
        counts: how many values there are of each, in the same order.
    """

    least: float
    greatest: float
    bits: int | None
    keys: list[int | float]
    counts: list[int]

    @property
    def count(self) -> int:
        """How many values there are."""
        return sum(self.counts)

    def find_fault(self) -> str | None:
        """What is wrong with it, or None."""
        keys, bits = self.keys, self.bits
        if not keys or len(keys) != len(self.counts) or min(self.counts) < 1:
            return "it does not count at least one value for each of its keys"
        if len(keys) > (MAX_EXACT if bits is None else MAX_RANGES):
            return f"it has {len(keys)} keys"
        if bits is not None and not _COARSEST <= bits <= _FINEST:
            return f"its ranges keep {bits} bits"
        if any(not first < second for first, second in pairwise(keys)):
            return "its keys do not ascend"
        if not all(map(math.isfinite, (*keys, self.least, self.greatest))):
            return "it holds what is no finite number"
        if bits is not None and any(not _is_key(key, bits) for key in keys):
            return "a key of it is the number of no range"
        first, last = self._span(keys[0])[0], self._span(keys[-1])[1]
        if not first <= self.least <= self.greatest <= last:
            return "its smallest and largest value do not lie within its keys"
        return None

    def merge(self, other: Sketch) -> Sketch:
        """The sketch of the values of both."""
        least, greatest = min(self.least, other.least), max(self.greatest, other.greatest)
        if self.bits is None and other.bits is None:
            return _make(Counter(dict(self._pairs())) + Counter(dict(other._pairs())))
        bits = min(_FINEST if one.bits is None else one.bits for one in (self, other))
        return _make_ranges(self._ranges(bits) + other._ranges(bits), bits, least, greatest)

    def bounds_at(self, share: float) -> tuple[float, float]:
        """Two values between which the one lies below or at which *share* of the values lie."""
        wanted = max(1, math.ceil(share * self.count))
        passed = 0
        for key, count in self._pairs():
            passed += count
            if passed >= wanted:
                return self._span(key)
        return self.greatest, self.greatest

    def bound_below(self, limit: float, *, is_included: bool) -> tuple[int, int]:
        """How many values are below *limit* at least, and at most.

        Args:
            limit: the limit.
            is_included: whether a value equal to it counts.
        """
        surely = possibly = 0
        for key, count in self._pairs():
            first, last = self._span(key)
            surely += count if last < limit or (is_included and last == limit) else 0
            possibly += count if first < limit or (is_included and first == limit) else 0
        return surely, possibly

    def spans(self) -> Iterator[tuple[float, float, int]]:
        """Its ranges, ascending: the first and the last value, and how many there are."""
        for key, count in self._pairs():
            yield (*self._span(key), count)

    def describe(self) -> Observed:
        """It in short."""
        quantiles = []
        for share in _QUANTILES:
            first, last = self.bounds_at(share)
            middle = first + (last - first) / 2
            quantiles.append(Quantile(share, middle, max(last - middle, middle - first)))
        return Observed(
            count=self.count, least=self.least, greatest=self.greatest, quantiles=quantiles
        )

    def _pairs(self) -> Iterable[tuple[float, int]]:
        return zip(self.keys, self.counts, strict=True)

    def _span(self, key: float) -> tuple[float, float]:
        """The smallest and the largest value that are counted under *key*."""
        if self.bits is None:
            return key, key
        first, last = _find_span(int(key), self.bits)
        return max(first, self.least), min(last, self.greatest)

    def _ranges(self, bits: int) -> Counter[int]:
        counts: Counter[int] = Counter()
        own = self.bits
        for key, count in self._pairs():
            number = _find_range(key, bits) if own is None else int(key) >> own - bits
            counts[number] += count
        return counts


class ObservedByCheck(Struct, frozen=True, kw_only=True):
    """What values one check observed over all candidates of a step.

    Args:
        name: the check's name.
        passed: the values of those that met it; None where none did.
        failed: the values of those that did not.
    """

    name: str
    passed: Observed | None = None
    failed: Observed | None = None


class CheckSketch(Struct, array_like=True, frozen=True):
    """The values one check observed of the candidates that met it, or of those that did not.

    Args:
        name: the check's name.
        passed: whether they met it.
        sketch: the values.
    """

    name: str
    passed: bool
    sketch: Sketch


def describe_sketches(sketches: Iterable[CheckSketch]) -> list[ObservedByCheck]:
    """*sketches* in short, by check."""
    sides: dict[str, dict[bool, Observed]] = {}
    for one in sketches:
        sides.setdefault(one.name, {})[one.passed] = one.sketch.describe()
    return [
        ObservedByCheck(name=name, passed=found.get(True), failed=found.get(False))
        for name, found in sides.items()
    ]


def sketch_values(values: array[float]) -> Sketch | None:
    """The sketch of *values*, those that are not finite left out; None where that leaves none."""
    counts = Counter(values)
    if not all(map(math.isfinite, counts)):
        values = array("d", filter(math.isfinite, values))
        counts = Counter(values)
    if len(counts) <= MAX_EXACT:
        return _make(counts) if counts else None
    whole = array("Q", values.tobytes())
    ranges = Counter([bits >> RANGE_SHIFT for bits in whole])
    middle = _SIGN >> RANGE_SHIFT
    signed = Counter(
        {
            (pattern if pattern < middle else middle - pattern - 1): count
            for pattern, count in ranges.items()
        }
    )
    # A negative zero is as large as a positive one.
    zeros = whole.count(_SIGN)
    signed.update({-1: -zeros, 0: zeros} if zeros else {})
    return _make_ranges(+signed, _FINEST, min(counts), max(counts))


def sketch_ranges(ranges: Mapping[int, int], least: float, greatest: float) -> Sketch:
    """The sketch of more than `MAX_EXACT` different values.

    Args:
        ranges: how many there are in each of the finest ranges, by its number.
        least: the smallest value.
        greatest: the largest.
    """
    return _make_ranges(Counter(ranges), _FINEST, least, greatest)


def _make(counts: Mapping[float, int]) -> Sketch:
    keys = [key + 0.0 for key in sorted(counts)]
    if len(keys) > MAX_EXACT:
        ranges: Counter[int] = Counter()
        for key in keys:
            ranges[_find_range(key, _FINEST)] += counts[key]
        return _make_ranges(ranges, _FINEST, keys[0], keys[-1])
    return Sketch(keys[0], keys[-1], None, keys, [counts[key] for key in keys])


def _make_ranges(ranges: Counter[int], bits: int, least: float, greatest: float) -> Sketch:
    while len(ranges) > MAX_RANGES:
        bits -= 1
        joined: Counter[int] = Counter()
        for number, count in ranges.items():
            joined[number >> 1] += count
        ranges = joined
    numbers = sorted(ranges)
    return Sketch(least, greatest, bits, [*numbers], [ranges[number] for number in numbers])


def _find_range(value: float, bits: int) -> int:
    """The number of the range of *value*; ranges of negative values have negative numbers."""
    (pattern,) = struct.unpack("<Q", struct.pack("<d", value))
    number: int = (pattern & MAGNITUDE) >> _FRACTION_BITS - bits
    return -number - 1 if pattern & _SIGN else number


def _find_span(number: int, bits: int) -> tuple[float, float]:
    """The first and the last number of a range."""
    if number < 0:
        first, last = _find_span(-number - 1, bits)
        return -last, -first
    shift = _FRACTION_BITS - bits
    patterns = (number << shift, (number + 1 << shift) - 1)
    first, last = struct.unpack("<2d", struct.pack("<2Q", *patterns))
    return first, last if math.isfinite(last) else math.nextafter(math.inf, 0.0)


def _is_key(key: float, bits: int) -> bool:
    most = 0x7FF << bits if bits >= 0 else -(-0x7FF >> -bits)
    return key == int(key) and -most <= key < most
