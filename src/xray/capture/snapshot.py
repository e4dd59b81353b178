"""Snapshots: any object, frozen at the call, bounded while walking, marked where it was cut.

No code of the pipeline's classes runs: what an object holds is read from its own storage, and a
type that is not known is recorded by its name.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import pathlib
import sys
from collections import deque
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import islice
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Raw

from xray.capture.redaction import REDACTED, Redactor
from xray.model.ids import read_array_scalar, read_field
from xray.model.kinds import is_a, name_kind, read_class_field
from xray.model.values import MARK, mark_bytes, pack_value

_MIN_INT: Final = -(1 << 63)
_MAX_INT: Final = 1 << 64
_MAX_INT_BITS: Final = 4096
_MAX_KEY_LENGTH: Final = 256
_MAX_KEY_PARTS: Final = 16
_HEAD: Final = slice(0, 64)
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_CONTAINERS: Final[tuple[Any, ...]] = (dict, list, tuple, set, frozenset, deque)
_TIMES: Final = (datetime, date, time, timedelta)
_PATHS: Final = (
    pathlib.PurePosixPath,
    pathlib.PosixPath,
    pathlib.PureWindowsPath,
    pathlib.WindowsPath,
)
_read_struct_fields: Final = type(msgspec.Struct).__dict__["__struct_fields__"].__get__


@dataclasses.dataclass(frozen=True, slots=True)
class SnapshotLimits:
    """How much of one value is kept.

    Args:
        max_depth: containers within containers.
        max_nodes: values in all.
        max_items: entries of one container.
        max_text_length: characters of one string.
        max_bytes: encoded size of the whole; beyond it only its beginning is kept.
    """

    max_depth: int = 12
    max_nodes: int = 10_000
    max_items: int = 1_000
    max_text_length: int = 16_384
    max_bytes: int = 262_144


ATTRIBUTE_LIMITS: Final = SnapshotLimits(
    max_depth=6, max_nodes=500, max_items=100, max_text_length=2_048, max_bytes=4_096
)


def snapshot(
    value: object, redactor: Redactor, omissions: dict[str, int], limits: SnapshotLimits
) -> Raw:
    """Freeze *value* as msgpack.

    Args:
        value: anything.
        redactor: decides what must not be kept.
        omissions: counts what was cut, by kind; added to.
        limits: how much is kept.
    """
    walk = _Walk(redactor, omissions, limits)
    raw = pack_value(walk.freeze(value, 0))
    encoded_length = len(bytes(raw))
    if encoded_length <= limits.max_bytes:
        return raw
    walk.count("truncated")
    tight = dataclasses.replace(
        limits,
        max_items=max(1, limits.max_items // 10),
        max_text_length=max(16, limits.max_text_length // 10),
        max_nodes=max(10, limits.max_bytes // 400),
    )
    head = _Walk(redactor, {}, tight).freeze(value, 0)
    packed = pack_value(
        {MARK: "truncated", "type": name_kind(value), "length": encoded_length, "head": head}
    )
    if len(bytes(packed)) <= limits.max_bytes:
        return packed
    return pack_value({MARK: "truncated", "type": name_kind(value), "length": encoded_length})


def bounded_text(text: object, omissions: dict[str, int], max_length: int = 4_096) -> str | None:
    """*text* when it is a string, cut to *max_length* with an ellipsis; other types by name."""
    if text is None:
        return None
    plain = str.__str__(text) if is_a(text, str) else spell_plain(text)
    if len(plain) > max_length:
        omissions["truncated"] = omissions.get("truncated", 0) + 1
        plain = plain[: max_length - 1] + "…"
    return well_formed(plain)


def read_list(value: object, max_items: int = 1_000) -> list[Any] | None:
    """The first items of a list, tuple or set; None for anything else."""
    kinds: tuple[Any, ...] = (list, tuple, set, frozenset)
    for kind in kinds:
        if is_a(value, kind):
            return list(islice(kind.__iter__(value), max_items))
    return None


def spell_plain(value: object) -> str:
    """A plain scalar as text; an int of very many digits and every other object by its type."""
    if type(value) is int and value.bit_length() > _MAX_INT_BITS:
        return f"<int of {value.bit_length()} bits>"
    return str(value) if type(value) in _PLAIN else name_kind(value)


def well_formed(text: str) -> str:
    """*text* with every lone surrogate replaced by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def scalar_attributes(item: object, max_bytes: int = 256) -> dict[str, Any] | None:
    """The short scalars *item* itself holds: what is kept of a candidate given whole."""
    fields = _own_fields(item)
    if fields is None:
        return None
    kept: dict[str, Any] = {}
    for name, value in islice(fields, 64):
        is_short = type(value) is not str or len(value) <= max_bytes
        if type(name) is str and type(value) in _PLAIN and is_short:
            kept[name] = value
    return kept


