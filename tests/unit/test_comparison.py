"""Whether a candidate meets a limit, and when that cannot be said."""

from __future__ import annotations

import datetime
import sys
import types
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy
import pytest

from xray.capture.comparison import is_missing, meets
from xray.model.vocabulary import OPERATORS


class Loud(float):
    """A number whose comparison runs code."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("run")

    def __ne__(self, other: object) -> bool:
        raise AssertionError("run")

    __hash__ = float.__hash__


MISSING = {
    "none": None,
    "nan": float("nan"),
    "nan-subclass": Loud("nan"),
    "decimal": Decimal("NaN"),
    "signalling-decimal": Decimal("sNaN"),
    "float16": numpy.float16("nan"),
    "float32": numpy.float32("nan"),
    "float64": numpy.float64("nan"),
    "longdouble": numpy.longdouble("nan"),
    "array": numpy.array(float("nan")),
    "datetime64": numpy.datetime64("NaT"),
    "datetime64-ns": numpy.datetime64("NaT", "ns"),
    "timedelta64": numpy.timedelta64("NaT"),
}
PRESENT = {
    "zero": 0,
    "false": False,
    "empty": "",
    "list": [],
    "infinity": float("inf"),
    "text": "nan",
    "number": Loud(1.5),
    "decimal": Decimal(1),
    "fraction": Fraction(1, 3),
    "float32": numpy.float32(0),
    "int64": numpy.int64(0),
    "bool": numpy.bool_(False),
    "array": numpy.array([float("nan")]),
    "structured": numpy.zeros((), dtype="i4,f8"),
    "datetime64": numpy.datetime64("2026-01-01"),
    "datetime": datetime.date(2026, 1, 1),
    "object": object(),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_value_is_known_as_one(name: str) -> None:
    assert is_missing(MISSING[name])


@pytest.mark.parametrize("name", PRESENT)
def test_a_value_that_is_there_is_not_missing(name: str) -> None:
    assert not is_missing(PRESENT[name])


def test_the_missing_values_of_pandas_count_once_it_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    not_available, not_a_time = object(), datetime.datetime(1, 1, 1)  # noqa: DTZ001
    assert not is_missing(not_available)
    pandas = types.ModuleType("pandas")
    pandas.NA, pandas.NaT = not_available, not_a_time  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    assert is_missing(not_available)
    assert is_missing(not_a_time)
    assert not is_missing(object())


def test_no_array_library_is_loaded_to_look_for_missing_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("numpy", "pandas"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert not is_missing(object())
    assert "numpy" not in sys.modules
    assert "pandas" not in sys.modules


@pytest.mark.parametrize(
    ("observed", "op", "limit", "expected"),
    [
        (1, "<", 2, True), (2, "<", 2, False), (2, "<=", 2, True), (3, ">", 2, True),
        (2, ">=", 2, True), (2, "==", 2.0, True), (2, "!=", 3, True), ("a", "in", "abc", True),
        ("d", "not in", ["a"], True), (numpy.float32(1), "<", 2, True),
        (Decimal("1.5"), "<", 2, True), (1, "≤", 2, True), (1, "nonsense", 2, False),
        (1, None, 2, False), ("a", "<", 1, False), (numpy.zeros(2), "<", 1, False),
    ],
)  # fmt: skip
def test_a_comparison_says_what_python_says(
    observed: Any, op: Any, limit: Any, expected: bool
) -> None:
    assert meets(observed, op, limit) is expected


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("name", MISSING)
def test_a_missing_value_meets_no_limit_and_is_none(name: str, op: str) -> None:
    assert meets(MISSING[name], op, 1) is False
    assert meets(1, op, MISSING[name]) is False


def test_what_ends_the_program_passes_through_a_comparison() -> None:
    class Interrupting:
        """A value whose comparison is interrupted."""

        def __lt__(self, other: object) -> bool:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        meets(Interrupting(), "<", 1)
