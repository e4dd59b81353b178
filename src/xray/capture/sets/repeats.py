"""Which candidates were decided more than once, found without a table of all of them.

Every decision is given a number, those about one candidate the same; numbers that occur twice are
then found by sorting.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from itertools import chain, compress, pairwise
from typing import Any, Final, NamedTuple

from xray.capture.sets.ids import Ids, NarrowIds, NumberIds
from xray.capture.sets.libraries import find_numpy
from xray.model.bounds import INT64_MAX

_WORD: Final = 8
_MOST_SORTED_BITS: Final = 19
_PORTION: Final = 65_536
_PARTITIONS: Final = 64
_MOST_DIGITS: Final = 19
_FACTOR: Final = 0x9E3779B97F4A7C15
_LAST_64_BITS: Final = (1 << 64) - 1

Numbers = Any
"""Numbers of 64 bits: an array of NumPy where it is there, else of the standard library."""

Portions = Callable[[], Iterable[Numbers]]
"""Makes numbers anew, a portion at a time."""


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
    hashed = _in_portions(singles, _hash_all)
    repeated = _pick(singles, hashed, _find_twice(hashed, len(singles)))
    if not columns:
        return Repeats(repeated, []) if repeated else None
    number, alike, numbers = _choose_numbers(columns, singles)
    held = [_in_portions(column, number) for column in columns]

    def list_numbers() -> Iterator[Numbers]:
        yield numbers
        for portions in held:
            yield from portions()

    twice = _find_twice(list_numbers, len(alike) + sum(map(len, columns)))
    if not repeated and not len(twice):
        return None
    repeated |= _pick(alike, lambda: iter([numbers]), twice)
    return Repeats(repeated, [_find_places(portions, twice) for portions in held])


def _follow_each_other(columns: Sequence[Ids]) -> bool:
    """Whether all ids are numbers in ascending order, so that none can stand twice."""
    spans = [column.span() if isinstance(column, NumberIds) else None for column in columns]
    known = sorted(span for span in spans if span is not None)
    return len(known) == len(spans) and all(one[1] < other[0] for one, other in pairwise(known))


def _choose_numbers(
    columns: Sequence[Ids], singles: Sequence[Hashable]
) -> tuple[Callable[[Any], Numbers], Sequence[Hashable], Numbers]:
    """What numbers the ids of columns, those of *singles* that can stand in one, and their numbers.

    Numbers of their own are cheaper than the hashes of texts, which do for everything.
    """
    if all(isinstance(column, NumberIds) for column in columns):
        whole = [key for key in singles if type(key) is str and _is_whole(key)]
        numbers = find_numpy().array([int(key) for key in whole], "int64")
        return lambda ids: ids.array.astype("int64", copy=False), whole, numbers
    if all(isinstance(column, NarrowIds) for column in columns):
        width = max(column.array.dtype.itemsize for column in columns)  # type: ignore[attr-defined]
        raw = [key.encode("utf-8", "replace") if type(key) is str else b"" for key in singles]
        fitting = [0 < len(one) <= width for one in raw]
        texts = find_numpy().array(list(compress(raw, fitting)), f"S{width}")
        short = list(compress(singles, fitting))
        return lambda ids: _mix(ids.array, width), short, _mix(texts, width)
    return lambda ids: _hash_all(ids.texts()), singles, _hash_all(singles)


def _is_whole(text: str) -> bool:
    digits = text.removeprefix("-")
    if not digits.isdecimal() or len(digits) > _MOST_DIGITS:
        return False
    number = int(text)
    return -INT64_MAX - 1 <= number <= INT64_MAX and str(number) == text


def _mix(texts: Any, width: int) -> Numbers:
    """A number for each text of at most *width* bytes."""
    numpy, words = find_numpy(), -(-width // _WORD)
    columns = texts.astype(f"S{words * _WORD}").view("uint64").reshape(-1, words).T
    factor, mixed = 1, columns[0]
    for column in columns[1:]:
        factor = factor * _FACTOR & _LAST_64_BITS
        mixed = mixed + column * numpy.uint64(factor)
    return mixed.view("int64")


def _hash_all(keys: Sequence[Hashable]) -> Numbers:
    numpy = find_numpy()
    if numpy is None:
        return array("q", map(hash, keys))
    return numpy.fromiter(map(hash, keys), "int64", len(keys))


def _in_portions(held: Any, number: Callable[[Any], Numbers]) -> Portions:
    """The numbers of what is *held*, made a portion at a time, as often as they are asked for."""
    cut = held.keep if hasattr(held, "keep") else lambda start, stop: held[start:stop]
    return lambda: (
        number(cut(start, min(start + _PORTION, len(held))))
        for start in range(0, len(held), _PORTION)
    )


def _find_twice(portions: Portions, count: int) -> Collection[int]:
    """The numbers that occur more than once; ascending in an array of NumPy.

    Args:
        portions: the numbers.
        count: how many there are.
    """
    numpy = find_numpy()
    if numpy is None:
        return _find_twice_slowly(portions())
    # Many are sorted a part at a time, because sorting all takes as much memory as they do.
    turns = 1 << max(0, count - 1 >> _MOST_SORTED_BITS).bit_length()
    found = []
    for turn in range(turns):
        mine = [
            portion if turns == 1 else portion[portion & turns - 1 == turn]
            for portion in portions()
        ]
        numbers = numpy.concatenate(mine) if mine else numpy.empty(0, "int64")
        numbers.sort()
        is_again = numbers[1:] == numbers[:-1]
        if is_again.any():
            found.append(numpy.unique(numbers[1:][is_again]))
    twice: Collection[int] = numpy.sort(numpy.concatenate(found)) if found else ()
    return twice


def _find_twice_slowly(portions: Iterable[Numbers]) -> set[int]:
    partitions = [array("q") for _ in range(_PARTITIONS)]
    for number in chain.from_iterable(portions):
        partitions[number % _PARTITIONS].append(number)
    twice: set[int] = set()
    for partition in partitions:
        once: set[int] = set()
        for number in partition:
            (twice if number in once else once).add(number)
    return twice


def _pick(singles: Sequence[Hashable], numbers: Portions, twice: Collection[int]) -> set[Hashable]:
    return {singles[place] for place in _find_places(numbers, twice)}


def _find_places(numbers: Portions, twice: Collection[int]) -> list[int]:
    """The places of those *numbers* that are in *twice*, in order."""
    if not len(twice):
        return []
    if isinstance(twice, set):
        every = chain.from_iterable(numbers())
        return [place for place, number in enumerate(every) if number in twice]
    numpy, places, start = find_numpy(), list[int](), 0
    for portion in numbers():
        nearest = twice[numpy.searchsorted(twice, portion).clip(max=len(twice) - 1)]  # type: ignore[index]
        places += (numpy.flatnonzero(nearest == portion) + start).tolist()
        start += len(portion)
    return places
