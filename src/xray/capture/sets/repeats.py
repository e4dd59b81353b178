"""Which candidates were decided more than once, found without a table of all of them.

Every decision is given a number, those about one candidate the same; numbers that occur twice are
then found by sorting.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Hashable, Iterator, Sequence
from itertools import chain, compress, pairwise
from typing import Any, Final, NamedTuple

from xray.capture.sets.ids import Ids, NarrowIds, NumberIds
from xray.capture.sets.libraries import find_numpy

_WORD: Final = 8
_PORTION: Final = 65_536
_PARTITIONS: Final = 64
_MOST_DIGITS: Final = 18
_FACTOR: Final = 0x9E3779B97F4A7C15
_LAST_64_BITS: Final = (1 << 64) - 1

Numbers = Any
"""Numbers of 64 bits: an array of NumPy where it is there, else of the standard library."""


class Repeats(NamedTuple):
    """Decisions about candidates that may have others; all of those that have are among them.

    Args:
        singles: the keys of those that were made one by one.
        places: for each column the places of those in it.
    """

    singles: set[Hashable]
    places: list[list[int]]


def find_repeats(columns: Sequence[Ids], singles: Sequence[Hashable]) -> Repeats | None:
    """The decisions whose candidate has others; None where every candidate was decided once.

    Args:
        columns: the candidates that were decided many at once.
        singles: the keys of those that were decided one by one: an id, or `(by, id)`.
    """
    if columns and not singles and _follow_each_other(columns):
        return None
    hashes = _hash_all(singles)
    repeated = _pick(singles, hashes, _find_twice([hashes]))
    if not columns:
        return Repeats(repeated, []) if repeated else None
    whole = [column.array for column in columns if isinstance(column, NumberIds)]
    short = [column.array for column in columns if isinstance(column, NarrowIds)]
    alike, numbers = singles, hashes
    if len(whole) == len(columns):
        numbered = [array.astype("int64", copy=False) for array in whole]
        alike, numbers = _number_whole(singles)
    elif len(short) == len(columns):
        width = max(array.dtype.itemsize for array in short)
        numbered = [_mix(array, width) for array in short]
        alike, numbers = _number_short(singles, width)
    else:
        numbered = [_hash_column(column) for column in columns]
    twice = _find_twice([*numbered, numbers])
    if not repeated and not len(twice):
        return None
    repeated |= _pick(alike, numbers, twice)
    return Repeats(repeated, [_find_places(column, twice) for column in numbered])


def _follow_each_other(columns: Sequence[Ids]) -> bool:
    """Whether all ids are numbers in ascending order, so that none can stand twice."""
    spans = [column.span() if isinstance(column, NumberIds) else None for column in columns]
    known = sorted(span for span in spans if span is not None)
    return len(known) == len(spans) and all(one[1] < other[0] for one, other in pairwise(known))


def _pick(singles: Sequence[Hashable], numbers: Numbers, twice: Collection[int]) -> set[Hashable]:
    return {singles[place] for place in _find_places(numbers, twice)}


def _number_whole(singles: Sequence[Hashable]) -> tuple[Sequence[Hashable], Numbers]:
    """Those of *singles* that can stand among whole numbers, and their numbers."""
    alike: list[str] = [key for key in singles if type(key) is str and _is_whole(key)]
    return alike, find_numpy().array([int(key) for key in alike], "int64")


def _is_whole(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isdecimal() and len(digits) <= _MOST_DIGITS and str(int(text)) == text


def _number_short(singles: Sequence[Hashable], width: int) -> tuple[Sequence[Hashable], Numbers]:
    """Those of *singles* that can stand among texts of *width* bytes, and their numbers."""
    raw = [key.encode("utf-8", "replace") if type(key) is str else b"" for key in singles]
    fitting = [0 < len(one) <= width for one in raw]
    texts = find_numpy().array(list(compress(raw, fitting)), f"S{width}")
    return list(compress(singles, fitting)), _mix(texts, width)


def _mix(texts: Any, width: int) -> Numbers:
    """A number for each text of at most *width* bytes."""
    numpy = find_numpy()
    words = -(-width // _WORD)
    mixed = numpy.empty(len(texts), "uint64")
    for start in range(0, len(texts), _PORTION):
        padded = texts[start : start + _PORTION].astype(f"S{words * _WORD}")
        columns = padded.view("uint64").reshape(-1, words).T
        factor, total = 1, columns[0]
        for column in columns[1:]:
            factor = factor * _FACTOR & _LAST_64_BITS
            total = total + column * numpy.uint64(factor)
        mixed[start : start + _PORTION] = total
    return mixed.view("int64")


def _hash_column(column: Ids) -> Numbers:
    portions = (column.texts(start, start + _PORTION) for start in range(0, len(column), _PORTION))
    return _hash_all(chain.from_iterable(portions))


def _hash_all(keys: Iterator[Hashable] | Sequence[Hashable]) -> Numbers:
    hashes = array("q", map(hash, keys))
    numpy = find_numpy()
    return hashes if numpy is None else numpy.frombuffer(hashes, "int64")


def _find_twice(parts: Sequence[Numbers]) -> Collection[int]:
    """The numbers that occur more than once among all *parts*; ascending in an array of NumPy."""
    numpy = find_numpy()
    if numpy is not None:
        numbers = numpy.concatenate(parts)
        numbers.sort()
        is_again = numbers[1:] == numbers[:-1]
        found: Collection[int] = numpy.unique(numbers[1:][is_again]) if is_again.any() else []
        return found
    partitions = [array("q") for _ in range(_PARTITIONS)]
    for number in chain.from_iterable(parts):
        partitions[number % _PARTITIONS].append(number)
    twice: set[int] = set()
    for partition in partitions:
        once = set(partition)
        if len(once) < len(partition):
            for number in partition:
                if number in once:
                    once.remove(number)
                else:
                    twice.add(number)
    return twice


def _find_places(numbers: Numbers, twice: Collection[int]) -> list[int]:
    """The places of those *numbers* that are in *twice*, in order."""
    if not len(twice) or not len(numbers):
        return []
    if isinstance(twice, set):
        return [place for place, number in enumerate(numbers) if number in twice]
    numpy = find_numpy()
    places: list[int] = []
    for start in range(0, len(numbers), _PORTION):
        portion = numbers[start : start + _PORTION]
        nearest = twice[numpy.searchsorted(twice, portion).clip(max=len(twice) - 1)]  # type: ignore[index]
        places += (numpy.flatnonzero(nearest == portion) + start).tolist()
    return places