def _spell_key(key: Any) -> str:
    if is_a(key, str):
        return well_formed(str.__str__(key))
    if type(key) in _PLAIN:
        return spell_plain(key)
    is_short_tuple = type(key) is tuple and len(key) <= _MAX_KEY_PARTS
    if is_short_tuple and all(type(part) in _PLAIN for part in key):
        parts = (repr(part) if type(part) is str else spell_plain(part) for part in key)
        return well_formed(f"({', '.join(parts)})")
    return f"<{name_kind(key)}>"


class _Walk:
    """One pass over one value, with a budget."""

    def __init__(
        self, redactor: Redactor, omissions: dict[str, int], limits: SnapshotLimits
    ) -> None:
        self._redactor = redactor
        self._omissions = omissions
        self._limits = limits
        self._nodes_left = limits.max_nodes
        self._text_left = limits.max_bytes * 2
        self._open: set[int] = set()

    def count(self, kind: str) -> None:
        self._omissions[kind] = self._omissions.get(kind, 0) + 1

    def freeze(self, value: Any, depth: int) -> Any:
        self._nodes_left -= 1
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return self._text(value)
        if kind is int:
            return self._integer(value)
        if kind is float:
            return value if math.isfinite(value) else self._non_finite(value)
        if issubclass(kind, _CONTAINERS):
            return self._container(value, depth)
        return self._scalar_object(value, depth)

    def _text(self, value: str) -> Any:
        limit = min(self._limits.max_text_length, max(self._text_left, 0))
        if len(value) > limit:
            self.count("truncated")
            self._text_left -= limit
            return {
                MARK: "truncated",
                "type": "str",
                "length": len(value),
                "head": well_formed(value[:limit]),
            }
        self._text_left -= len(value)
        clean = well_formed(value)
        if clean is not value:
            self.count("unencodable")
        return clean

    def _integer(self, value: int) -> Any:
        if _MIN_INT <= value < _MAX_INT:
            return value
        self.count("unencodable")
        if value.bit_length() > _MAX_INT_BITS:
            return {MARK: "int", "bits": value.bit_length()}
        return {MARK: "int", "value": hex(value)}

    def _non_finite(self, value: float) -> Any:
        name = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return {MARK: "float", "value": name}

    def _container(self, value: Any, depth: int) -> Any:
        size = _size_of(value)
        if depth >= self._limits.max_depth or self._nodes_left <= 0:
            self.count("truncated")
            return {MARK: "truncated", "type": name_kind(value), "length": size}
        if id(value) in self._open:
            self.count("cycle")
            return {MARK: "cycle", "type": name_kind(value)}
        self._open.add(id(value))
        try:
            if is_a(value, dict):
                frozen: Any = self._entries(dict.items(value), depth)
            else:
                frozen = self._items(_iterate(value), depth)
        except RuntimeError:
            # Another thread changed the container while we read it.
            self.count("truncated")
            return {MARK: "changed", "type": name_kind(value), "length": size}
        finally:
            self._open.discard(id(value))
        if len(frozen) < size:
            self.count("truncated")
            return {MARK: "truncated", "type": name_kind(value), "length": size, "head": frozen}
        return {MARK: "map", "value": frozen} if is_a(value, dict) and MARK in frozen else frozen

    def _items(self, items: Iterable[Any], depth: int) -> list[Any]:
        kept: list[Any] = []
        for item in islice(items, self._limits.max_items):
            if self._nodes_left <= 0:
                break
            kept.append(self.freeze(item, depth + 1))
        return kept

    def _entries(self, entries: Iterable[tuple[Any, Any]], depth: int) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for key, value in islice(entries, self._limits.max_items):
            if self._nodes_left <= 0:
                break
            name = self._key(key, kept)
            # The whole key is asked about: what makes it telling may be in the part cut off.
            chosen = self._redactor.apply(_spell_key(key), value)
            if chosen is REDACTED:
                self.count("redacted")
                kept[name] = REDACTED
            else:
                kept[name] = self.freeze(chosen, depth + 1)
        return kept

    def _key(self, key: Any, taken: dict[str, Any]) -> str:
        whole = _spell_key(key)
        name = whole[:_MAX_KEY_LENGTH]
        if name is not whole:
            self.count("truncated")
            name = name[:-1] + "…"
        number = len(taken)
        unique = name
        while unique in taken:
            unique = f"{name}~{number}"
            number += 1
        return unique

    def _scalar_object(self, value: Any, depth: int) -> Any:
        if is_a(value, bytes):
            return mark_bytes(bytes.__getitem__(value, _HEAD)) | {"length": bytes.__len__(value)}
        if is_a(value, bytearray):
            head = bytes(bytearray.__getitem__(value, _HEAD))
            return mark_bytes(head) | {"length": bytearray.__len__(value)}
        if is_a(value, enum.Enum) and depth < self._limits.max_depth:
            return self.freeze(read_field(value, "_value_"), depth + 1)
        if is_a(value, str):
            return self._text(str.__str__(value))
        if is_a(value, int):
            return self._integer(int.__int__(value))
        if is_a(value, float):
            return self.freeze(float.__float__(value), depth)
        kind = type(value)
        if kind in _TIMES:
            return _spell_time(value)
        if kind is UUID or kind is Decimal or kind in _PATHS:
            return self._text(str(value))
        numpy = sys.modules.get("numpy")
        if numpy is not None and is_a(value, (numpy.ndarray, numpy.generic)):
            return self._array(value, numpy, depth)
        return self._object(value, depth)

    def _array(self, value: Any, numpy: Any, depth: int) -> Any:
        plain = read_array_scalar(value)
        if plain is not None:
            return self.freeze(plain, depth)
        kind = numpy.ndarray if is_a(value, numpy.ndarray) else numpy.generic
        self.count("vector")
        return {
            MARK: "array",
            "type": name_kind(value),
            "shape": list(kind.shape.__get__(value)),
            "dtype": bounded_text(str(kind.dtype.__get__(value)), {}, _MAX_KEY_LENGTH),
        }

    def _object(self, value: Any, depth: int) -> Any:
        fields = _own_fields(value)
        if fields is None or depth >= self._limits.max_depth or id(value) in self._open:
            self.count("opaque")
            return {MARK: "object", "type": name_kind(value)}
        self._open.add(id(value))
        try:
            return self._entries(fields, depth)
        finally:
            self._open.discard(id(value))


