"""What a roster holds: candidates by id or by hash, each with its fate.

Each candidate carries the code of its fate, its place in a table (`model.fates`). At rest they are
a compact set (`model.compact_entries`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import repeat
from typing import Final, Protocol

from xray.model.compact import CODE_BITS
from xray.model.facts import StepRoster
from xray.model.fates import Fate, FateTable
from xray.model.hashing import hash64
from xray.model.packed_arrays import from_bytes, to_bytes
from xray.model.ranking import Ranking
from xray.model.spans import SpanLike, list_apart, pick_wanted
from xray.model.universe import HASH_BITS

_CODE_MASK: Final = (1 << CODE_BITS) - 1

_COUNT_BYTES: Final = 4
Span = tuple[int, int, int]
"""The first and the last hash an entry can stand for (one and the same where the hash is known),
and its code."""


Placed = tuple[int, int]
"""The code of an entry, and its place as `model.ranking` packs it; 0 where it has none."""


Met = tuple[list[tuple[int, int, int]], list[Span]]
"""Entries that may stand for hashes that were asked for, with hash, code and place; and the others.
"""


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

    def find_placed(self, candidate_id: str) -> Sequence[Placed]:
        """The codes of *candidate_id*, each with its place."""
        ...

    def expect(self, hashes: frozenset[int]) -> None:
        """Look for *hashes* at once, since some of them will be asked for again and again."""
        ...

    def find_all(self, hashes: Collection[int]) -> Iterable[tuple[int, int]]:
        """Each of *hashes* that an entry may stand for, with the code of the entry."""
        ...

    def match(self, hashes: Collection[int]) -> Met:
        """Its entries that may stand for one of *hashes*, and the others, both in order."""
        ...

    def list_beside(self, hashes: Collection[int]) -> list[Span]:
        """Its entries that stand for none of *hashes*, in order."""
        ...

    def find_spans(self, hashes: Collection[int]) -> Iterable[tuple[int, Span]]:
        """Each of *hashes* that an entry may stand for, with the entry."""
        ...

    def list_apart(
        self, spans: Sequence[SpanLike], is_wanted: Sequence[bool]
    ) -> Sequence[SpanLike]:
        """Those of *spans*, by ascending last hash, that no entry with a wanted code may mean.

        A span is the first and the last hash of something; what stands behind does not matter.
        """
        ...

    def places(self) -> Iterator[Placed]:
        """The code and the place of every entry that has one."""
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


NamedEntry = tuple[str, int, int]
"""A candidate, the code of its fate and its place."""


class NamedEntries:
    """A holding that knows its candidates by id, and so is never wrong.

    Args:
        fates: the table that codes point into.
        entries: candidates, codes and places.
    """

    def __init__(self, fates: Sequence[Fate], entries: Iterable[NamedEntry]) -> None:
        self.fates = fates
        self._placed: dict[str, list[Placed]] = {}
        for candidate_id, code, place in entries:
            self._placed.setdefault(candidate_id, []).append((code, place))

    @property
    def mistaken(self) -> float:
        """None is found that is not in it."""
        return 0.0

    def __len__(self) -> int:
        return sum(map(len, self._placed.values()))

    def find(self, candidate_id: str) -> Sequence[int]:
        """The codes of *candidate_id*."""
        return [code for code, _ in self.find_placed(candidate_id)]

    def find_placed(self, candidate_id: str) -> Sequence[Placed]:
        """The codes of *candidate_id*, each with its place."""
        return self._placed.get(candidate_id, ())

    def expect(self, hashes: frozenset[int]) -> None:
        """It knows where they stand."""

    def find_all(self, hashes: Collection[int]) -> Iterator[tuple[int, int]]:
        """Each of *hashes* that is a candidate's, with the code of its entry."""
        wanted = frozenset(hashes)
        return ((hashed, code) for hashed, code in self._hashed if hashed in wanted)

    def list_beside(self, hashes: Collection[int]) -> list[Span]:
        """Its entries that stand for none of *hashes*, in order."""
        return [span for span in self.spans() if span[0] not in hashes]

    def find_spans(self, hashes: Collection[int]) -> Iterator[tuple[int, Span]]:
        """Each of *hashes* that an entry may stand for, with the entry."""
        return ((hashed, (hashed, hashed, code)) for hashed, code in self.find_all(hashes))

    def list_apart(
        self, spans: Sequence[SpanLike], is_wanted: Sequence[bool]
    ) -> Sequence[SpanLike]:
        """Those of *spans*, by ascending last hash, that no entry with a wanted code may mean."""
        return list_apart(spans, pick_wanted(self.spans(), is_wanted))

    def match(self, hashes: Collection[int]) -> Met:
        """Its entries that may stand for one of *hashes*, and the others, both in order."""
        entries = sorted(
            (hash64(name), code, place)
            for name, placed in self._placed.items()
            for code, place in placed
        )
        return _part_exact(entries, hashes)

    def places(self) -> Iterator[Placed]:
        """The code and the place of every entry that has one."""
        return (one for placed in self._placed.values() for one in placed if one[1])

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
        return sorted(
            (hash64(name), code) for name, placed in self._placed.items() for code, _ in placed
        )


