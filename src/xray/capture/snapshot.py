"""Snapshots: any object, frozen at the call, bounded while walking, marked where it was cut.

No code of the pipeline's classes runs: what an object holds is read from its own storage, and a
type that is not known is recorded by its name.
"""

from __future__ import annotations

import enum
import math
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from xray.capture.containers import (
    CONTAINERS,
    Shape,
    find_shape,
    merge_fields,
    name_items,
    read_beginning,
    read_fields,
    read_list,
    scalar_attributes,
    size_of,
)
from xray.capture.redaction import REDACTED, Redactor
from xray.capture.spelling import (
    bounded_text,
    count_omission,
    spell_key,
    spell_plain,
    spell_time,
    well_formed,
)
from xray.model.arrays import describe_array, is_array, read_array_scalar, spell_array_time
from xray.model.ids import read_field
from xray.model.kinds import is_a, is_one_of, name_kind, read_loaded
from xray.model.values import MARK

__all__ = [
    "ATTRIBUTE_LIMITS",
    "SnapshotLimits",
    "bounded_text",
    "count_omission",
    "merge_fields",
    "pack_frozen",
    "read_list",
    "scalar_attributes",
    "snapshot",
    "spell_plain",
    "well_formed",
]

_MIN_INT: Final = -(1 << 63)
_MAX_INT: Final = 1 << 64
_MAX_INT_BITS: Final = 4_096
# Python may be set to spell no more than 640 digits.
_MAX_DIGITS_BITS: Final = 2_048
_MAX_KEY_LENGTH: Final = 256
_HEAD: Final = slice(0, 64)
# What a container's mark takes besides the name of its type and what is kept of it.
_MARK_BYTES: Final = 80
_HEADER_BYTES: Final = 5
_SHORT: Final = 256
_NUMBER_BYTES: Final = 9
# What a container costs besides, in values walked; one that is cut takes as long as a small one.
_CONTAINER_NODES: Final = 2
_MIN_PACKED: Final = 3
_NUMBERS: Final = frozenset(map(id, (int, float, bool, type(None))))
_TEXT: Final = {id(str)}
_PATHS: Final = ("PurePosixPath", "PosixPath", "PureWindowsPath", "WindowsPath")
_path_kinds: Final[list[tuple[type[Any], ...]]] = []
_FULL: Final = object()  # stands for a value there is no room for
_OTHER: Final = object()  # stands for a value that is none of a known kind
_encode: Final = msgspec.msgpack.Encoder().encode


class SnapshotLimits(Struct, frozen=True):
    """How much of one value is kept.

    Args:
        max_depth: containers within containers.
        max_nodes: values walked in all, which bounds the time it takes; containers count threefold.
        max_items: entries of one container.
        max_text_length: characters of one string.
        max_bytes: encoded size of the whole, marks included.
    """

    max_depth: int = 12
    max_nodes: int = 3_000
    max_items: int = 1_000
    max_text_length: int = 16_384
    max_bytes: int = 262_144


ATTRIBUTE_LIMITS: Final = SnapshotLimits(
    max_depth=6, max_nodes=500, max_items=100, max_text_length=2_048, max_bytes=4_096
)


def snapshot(
    value: object,
    redactor: Redactor,
    omissions: dict[str, int],
    limits: SnapshotLimits,
    key: str = "",
) -> Raw:
    """Freeze *value* as msgpack.

    Args:
        value: anything.
        redactor: decides what must not be kept.
        omissions: counts what was cut, by kind; added to.
        limits: how much is kept.
        key: what the value is called; a redaction hook is asked about it under this name.
    """
    walk = _Walk(redactor, omissions, limits)
    return Raw(_encode(walk.freeze_whole(value, key)))


