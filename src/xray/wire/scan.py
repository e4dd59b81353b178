"""A walk over msgpack bytes that builds nothing: for bounds, and to mend text that is not UTF-8."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from xray.errors import InvalidRecordError

_TEXT: Final = 1
_OTHER: Final = 0

# First byte -> (bytes of its length field, bytes that follow besides, kind of what follows).
_FIXED: Final = {
    0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8,
    0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8, 0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
}  # fmt: skip
_SIZED: Final = {
    0xC4: (1, 0, _OTHER), 0xC5: (2, 0, _OTHER), 0xC6: (4, 0, _OTHER),
    0xC7: (1, 1, _OTHER), 0xC8: (2, 1, _OTHER), 0xC9: (4, 1, _OTHER),
    0xD9: (1, 0, _TEXT), 0xDA: (2, 0, _TEXT), 0xDB: (4, 0, _TEXT),
}  # fmt: skip
_CONTAINERS: Final = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def walk(encoded: bytes) -> Iterator[tuple[int, int, int]]:
    """Every scalar and container header in *encoded*, in order.

    Yields:
        where it begins, where it ends, and where its text begins (0 when it is not text).

    Raises:
        InvalidRecordError: the bytes end early or hold a byte msgpack does not use.
    """
    at, end = 0, len(encoded)
    while at < end:
        start = at
        head = encoded[at]
        at += 1
        text_at = 0
        if head <= 0x9F or head >= 0xE0:
            pass
        elif head <= 0xBF:
            text_at = at
            at += head & 0x1F
        elif head in _FIXED:
            at += _FIXED[head]
        elif head in _SIZED:
            width, besides, kind = _SIZED[head]
            size = int.from_bytes(encoded[at : at + width], "big")
            at += width
            text_at = at if kind == _TEXT else 0
            at += besides + size
        elif head in _CONTAINERS:
            at += _CONTAINERS[head][0]
        else:
            raise _malformed()
        if at > end:
            raise _malformed()
        yield start, at, text_at


def has_more_nodes(encoded: bytes, max_nodes: int) -> bool:
    """Whether *encoded* holds more than *max_nodes* values, keys and containers."""
    if len(encoded) <= max_nodes:
        return False
    return any(index >= max_nodes for index, _ in enumerate(walk(encoded)))


def mend_text(encoded: bytes) -> bytes:
    """*encoded* with U+FFFD in place of everything in its strings that is not UTF-8."""
    pieces: list[bytes] = []
    copied = 0
    for start, end, text_at in walk(encoded):
        if not text_at:
            continue
        text = encoded[text_at:end]
        try:
            text.decode("utf-8")
        except UnicodeDecodeError:
            pieces.append(encoded[copied:start])
            pieces.append(_pack_text(_mend(text)))
            copied = end
    pieces.append(encoded[copied:])
    return b"".join(pieces)


def _mend(text: bytes) -> bytes:
    """Surrogates that were encoded one by one become a pair or U+FFFD; so do other stray bytes."""
    try:
        halves = text.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return text.decode("utf-8", "replace").encode()
    return mend_surrogates(halves).encode()


def mend_surrogates(text: str) -> str:
    """*text* with surrogate pairs joined and U+FFFD in place of lone surrogates."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _pack_text(text: bytes) -> bytes:
    size = len(text)
    if size < 32:
        return bytes([0xA0 | size]) + text
    if size < 1 << 8:
        return b"\xd9" + bytes([size]) + text
    if size < 1 << 16:
        return b"\xda" + size.to_bytes(2, "big") + text
    return b"\xdb" + size.to_bytes(4, "big") + text


def _malformed() -> InvalidRecordError:
    return InvalidRecordError("The bytes are not msgpack.", hint="See spec/wire.md.")
