"""Functions that SQL calls back for what `query.evaluate` defines, so that both always agree."""

from __future__ import annotations

import sqlite3
from functools import lru_cache
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from xray.query.evaluate import compare, has, holds_text, is_present, walk_path
from xray.query.plan import Comparison, Exists, Has

_Condition = Comparison | Has | Exists


class _Question(Struct, array_like=True, frozen=True):
    condition: _Condition
    huge: str | None = None


_decoder = msgspec.msgpack.Decoder(_Question)


def encode_question(condition: _Condition) -> bytes:
    """The form in which a condition over one JSON column is passed to `xray_holds`."""
    huge: str | None = None
    if not isinstance(condition, Exists) and type(condition.value) is int:
        # An operand may be larger than what msgpack can carry.
        huge = str(condition.value)
        condition = replace(condition, value=0)
    return msgspec.msgpack.encode(_Question(condition, huge))


@lru_cache(maxsize=256)
def _decode_question(encoded: bytes) -> _Condition:
    question = _decoder.decode(encoded)
    condition = question.condition
    if question.huge is None or isinstance(condition, Exists):
        return condition
    return replace(condition, value=int(question.huge))


def holds(text: str | None, question: bytes) -> bool:
    """Whether the JSON *text* of a column meets *question*."""
    condition = _decode_question(question)
    value = None if text is None else msgspec.json.decode(text)
    value = walk_path(value, condition.field.path)
    if isinstance(condition, Comparison):
        return compare(value, condition.op, condition.value)
    if isinstance(condition, Has):
        return has(value, condition.value)
    return is_present(value)


def uuid_text(raw: bytes | None) -> str | None:
    """The canonical text of an id as it is stored."""
    return None if raw is None else str(UUID(bytes=raw))


def text_holds(text: str | None, wanted: str) -> bool | None:
    """Whether *wanted* occurs in *text*; nothing where there is no text."""
    return None if text is None else holds_text(text, wanted)


def register_functions(connection: sqlite3.Connection) -> None:
    """Make the functions known to SQL on *connection*."""
    connection.create_function("xray_holds", 2, holds, deterministic=True)
    connection.create_function("xray_text_holds", 2, text_holds, deterministic=True)
    connection.create_function("xray_uuid", 1, uuid_text, deterministic=True)
