"""What is kept of any object: bounded, marked where it was cut, and none of its code run."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import pathlib
import sys
import types
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy
import pydantic
import pytest
from msgspec.structs import replace

from xray.capture.redaction import Redactor
from xray.capture.snapshot import (
    ATTRIBUTE_LIMITS,
    SnapshotLimits,
    merge_fields,
    pack_frozen,
    scalar_attributes,
    snapshot,
)
from xray.model.values import MARK, open_value

LIMITS = SnapshotLimits()


def freeze(value: object, limits: SnapshotLimits = LIMITS) -> tuple[Any, dict[str, int]]:
    omissions: dict[str, int] = {}
    raw = snapshot(value, Redactor(), omissions, limits)
    assert len(bytes(raw)) <= limits.max_bytes
    return open_value(raw), omissions


def kept(value: object, limits: SnapshotLimits = LIMITS) -> Any:
    return freeze(value, limits)[0]


def truncated(kind: str, length: int, head: object) -> dict[str, object]:
    return {MARK: "truncated", "type": kind, "length": length, "head": head}


# What is data stays data


class Point(NamedTuple):
    """A named tuple."""

    x: object
    y: object


class Colour(enum.Enum):
    """An enumeration."""

    RED = "red"


class Level(enum.IntEnum):
    """An enumeration of numbers."""

    HIGH = 3


@dataclasses.dataclass
class Record:
    """A dataclass."""

    id: str
    inner: object = None


@dataclasses.dataclass(slots=True)
class Slotted:
    """A dataclass without a mapping of its own."""

    id: str


class Struct(msgspec.Struct):
    """A record of msgspec's."""

    id: str


class Model(pydantic.BaseModel):
    """A record of pydantic's that takes further fields."""

    model_config = pydantic.ConfigDict(extra="allow")
    id: str


class Attrs:
    """A record as the library attrs marks one."""

    __attrs_attrs__ = (types.SimpleNamespace(name="id"),)

    def __init__(self) -> None:
        self.id = "a"


class LaterDate(datetime.datetime):
    """A moment of a library's own making."""

    def __str__(self) -> str:
        raise AssertionError("run")

    def isoformat(self, *_: object) -> str:
        raise AssertionError("run")


MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001
ZURICH = zoneinfo.ZoneInfo("Europe/Zurich")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (-(1 << 63), -(1 << 63)),
        ((1 << 64) - 1, (1 << 64) - 1),
        (1.5, 1.5),
        ("é\0", "é\0"),
        ([1, (2, {3})], [1, [2, [3]]]),
        (collections.deque([1]), [1]),
        (collections.OrderedDict(a=1), {"a": 1}),
        ({1: "a", None: "b", (1, "x"): "c", b"raw": "d"},
         {"1": "a", "None": "b", "(1, 'x')": "c", "raw": "d"}),
        ({1: "a", "1": "b"}, {"1": "a", "1~1": "b"}),
        ({Colour.RED: 1}, {"RED": 1}),
        ({object: 1}, {"<type>": 1}),
        (Point(1, [2]), {"x": 1, "y": [2]}),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Record("r", Slotted("s")), {"id": "r", "inner": {"id": "s"}}),
        (Struct("s"), {"id": "s"}),
        (Model(id="m", more=1), {"id": "m", "more": 1}),
        (Attrs(), {"id": "a"}),
        (decimal.Decimal("1.50"), "1.50"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (pathlib.Path("a/b"), "a/b"),
        (MOMENT, "2026-01-02 03:04:05"),
        (MOMENT.replace(tzinfo=ZURICH), "2026-01-02 03:04:05+01:00"),
        (LaterDate(2026, 1, 2, tzinfo=datetime.timezone.utc), "2026-01-02 00:00:00+00:00"),
        (MOMENT.date(), "2026-01-02"),
        (MOMENT.time(), "03:04:05"),
        (datetime.timedelta(days=1, seconds=2), "1 day, 0:00:02"),
        (numpy.int64(5), 5),
        (numpy.float32(0.5), 0.5),
        (numpy.str_("x"), "x"),
        (numpy.bool_(True), True),
        (numpy.array(7), 7),
        (numpy.datetime64("2026-01-01"), "2026-01-01"),
        (numpy.timedelta64("NaT"), "NaT"),
    ],
)  # fmt: skip
def test_what_is_data_is_kept_as_data(value: object, expected: object) -> None:
    assert freeze(value) == (expected, {})


# What is no data, or too much of it, leaves a mark and a count

MANY = list(range(1_001))
DEEP = {"a": {"b": {"c": 1}}}


def loop() -> list[object]:
    ring: list[object] = [1]
    ring.append({"back": ring})
    return ring


def own_record() -> Record:
    record = Record("r")
    record.inner = record
    return record


