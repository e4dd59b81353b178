"""Parcels sent together: the body of one request, and how it is divided when it is refused."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Final, Protocol

from xray.delivery.forks import hold_forks
from xray.delivery.queue import Parcel
from xray.model.ids import new_uuid7
from xray.wire.codec import frame_batch

_PLAIN_BELOW_BYTES: Final = 1024
# One call into a compressor is one pause of the pipeline's threads at most.
_SLICE_BYTES: Final = 64 << 10
_FAST_LEVEL: Final = 1
_GZIP_WINDOW_BITS: Final = 31


@dataclass(frozen=True, slots=True)
class SealedBody:
    """The bytes of a request and how they are encoded; `encoding` is empty for plain ones."""

    content: bytes
    encoding: str = ""


class Batch:
    """Parcels sent together under one id.

    Args:
        parcels: at least one.
        client: who sends.
    """

    def __init__(self, parcels: Sequence[Parcel], client: str) -> None:
        self.parcels = tuple(parcels)
        self.client = client
        self.batch_id = new_uuid7()
        self.failed_attempts = 0
        self._body: SealedBody | None = None

    @property
    def body(self) -> SealedBody:
        """What is posted; made once, however often it is sent."""
        # functools.cached_property holds a lock of its class up to Python 3.11, which a child
        # that is forked meanwhile would wait for in vain.
        if self._body is None:
            encoded = [parcel.encoded for parcel in self.parcels]
            self._body = compress(frame_batch(self.batch_id, self.client, encoded))
        return self._body

    def split_by_count(self) -> tuple[Batch, Batch]:
        """Two batches of half the parcels each."""
        return self._split(len(self.parcels) // 2)

    def split_by_bytes(self) -> tuple[Batch, Batch]:
        """Two batches of about half the bytes each."""
        half = sum(len(parcel.encoded) for parcel in self.parcels) / 2
        size = 0
        for index, parcel in enumerate(self.parcels):
            size += len(parcel.encoded)
            if size >= half:
                return self._split(min(max(index, 1), len(self.parcels) - 1))
        return self.split_by_count()

    def _split(self, at: int) -> tuple[Batch, Batch]:
        return Batch(self.parcels[:at], self.client), Batch(self.parcels[at:], self.client)


def compress(body: bytes) -> SealedBody:
    """*body* in zstd where that is installed, else gzip; as it is where that gains nothing."""
    if len(body) < _PLAIN_BELOW_BYTES:
        return SealedBody(body)
    zstandard = _load_zstandard()
    if zstandard is None:
        packer = zlib.compressobj(_FAST_LEVEL, zlib.DEFLATED, _GZIP_WINDOW_BITS)
        return SealedBody(_in_slices(packer, body), "gzip")
    return SealedBody(
        _in_slices(zstandard.ZstdCompressor(level=_FAST_LEVEL).compressobj(), body), "zstd"
    )


@cache
def _load_zstandard() -> ModuleType | None:
    with hold_forks():
        try:
            return importlib.import_module("zstandard")
        except ImportError:
            return None


class _Packer(Protocol):
    def compress(self, data: memoryview, /) -> bytes: ...

    def flush(self) -> bytes: ...


def _in_slices(packer: _Packer, body: bytes) -> bytes:
    view = memoryview(body)
    pieces = [
        packer.compress(view[start : start + _SLICE_BYTES])
        for start in range(0, len(body), _SLICE_BYTES)
    ]
    return b"".join([*pieces, packer.flush()])