def _size_of(value: Any) -> int:
    return next((int(kind.__len__(value)) for kind in _CONTAINERS if is_a(value, kind)), 0)


def _iterate(value: Any) -> Iterable[Any]:
    kinds: tuple[Any, ...] = _CONTAINERS[1:]
    return next((kind.__iter__(value) for kind in kinds if is_a(value, kind)), ())


def _own_fields(value: Any) -> Iterable[tuple[Any, Any]] | None:
    """The fields of a mapping or of a record type (dataclass, attrs, pydantic, msgspec), else None.

    Fields are read from the object's own storage: no property, `__getattr__` or `__iter__` runs.
    """
    if is_a(value, dict):
        return dict.items(value)
    kind = type(value)
    if is_a(value, msgspec.Struct):
        names: Iterable[Any] = _read_struct_fields(kind)
    elif type(fields := read_class_field(kind, "__dataclass_fields__")) is dict:
        names = list(fields)
    elif is_a(attributes := read_class_field(kind, "__attrs_attrs__"), tuple):
        names = [read_field(one, "name") for one in tuple.__iter__(attributes)]
    elif type(fields := read_class_field(kind, "__pydantic_fields__")) is dict:
        names = list(fields)
    else:
        return None
    return [(name, read_field(value, name)) for name in names if type(name) is str]


def _spell_time(value: datetime | date | time | timedelta) -> str:
    zone = value.tzinfo if type(value) is datetime or type(value) is time else None
    known = getattr(sys.modules.get("zoneinfo"), "ZoneInfo", timezone)
    if zone is None or type(zone) in (timezone, known):
        return str(value)
    # Any other time zone is the pipeline's own code.
    naive: Any = value
    return f"{naive.replace(tzinfo=None)} {name_kind(zone)}"
