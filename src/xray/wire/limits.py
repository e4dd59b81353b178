"""How large a request may be, checked before anything of it is parsed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import BinaryIO, Final

from xray.errors import InvalidRecordError, LimitExceededError

_PIECE_BYTES: Final = 1 << 16
_GZIP_WINDOW_BITS: Final = 31
_MAX_ZSTD_WINDOW_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What a receiver accepts.

    Args:
        max_body_bytes: of a request's body as it arrives.
        max_inflated_bytes: of the body once decompressed.
        max_facts: in one batch.
        max_nodes: values, keys and containers in one body, so that small bytes cannot become
            large memory.
        max_depth: of containers within containers in one fact, the fact being the first.
        max_fact_bytes: of one fact in msgpack.
        max_value_bytes: of one free-form value (`input`, `output`, `metadata`, …) in msgpack.
    """

    max_body_bytes: int = 10 << 20
    max_inflated_bytes: int = 50 << 20
    max_facts: int = 5_000
    max_nodes: int = 1_000_000
    max_depth: int = 64
    max_fact_bytes: int = 8 << 20
    max_value_bytes: int = 1 << 20


DEFAULT_LIMITS: Final = Limits()


def inflate(body: bytes, encoding: str | None, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The bytes *body* stands for under one `Content-Encoding`.

    Args:
        body: as it arrived.
        encoding: `gzip`, `zstd`, `identity`, or nothing.
        limits: the bounds of what comes in and what comes out.

    Raises:
        LimitExceededError: too many bytes came in, or would come out.
        InvalidRecordError: the encoding is unknown (`unsupported_encoding`), or the body is not
            in it (`invalid_encoding`).
    """
    if len(body) > limits.max_body_bytes:
        raise LimitExceededError(
            f"The body has {len(body)} bytes, more than the {limits.max_body_bytes} accepted.",
            hint="Send fewer facts at once.",
        )
    word = (encoding or "identity").strip().lower()
    if word == "identity":
        return body
    if word == "gzip":
        return _gunzip(body, limits.max_inflated_bytes)
    if word == "zstd":
        return _unzstd(body, limits.max_inflated_bytes)
    raise InvalidRecordError(
        "The body has a Content-Encoding that is not known here.",
        hint="Use one of gzip, zstd and identity, and only one.",
        code="unsupported_encoding",
    )


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    stream = zlib.decompressobj(_GZIP_WINDOW_BITS)
    pieces: list[bytes] = []
    size = 0
    waiting = body
    try:
        while not stream.eof:
            piece = stream.decompress(waiting, min(_PIECE_BYTES, max_bytes - size + 1))
            waiting = stream.unconsumed_tail
            size += len(piece)
            if size > max_bytes:
                raise _too_much(max_bytes)
            if not (piece or waiting or stream.eof):
                raise _damaged("gzip")
            pieces.append(piece)
    except zlib.error:
        raise _damaged("gzip") from None
    if stream.unused_data:
        raise _damaged("gzip")
    return b"".join(pieces)


def _unzstd(body: bytes, max_bytes: int) -> bytes:
    try:
        import zstandard
    except ImportError:
        raise InvalidRecordError(
            "zstd bodies cannot be read here.",
            hint="Install the zstandard package, or send gzip.",
            code="unsupported_encoding",
        ) from None
    opener = zstandard.ZstdDecompressor(max_window_size=_MAX_ZSTD_WINDOW_BYTES)
    try:
        _measure(opener.stream_reader(body), max_bytes)
        stream = opener.decompressobj()
        inflated: bytes = stream.decompress(body)
    except zstandard.ZstdError:
        raise _damaged("zstd") from None
    if not stream.eof or stream.unused_data:
        raise _damaged("zstd")
    return inflated


def _measure(reader: BinaryIO, max_bytes: int) -> None:
    """Read to the end in bounded pieces: only what is known to fit is inflated in one go."""
    size = 0
    while piece := reader.read(_PIECE_BYTES):
        size += len(piece)
        if size > max_bytes:
            raise _too_much(max_bytes)


def _too_much(max_bytes: int) -> LimitExceededError:
    return LimitExceededError(
        f"The body holds more than the {max_bytes} bytes accepted once decompressed.",
        hint="Send fewer facts at once.",
    )


def _damaged(encoding: str) -> InvalidRecordError:
    return InvalidRecordError(
        f"The body is not complete {encoding}, or something follows it.",
        hint="Compress the whole body once, as one stream.",
        code="invalid_encoding",
    )
