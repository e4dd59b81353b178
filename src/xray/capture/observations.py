"""The values that checks observe, kept as numbers until the step ends and told as sketches."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable
from typing import Any, Final

from xray.capture.evidence import read_number
from xray.capture.sets.libraries import find_numpy
from xray.model.facts import DecisionRow
from xray.model.sketch import (
    MAGNITUDE,
    MAX_EXACT,
    MAX_SKETCHES,
    RANGE_SHIFT,
    CheckSketch,
    Sketch,
    sketch_ranges,
    sketch_values,
)

_MIN_SKETCHED: Final = 1_024
_LOOKED_AT: Final = 256

MAX_OBSERVED: Final = 65_536
"""How many values are best told at once."""

ObservedColumn = tuple[str, str, bool, "array[float]"]
"""A check's name, what it observes, whether the candidates met it, and their values."""


class Observations:
    """What the checks of one step observed.

    Args:
        hides: whether the values of a field are redacted.
        is_open: whether values may be told at all, which a hook for redaction forbids: it may want
            to see each with its row.
    """

    def __init__(self, hides: Callable[[str], bool], *, is_open: bool) -> None:
        self._hides = hides
        self._most = MAX_SKETCHES if is_open else 0
        self._values: dict[tuple[str, bool], array[float]] = {}
        self._sketches: dict[tuple[str, bool], Sketch] = {}

    def add(self, name: str, field: str, observed: object, *, passed: bool) -> None:
        """Take one value in; what is no number is left out."""
        values = self._values.get((name, passed))
        if values is None:
            values = self._begin(name, field, passed=passed)
        number = observed if type(observed) is float else read_number(observed)
        if values is not None and number is not None:
            values.append(number)

    def add_row(self, row: DecisionRow) -> None:
        """Take the checks of *row* in."""
        for check in row.checks or ():
            self.add(check.name, check.field, check.observed, passed=check.passed)

    def add_many(self, columns: Iterable[ObservedColumn]) -> None:
        """Take many values in."""
        for name, field, passed, numbers in columns:
            values = self._values.get((name, passed))
            if values is None:
                values = self._begin(name, field, passed=passed)
            if values is None:
                continue
            if len(numbers) < _MIN_SKETCHED:
                values.extend(numbers)
            else:
                self._merge((name, passed), numbers)

    def _begin(self, name: str, field: str, *, passed: bool) -> array[float] | None:
        if len(self._values) >= self._most or self._hides(field or name):
            return None
        return self._values.setdefault((name, passed), array("d"))

    def _merge(self, key: tuple[str, bool], numbers: array[float]) -> None:
        found, before = _sketch(numbers), self._sketches.get(key)
        if found is not None:
            self._sketches[key] = found if before is None else before.merge(found)

    def sketch(self) -> list[CheckSketch]:
        """The sketches of all values, by name; whatever was told first."""
        for key, values in self._values.items():
            self._merge(key, values)
        return [CheckSketch(*key, sketch) for key, sketch in sorted(self._sketches.items())]


def _sketch(values: array[float]) -> Sketch | None:
    """The sketch of *values*, by NumPy where there are many and they differ."""
    numpy = find_numpy()
    if numpy is None or len(values) < _MIN_SKETCHED:
        return sketch_values(values)
    if len(set(filter(math.isfinite, values[:_LOOKED_AT]))) <= MAX_EXACT:
        return sketch_values(values)
    found: Sketch | None = None
    for start in range(0, len(values), MAX_OBSERVED):
        some = numpy.frombuffer(values[start : start + MAX_OBSERVED], "float64")
        some = some[numpy.isfinite(some)]
        if not len(some):
            continue
        numbers = _number_ranges(some + 0.0)
        first = int(numbers.min())
        counts = numpy.bincount(numbers - first)
        taken = numpy.flatnonzero(counts)
        ranges = dict(zip((taken + first).tolist(), counts[taken].tolist(), strict=True))
        part = sketch_ranges(ranges, float(some.min()), float(some.max()))
        found = part if found is None else found.merge(part)
    return found


def _number_ranges(values: Any) -> Any:
    """The number of the range of each value of an array."""
    patterns = values.view("int64")
    numbers = (patterns & MAGNITUDE) >> RANGE_SHIFT
    return find_numpy().where(patterns < 0, -numbers - 1, numbers)