class HashedEntries:
    """A holding that knows its candidates by their whole hashes: one chunk that waits for others.

    Args:
        fates: the table that codes point into.
        hashes: ascending.
        codes: in the same order.
        placings: their places, in the same order; empty where none has one.
    """

    def __init__(
        self,
        fates: Sequence[Fate],
        hashes: array[int],
        codes: array[int],
        placings: array[int],
    ) -> None:
        self.fates = fates
        self.hashes = hashes
        self.codes = codes
        self.placings = placings

    @property
    def mistaken(self) -> float:
        """The chance that a candidate which is not in it is found."""
        return len(self.hashes) / (1 << HASH_BITS)

    def __len__(self) -> int:
        return len(self.hashes)

    def find(self, candidate_id: str) -> Sequence[int]:
        """The codes of *candidate_id*."""
        return self.codes[self._range_of(candidate_id)]

    def find_placed(self, candidate_id: str) -> Sequence[Placed]:
        """The codes of *candidate_id*, each with its place."""
        found = self._range_of(candidate_id)
        placings = self.placings[found] or repeat(0)
        return list(zip(self.codes[found], placings, strict=False))

    def expect(self, hashes: frozenset[int]) -> None:
        """It knows where they stand."""

    def find_all(self, hashes: Collection[int]) -> Iterator[tuple[int, int]]:
        """Each of *hashes* that it holds, with the code of its entry."""
        wanted = frozenset(hashes)
        entries = zip(self.hashes, self.codes, strict=True)
        return ((hashed, code) for hashed, code in entries if hashed in wanted)

    def list_beside(self, hashes: Collection[int]) -> list[Span]:
        """Its entries that stand for none of *hashes*, in order."""
        return [span for span in self.spans() if span[0] not in hashes]

    def find_spans(self, hashes: Collection[int]) -> Iterator[tuple[int, Span]]:
        """Each of *hashes* that an entry may stand for, with the entry."""
        return ((hashed, (hashed, hashed, code)) for hashed, code in self.find_all(hashes))

    def list_apart(
        self, spans: Sequence[SpanLike], is_wanted: Sequence[bool]
    ) -> Sequence[SpanLike]:
        """Those of *spans*, by ascending last hash, that no entry with a wanted code may mean."""
        return list_apart(spans, pick_wanted(self.spans(), is_wanted))

    def match(self, hashes: Collection[int]) -> Met:
        """Its entries that may stand for one of *hashes*, and the others, both in order."""
        places = self.placings or repeat(0)
        return _part_exact(zip(self.hashes, self.codes, places, strict=False), hashes)

    def places(self) -> Iterator[Placed]:
        """The code and the place of every entry that has one."""
        return (one for one in zip(self.codes, self.placings, strict=False) if one[1])

    def _range_of(self, candidate_id: str) -> slice:
        hashed = hash64(candidate_id)
        start = bisect_left(self.hashes, hashed)
        return slice(start, bisect_right(self.hashes, hashed, start))

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

    def between(self, first: int, beyond: int, fate_codes: Sequence[int]) -> Entries:
        """Its entries from hash *first* on and before *beyond*, under the codes of another table.

        Args:
            first: the first hash wanted.
            beyond: the first hash no longer wanted.
            fate_codes: the code in the other table of each of its own fates.
        """
        start = bisect_left(self.hashes, first)
        end = bisect_left(self.hashes, beyond, start)
        coded = [
            hashed << CODE_BITS | fate_codes[code]
            for hashed, code in zip(self.hashes[start:end], self.codes[start:end], strict=True)
        ]
        return Entries(coded, list(self.placings[start:end]))

    def encode(self) -> bytes:
        """Its hashes, codes and places, without the table."""
        return b"".join(
            (
                len(self.hashes).to_bytes(_COUNT_BYTES, "little"),
                *map(to_bytes, (self.hashes, self.codes, self.placings)),
            )
        )

    @classmethod
    def decode(cls, fates: Sequence[Fate], data: bytes) -> HashedEntries:
        """The holding that `encode` wrote."""
        count = int.from_bytes(data[:_COUNT_BYTES], "little")
        codes_at = _COUNT_BYTES + 8 * count
        placings_at = codes_at + 2 * count
        return cls(
            fates,
            from_bytes("Q", data[_COUNT_BYTES:codes_at]),
            from_bytes("H", data[codes_at:placings_at]),
            from_bytes("Q", data[placings_at:]),
        )


