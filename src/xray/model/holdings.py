"""What a roster holds: candidates by id, by hash or as a compact set, each with its fate.

A fate is what many candidates of a step have in common, so it is written once in a table and each
candidate carries its place there, a code.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from xray.model.compact import (
    CODE_BITS,
    HASH_BITS,
    Part,
    Universe,
    encode_parts,
    from_bytes,
    to_bytes,
)
from xray.model.facts import OriginRef, RosterFate, RosterGroup, StepRoster
from xray.model.hashing import hash64
from xray.model.vocabulary import VERDICTS, Verdict

_CODE_MASK: Final = (1 << CODE_BITS) - 1

_MAX_LOOKUPS: Final = 200
"""From here on it is quicker to walk the entries than to look each number up."""

Span = tuple[int, int, int]
"""The first and the last hash an entry can stand for (one and the same where the hash is known),
and its code."""


class Fate(Struct, array_like=True, frozen=True):
    """What became of some candidates of a step, by what they have in common.

    Args:
        verdict: `REJECTED`, `ACCEPTED` or `SELECTED`.
        reason: a short code to group by.
        origin: what brought them.
        by: the query or left record they were decided for.
    """

    verdict: int
    reason: str | None = None
    origin: tuple[OriginRef, ...] = ()
    by: str | None = None

    @property
    def decision(self) -> Verdict:
        """The verdict as a word."""
        return VERDICTS[self.verdict]


class Holding(Protocol):
    """Some entries of a roster, each a candidate and a code: the place of its fate in a table."""

    @property
    def fates(self) -> Sequence[Fate]:
        """The table that codes point into."""
        ...

    @property
    def mistaken(self) -> float:
        """The chance that a candidate which is not in it is found."""
        ...

    def __len__(self) -> int: ...

    def find(self, candidate_id: str) -> Sequence[int]:
        """The codes of *candidate_id*."""
        ...

    def spans(self) -> Iterator[Span]:
        """Every entry, by ascending hash."""
        ...

    def spans_of(self, candidate_id: str) -> Sequence[Span]:
        """The entries that are taken for *candidate_id*."""
        ...

    def overlaps(self, first: int, last: int) -> Sequence[int]:
        """The codes of the entries that may stand for a hash from *first* to *last*."""
        ...


class NamedEntries:
    """A holding that knows its candidates by id, and so is never wrong.

    Args:
        fates: the table that codes point into.
        entries: candidates and codes.
    """

    def __init__(self, fates: Sequence[Fate], entries: Iterable[tuple[str, int]]) -> None:
        self.fates = fates
        self._codes: dict[str, list[int]] = {}
        for candidate_id, code in entries:
            self._codes.setdefault(candidate_id, []).append(code)

    @property
    def mistaken(self) -> float:
        """None is found that is not in it."""
        return 0.0

    def __len__(self) -> int:
        return sum(map(len, self._codes.values()))

    def find(self, candidate_id: str) -> Sequence[int]:
        """The codes of *candidate_id*."""
        return self._codes.get(candidate_id, ())

    def spans(self) -> Iterator[Span]:
        """Every entry, by ascending hash."""
        return ((hashed, hashed, code) for hashed, code in self._hashed)

    def spans_of(self, candidate_id: str) -> Sequence[Span]:
        """The entries of *candidate_id*."""
        hashed = hash64(candidate_id)
        return [(hashed, hashed, code) for code in self.find(candidate_id)]

    def overlaps(self, first: int, last: int) -> Sequence[int]:
        """The codes of the entries that may stand for a hash from *first* to *last*."""
        start = bisect_left(self._hashed, (first, 0))
        end = bisect_left(self._hashed, (last + 1, 0), start)
        return [code for _, code in self._hashed[start:end]]

    @cached_property
    def _hashed(self) -> list[tuple[int, int]]:
        return sorted((hash64(name), code) for name, codes in self._codes.items() for code in codes)


class HashedEntries:
    """A holding that knows its candidates by their whole hashes: one chunk that waits for others.

    Args:
        fates: the table that codes point into.
        hashes: ascending.
        codes: in the same order.
    """

    def __init__(self, fates: Sequence[Fate], hashes: array[int], codes: array[int]) -> None:
        self.fates = fates
        self.hashes = hashes
        self.codes = codes

    @property
    def mistaken(self) -> float:
        """The chance that a candidate which is not in it is found."""
        return len(self.hashes) / (1 << HASH_BITS)

    def __len__(self) -> int:
        return len(self.hashes)

    def find(self, candidate_id: str) -> Sequence[int]:
        """The codes of *candidate_id*."""
        hashed = hash64(candidate_id)
        start = end = bisect_left(self.hashes, hashed)
        while end < len(self.hashes) and self.hashes[end] == hashed:
            end += 1
        return self.codes[start:end]

    def spans(self) -> Iterator[Span]:
        """Every entry, by ascending hash."""
        return zip(self.hashes, self.hashes, self.codes, strict=True)

    def spans_of(self, candidate_id: str) -> Sequence[Span]:
        """The entries of *candidate_id*."""
        hashed = hash64(candidate_id)
        return [(hashed, hashed, code) for code in self.find(candidate_id)]

    def overlaps(self, first: int, last: int) -> Sequence[int]:
        """The codes of the entries that may stand for a hash from *first* to *last*."""
        start = bisect_left(self.hashes, first)
        return self.codes[start : bisect_right(self.hashes, last, start)]

    def between(self, first: int, beyond: int, fate_codes: Sequence[int]) -> list[int]:
        """Its entries from hash *first* on and before *beyond*, under the codes of another table.

        Args:
            first: the first hash wanted.
            beyond: the first hash no longer wanted.
            fate_codes: the code in the other table of each of its own fates.
        """
        start = bisect_left(self.hashes, first)
        end = bisect_left(self.hashes, beyond, start)
        return [
            hashed << CODE_BITS | fate_codes[code]
            for hashed, code in zip(self.hashes[start:end], self.codes[start:end], strict=True)
        ]

    def encode(self) -> bytes:
        """Its hashes and codes, without the table."""
        return to_bytes(self.hashes) + to_bytes(self.codes)

    @classmethod
    def decode(cls, fates: Sequence[Fate], data: bytes) -> HashedEntries:
        """The holding that `encode` wrote."""
        at = len(data) // 10 * 8
        return cls(fates, from_bytes("Q", data[:at]), from_bytes("H", data[at:]))


class CompactEntries:
    """A holding at rest: a compact set, cut into parts that are opened when they are needed.

    Args:
        fates: the table that codes point into.
        universe: what the set is in.
        parts: the bytes of each part that has an entry.
        count: how many entries there are in all parts.
    """

    def __init__(
        self, fates: Sequence[Fate], universe: Universe, parts: Mapping[int, bytes], count: int
    ) -> None:
        self.fates = fates
        self._universe = universe
        self._parts = parts
        self._opened: dict[int, Part] = {}
        self._count = count

    @property
    def mistaken(self) -> float:
        """The chance that a candidate which is not in it is found."""
        return self._count / self._universe.size

    def __len__(self) -> int:
        return self._count

    def find(self, candidate_id: str) -> Sequence[int]:
        """The codes of *candidate_id*, or, once in 100,000 times, of one that looks like it."""
        return [code for _, _, code in self.spans_of(candidate_id)]

    def spans(self) -> Iterator[Span]:
        """Every entry, by ascending hash."""
        for part in sorted(self._parts):
            yield from Part(self._universe, part, self._parts[part]).spans()

    def spans_of(self, candidate_id: str) -> Sequence[Span]:
        """The entries that are taken for *candidate_id*."""
        hashed = hash64(candidate_id)
        return self._spans_at(*self._universe.place(hashed), hashed, hashed)

    def overlaps(self, first: int, last: int) -> Sequence[int]:
        """The codes of the entries that may stand for a hash from *first* to *last*."""
        codes: list[int] = []
        if (last - first) * self._universe.size >> HASH_BITS > _MAX_LOOKUPS:
            spans = self._spans_between(first, last)
            return [code for start, end, code in spans if start <= last and first <= end]
        at = first
        while at <= last:
            part, number = self._universe.place(at)
            codes += [code for _, _, code in self._spans_at(part, number, first, last)]
            at = self._universe.span(part, number)[1] + 1
        return codes

    def _spans_at(self, part: int, number: int, first: int, last: int) -> list[Span]:
        opened = self._part(part)
        if opened is None:
            return []
        return [
            (*opened.span(number, index), opened.code(index))
            for index in opened.find(number, first, last)
        ]

    def _spans_between(self, first: int, last: int) -> Iterator[Span]:
        parts = range(self._universe.place(first)[0], self._universe.place(last)[0] + 1)
        for opened in filter(None, map(self._part, parts)):
            yield from opened.spans()

    def _part(self, part: int) -> Part | None:
        opened = self._opened.get(part)
        if opened is None and part in self._parts:
            opened = self._opened[part] = Part(self._universe, part, self._parts[part])
        return opened


class FateTable:
    """Numbers the different fates of a roster while it is put together."""

    def __init__(self) -> None:
        self._codes: dict[Fate, int] = {}

    @property
    def fates(self) -> list[Fate]:
        """The fates so far, by code."""
        return list(self._codes)

    def code(self, fate: Fate) -> int:
        """The code of *fate*."""
        return self._codes.setdefault(fate, len(self._codes))


def name_entries(chunks: Iterable[StepRoster]) -> NamedEntries:
    """The candidates that *chunks* name, by id."""
    table = FateTable()
    coded = [entry for chunk in chunks for entry in _code_entries(chunk, table)]
    return NamedEntries(table.fates, coded)


def hash_entries(chunk: StepRoster) -> HashedEntries:
    """The candidates that *chunk* names, by hash."""
    table = FateTable()
    entries = sorted(
        [
            hash64(candidate_id) << CODE_BITS | code
            for candidate_id, code in _code_entries(chunk, table)
        ]
    )
    return HashedEntries(
        table.fates,
        array("Q", [entry >> CODE_BITS for entry in entries]),
        array("H", [entry & _CODE_MASK for entry in entries]),
    )


def compact_entries(holding: HashedEntries) -> Iterator[tuple[int, bytes]]:
    """The parts of the compact set that holds what *holding* holds."""
    everything = holding.between(0, 1 << HASH_BITS, range(len(holding.fates)))
    return encode_parts(Universe(len(holding)), everything, len(holding.fates))


def _code_entries(chunk: StepRoster, table: FateTable) -> Iterator[tuple[str, int]]:
    for group in chunk.groups:
        yield from zip(group.ids, repeat(table.code(_fate_of(group))))
    for column in chunk.columns:
        codes = [table.code(_fate_of(fate)) for fate in column.fates]
        yield from zip(column.ids, map(codes.__getitem__, column.codes), strict=True)


def _fate_of(told: RosterGroup | RosterFate) -> Fate:
    return Fate(told.verdict, told.reason, tuple(told.origin or ()), told.by)


_fates_decoder: Final = msgspec.msgpack.Decoder(list[Fate])


def encode_fates(fates: Sequence[Fate]) -> bytes:
    """The table of a roster's fates as bytes."""
    return msgspec.msgpack.encode(fates)


def decode_fates(payload: bytes) -> list[Fate]:
    """The table that `encode_fates` wrote."""
    return _fates_decoder.decode(payload)
