"""Columns of values, one a candidate: plain lists, or numbers that NumPy compares at once."""

from __future__ import annotations

import math
import operator
from array import array
from collections.abc import Callable, Iterator, Sequence
from heapq import nsmallest
from typing import Any, Final, Protocol

from xray.capture.comparison import is_missing, margin_of, meets
from xray.capture.evidence import read_number
from xray.capture.sets.libraries import find_library, find_numpy
from xray.model.operators import COMPARE, MEMBERSHIP
from xray.model.vocabulary import parse_operator

MET: Final = 0
FAILED: Final = 1
MISSING: Final = 2

_WIDEST_BYTES: Final = 8
_EXACT_FLOATS: Final = 1 << 53
_ELEMENTWISE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    sign: compare for sign, compare in COMPARE.items() if sign not in MEMBERSHIP
}


class Column(Protocol):
    """The values of one field, one a candidate."""

    def __len__(self) -> int: ...

    def values(self, places: Sequence[int]) -> list[Any]:
        """The plain values at *places*."""
        ...

    def numbers(self, places: Sequence[int]) -> array[float]:
        """The numbers at *places*, not a number where there is none."""
        ...

    def compare(self, op: str, limit: object) -> bytes:
        """For each value whether it meets *limit*: `MET`, `FAILED` or `MISSING`."""
        ...

    def truth(self) -> bytes:
        """For each value whether it is true: `MET`, `FAILED` or `MISSING`."""
        ...

    def descending(self) -> Sequence[int]:
        """The places from the highest value to the lowest; missing ones last, ties as they are."""
        ...

    def nearest(self, limit: object, places: Sequence[int], most: int) -> list[tuple[int, float]]:
        """Those of *places* whose numbers are nearest to *limit*, with their margins, in order."""
        ...


class ListColumn:
    """Values of any kind, compared one by one."""

    def __init__(self, held: Sequence[Any]) -> None:
        self._held = held
        self._are_numbers = all(type(value) is float or type(value) is int for value in held)

    def __len__(self) -> int:
        return len(self._held)

    def values(self, places: Sequence[int]) -> list[Any]:
        """The plain values at *places*."""
        held = self._held
        return [held[place] for place in places]

    def numbers(self, places: Sequence[int]) -> array[float]:
        """The numbers at *places*, not a number where there is none."""
        read = (read_number(value) for value in self.values(places))
        return array("d", [math.nan if number is None else number for number in read])

    def compare(self, op: str, limit: object) -> bytes:
        """For each value whether it meets *limit*."""
        compared = _ELEMENTWISE.get(parse_operator(op) or "")
        if self._are_numbers and compared is not None and _is_plain_number(limit):
            return bytes(
                [MISSING if value != value else not compared(value, limit) for value in self._held]
            )
        return bytes(
            [
                MET if meets(value, op, limit) else MISSING if is_missing(value) else FAILED
                for value in self._held
            ]
        )

    def truth(self) -> bytes:
        """For each value whether it is true."""
        if all(type(value) is bool for value in self._held):
            return bytes(map(operator.not_, self._held))
        return bytes([_read_truth(value) for value in self._held])

    def descending(self) -> Sequence[int]:
        """The places from the highest value to the lowest."""
        held = self._held
        missing = [is_missing(value) for value in held]
        known = [place for place, is_gap in enumerate(missing) if not is_gap]
        known.sort(key=held.__getitem__, reverse=True)
        return [*known, *(place for place, is_gap in enumerate(missing) if is_gap)]

    def nearest(self, limit: object, places: Sequence[int], most: int) -> list[tuple[int, float]]:
        """Those of *places* whose numbers are nearest to *limit*."""
        if not (self._are_numbers and _is_plain_number(limit)):
            return _find_nearest(self, limit, places, most)
        held = self._held
        try:
            # What is not finite is no smaller than infinity.
            margins = [
                (margin, place)
                for place in places
                if (margin := abs(held[place] - limit)) < math.inf
            ]
        except OverflowError:
            return _find_nearest(self, limit, places, most)
        return sorted((place, margin) for margin, place in nsmallest(most, margins))