class Entries:
    """Entries on their way into a compact set.

    Args:
        coded: hashes and codes, as `CODE_BITS` says.
        places: their places, in the same order; empty where none has one.
    """

    def __init__(self, coded: list[int], places: list[int]) -> None:
        self.coded = coded
        self.places = places

    def add(self, others: Entries) -> None:
        """Take *others* in."""
        if self.places or others.places:
            self.places += [0] * (len(self.coded) - len(self.places))
            self.places += others.places or [0] * len(others.coded)
        self.coded += others.coded

    def sort(self) -> None:
        """Bring them in the order in which a compact set holds them."""
        if self.places:
            pairs = sorted(zip(self.coded, self.places, strict=True))
            self.coded, self.places = (list(column) for column in zip(*pairs, strict=True))
        else:
            self.coded.sort()


def _part_exact(entries: Iterable[tuple[int, int, int]], hashes: Collection[int]) -> Met:
    """Entries of known hash, each with code and place, by whether their hash is among *hashes*."""
    found: list[tuple[int, int, int]] = []
    others: list[Span] = []
    for entry in entries:
        if entry[0] in hashes:
            found.append(entry)
        else:
            others.append((entry[0], entry[0], entry[1]))
    return found, others


def name_entries(chunks: Iterable[StepRoster]) -> NamedEntries:
    """The candidates that *chunks* name, by id."""
    table = FateTable()
    coded = [entry for chunk in chunks for entry in _code_entries(chunk, table)]
    return NamedEntries(table.fates, coded)


def hash_entries(chunk: StepRoster) -> HashedEntries:
    """The candidates that *chunk* names, by hash."""
    table = FateTable()
    found = Entries([], [])
    named = list(_code_entries(chunk, table))
    found.coded = [hash64(candidate_id) << CODE_BITS | code for candidate_id, code, _ in named]
    if any(place for _, _, place in named):
        found.places = [place for _, _, place in named]
    found.sort()
    return HashedEntries(
        table.fates,
        array("Q", [entry >> CODE_BITS for entry in found.coded]),
        array("H", [entry & _CODE_MASK for entry in found.coded]),
        array("Q", found.places),
    )


def _code_entries(chunk: StepRoster, table: FateTable) -> Iterator[NamedEntry]:
    for group in chunk.groups:
        places = _list_places(group.ranking, len(group.ids))
        yield from zip(group.ids, repeat(table.code(Fate.of(group))), places)
    for column in chunk.columns:
        codes = [table.code(Fate.of(fate)) for fate in column.fates]
        places = _list_places(column.ranking, len(column.ids))
        yield from zip(column.ids, map(codes.__getitem__, column.codes), places, strict=True)


def _list_places(ranking: Ranking | None, count: int) -> Sequence[int]:
    return bytes(count) if ranking is None else ranking.places(count)
