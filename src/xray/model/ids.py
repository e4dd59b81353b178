"""Ids: runs and steps are UUIDv7 made by the client, candidates are strings.

UUIDv7: RFC 9562 section 5.7. Deterministic run ids: UUIDv5, RFC 9562 section 5.5.
"""

from __future__ import annotations

import os
import time
import uuid
from itertools import islice
from typing import Final

from xray.model.arrays import read_array_scalar as read_array_scalar
from xray.model.kinds import is_a, read_member, read_own_fields

_RUN_KEY_NAMESPACE: Final = uuid.UUID("6f0b35a2-7c53-5d0e-9a8e-1d6ad1f0a9c4")
MAX_CANDIDATE_ID_LENGTH: Final = 512
_MAX_ID_PARTS: Final = 256
_MAX_ID_DEPTH: Final = 8
_MAX_SCANNED_FIELDS: Final = 1_024
_read_uuid_number: Final = uuid.UUID.__dict__["int"].__get__


def new_uuid7(wall_us: int | None = None) -> str:
    """A new UUIDv7 as canonical text; later ids sort after earlier ones to the millisecond.

    Args:
        wall_us: microseconds since 1970 to stamp it with; now when absent.
    """
    millis = (time.time_ns() // 1_000_000) if wall_us is None else wall_us // 1000
    # From the system each time: a child forked in C would go on with its parent's random numbers.
    bits = int.from_bytes(os.urandom(10), "big") >> 6
    return (
        f"{millis >> 16 & 0xFFFFFFFF:08x}-{millis & 0xFFFF:04x}-"
        f"7{bits >> 62:03x}-{0x8000 | bits >> 48 & 0x3FFF:04x}-{bits & 0xFFFFFFFFFFFF:012x}"
    )


def run_id_for_key(pipeline: str, key: str, attempt: int = 1) -> str:
    """The id of the run that *pipeline* started with `key=` and `attempt=`; the same every time."""
    import json

    return str(uuid.uuid5(_RUN_KEY_NAMESPACE, json.dumps([pipeline, key, attempt])))


def parse_uuid(text: str) -> str | None:
    """Canonical lower-case text of the UUID in *text*, or None when it is none."""
    try:
        return str(uuid.UUID(text))
    except (ValueError, AttributeError, TypeError):
        return None


def canonical_id(value: object, depth: int = 0) -> str | None:
    """The canonical text of a candidate id, or None when *value* is not one.

    A string stands as it is; an int as decimal; a UUID in lower case; bytes as hex; a tuple of
    these as a JSON array. Integer-like scalars of array libraries count as ints, their strings
    as strings. A bool, a float and every other object are no ids.
    """
    if type(value) is str:
        return _bounded(value)
    if type(value) is int:
        return (
            str(value) if -(1 << 256) < value < 1 << 256 else hex(value)[:MAX_CANDIDATE_ID_LENGTH]
        )
    if value is None or is_a(value, (bool, float)):
        return None
    if is_a(value, str):
        return _bounded(str.__str__(value))
    if is_a(value, int):
        return canonical_id(int.__int__(value))
    if is_a(value, uuid.UUID):
        number = _read_uuid_number(value)
        return str(uuid.UUID(int=number)) if type(number) is int else None
    if is_a(value, bytes):
        return _bounded(bytes.hex(value))
    if is_a(value, bytearray):
        return _bounded(bytearray.hex(value))
    if type(value) is tuple:
        return _tuple_id(value, depth)
    return _array_scalar_id(value)


def _bounded(text: str) -> str:
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    if len(text) <= MAX_CANDIDATE_ID_LENGTH:
        return text
    import hashlib

    digest = hashlib.blake2b(text.encode("utf-8"), digest_size=16).hexdigest()
    return f"{text[: MAX_CANDIDATE_ID_LENGTH - 33]}~{digest}"


def _tuple_id(parts: tuple[object, ...], depth: int) -> str | None:
    if len(parts) > _MAX_ID_PARTS or depth >= _MAX_ID_DEPTH:
        return None
    plain: list[object] = []
    for part in parts:
        if type(part) is bool or type(part) is float or part is None or _is_short_int(part):
            plain.append(part)
            continue
        text = canonical_id(part, depth + 1)
        if text is None:
            return None
        plain.append(text)
    import json

    return _bounded(json.dumps(plain, ensure_ascii=False, separators=(",", ":")))


def _is_short_int(part: object) -> bool:
    return type(part) is int and -(1 << 256) < part < 1 << 256


def _array_scalar_id(value: object) -> str | None:
    plain = read_array_scalar(value)
    return canonical_id(plain) if type(plain) in (str, int, bytes) else None


def identify(item: object, key: str | None = None) -> str | None:
    """The candidate id of *item*: itself when it is an id, else read from it; else None.

    Args:
        item: an id, a mapping, or an object with the id among its own attributes.
        key: the field that holds the id; without it `id`, `candidate_id` and then
            `metadata["id"]` are tried.
    """
    direct = canonical_id(item)
    if direct is not None:
        return direct
    for name in (key,) if key is not None else ("id", "candidate_id"):
        found = canonical_id(read_field(item, name))
        if found is not None:
            return found
    metadata = read_field(item, "metadata") if key is None else None
    return canonical_id(read_field(metadata, "id")) if is_a(metadata, dict) else None


def read_field(item: object, name: str) -> object:
    """The value *item* itself holds under *name*, or None; runs no code of the item's class."""
    if is_a(item, dict):
        return _look_up(item, name)
    own = read_own_fields(item)
    if own is not None and name in own:
        return own[name]
    return read_member(item, name)


def _look_up(mapping: dict[object, object], name: str) -> object:
    # Looking a key up compares it with keys of the pipeline's that hash alike; a scan need not.
    try:
        for key, value in islice(dict.items(mapping), _MAX_SCANNED_FIELDS):
            if type(key) is str and key == name:
                return value
    except RuntimeError:
        # Another thread changed the mapping while we read it.
        pass
    return None
