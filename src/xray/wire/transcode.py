"""JSON bodies turned into msgpack ones, so that there is one decoder."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any, Final

import msgspec

from xray.errors import InvalidRecordError
from xray.wire.plain import plain

# An escaped surrogate can only be told from an escaped backslash followed by text by reading
# every escape in turn.
_SURROGATE_ESCAPE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F]..)|.)",
    re.DOTALL,
)
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)

_COLUMN_LENGTH: Final = 3
_GROUP_LENGTH: Final = 5
"""How many elements come before the ranking."""

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.json.Decoder()


def mend_json(body: bytes) -> bytes:
    """*body* in UTF-8, with U+FFFD in place of surrogates that have no partner."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        body = body.decode("utf-8", "replace").encode()
    if _SURROGATE_ESCAPE.search(body) is None:
        return body
    return _ESCAPE.sub(lambda found: b"\\ufffd" if found[1] else found[0], body)


def has_more_json_nodes(body: bytes, max_nodes: int) -> bool:
    """Whether *body* may hold more than *max_nodes* values, keys and containers."""
    if _count_separators(body) < max_nodes:
        return False
    return _count_separators(_STRING.sub(b"", body)) >= max_nodes


def _count_separators(body: bytes) -> int:
    return sum(body.count(sign) for sign in (b",", b":", b"[", b"{"))


def transcode_fact(raw: bytes) -> bytes:
    """One fact of a JSON batch in msgpack.

    Raises:
        InvalidRecordError: it is not JSON, or holds a number no float can say.
    """
    try:
        value: Any = _decoder.decode(raw)
        _open_columns(value)
        try:
            return _encoder.encode(value)
        except OverflowError:
            return _encoder.encode(plain(value))
    except RecursionError:
        raise InvalidRecordError(
            "Something in it nests too deeply.",
            hint="Replace what lies too deep with a mark, as spec/wire.md describes.",
            code="too_deep",
        ) from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidRecordError(
            f"The fact is not JSON: {error}.", hint="See spec/wire.md."
        ) from None


def _open_columns(fact: Any) -> None:
    """Make bytes of what the columns of a roster hold as base64; what is none stays for others."""
    for column in _list_arrays(fact, "columns", _COLUMN_LENGTH):
        column[1] = _open_bytes(column[1])
        ids = column[2]
        if type(ids) is dict and "cells" in ids:
            ids["cells"] = _open_bytes(ids["cells"])
        _open_ranking(column[_COLUMN_LENGTH:])
    for group in _list_arrays(fact, "groups", _GROUP_LENGTH):
        _open_ranking(group[_GROUP_LENGTH:])


def _list_arrays(fact: Any, name: str, length: int) -> list[list[Any]]:
    found = fact.get(name) if type(fact) is dict else None
    if type(found) is not list:
        return []
    return [one for one in found if type(one) is list and len(one) >= length]


def _open_ranking(rest: list[Any]) -> None:
    if rest and type(rest[0]) is list:
        rest[0][:] = map(_open_bytes, rest[0])


def _open_bytes(value: object) -> object:
    return b64decode(value, validate=True) if type(value) is str else value
