"""How a record stands in a segment of the spool: a header with two checksums, then wire bytes.

`spec/spool.md` describes the same in words.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from xray.delivery.losses import Volume

# No msgpack value begins with C1, so no record begins like a frame. The last byte is the version.
MAGIC: Final = b"\xc1XR1"
_FAMILY: Final = MAGIC[:3]
_HEAD: Final = struct.Struct(">4sIIII")
_CHECKSUM: Final = struct.Struct(">I")
HEADER_BYTES: Final = _HEAD.size + _CHECKSUM.size
MAX_PAYLOAD_BYTES: Final = 64 << 20


class Frame(NamedTuple):
    """One record in a segment.

    Args:
        sequence: its place in the segment, from 1.
        decisions: how many decisions it carries.
        payload: its bytes on the wire.
        end: where it ends in what was scanned.
    """

    sequence: int
    decisions: int
    payload: bytes
    end: int


@dataclass(slots=True)
class Scan:
    """What reading a segment found.

    Args:
        frames: the records that are whole, in order.
        lost: the records that are known to have been there and cannot be read.
        damaged_bytes: what is neither a whole record nor the beginning of a last one.
        torn_bytes: the beginning of a last record whose end was never written.
        is_foreign: a later version of X-Ray wrote it; nothing else is said.
    """

    frames: list[Frame] = field(default_factory=list)
    lost: Volume = field(default_factory=Volume)
    damaged_bytes: int = 0
    torn_bytes: int = 0
    is_foreign: bool = False


def encode_frames(first_sequence: int, records: Iterable[tuple[int, bytes]]) -> list[bytes]:
    """The pieces that, joined, hold *records* (decisions and wire bytes) from *first_sequence*."""
    pieces: list[bytes] = []
    for sequence, (decisions, payload) in enumerate(records, first_sequence):
        head = _HEAD.pack(MAGIC, sequence, decisions, len(payload), zlib.crc32(payload))
        pieces += (head, _CHECKSUM.pack(zlib.crc32(head)), payload)
    return pieces


class _Header(NamedTuple):
    sequence: int
    decisions: int
    length: int
    checksum: int


def _read_header(content: bytes, at: int) -> _Header | None:
    end = at + _HEAD.size
    if content[at : at + len(MAGIC)] != MAGIC or end + _CHECKSUM.size > len(content):
        return None
    head = content[at:end]
    if _CHECKSUM.unpack_from(content, end)[0] != zlib.crc32(head):
        return None
    _, *numbers = _HEAD.unpack(head)
    header = _Header(*numbers)
    return header if header.length <= MAX_PAYLOAD_BYTES else None


def scan_segment(content: bytes, after: int = 0) -> Scan:
    """Every whole record in *content*, whatever else is in it.

    Args:
        content: the bytes of a segment, or its later part.
        after: the sequence of the last record before *content*.
    """
    found = Scan()
    _scan(found, content, after)
    is_other_version = content[:3] == _FAMILY and content[3:4] not in (b"", MAGIC[3:])
    if is_other_version and not found.frames and not found.lost:
        return Scan(is_foreign=True)
    return found


def _scan(found: Scan, content: bytes, after: int) -> None:
    at, last = 0, after
    while at < len(content):
        header = _read_header(content, at)
        if header is None or header.sequence <= last:
            following = _find_header(content, at + 1, last)
            if following is None:
                _note_tail(found, content, at)
                break
            found.damaged_bytes += following - at
            at = following
            continue
        begin = at + HEADER_BYTES
        end = begin + header.length
        if end > len(content):
            following = _find_header(content, begin, header.sequence)
            if following is None:
                found.torn_bytes += len(content) - at
                break
            # Bytes in the middle are missing; what the header promised is not there.
            found.lost += Volume(header.sequence - last, header.decisions)
            found.damaged_bytes += following - at
            at, last = following, header.sequence
            continue
        missing = Volume(header.sequence - last - 1, 0)
        payload = content[begin:end]
        if zlib.crc32(payload) == header.checksum:
            found.frames.append(Frame(header.sequence, header.decisions, payload, end))
        else:
            missing += Volume(1, header.decisions)
            if end < len(content) and _read_header(content, end) is None:
                end = _find_header(content, begin, header.sequence) or end
            found.damaged_bytes += end - at
        found.lost += missing
        at, last = end, header.sequence


def _find_header(content: bytes, start: int, last: int) -> int | None:
    at = content.find(MAGIC, start)
    while at >= 0:
        header = _read_header(content, at)
        if header is not None and header.sequence > last:
            return at
        at = content.find(MAGIC, at + 1)
    return None


def _note_tail(found: Scan, content: bytes, at: int) -> None:
    tail = content[at : at + HEADER_BYTES]
    if len(tail) < HEADER_BYTES and tail[: len(MAGIC)] == MAGIC[: len(tail)]:
        found.torn_bytes += len(tail)
    else:
        found.damaged_bytes += len(content) - at
