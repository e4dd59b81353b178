"""What containers and records hold, read from their own storage without running their code."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from xray.capture.spelling import count_omission, spell_key
from xray.model.ids import read_field
from xray.model.kinds import is_a, is_one_of, read_class_field, read_member

CONTAINERS: Final[tuple[Any, ...]] = (dict, list, tuple, set, frozenset, deque)
_MAX_SCALAR_FIELDS: Final = 64
_READINGS: Final = 3
_PLAIN: Final = (str, int, float, bool, type(None))
_read_struct_fields: Final = type(msgspec.Struct).__dict__["__struct_fields__"].__get__


def merge_fields(given: object, named: dict[str, Any]) -> dict[Any, Any]:
    """One mapping of what a call was given and what it named; what it named counts more.

    The fields of a record stand for it; what is neither mapping nor record is kept under `value`,
    so that nothing given is dropped. Where nothing was named, it may be the mapping itself, whose
    class may be the pipeline's: read it with `dict.items`.
    """
    if given is None:
        return named
    if is_a(given, dict):
        if not named:
            return given
        # Neither a copy nor an update by a class of the pipeline's, nor a hash by a key of its.
        entries = list(dict.items(given))
        merged: dict[Any, Any] = {
            key if type(key) is str else spell_key(key): value for key, value in entries
        }
    else:
        fields = read_record(given)
        merged = {"value": given} if fields is None else dict(fields)
    merged.update(named)
    return merged


def read_list(value: object, max_items: int = 1_000) -> list[Any] | None:
    """The first items of a list, tuple or set; None for anything else."""
    if not is_a(value, (list, tuple, set, frozenset)):
        return None
    return read_beginning(value, max_items)


def scalar_attributes(
    item: object, max_bytes: int = 256, omissions: dict[str, int] | None = None
) -> dict[str, Any] | None:
    """The short scalars *item* itself holds: what is kept of a candidate given whole.

    Args:
        item: a mapping or record.
        max_bytes: texts that are longer are left out.
        omissions: counts what was left out; added to.
    """
    if is_a(item, dict):
        fields = read_beginning(item, _MAX_SCALAR_FIELDS)
    else:
        fields = read_record(item)
    if fields is None:
        return None
    kept: dict[str, Any] = {}
    left_out = (size_of(item) or len(fields)) > _MAX_SCALAR_FIELDS
    for name, value in fields[:_MAX_SCALAR_FIELDS]:
        if type(name) is not str or not is_one_of(value, _PLAIN):
            continue
        if type(value) is str and len(value) > max_bytes:
            left_out = True
            continue
        kept[name] = value
    if left_out and omissions is not None:
        count_omission(omissions, "truncated")
    return kept


def size_of(value: Any) -> int:
    """How many entries or items a container holds; 0 for what is none."""
    return next((int(kind.__len__(value)) for kind in CONTAINERS if is_a(value, kind)), 0)


def read_beginning(value: Any, most: int) -> list[Any] | None:
    """The first entries or items of a container; None where other threads keep changing it."""
    kind: Any = type(value)
    if kind is not dict and kind is not list:
        kind = next(kind for kind in CONTAINERS if is_a(value, kind))
    for _ in range(_READINGS):
        try:
            # Taken at once, in one call, so that another thread can hardly come between.
            held = dict.items(value) if kind is dict else kind.__iter__(value)
            return list(islice(held, most))
        except RuntimeError:  # noqa: PERF203  (raised in the one reading that is interrupted)
            continue
    return None


def name_items(value: tuple[Any, ...]) -> list[tuple[str, Any]] | None:
    """The items of a named tuple by their names; None for any other tuple."""
    names = None if type(value) is tuple else read_class_field(type(value), "_fields")
    if type(names) is not tuple or not all(type(name) is str for name in names):
        return None
    items = list(tuple.__iter__(value))
    return list(zip(names, items, strict=True)) if len(names) == len(items) else None


class Shape(NamedTuple):
    """How the objects of one class hold their fields.

    Args:
        names: the fields.
        has_extra: whether an object may have more of its own, as pydantic allows.
    """

    names: tuple[str, ...]
    has_extra: bool = False


def find_shape(kind: type) -> Shape | None:
    """The shape of records of *kind* (dataclass, attrs, pydantic, msgspec); None for all else."""
    has_extra = False
    if issubclass(kind, msgspec.Struct):
        names: Iterable[Any] = _read_struct_fields(kind)
    elif type(fields := read_class_field(kind, "__dataclass_fields__")) is dict:
        names = list(fields)
    elif is_a(attributes := read_class_field(kind, "__attrs_attrs__"), tuple):
        names = [read_field(one, "name") for one in tuple.__iter__(attributes)]
    elif type(fields := read_class_field(kind, "__pydantic_fields__")) is dict:
        names, has_extra = list(fields), True
    else:
        return None
    return Shape(tuple(name for name in names if type(name) is str), has_extra)


def read_fields(value: object, shape: Shape) -> list[tuple[str, Any]]:
    """The fields of a record of that *shape*.

    They are read from the object's own storage: no property, `__getattr__` or `__iter__` runs.
    """
    held = [(name, read_field(value, name)) for name in shape.names]
    if shape.has_extra and type(extra := read_member(value, "__pydantic_extra__")) is dict:
        held += [(name, one) for name, one in list(extra.items()) if type(name) is str]
    return held


def read_record(value: object) -> list[tuple[str, Any]] | None:
    """The fields of a record; None for all else."""
    shape = find_shape(type(value))
    return None if shape is None else read_fields(value, shape)
