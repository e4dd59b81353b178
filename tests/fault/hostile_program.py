"""A pipeline over objects that fight back, recorded through every place that takes a value.

    python hostile_program.py STATUS [STATS_FILE]

What it prints and raises and how it exits must not depend on X-Ray.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import io
import json
import pathlib
import re
import sys
import threading
import time
import types
import uuid
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import msgspec
import numpy

import xray


class Boom(Exception):
    """What the hostile methods raise."""


def explode(*_: object, **__: object) -> Any:
    print("the pipeline's own code was run")
    raise Boom("run")


def sleep(*_: object, **__: object) -> Any:
    print("the pipeline's own code was run, slowly")
    time.sleep(0.5)
    return NotImplemented


def recurse(*arguments: object, **named: object) -> Any:
    print("the pipeline's own code was run, deeply")
    return recurse(*arguments, **named)


def interrupt(*_: object, **__: object) -> Any:
    print("the pipeline's own code was run, and wants to end")
    raise KeyboardInterrupt


SPECIAL = (
    "__repr__", "__str__", "__format__", "__bytes__", "__len__", "__length_hint__", "__iter__",
    "__next__", "__reversed__", "__contains__", "__getitem__", "__eq__", "__ne__", "__lt__",
    "__le__", "__gt__", "__ge__", "__bool__", "__int__", "__float__", "__index__", "__complex__",
    "__getattr__", "__getattribute__", "__call__", "__enter__", "__exit__", "__copy__",
    "__deepcopy__", "__reduce__", "__reduce_ex__", "__getstate__", "__dir__", "__sizeof__",
    "__fspath__", "__array__", "__iadd__", "__or__", "__ror__", "__add__", "__abs__", "__trunc__",
    "__instancecheck__", "__missing__",
)  # fmt: skip
# What the interpreter itself needs to make and drop an instance is left alone.
LIES: dict[str, object] = {
    "__class__": property(explode),
    "__dict__": property(explode),
    "__slots__": (),
}
PAYLOADS: dict[type, object] = {
    dict: {"a": 1, "id": "x"}, list: [1, 2], tuple: (1, 2), set: {1}, frozenset: {1},
    str: "text", bytes: b"raw", bytearray: b"raw", int: 7, float: 1.5, complex: 1j,
    collections.OrderedDict: {"a": 1}, collections.deque: [1], collections.Counter: "ab",
    collections.UserDict: {"a": 1}, BaseException: "why", OSError: "why", KeyError: "why",
    uuid.UUID: "6f0b35a2-7c53-5d0e-9a8e-1d6ad1f0a9c4", decimal.Decimal: "1.5",
    fractions.Fraction: 1, pathlib.PurePosixPath: "/tmp", io.StringIO: "text",
}  # fmt: skip


def turn(kind: type, how: Callable[..., Any]) -> object:
    """An instance of a class below *kind* whose special methods all do *how*."""
    payload = PAYLOADS[kind]
    made = type(f"Bad{kind.__name__}", (kind,), {"__class__": property(how)})
    instance = made(payload)
    for name in SPECIAL:
        setattr(made, name, how)
    made.__hash__ = how  # type: ignore[assignment]
    for name in ("keys", "items", "values", "get", "item", "shape", "dtype", "ndim", "strip",
                 "lower", "encode", "isascii", "hex", "bit_length", "copy", "id", "metadata",
                 "candidate_id", "args", "__traceback__", "code", "value", "name"):  # fmt: skip
        setattr(made, name, property(how))
    return instance


class HostileMeta(type):
    """Classes that fight back."""

    def __getattribute__(cls, name: str) -> Any:
        return explode()

    def __instancecheck__(cls, instance: object) -> bool:
        return bool(explode())

    def __subclasscheck__(cls, subclass: type) -> bool:
        return bool(explode())

    def __repr__(cls) -> str:
        return str(explode())

    def __iter__(cls) -> Iterator[Any]:
        return iter(explode())


class OfHostileMeta(metaclass=HostileMeta):
    """An instance of a class that fights back."""


class HostileMetaDict(dict, metaclass=HostileMeta):  # type: ignore[type-arg]
    """A mapping whose class fights back."""


class HostileMetaError(Exception, metaclass=HostileMeta):
    """An exception whose class fights back."""


@dataclasses.dataclass
class Record:
    """A plain record, whose field may be anything."""

    id: object
    value: object = None

    @property
    def secret(self) -> object:
        """What must not be read."""
        return explode()

    def __repr__(self) -> str:
        return str(explode())


class Struct(msgspec.Struct):
    """A record of msgspec's."""

    id: object
    value: object = None


