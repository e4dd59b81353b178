"""Compressed frames: small payloads of one kind share a dictionary that is trained on the first.

A payload of a few hundred bytes hardly compresses by itself; with what its kind has in common
left out it takes about two thirds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final, Literal

import zstandard
from msgspec import Struct

from xray.errors import StoreError

NONE: Final = 0
ZLIB: Final = 1
ZSTD: Final = 2

FrameKind = Literal[0, 1, 2]
HEAD: Final = 0
BODY: Final = 1
STEP: Final = 2
_KINDS: Final[tuple[FrameKind, ...]] = (HEAD, BODY, STEP)
_LEVEL: Final = 3
_DICTIONARY_BYTES: Final = 65_536
_MIN_SAMPLES: Final = 16
_SMALL_BYTES: Final = 16_384
# Segment and match length of the training; without them zstd tries dozens, for half a second.
_SEGMENT_BYTES: Final = 200
_MATCH_BYTES: Final = 8
FORMAT: Final = zstandard.FORMAT_ZSTD1_MAGICLESS
_MAX_GENERATION: Final = 255


class DictionarySet(Struct, frozen=True):
    """The dictionaries that were trained together, by frame kind.

    Args:
        generation: their number; 0 stands for no dictionary.
        by_kind: the trained bytes; empty ones for a kind without a dictionary.
    """

    generation: int
    by_kind: dict[int, bytes]

    @property
    def is_trained(self) -> bool:
        """Whether there is a dictionary for any kind."""
        return any(self.by_kind.values())


def next_generation(generation: int) -> int:
    """The number of the generation after *generation*; a body has one byte for it."""
    return generation % _MAX_GENERATION + 1


class Compressor:
    """Compresses frames of each kind with the newest dictionaries; used by one thread."""

    def __init__(self, dictionaries: DictionarySet) -> None:
        self.generation = dictionaries.generation
        self.is_trained = dictionaries.is_trained
        trained = {kind: dictionaries.by_kind.get(kind, b"") for kind in _KINDS}
        self._small = {kind: _compressor(trained[kind], _SMALL_BYTES) for kind in _KINDS}
        self._large = {kind: _compressor(trained[kind], 0) for kind in _KINDS}

    def compress(self, kind: FrameKind, payload: bytes) -> bytes:
        """The frame of *payload*."""
        return self.compress_all(kind, [payload])[0]

    def compress_all(self, kind: FrameKind, payloads: Iterable[bytes]) -> list[bytes]:
        """The frames of *payloads*; faster than one by one, for a dictionary stays in the cache."""
        # Clearing the tables that suit megabytes costs more than compressing a kilobyte.
        small, large = self._small[kind].compress, self._large[kind].compress
        return [
            small(payload) if len(payload) <= _SMALL_BYTES else large(payload)
            for payload in payloads
        ]


class Decompressor:
    """Opens frames of every generation that was added; used by any thread.

    Args:
        find_more: gives the generations that others may have added since; None where nobody else
            adds any.
    """

    def __init__(self, find_more: Callable[[], Iterable[DictionarySet]] | None = None) -> None:
        self._find_more = find_more
        self._sets: dict[int, DictionarySet] = {0: DictionarySet(0, {})}
        self._local = threading.local()

    def add(self, dictionaries: DictionarySet) -> None:
        """Make a generation known; before any frame of it can be read."""
        self._sets[dictionaries.generation] = dictionaries

    def supersede(self, dictionaries: DictionarySet, others: Iterable[int]) -> None:
        """Make a generation known, and forget all but it and *others*, which may still be read."""
        kept = {0, dictionaries.generation, *others}
        self.add(dictionaries)
        self._sets = {number: self._sets[number] for number in kept & self._sets.keys()}

    def decompress(self, codec: int, generation: int, kind: FrameKind, frame: bytes) -> bytes:
        """The payload of *frame*."""
        if codec == NONE:
            return frame
        if codec == ZLIB:
            import zlib

            return zlib.decompress(frame)
        if codec == ZSTD and generation not in self._sets and self._find_more is not None:
            found = {dictionaries.generation: dictionaries for dictionaries in self._find_more()}
            # One that was given up may come back with other content; the last of those that are
            # known may still be read by who began to ask before.
            last = next(reversed(self._sets))
            self._sets = {0: self._sets[0], last: self._sets[last], **found}
        if codec != ZSTD or generation not in self._sets:
            raise StoreError(
                f"A block names codec {codec} and dictionary {generation}, which are not known.",
                hint="Use the version of X-Ray that wrote it, or a later one.",
            )
        return self._opener(generation, kind).decompress(frame)

    def _opener(self, generation: int, kind: FrameKind) -> zstandard.ZstdDecompressor:
        openers: dict[tuple[int, int], tuple[bytes, zstandard.ZstdDecompressor]] | None
        openers = getattr(self._local, "openers", None)
        if openers is None:
            openers = self._local.openers = {}
        trained = self._sets[generation].by_kind.get(kind, b"")
        known = openers.get((generation, kind))
        # Numbers come round: the same one may stand for other bytes.
        if known is not None and known[0] is trained:
            return known[1]
        opener = open_frames(trained)
        openers[generation, kind] = (trained, opener)
        return opener


def open_frames(trained: bytes) -> zstandard.ZstdDecompressor:
    """What opens frames that were made with the dictionary *trained*; without one when empty."""
    dictionary = zstandard.ZstdCompressionDict(trained) if trained else None
    return zstandard.ZstdDecompressor(dict_data=dictionary, format=FORMAT)


def _compressor(trained: bytes, source_bytes: int) -> zstandard.ZstdCompressor:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL,
        source_size=source_bytes,
        dict_size=len(trained),
        format=FORMAT,
        write_content_size=True,
        write_dict_id=False,
        write_checksum=False,
    )
    dictionary = zstandard.ZstdCompressionDict(trained) if trained else None
    if dictionary is not None:
        dictionary.precompute_compress(compression_params=parameters)
    return zstandard.ZstdCompressor(dict_data=dictionary, compression_params=parameters)


class Samples:
    """Payloads to train the first dictionaries on.

    Args:
        enough_bytes: how much of decision bodies makes training worth while.
    """

    def __init__(self, enough_bytes: int) -> None:
        self._enough_bytes = enough_bytes
        self._by_kind: dict[FrameKind, list[bytes]] = {kind: [] for kind in _KINDS}
        self._sizes: dict[FrameKind, int] = dict.fromkeys(_KINDS, 0)

    def add_all(self, kind: FrameKind, payloads: Iterable[bytes]) -> None:
        """Keep *payloads*, as far as there is not enough of their kind and they are not large."""
        for payload in payloads:
            if self._sizes[kind] < self._enough_bytes and len(payload) <= 65_536:
                self._by_kind[kind].append(payload)
                self._sizes[kind] += len(payload)

    def has_enough(self, kind: FrameKind) -> bool:
        """Whether it takes no more of a kind."""
        return self._sizes[kind] >= self._enough_bytes

    @property
    def is_enough(self) -> bool:
        """Whether dictionaries can be trained."""
        return self.has_enough(BODY) or self.has_enough(STEP)

    def train(self, generation: int) -> DictionarySet:
        """Dictionaries for what was kept; a kind with too little gets none."""
        trained: dict[int, bytes] = {}
        for kind, payloads in self._by_kind.items():
            if len(payloads) < _MIN_SAMPLES:
                continue
            size = min(_DICTIONARY_BYTES, self._sizes[kind] // 10)
            try:
                dictionary = zstandard.train_dictionary(
                    size, [*payloads], k=_SEGMENT_BYTES, d=_MATCH_BYTES, level=_LEVEL
                )
            except zstandard.ZstdError:
                continue
            trained[kind] = dictionary.as_bytes()
        return DictionarySet(generation, trained)
