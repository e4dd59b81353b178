"""Free-form values: msgpack on the wire and at rest, plain JSON values when somebody opens them.

What cannot stand as it is in JSON is replaced by a *mark*, a map with the key `$xray`:

    {"$xray": "truncated", "type": "str", "length": 90210, "head": "…"}
    {"$xray": "float", "value": "NaN"}
    {"$xray": "redacted"}

A user's own map that has that key is wrapped, `{"$xray": "map", "value": {…}}`, so that a mark is
always ours.
"""

from __future__ import annotations

import math
from datetime import date, datetime, time
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Raw

MARK: Final = "$xray"
_OMITTED_BYTES_HEAD: Final = 64

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(strict=False)


def is_mark(value: object) -> bool:
    """Whether *value* stands for something X-Ray could not or would not keep as it was."""
    return type(value) is dict and MARK in value


def pack_value(value: object) -> Raw:
    """Encode a plain value (None, bool, int, float, str, bytes, list, dict) for the wire."""
    return Raw(_encoder.encode(value))


def open_value(raw: Raw | bytes) -> Any:
    """Decode a free-form value into plain JSON values, with marks for what JSON cannot say."""
    encoded = bytes(raw)
    if not encoded or encoded == b"\xc0":
        return None
    return plain_value(_decoder.decode(encoded))


def open_map(raw: Raw | bytes) -> dict[str, Any]:
    """Decode a free-form map; anything else, an absent one included, is the empty map."""
    value = open_value(raw)
    return value if type(value) is dict else {}


def plain_value(value: Any) -> Any:
    """*value* with only what JSON can say: marks replace non-finite numbers, bytes and the like."""
    kind = type(value)
    if kind is str or kind is bool or kind is int or value is None:
        return value
    if kind is float:
        return value if math.isfinite(value) else {MARK: "float", "value": _spell_float(value)}
    if kind is dict:
        return {_plain_key(key): plain_value(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [plain_value(item) for item in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return mark_bytes(bytes(value))
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    return {MARK: "object", "type": kind.__qualname__}


def mark_bytes(value: bytes) -> dict[str, Any]:
    """The mark that stands for raw bytes: their length and the first few in hex."""
    return {MARK: "bytes", "length": len(value), "head": value[:_OMITTED_BYTES_HEAD].hex()}


def _spell_float(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _plain_key(key: object) -> str:
    if type(key) is str:
        return key
    if isinstance(key, bytes):
        return key.hex()
    return str(key) if isinstance(key, (int, float, bool, type(None))) else type(key).__qualname__


def shorten_value(value: Any, max_bytes: int) -> Any:
    """*value* as it is when its JSON fits *max_bytes*, else a mark with its beginning."""
    encoded = msgspec.json.encode(value)
    if len(encoded) <= max_bytes:
        return value
    return {
        MARK: "truncated",
        "type": type(value).__name__,
        "length": len(encoded),
        "head": encoded[:max_bytes].decode("utf-8", "ignore"),
    }