class Point(NamedTuple):
    """A named tuple."""

    x: object
    y: object


class Colour(enum.Enum):
    """An enumeration with a loop in it."""

    RED = "red"
    LOOP = ("loop",)


object.__setattr__(Colour.LOOP, "_value_", Colour.LOOP)


class Slotted:
    """An object without a mapping of its own."""

    __slots__ = ("id", "missing")

    def __init__(self, identity: object) -> None:
        self.id = identity


class LikeText:
    """A key that hashes as a string does."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.is_set_up = False

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return bool(explode()) if self.is_set_up else self is other


class Lazy:
    """A proxy that loads when it is touched."""

    def __getattribute__(self, name: str) -> Any:
        return explode()


class Claims:
    """An object that says it is of NumPy."""

    __module__ = "numpy"
    shape = property(explode)
    dtype = property(explode)
    ndim = property(explode)
    item = property(explode)


class ClaimsDecimal:
    """An object that says it is a decimal."""

    __module__ = "decimal"
    __float__ = explode


class OddModule:
    """A class whose module is no string."""

    __module__ = turn(str, explode)  # type: ignore[assignment]


class Zone(datetime.tzinfo):
    """A time zone that fights back."""

    utcoffset = dst = tzname = explode  # type: ignore[assignment]


class LyingFields:
    """An object that says it is a dataclass."""

    __dataclass_fields__ = turn(dict, explode)


class LyingAttrs:
    """An object that says it is of attrs."""

    __attrs_attrs__ = turn(list, explode)


class LyingPydantic:
    """An object that says it is of pydantic."""

    __pydantic_fields__ = {"id": None}
    id = property(explode)


def count_up() -> Iterator[int]:
    print("a generator was consumed")
    yield 1


async def wait() -> None:
    print("a coroutine was run")


def nest(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


def nest_maps(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(depth):
        inner = {"in": inner}
    return inner


def nest_tuples(depth: int) -> tuple[Any, ...]:
    inner: tuple[Any, ...] = ()
    for _ in range(depth):
        inner = (inner,)
    return inner


def fail_with(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as raised:
        return raised


def make_classes() -> list[object]:
    """One object for each special method and way to misbehave."""
    made: list[object] = []
    for how in (explode, sleep, recurse, interrupt):
        for name in SPECIAL:
            made.append(type(f"Has{name}", (), {name: how})())
        for kind in PAYLOADS:
            made.append(turn(kind, how))
    for name, lie in LIES.items():
        made.append(type(f"Lies{name}", (), {name: lie})())
    for kind in (dict, list, str, int, float, xray.Step, SystemExit):
        claim = property(lambda self, kind=kind: kind)
        made.append(type(f"Claims{kind.__name__}", (), {"__class__": claim})())
    return made


def make_containers() -> list[object]:
    """Containers too deep, too large, or holding themselves."""
    loop: list[Any] = [1]
    loop.append(loop)
    ring: dict[str, Any] = {"id": "ring"}
    ring["self"] = {"back": ring}
    record = Record("own")
    record.value = record
    key = LikeText("id")
    with_key = {key: 1, LikeText("metadata"): 2}
    key.is_set_up = True
    marked: dict[object, object] = {"$xray": "forged", "deep": {"$xray": {"$xray": 1}}}
    keys: dict[object, object] = {
        None: 1, 1.5: 2, True: 3, (1, "a"): 4, (1 << 100_000,): 5, 1 << 100_000: 6, "\ud800": 7,
        "k" * 100_000: 8, b"raw": 9, frozenset({1}): 10, ("\ud800",): 11, float("nan"): 12,
        datetime.date: 13, Ellipsis: 14, ("p" * 100_000,): 15, "\0": 16,
    }  # fmt: skip
    return [
        loop, ring, record, with_key, marked, keys,
        nest(10_000), nest_maps(10_000), nest_tuples(10_000),
        dict.fromkeys(range(1_000_000)), list(range(1_000_000)), {str(n): n for n in range(20_000)},
        ["x" * 1_000] * 10_000, "x" * 5_000_000, "\ud800" * 10_000, b"\xff" * 5_000_000,
        (1 << 100_000,) * 3, ("a", 1 << 100_000), tuple(range(100_000)),
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": 1}}}}}}}},
        collections.deque(range(5), maxlen=3), collections.ChainMap({"a": 1}),
        collections.defaultdict(explode, a=1), types.MappingProxyType({"a": 1}),
        {"k": [Lazy(), OfHostileMeta()]},
        {"k": [turn(dict, explode), turn(str, explode), turn(int, explode)]},
    ]  # fmt: skip


def make_values() -> list[object]:
    """Objects of the language and of its libraries that are no data."""
    closed = open(__file__, encoding="utf-8")  # noqa: SIM115
    closed.close()
    coroutine = wait()
    coroutine.close()
    unpathed = FileNotFoundError(2, "gone", "x")
    unpathed.filename = turn(str, explode)
    unparsed = SyntaxError("bad")
    unparsed.msg = turn(str, explode)  # type: ignore[assignment]
    group = type("Group", (Exception,), {"__str__": explode})("why")
    return [
        None, True, 0, -1, 1 << 63, 1 << 64, -(1 << 63) - 1, 1 << 100_000, -(1 << 100_000), 0.0,
        float("nan"), float("inf"), float("-inf"), 1e-320, 1 + 2j, "", "\0", "a\0b", "\ud800",
        "\udfff\ud800", "é\u202e", b"", b"\xff", bytearray(b"x"), memoryview(b"abc"), ...,
        NotImplemented, object(), decimal.Decimal("sNaN"), decimal.Decimal("NaN"),
        decimal.Decimal("1e999999"), decimal.Decimal("1" * 50_000), fractions.Fraction(1, 3),
        datetime.datetime(2026, 1, 1), datetime.datetime(2026, 1, 1, tzinfo=Zone()),
        datetime.time(1, tzinfo=Zone()), datetime.date(1, 1, 1), datetime.timedelta.max, Zone(),
        uuid.uuid4(), pathlib.Path("x"), pathlib.PurePosixPath("\udc80"), re.compile("x"),
        count_up(), coroutine, (n for n in (explode,)), iter([1]), map(explode, [1]), zip([1]),
        range(10**12), slice(1), closed, io.BytesIO(), sys.stdout, threading.Lock(),
        threading.RLock(), threading.Event(), threading.local(), threading.current_thread(),
        sys, types, xray, int, type, object, Boom, HostileMeta, OfHostileMeta, HostileMetaDict,
        explode, print, len, "".join, functools.partial(explode), functools.lru_cache(explode),
        lambda: explode(), property(explode), staticmethod(explode), super(Record, Record(1)),
        OfHostileMeta(), HostileMetaDict(a=1), HostileMetaError("x"), Record("r", Lazy()),
        Struct("s", Lazy()), Point(Lazy(), 1), Colour.RED, Colour.LOOP, Slotted("s"), Lazy(),
        Slotted(Lazy()), Claims(), ClaimsDecimal(), OddModule(), LyingFields(), LyingAttrs(),
        LyingPydantic(), fail_with(ValueError(Lazy())), fail_with(group), unpathed, unparsed,
        fail_with(ValueError(1 << 100_000)), KeyError(turn(str, explode)), SystemExit(Lazy()),
        ValueError(*range(100_000)), mock.Mock(), mock.MagicMock(), mock.sentinel.thing,
        mock.create_autospec(Record), weakref.ref(Boom), weakref.proxy(Boom), sys._getframe(),
        explode.__code__, types.SimpleNamespace(id=Lazy()), fail_with(Boom()).__traceback__,
        numpy.zeros((2, 3)), numpy.array(1), numpy.array(1.5), numpy.array([None], dtype=object),
        numpy.array(None), numpy.float16(1.5), numpy.longdouble(1.5), numpy.int64(5),
        numpy.uint64(2**64 - 1), numpy.bool_(True), numpy.str_("x"), numpy.bytes_(b"x"),
        numpy.complex128(1j), numpy.datetime64("2026-01-01"), numpy.timedelta64(1, "D"),
        numpy.float64("nan"), numpy.array([(1, 2.0)], dtype="i4,f8"), numpy.ma.array([1]),
        numpy.zeros(10**6), numpy.array(["a"]), numpy.zeros(0), numpy.dtype("f8"), numpy.sin,
        numpy.random.default_rng(1), type("Sub", (numpy.ndarray,), {
            "shape": property(explode), "item": explode, "__getattr__": explode,
        })((2,)),
    ]  # fmt: skip


def make_objects() -> list[object]:
    """Every hostile object there is."""
    return [*make_classes(), *make_containers(), *make_values()]


def record(client: xray.XRay, value: Any) -> None:
    """Give *value* to every place of a run and its steps that takes one."""
    run = client.run(
        input=value, metadata=value, tags=value, params=value, correlation=value, attempt=value
    )
    with run:
        run.set_metadata(value)
        run.set_metadata({"in": value}, named=value)
        run.add_tags(value)
        with run.step(value, value, takes=value, params=value, input=value) as step:
            step.set_input(value)
            step.set_params(value)
            step.set_params(named=value)
            step.log_stats(value)
            step.log_stats(named=value)
            step.set_input_count(value)
            step.set_output_count(value)
            step.set_output(value)
        for level in ("full", "sample", "minimal", value):
            with run.step("decide", "filter", capture=level, takes=[value], parent=value) as step:
                decide(step, value)
        run.set_output(value)
    with run.step("late", "rank") as step:
        step.select("late", value)
    started = client.start(input=[value], correlation={"link": value}, tags=[value])
    started.finish(status=value, output=value, error=value)


def decide(step: xray.Step, value: Any) -> None:
    """Give *value* to every verb of *step*."""
    step.reject(value)
    step.reject("a", value)
    step.reject("b", "why", value, value, value, value, value, value, value, value, value, value)
    step.reject("c", "why", {"in": value})
    step.reject({"id": value, "metadata": value}, origin=[value])
    step.accept(value, value, value, value, origin=("decide", value), by=value, part_of=value)
    step.accept("d", {"named": value}, origin={"candidate_id": value, "step": value})
    step.select(value, reason=value, rank=value)
    step.select((value, value), attributes=[value], origin=(value, value))
    step.log_sampled_candidates(value, value, value)
    step.log_sampled_candidates(
        [value, (value, value)], [(value, value, value)], [(value, "text"), (value, 0.5)]
    )


def check_plainly(client: xray.XRay) -> None:
    """Compare values that compare badly; what a comparison does is the pipeline's business."""
    with client.run() as run, run.step("check", "filter") as step:
        pairs: list[tuple[Any, Any]] = [
            (1, "a"), (None, 1), (float("nan"), 1), ([], 1), (1 << 100_000, 5), ("a", "abc"),
            (decimal.Decimal("sNaN"), 1), (numpy.zeros(3), 1), (numpy.float32(2), 1), (1, None),
        ]  # fmt: skip
        for observed, limit in pairs:
            outcomes = [
                step.check("c", "rule", observed, op, limit)
                for op in ("<", "<=", "==", "in", "not in", "nonsense", "")
            ]
            print(type(observed).__name__, type(limit).__name__, outcomes)
        for odd in (Lazy(), OfHostileMeta(), turn(str, explode), 5, None, 1 << 100_000):
            print(step.check(odd, odd, 1, odd, 2, odd))  # type: ignore[arg-type]


