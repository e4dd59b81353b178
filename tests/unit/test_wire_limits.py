import gzip
import zlib

import pytest
import zstandard

from xray.errors import InvalidRecordError, LimitExceededError
from xray.wire.limits import Limits, inflate

BODY = b"why did it decide this? " * 5000
GZIPPED = gzip.compress(BODY)
ZSTD = zstandard.ZstdCompressor(level=1).compress(BODY)


def stream_zstd(body: bytes) -> bytes:
    packer = zstandard.ZstdCompressor(level=1).compressobj()
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (BODY, None),
        (BODY, ""),
        (BODY, "identity"),
        (GZIPPED, "gzip"),
        (GZIPPED, " GZIP "),
        (ZSTD, "zstd"),
        (stream_zstd(BODY), "zstd"),
    ],
)
def test_what_was_compressed_comes_out_as_it_was(content: bytes, encoding: str | None) -> None:
    assert inflate(content, encoding) == BODY


def test_an_empty_body_stays_empty() -> None:
    assert inflate(b"", None) == b""
    assert inflate(gzip.compress(b""), "gzip") == b""
    assert inflate(stream_zstd(b""), "zstd") == b""


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, zstd", "gzip,gzip", "x"])
def test_any_other_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(InvalidRecordError) as caught:
        inflate(GZIPPED, encoding)
    assert caught.value.code == "unsupported_encoding"


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("damage", ["cut", "trailing", "twice", "garbage", "empty"])
def test_a_damaged_body_is_one_clear_error(encoding: str, damage: str) -> None:
    good = GZIPPED if encoding == "gzip" else ZSTD
    content = {
        "cut": good[:-5],
        "trailing": good + b"more",
        "twice": good + good,
        "garbage": b"\x00\x01" * 50,
        "empty": b"",
    }[damage]
    with pytest.raises(InvalidRecordError) as caught:
        inflate(content, encoding)
    assert caught.value.code == "invalid_encoding"


def test_a_bomb_is_refused_before_it_is_inflated() -> None:
    limits = Limits(max_inflated_bytes=1 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    with pytest.raises(LimitExceededError):
        inflate(bomb, "gzip", limits)
    with pytest.raises(LimitExceededError):
        inflate(stream_zstd(bytes(64 << 20)), "zstd", limits)


def test_the_limit_itself_still_fits() -> None:
    limits = Limits(max_inflated_bytes=len(BODY))
    assert inflate(GZIPPED, "gzip", limits) == BODY
    assert inflate(ZSTD, "zstd", limits) == BODY
    tight = Limits(max_inflated_bytes=len(BODY) - 1)
    for content, encoding in ((GZIPPED, "gzip"), (ZSTD, "zstd")):
        with pytest.raises(LimitExceededError):
            inflate(content, encoding, tight)


def test_too_many_bytes_are_refused_whatever_their_encoding() -> None:
    for encoding in (None, "gzip", "zstd"):
        with pytest.raises(LimitExceededError):
            inflate(b"x" * 101, encoding, Limits(max_body_bytes=100))