class ArrayColumn:
    """Whole numbers, floats or truth values in an array of NumPy.

    Comparisons give what Python's own would: where NumPy would round an operand, the plain values
    are compared one by one.

    Args:
        array: the numbers.
        has_gaps: what is not a number stands for a value that is not there.
    """

    def __init__(self, array: Any, *, has_gaps: bool) -> None:
        self._array = array
        self._has_gaps = has_gaps and array.dtype.kind == "f"

    def __len__(self) -> int:
        return len(self._array)

    def values(self, places: Sequence[int]) -> list[Any]:
        """The plain values at *places*."""
        found: list[Any] = self._array[places].tolist()
        return [None if value != value else value for value in found] if self._has_gaps else found

    def numbers(self, places: Sequence[int]) -> array[float]:
        """The numbers at *places*, not a number where there is none."""
        if self._array.dtype.kind == "b":
            return array("d", [math.nan] * len(places))
        chosen: Any = slice(places.start, places.stop) if isinstance(places, range) else places
        return array("d", self._array[chosen].astype("float64").tobytes())

    def compare(self, op: str, limit: object) -> bytes:
        """For each value whether it meets *limit*."""
        compared = _ELEMENTWISE.get(parse_operator(op) or "")
        array, kind = self._array, self._array.dtype.kind
        is_exact = type(limit) is int and -_EXACT_FLOATS < limit < _EXACT_FLOATS
        if kind in "iu" and type(limit) is float and limit.is_integer():
            limit, is_exact = int(limit), abs(limit) < _EXACT_FLOATS
        elif type(limit) is float and limit == limit:
            is_exact = True
        if compared is None or not is_exact or kind not in "iuf":
            return ListColumn(array.tolist()).compare(op, limit)
        if kind == "f":
            # A narrow float would be compared with a limit rounded to its own width.
            array = array.astype("float64", copy=False)
        outcome = (~compared(array, limit)).astype("uint8")
        if kind == "f":
            outcome[array != array] = MISSING
        encoded: bytes = outcome.tobytes()
        return encoded

    def truth(self) -> bytes:
        """For each value whether it is true."""
        if self._array.dtype.kind != "b":
            return ListColumn(self._array.tolist()).truth()
        encoded: bytes = (~self._array).tobytes()
        return encoded

    def descending(self) -> Sequence[int]:
        """The places from the highest value to the lowest."""
        array = self._array
        # Sorted from the back and turned around, equal values keep their order.
        order = len(array) - 1 - array[::-1].argsort(kind="stable")[::-1]
        if array.dtype.kind == "f":
            gaps = array[order] != array[order]
            order = find_numpy().concatenate([order[~gaps], order[gaps]])
        places: Sequence[int] = order
        return places

    def nearest(self, limit: object, places: Sequence[int], most: int) -> list[tuple[int, float]]:
        """Those of *places* whose numbers are nearest to *limit*."""
        is_narrow = isinstance(limit, (int, float)) and abs(limit) < _EXACT_FLOATS
        if type(places) is not range or len(places) <= most or not is_narrow:
            return _find_nearest(self, limit, places, most)
        numpy = find_numpy()
        margins = numpy.abs(self._array[places.start :].astype("float64") - limit)
        margins[~numpy.isfinite(margins)] = numpy.inf
        # What the widest margin of the nearest leaves over: ties are settled below.
        near = numpy.flatnonzero(margins <= numpy.partition(margins, most - 1)[most - 1])
        near = near[margins[near].argsort(kind="stable")][:most] + places.start
        return _find_nearest(self, limit, near.tolist(), most)


def pick_numbers(numbers: array[float], codes: bytes, code: int) -> array[float]:
    """Those of *numbers* whose code is *code*."""
    if codes.count(code) == len(codes):
        return numbers
    numpy = find_numpy()
    if numpy is None:
        return array(
            "d", [number for number, own in zip(numbers, codes, strict=True) if own == code]
        )
    chosen = numpy.frombuffer(codes, "uint8") == code
    return array("d", numpy.frombuffer(numbers, "float64")[chosen].tobytes())


def _find_nearest(
    column: Column, limit: object, places: Sequence[int], most: int
) -> list[tuple[int, float]]:
    margins = [
        (margin, place)
        for place, value in zip(places, column.values(places), strict=True)
        if (margin := margin_of(value, limit)) is not None
    ]
    return sorted((place, margin) for margin, place in nsmallest(most, margins))


def _is_plain_number(value: object) -> bool:
    return (type(value) is float and value == value) or type(value) is int


def _read_truth(value: Any) -> int:
    return MISSING if is_missing(value) else MET if value else FAILED


def is_column(value: object) -> bool:
    """Whether *value* holds one value a candidate, rather than being one itself."""
    if type(value) is list:
        return True
    found = find_library(value)
    return found is not None and found[1] in ("array", "series", "index", "column")


def read_column(given: Any) -> Column:
    """The values of a list, array, series or other iterable; what is no list is read once."""
    if type(given) is list or type(given) is tuple:
        return ListColumn(given)
    found = find_library(given)
    if found is None:
        return ListColumn(list(given))
    array = read_array(given)
    if array is None or array.ndim != 1 or array.dtype.kind not in "biuf":
        return ListColumn(read_values(given))
    is_narrow = array.dtype.itemsize <= _WIDEST_BYTES
    has_gaps = found[0] in ("numpy", "pandas")
    return ArrayColumn(array, has_gaps=has_gaps) if is_narrow else ListColumn(read_values(given))


def read_array(given: Any) -> Any:
    """The array behind a column of a library, if it has one without gaps; else None."""
    library, shape = find_library(given) or ("", "")
    if shape == "array":
        return given
    if find_numpy() is None:
        return None
    if library == "pandas":
        is_plain = getattr(given.dtype, "kind", "O") in "biuf" and hasattr(given.dtype, "itemsize")
        is_masked = getattr(given.dtype, "na_value", None) is not None
        return given.to_numpy() if is_plain and not is_masked else None
    if given.null_count if library == "pyarrow" else given.null_count():
        return None
    if library == "polars":
        is_plain = given.dtype.is_numeric() or str(given.dtype) == "Boolean"
        return given.to_numpy() if is_plain and not given.dtype.is_decimal() else None
    is_plain = str(given.type) in ("bool", "double", "float") or "int" in str(given.type)[:4]
    return given.to_numpy(zero_copy_only=False) if is_plain else None


def read_values(given: Any) -> list[Any]:
    """The plain values of a column of a library."""
    library, shape = find_library(given) or ("", "")
    if library == "pyarrow":
        values: list[Any] = given.to_pylist()
    elif library == "polars":
        values = given.to_list()
    elif library == "pandas" and getattr(given.dtype, "na_value", None) is not None:
        # Gaps have an object of their own there, which would not be known for one elsewhere.
        values = given.to_numpy(dtype=object, na_value=None).tolist()
    elif shape == "array" and given.dtype.kind not in "biufUSO":
        # The plain value of a moment finer than microseconds would be a bare number.
        values = list(given)
    else:
        values = given.tolist()
    return values


def read_portions(given: Any, size: int) -> Iterator[list[Any]]:
    """The plain values of a column of a library, *size* at a time."""
    held = getattr(given, "iloc", given)
    for start in range(0, len(given), size):
        yield read_values(held[start : start + size])