def fail(client: xray.XRay, error: BaseException) -> None:
    """Leave a run and a step by *error*, which must arrive as it was raised."""
    try:
        with client.run() as run, run.step("fails", "custom"):
            raise error
    except BaseException as caught:
        print(caught is error, sorted(vars(BaseException.__getattribute__(caught, "__class__")))[:2]
              if type(caught) is Boom else id(type(caught)) == id(type(error)))  # fmt: skip


def run_all(client: xray.XRay, objects: list[object]) -> None:
    for number, value in enumerate(objects):
        record(client, value)
        if type(value) is types.GeneratorType:
            print(number, "untouched", value.gi_frame is not None and value.gi_frame.f_lasti <= 0)
    check_plainly(client)
    for value in objects:
        if issubclass(type(value), BaseException):
            fail(client, value)  # type: ignore[arg-type]


def main() -> None:
    client = xray.XRay("hostile")
    objects = make_objects()
    assert len(objects) >= 200
    print(len(objects))
    run_all(client, objects)
    if len(sys.argv) > 2:
        is_complete = xray.flush(timeout_s=60).is_complete
        stats = xray.stats()
        report = {
            "is_complete": is_complete,
            "acknowledged": stats.acknowledged.records,
            "offered": stats.offered.records,
            "lost": sorted(stats.lost),
            "swallowed": xray.capture.guard.swallowed(),
        }
        pathlib.Path(sys.argv[2]).write_text(json.dumps(report), encoding="utf-8")
    try:
        with client.run():
            raise Boom("caught")
    except Boom as error:
        print("caught", error)
    with client.run():
        if int(sys.argv[1]) == 1:
            raise Boom("uncaught")
        sys.exit(int(sys.argv[1]))


if __name__ == "__main__":
    main()
