"""Recording an object runs none of its code, whatever it answers to."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import itertools
import sys
import threading
import types
from collections.abc import Iterator
from typing import Any

import numpy
import pytest

from xray.capture.redaction import Redactor
from xray.capture.run import Run
from xray.capture.settings import CaptureSettings
from xray.capture.snapshot import (
    ATTRIBUTE_LIMITS,
    SnapshotLimits,
    merge_fields,
    scalar_attributes,
    snapshot,
)
from xray.model.values import MARK, open_value
from xray.testing import MemorySink

LIMITS = SnapshotLimits()
DEEP = {"a": {"b": {"c": 1}}}


def kept(value: object, limits: SnapshotLimits = LIMITS) -> Any:
    return open_value(snapshot(value, Redactor(), {}, limits))


@dataclasses.dataclass
class Record:
    """A plain record."""

    id: str
    inner: object = None


class Ran(BaseException):
    """What a hostile method raises; no `except Exception` hides it."""


def explode(*_: object, **__: object) -> Any:
    raise Ran


HOSTILE = dict.fromkeys(
    [
        "__repr__", "__str__", "__format__", "__len__", "__iter__", "__getitem__", "__contains__",
        "__eq__", "__hash__", "__bool__", "__int__", "__float__", "__index__", "__getattr__",
        "__getattribute__", "items", "keys", "values", "get", "copy", "encode", "isascii", "hex",
        "__lt__", "__array__", "__fspath__", "__bytes__", "__next__", "__missing__", "__call__",
    ],
    explode,
)  # fmt: skip
LIES = {"__class__": property(explode), "__dict__": property(explode)}


class HostileMeta(type):
    """A class that fights back, also when it is compared or hashed."""

    __hash__ = __eq__ = __getattribute__ = __instancecheck__ = __subclasscheck__ = explode  # type: ignore[assignment]
    __repr__ = __call__ = explode  # type: ignore[assignment]


def hostile(kind: type, *arguments: object) -> Any:
    made = type(f"Bad{kind.__name__}", (kind,), dict(LIES))
    instance = made(*arguments)
    for name, method in HOSTILE.items():
        setattr(made, name, method)
    return instance


@pytest.mark.parametrize(
    ("kind", "arguments", "expected"),
    [
        (dict, ({"a": 1},), {"a": 1}),
        (list, ([1, 2],), [1, 2]),
        (tuple, ((1, 2),), [1, 2]),
        (set, ({1},), [1]),
        (collections.deque, ([1],), [1]),
        (str, ("text",), "text"),
        (int, (7,), 7),
        (float, (1.5,), 1.5),
        (bytes, (b"\x01",), {MARK: "bytes", "length": 1, "head": "01"}),
        (bytearray, (b"\x01",), {MARK: "bytes", "length": 1, "head": "01"}),
        (object, (), {MARK: "object", "type": "Badobject"}),
        (Record, ("r",), {"id": "r", "inner": None}),
        (datetime.date, (2026, 1, 2,), "2026-01-02"),
        (datetime.timedelta, (1,), "1 day, 0:00:00"),
        (numpy.ndarray, ((2,),),
         {MARK: "array", "type": "Badndarray", "shape": [2], "dtype": "float64"}),
    ],
)  # fmt: skip
def test_no_method_of_an_object_is_called(
    kind: type, arguments: tuple[object, ...], expected: Any
) -> None:
    value = hostile(kind, *arguments)
    assert kept([value]) == [expected]
    assert kept({"k": value}, ATTRIBUTE_LIMITS) == {"k": expected}


def test_neither_comparison_nor_hash_of_a_class_is_asked() -> None:
    instance = object.__new__(types.new_class("Odd", (), {"metaclass": HostileMeta}))
    mark = {MARK: "object", "type": "Odd"}
    assert kept([instance, 1, 2]) == [mark, 1, 2]
    assert scalar_attributes({"a": instance, "b": 1}) == {"b": 1}
    key_of_a_tuple = (instance, 1)
    assert kept({1: key_of_a_tuple}) == {"1": [mark, 1]}


def test_neither_comparison_nor_hash_of_a_key_is_asked() -> None:
    key = hostile(str, "id")
    made = type(key)
    made.__hash__ = str.__hash__
    mapping = {key: 1, "name": 2}
    made.__hash__ = explode
    assert kept(mapping) == {"id": 1, "name": 2}


def test_iterators_are_left_unconsumed() -> None:
    numbers = iter([1, 2])
    letters = (letter for letter in "ab")
    lazily = map(explode, [1])
    assert [one[MARK] for one in kept([numbers, letters, lazily])] == ["object"] * 3
    assert (list(numbers), list(letters)) == ([1, 2], ["a", "b"])


def test_attributes_that_raise_are_not_read() -> None:
    class Raising(Record):
        """A record with a property that raises."""

        @property
        def worth(self) -> object:
            """What must not be read."""
            raise Ran

    assert kept(Raising("r")) == {"id": "r", "inner": None}


def test_a_missing_or_half_loaded_numpy_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", types.ModuleType("numpy"))
    assert kept(object())[MARK] == "object"
    stand_in = types.ModuleType("numpy")
    stand_in.ndarray = stand_in.generic = "no type"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "numpy", stand_in)
    assert kept(object())[MARK] == "object"


def test_a_mapping_that_another_thread_changes_is_kept_or_marked() -> None:
    shared: dict[str, int] = {str(n): n for n in range(500)}
    is_over = threading.Event()

    def churn() -> None:
        for number in itertools.cycle(range(500, 600)):
            shared[str(number)] = number
            shared.pop(str(number), None)
            if is_over.is_set():
                return

    before = sys.getswitchinterval()
    thread = threading.Thread(target=churn)
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        found = [kept(shared) for _ in range(300)]
    finally:
        is_over.set()
        thread.join()
        sys.setswitchinterval(before)
    for one in found:
        whole = one["head"] if one.get(MARK) == "truncated" else one
        assert one.get(MARK) == "changed" or len(whole) >= 500


def test_a_stack_nearly_spent_is_marked_as_depth() -> None:
    redactor = Redactor()

    def dive(depth: int, omissions: dict[str, int]) -> Any:
        if depth == 0:
            return snapshot(DEEP, redactor, omissions, LIMITS)
        return dive(depth - 1, omissions)

    taken = []
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(sum(1 for _ in iterate_frames()) + 150)
    try:
        for depth in range(100, 150):
            omissions: dict[str, int] = {}
            taken.append((dive(depth, omissions), omissions))
    except RecursionError:
        pass
    finally:
        sys.setrecursionlimit(before)
    found = [(open_value(raw), omissions) for raw, omissions in taken]
    cut = [one for one in found if one[0] != DEEP]
    assert found[0] == (DEEP, {})
    assert cut
    for value, omissions in cut:
        assert "changed" not in repr(value)
        assert omissions["truncated"] >= 1


def iterate_frames() -> Iterator[types.FrameType]:
    frame: types.FrameType | None = sys._getframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


class OddText(str):
    """A key that counts how often it is hashed or compared."""

    __slots__ = ("asked",)

    def __new__(cls, text: str) -> OddText:
        made = super().__new__(cls, text)
        made.asked = 0
        return made

    def __hash__(self) -> int:
        self.asked += 1
        return str.__hash__(self)

    def __eq__(self, other: object) -> bool:
        self.asked += 1
        return str.__eq__(self, other)


def test_merging_what_is_given_asks_neither_mapping_nor_keys() -> None:
    key = OddText("price")
    mapping = {key: 1, 2: 3}
    key.asked = 0
    given = hostile(dict, {"price": 1})
    assert merge_fields(mapping, {"b": 2}) == {"price": 1, "2": 3, "b": 2}
    assert merge_fields(given, {"b": 2}) == {"price": 1, "b": 2}
    assert merge_fields(given, {}) is given
    assert key.asked == 0


@pytest.mark.parametrize("level", ["minimal", "sample", "full"])
def test_verbs_ask_neither_keys_nor_classes(level: str) -> None:
    sink = MemorySink()
    odd = object.__new__(types.new_class("Odd", (), {"metaclass": HostileMeta}))
    key = OddText("price")
    mapping = {key: 1}
    key.asked = 0
    with Run("p", sink, CaptureSettings()) as run, run.step("f", "filter", capture=level) as step:
        step.reject("a", "why", {"price": 1})
        step.reject("b", "why", mapping)
        step.reject("c", "why", {"price": odd})
        step.reject("d", "why", {"price": odd}, None, odd, odd, odd, "<", odd, odd, odd, odd)
        step.check("e", "rule", 1, "<", 2, field=odd)
        step.log_sampled_candidates([mapping], [(mapping, 1.0)], [odd])
        step.set_output(mapping)
    assert key.asked == 0
