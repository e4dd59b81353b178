"""The bytes of a database file and its log, read as they are: free pages, slack and old frames."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import zstandard

from xray.store.frames import FORMAT, ZSTD, DictionarySet, open_frames
from xray.store.names import Names

_PIECE_BYTES: Final = 1 << 20
_FRAME_BYTES: Final = 1 << 16
"""A frame that is longer is cut into pages that need not lie together."""
_MAX_PAYLOAD_BYTES: Final = 16 << 20
_HEADER_BYTES: Final = 18
_opened: Final[dict[tuple[int, int], int]] = {}


def search_files(path: Path, names: Names, dictionaries: Sequence[DictionarySet]) -> None:
    """Look for names in every byte of a database file and its log, and in frames that lie there.

    Args:
        path: the database file.
        names: looks at the bytes, once it has seen all records.
        dictionaries: those that are stored. With another one, bytes by chance would become pieces
            of it.
    """
    for place in (path, Path(f"{path}-wal")):
        said = f"bytes of {place.name} that belong to no record"
        names.files.append(place.name)
        for piece, overlap in _read_pieces(place, max(names.overlap_bytes, _FRAME_BYTES)):
            names.raw_bytes += len(piece) - overlap
            names.see_raw(piece, said)
            for payload in carve_frames(piece, dictionaries):
                names.frames += 1
                names.see_raw(payload, f"a frame in {said}")


def _read_pieces(path: Path, overlap: int) -> Iterator[tuple[bytes, int]]:
    """The bytes of a file in pieces, each with how much of the one before it begins with."""
    descriptor = _open(path)
    if descriptor is None:
        return
    at, tail = 0, b""
    while True:
        os.lseek(descriptor, at, os.SEEK_SET)
        read = os.read(descriptor, _PIECE_BYTES)
        if not read:
            return
        yield tail + read, len(tail)
        at += len(read)
        tail = (tail + read)[-overlap:]


def _open(path: Path) -> int | None:
    """A descriptor of the file at *path*, which stays open.

    Closing any descriptor of a file takes a process's locks on it away, which SQLite relies on.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    identity = found.st_dev, found.st_ino
    if identity not in _opened:
        _opened[identity] = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    return _opened[identity]


def carve_frames(data: bytes, dictionaries: Sequence[DictionarySet]) -> Iterator[bytes]:
    """The payloads of compressed frames that lie anywhere in *data*, whatever they belonged to."""
    for known in (DictionarySet(0, {}), *dictionaries):
        openers = [
            open_frames(trained) for trained in dict.fromkeys((*known.by_kind.values(), b""))
        ]
        # A frame lies behind its codec and its dictionary; in a block two lengths come between,
        # and the second frame follows the first. A block spells the number in seven bits a byte.
        number = known.generation
        long = b"|" + re.escape(bytes((ZSTD, number & 127 | 128, 1))) if number > 127 else b""
        marks = re.compile(b"(?=" + re.escape(bytes((ZSTD, number))) + long + b")")
        for found in marks.finditer(data):
            yield from _open_at(data, found.start(), openers)


def _open_at(
    data: bytes, at: int, openers: Sequence[zstandard.ZstdDecompressor]
) -> Iterator[bytes]:
    """The payloads of frames that begin soon behind *at*, in a body or a block."""
    starts = {at + 2}
    for skipped in (2, 3):
        place = at + skipped
        lengths = []
        for _ in range(2):
            number = shift = 0
            while place < len(data) and shift < 28:
                byte = data[place]
                place += 1
                number |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            lengths.append(number)
        starts |= {place, place + lengths[1]}
    for start in starts:
        header = data[start : start + _HEADER_BYTES]
        try:
            parameters = zstandard.get_frame_parameters(header, format=FORMAT)
        except zstandard.ZstdError:
            continue
        if not 0 < parameters.content_size <= _MAX_PAYLOAD_BYTES:
            continue
        frame = memoryview(data)[start : start + _FRAME_BYTES]
        for opener in openers:
            try:
                yield opener.decompress(frame)
            except (zstandard.ZstdError, MemoryError):
                continue
            break