@pytest.mark.parametrize(
    ("value", "expected", "omissions"),
    [
        (float("nan"), {MARK: "float", "value": "NaN"}, {}),
        (float("-inf"), {MARK: "float", "value": "-Infinity"}, {}),
        ([0.5, float("nan"), 1], [0.5, {MARK: "float", "value": "NaN"}, 1], {}),
        (1 << 64, {MARK: "integer", "value": str(1 << 64)}, {"unencodable": 1}),
        ([1, 2, 1 << 64], [1, 2, {MARK: "integer", "value": str(1 << 64)}], {"unencodable": 1}),
        (1 << 3_000, {MARK: "integer", "value": hex(1 << 3_000)}, {"unencodable": 1}),
        (1 << 9_000, {MARK: "integer", "bits": 9_001}, {"unencodable": 1}),
        ("a\ud800", "a\ufffd", {"unencodable": 1}),
        (["a", "b", "\ud800"], ["a", "b", "\ufffd"], {"unencodable": 1}),
        (b"\xff" * 100, {MARK: "bytes", "length": 100, "head": "ff" * 64}, {}),
        (bytearray(b"\x01"), {MARK: "bytes", "length": 1, "head": "01"}, {}),
        ("x" * 20_000, truncated("str", 20_000, "x" * 16_384), {"truncated": 1}),
        (MANY, truncated("list", 1_001, MANY[:1_000]), {"truncated": 1}),
        ({n: n for n in MANY},
         truncated("dict", 1_001, {str(n): n for n in MANY[:1_000]}), {"truncated": 1}),
        ({"k" * 300: 1}, {"k" * 255 + "…": 1}, {"truncated": 1}),
        (loop(), [1, {"back": {MARK: "cycle", "type": "list"}}], {"cycle": 1}),
        (own_record(), {"id": "r", "inner": {MARK: "cycle", "type": "Record"}}, {"cycle": 1}),
        (object(), {MARK: "object", "type": "object"}, {"opaque": 1}),
        (types.SimpleNamespace(a=1), {MARK: "object", "type": "SimpleNamespace"}, {"opaque": 1}),
        (1j, {MARK: "object", "type": "complex"}, {"opaque": 1}),
        (numpy.zeros((2, 3)),
         {MARK: "array", "type": "ndarray", "shape": [2, 3], "dtype": "float64"}, {"vector": 1}),
        (numpy.zeros(2, dtype="i4,f8"),
         {MARK: "array", "type": "ndarray", "shape": [2], "dtype": "2 fields"}, {"vector": 1}),
        ({MARK: "truncated", "x": 1}, {MARK: "map", "value": {MARK: "truncated", "x": 1}}, {}),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_whole_leaves_a_mark_and_a_count(
    value: object, expected: object, omissions: dict[str, int]
) -> None:
    assert freeze(value) == (expected, omissions)


def test_what_lies_too_deep_is_marked_where_it_lies() -> None:
    limits = replace(LIMITS, max_depth=2)
    below = {MARK: "truncated", "type": "dict", "length": 1}
    assert freeze(DEEP, limits) == ({"a": {"b": below}}, {"truncated": 1})
    assert freeze(Record("r", Record("s", Record("t"))), limits)[1] == {"truncated": 1}


def test_a_record_of_too_many_fields_is_marked() -> None:
    wide = dataclasses.make_dataclass("Wide", [f"f{n}" for n in range(150)])(*range(150))
    found, omissions = freeze(wide, ATTRIBUTE_LIMITS)
    assert (found[MARK], found["type"], found["length"]) == ("truncated", "Wide", 150)
    assert len(found["head"]) == 100
    assert omissions == {"truncated": 1}


def test_a_mark_of_the_pipelines_own_stays_wrapped_where_its_map_is_cut() -> None:
    forged = {MARK: "redacted"} | {str(n): n for n in range(1_000)}
    found = kept(forged)
    assert found[MARK] == "truncated"
    assert found["head"][MARK] == "map"
    assert found["head"]["value"][MARK] == "redacted"


@pytest.mark.parametrize(
    "value",
    [
        ["x" * 1_000] * 10_000,
        ["é" * 1_000] * 10_000,
        [["\U0001f600" * 100] * 100] * 100,
        {f"{n}" * 50: "é" * 100 for n in range(500)},
        [{"k": [object()] * 50}] * 50,
        {"\U0001f600" * 200 + str(n): n for n in range(100)},
        "\U0001f600" * 100_000,
        [1 << 2_000] * 100,
        type("\U0001f600" * 300, (), {})(),
        [type("\U0001f600" * 300, (list,), {})([n]) for n in range(50)],
    ],
    ids=["texts", "wide-texts", "nested-texts", "keys", "objects", "wide-keys", "text", "ints",
         "name", "names"],
)  # fmt: skip
@pytest.mark.parametrize("max_bytes", [64, 200, 4_096])
def test_nothing_outgrows_its_bytes(value: object, max_bytes: int) -> None:
    limits = replace(ATTRIBUTE_LIMITS, max_bytes=max_bytes, max_text_length=20_000)
    found, omissions = freeze(value, limits)
    if max_bytes < 4_096 and not type(value).__qualname__.startswith("\U0001f600"):
        assert MARK in repr(found)
        assert omissions["truncated"] >= 1


def test_what_is_kept_of_too_much_is_its_beginning() -> None:
    found = kept([{"n": n, "text": "x" * 100} for n in range(100)], ATTRIBUTE_LIMITS)
    assert found[MARK] == "truncated"
    assert [one["n"] for one in found["head"][:-1]] == list(range(len(found["head"]) - 1))
    assert len(found["head"]) > 20


def test_values_below_half_the_bytes_are_never_cut() -> None:
    value = {f"field_{n}": {"number": n * 1.5, "text": "x" * 20} for n in range(25)}
    assert freeze(value, ATTRIBUTE_LIMITS) == (value, {})


# The caller's thread is spared


class CountedWalk:
    """Counts the calls of Python code that one snapshot makes."""

    def __init__(self, value: object, limits: SnapshotLimits) -> None:
        self.calls = 0
        redactor = Redactor()
        sys.setprofile(self.see)
        try:
            snapshot(value, redactor, {}, limits)
        finally:
            sys.setprofile(None)

    def see(self, frame: object, event: str, argument: object) -> None:
        self.calls += event in ("call", "c_call")


@pytest.mark.parametrize(
    "make",
    [
        lambda size: list(range(size)),
        lambda size: [[n] for n in range(size)],
        lambda size: [{"a": {"b": n}} for n in range(size)],
        lambda size: {f"key_{n}": n for n in range(size)},
        lambda size: {f"key_{n}": {f"sub_{m}": m for m in range(30)} for n in range(size // 30)},
        lambda size: [object() for _ in range(size)],
        lambda size: set(range(size)),
        lambda size: collections.deque(range(size)),
        lambda size: ["x"] * size,
    ],
    ids=["list", "lists", "maps", "map", "wide-maps", "objects", "set", "deque", "texts"],
)
def test_work_does_not_grow_with_what_is_left_out(make: Callable[[int], object]) -> None:
    small = CountedWalk(make(20_000), LIMITS).calls
    large = CountedWalk(make(60_000), LIMITS).calls
    assert large <= small + 100
    assert large <= LIMITS.max_nodes * 20


def test_a_walk_visits_no_more_values_than_its_limit() -> None:
    def count(value: Any) -> int:
        if type(value) is dict:
            return 1 + sum(map(count, value.values()))
        return 1 + sum(map(count, value)) if type(value) is list else 1

    limits = replace(LIMITS, max_nodes=300)
    found = kept([{"a": n, "b": [n, str(n)]} for n in range(1_000)], limits)
    assert 100 < count(found["head"]) <= 300


# The parts around it


def test_scalars_of_a_candidate_given_whole_are_kept_and_what_is_cut_counted() -> None:
    omissions: dict[str, int] = {}
    item = {"id": "a", "price": 1.5, "vector": [1, 2], "long": "x" * 300}
    assert scalar_attributes(item, omissions=omissions) == {"id": "a", "price": 1.5}
    assert omissions == {"truncated": 1}
    assert scalar_attributes(Record("r", [1])) == {"id": "r"}
    assert scalar_attributes("text") is None


def test_scalars_beyond_the_sixty_fourth_are_counted() -> None:
    omissions: dict[str, int] = {}
    scalars = scalar_attributes({f"f{n}": n for n in range(65)}, omissions=omissions)
    assert scalars is not None
    assert len(scalars) == 64
    assert omissions == {"truncated": 1}


@pytest.mark.parametrize(
    ("given", "merged"),
    [
        (None, {"b": 2}),
        ({"a": 1, "b": 1}, {"a": 1, "b": 2}),
        (Record("r"), {"id": "r", "inner": None, "b": 2}),
        ("text", {"value": "text", "b": 2}),
        ([1], {"value": [1], "b": 2}),
    ],
)
def test_nothing_given_as_a_mapping_is_dropped(given: object, merged: object) -> None:
    assert merge_fields(given, {"b": 2}) == merged


def test_fields_frozen_before_are_packed_as_they_are() -> None:
    omissions: dict[str, int] = {}
    fields = {"note": truncated("str", 9, "x"), "price": 1}
    assert open_value(pack_frozen(fields, omissions, LIMITS)) == fields
    assert omissions == {}
    many = {f"f{n}": "x" * 100 for n in range(50)}
    found = open_value(pack_frozen(many, omissions, ATTRIBUTE_LIMITS))
    assert (found[MARK], found["length"]) == ("truncated", 50)
    assert omissions == {"truncated": 1}