def pack_frozen(fields: dict[str, Any], omissions: dict[str, int], limits: SnapshotLimits) -> Raw:
    """Pack fields frozen before, with the marks they hold; what is beyond the limits is cut."""
    kept: dict[str, Any] = {}
    left = limits.max_bytes - _MARK_BYTES
    for name, value in fields.items():
        left -= len(_encode(name)) + len(_encode(value))
        if left < 0 or len(kept) >= limits.max_items:
            count_omission(omissions, "truncated")
            return Raw(
                _encode({MARK: "truncated", "type": "dict", "length": len(fields), "head": kept})
            )
        kept[name] = value
    return Raw(_encode(kept))


def _find_path_kinds() -> tuple[type[Any], ...]:
    """The kinds of path, once the pipeline has loaded them; `import xray` does without."""
    if not _path_kinds:
        kinds = [read_loaded("pathlib", name) for name in _PATHS]
        if None not in kinds:
            _path_kinds.append(tuple(kinds))
    return _path_kinds[0] if _path_kinds else ()


class _Walk:
    """One pass over one value, with a budget.

    Every value pays for its encoded size before it is kept, and every open container has set aside
    what its own mark would take, so the whole never outgrows `max_bytes`.
    """

    __slots__ = (
        "_bytes_left",
        "_hook",
        "_is_full",
        "_limits",
        "_nodes_left",
        "_omissions",
        "_open",
        "_redactor",
        "_shapes",
    )

    def __init__(
        self, redactor: Redactor, omissions: dict[str, int], limits: SnapshotLimits
    ) -> None:
        self._redactor = redactor
        self._hook = redactor.hook
        self._omissions = omissions
        self._limits = limits
        self._nodes_left = limits.max_nodes
        self._bytes_left = limits.max_bytes
        # What follows the first value without room has none either: what is kept is a beginning.
        self._is_full = False
        self._open: set[int] = set()
        # By identity: a class may answer comparisons. It is held, so that none takes its place.
        self._shapes: dict[int, tuple[type, Shape | None]] = {}

    def freeze_whole(self, value: Any, key: str) -> Any:
        frozen = self._freeze_asked(value, 0, key) if key else self._freeze(value, 0, key)
        if frozen is _FULL:
            self._count("truncated")
            return {MARK: "truncated"}
        return frozen

    def _freeze_asked(self, value: Any, depth: int, key: str) -> Any:
        """What the hook makes of *value*, frozen."""
        if self._hook is not None:
            value = self._redactor.apply(key, value)
        if value is REDACTED:
            self._count("redacted")
            return self._mark("redacted")
        return self._freeze(value, depth, key)

    def _freeze(self, value: Any, depth: int, key: str) -> Any:
        self._nodes_left -= 1
        kind = type(value)
        if kind is str:
            if len(value) <= _SHORT and value.isascii():
                size = _HEADER_BYTES + len(value)
                if size <= self._bytes_left:
                    self._bytes_left -= size
                    return value
            return self._text(value)
        if kind is int:
            return self._integer(value)
        if kind is float:
            return self._float(value)
        if kind is bool or value is None:
            return value if self._spend(1) else _FULL
        try:
            if kind is dict or kind is list:
                return self._hold(value, depth, key, None)
            if issubclass(kind, CONTAINERS):
                return self._container(value, depth, key)
            return self._object(value, depth, key)
        except RecursionError:
            # The pipeline's own calls have left little of the stack.
            self._count("truncated")
            return self._mark("truncated", type=name_kind(value))

    def _count(self, kind: str) -> None:
        count_omission(self._omissions, kind)

    def _spend(self, size: int) -> bool:
        left = self._bytes_left - size
        if left < 0:
            self._is_full = True
            return False
        self._bytes_left = left
        return True

    def _mark(self, kind: str, **fields: object) -> Any:
        mark = {MARK: kind, **fields}
        return mark if self._spend(len(_encode(mark))) else _FULL

    def _text(self, value: str) -> Any:
        length = len(value)
        if length <= self._limits.max_text_length:
            clean = value if value.isascii() else well_formed(value)
            size = _HEADER_BYTES + (length if clean.isascii() else len(clean.encode("utf-8")))
            if size <= self._bytes_left:
                self._bytes_left -= size
                if clean is not value:
                    self._count("unencodable")
                return clean
        room = self._bytes_left - _MARK_BYTES
        if room < 0:
            self._is_full = True
            return _FULL
        head = well_formed(value[: min(self._limits.max_text_length, room)])
        head = head.encode("utf-8")[:room].decode("utf-8", "ignore")
        self._count("truncated")
        return self._mark("truncated", type="str", length=length, head=head)

    def _integer(self, value: int) -> Any:
        if _MIN_INT <= value < _MAX_INT:
            if self._bytes_left < _NUMBER_BYTES:
                self._is_full = True
                return _FULL
            self._bytes_left -= _NUMBER_BYTES
            return value
        self._count("unencodable")
        bits = value.bit_length()
        if bits > _MAX_INT_BITS:
            return self._mark("integer", bits=bits)
        return self._mark("integer", value=str(value) if bits <= _MAX_DIGITS_BITS else hex(value))

    def _float(self, value: float) -> Any:
        if math.isfinite(value):
            return value if self._spend(_NUMBER_BYTES) else _FULL
        name = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return self._mark("float", value=name)

    def _container(self, value: Any, depth: int, key: str) -> Any:
        fields = name_items(value) if is_a(value, tuple) else None
        return self._hold(value, depth, key, fields)

    def _hold(self, value: Any, depth: int, key: str, fields: list[tuple[str, Any]] | None) -> Any:
        """The *fields* of a record; without them the entries or items of a container."""
        kind = type(value)
        if kind is dict or kind is list:
            name, size = "dict" if kind is dict else "list", len(value)
        else:
            name = name_kind(value)
            size = size_of(value) if fields is None else len(fields)
        self._nodes_left -= _CONTAINER_NODES
        if depth >= self._limits.max_depth or self._nodes_left <= 0:
            self._count("truncated")
            return self._mark("truncated", type=name, length=size)
        if id(value) in self._open:
            self._count("cycle")
            return self._mark("cycle", type=name)
        reserve = _MARK_BYTES + (len(name) if name.isascii() else 4 * len(name))
        if not self._spend(reserve + _HEADER_BYTES):
            return _FULL
        most = min(self._limits.max_items, self._nodes_left)
        held = fields[:most] if fields is not None else read_beginning(value, most)
        if held is None:
            self._count("truncated")
            return {MARK: "changed", "type": name, "length": size}
        if kind is list and size <= most:
            packed = self._pack_scalars(held)
            if packed is not None:
                self._bytes_left += reserve
                return packed
        self._open.add(id(value))
        try:
            if kind is dict or fields is not None or is_a(value, dict):
                frozen: Any = self._entries(held, depth + 1)
            else:
                frozen = self._items(held, depth + 1, key)
        finally:
            self._open.discard(id(value))
        kept = {MARK: "map", "value": frozen} if MARK in frozen else frozen
        if len(frozen) < size:
            self._count("truncated")
            return {MARK: "truncated", "type": name, "length": size, "head": kept}
        if kept is frozen:
            self._bytes_left += reserve
        return kept

    def _pack_scalars(self, items: list[Any]) -> Raw | None:
        """A whole list of numbers or of texts, encoded at once; None where it needs a walk."""
        if self._hook is not None or len(items) < _MIN_PACKED:
            return None
        # By identity: a type may answer comparisons and hashing with code of the pipeline's.
        kinds = set(map(id, map(type, items)))
        if kinds == _TEXT:
            if sum(map(len, items)) > self._limits.max_text_length:
                return None
        elif not kinds <= _NUMBERS:
            return None
        try:
            packed = _encode(items)
        except (UnicodeEncodeError, OverflowError):
            return None
        if len(packed) > self._bytes_left:
            return None
        self._bytes_left -= len(packed)
        self._nodes_left -= len(items) // _MIN_PACKED
        return Raw(packed)

    def _items(self, items: list[Any], depth: int, key: str) -> list[Any]:
        kept: list[Any] = []
        freeze = self._freeze_asked if self._hook is not None and key else self._freeze
        for item in items:
            if self._is_full or self._nodes_left <= 0:
                break
            frozen = freeze(item, depth, key)
            if frozen is _FULL:
                break
            kept.append(frozen)
        return kept

    def _entries(self, entries: list[tuple[Any, Any]], depth: int) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        judge = self._redactor.verdicts.get
        for key, value in entries:
            if self._is_full or self._nodes_left <= 0:
                break
            whole = key
            is_hidden = judge(key) if type(key) is str else None
            if is_hidden is None:
                # The whole key is judged: what makes it telling may be in a part cut off below.
                whole = spell_key(key)
                is_hidden = self._redactor.hides_key(whole)
            name = whole
            if len(whole) > _MAX_KEY_LENGTH or whole in kept:
                name = self._name_apart(whole, kept)
            size = _HEADER_BYTES + (len(name) if name.isascii() else 4 * len(name))
            if size > self._bytes_left:
                self._is_full = True
                break
            self._bytes_left -= size
            if is_hidden:
                value = REDACTED
            if value is REDACTED or self._hook is not None:
                frozen = self._freeze_asked(value, depth, whole)
            else:
                frozen = self._freeze(value, depth, whole)
            if frozen is _FULL:
                break
            kept[name] = frozen
        return kept

    def _name_apart(self, whole: str, taken: dict[str, Any]) -> str:
        """*whole*, short enough and unlike the names *taken*."""
        name = whole
        if len(whole) > _MAX_KEY_LENGTH:
            self._count("truncated")
            name = whole[: _MAX_KEY_LENGTH - 1] + "…"
        number = len(taken)
        unique = name
        while unique in taken:
            unique = f"{name}~{number}"
            number += 1
        return unique

    def _object(self, value: Any, depth: int, key: str) -> Any:
        kind = type(value)
        known = self._shapes.get(id(kind))
        if known is None:
            plain = self._plain_object(value, depth, key)
            if plain is not _OTHER:
                return plain
            known = self._shapes[id(kind)] = (kind, find_shape(kind))
        shape = known[1]
        if shape is None:
            self._count("opaque")
            return self._mark("object", type=name_kind(value))
        return self._hold(value, depth, key, read_fields(value, shape))

    def _plain_object(self, value: Any, depth: int, key: str) -> Any:
        """What is kept of a value of a kind X-Ray knows; `_OTHER` for any other object."""
        if is_a(value, (bytes, bytearray)):
            kind: Any = bytes if is_a(value, bytes) else bytearray
            head = bytes(kind.__getitem__(value, _HEAD)).hex()
            return self._mark("bytes", length=kind.__len__(value), head=head)
        if is_a(value, enum.Enum) and depth < self._limits.max_depth:
            return self._freeze(read_field(value, "_value_"), depth + 1, key)
        if is_a(value, str):
            return self._text(str.__str__(value))
        if is_a(value, int):
            return self._integer(int.__int__(value))
        if is_a(value, float):
            return self._float(float.__float__(value))
        if is_one_of(value, (UUID, Decimal, *_find_path_kinds())):
            return self._text(str(value))
        moment = spell_time(value)
        if moment is not None:
            return self._text(moment)
        return self._array(value, depth, key) if is_array(value) else _OTHER

    def _array(self, value: Any, depth: int, key: str) -> Any:
        plain = read_array_scalar(value)
        if plain is None:
            plain = spell_array_time(value)
        if plain is not None:
            return self._freeze(plain, depth, key)
        self._count("vector")
        shape, dtype = describe_array(value)
        return self._mark("array", type=name_kind(value), shape=shape, dtype=dtype)
