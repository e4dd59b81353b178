"""What a roster holds at rest: a compact set of candidates, each with its fate."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from xray.model.compact import ENTRIES_PER_LOOKUP, Part, encode_parts
from xray.model.fates import Fate
from xray.model.hashing import hash64
from xray.model.holdings import HashedEntries, Met, Placed, Span
from xray.model.spans import SpanLike, list_apart, list_off_numbers, pick_wanted
from xray.model.universe import HASH_BITS, Universe

_MAX_PARTS_KEPT: Final = 4
"""The spans of a larger roster are made anew for each walk, a part at a time."""

_MAX_LOOKUPS: Final = 200
"""From here on it is quicker to walk the entries than to look each number up."""


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
        self._expected: frozenset[int] = frozenset()
        self._count = count

    @property
    def mistaken(self) -> float:
        """The chance that a candidate which is not in it is found."""
        return self._count / self._universe.size

    def __len__(self) -> int:
        return self._count

    def find(self, candidate_id: str) -> Sequence[int]:
        """The codes of *candidate_id*, or, once in 100,000 times, of one that looks like it."""
        hashed = hash64(candidate_id)
        part, number = self._universe.place(hashed)
        opened = self._part(part)
        if opened is None:
            return []
        return [opened.code(index) for index in opened.find(number, hashed, hashed)]

    def find_placed(self, candidate_id: str) -> Sequence[Placed]:
        """The codes of *candidate_id*, each with its place."""
        hashed = hash64(candidate_id)
        part, number = self._universe.place(hashed)
        opened = self._part(part)
        if opened is None:
            return []
        found = opened.find(number, hashed, hashed)
        return [(opened.code(index), opened.place(index)) for index in found]

    def expect(self, hashes: frozenset[int]) -> None:
        """Look for *hashes* at once, since some of them will be asked for again and again."""
        if self._expected != hashes and len(self._parts) <= _MAX_PARTS_KEPT:
            self._expected = hashes
            wanted = self._universe.number(hashes)
            for opened in filter(None, map(self._part, self._parts)):
                opened.expect(wanted)

    def _list_ready(self, hashes: Collection[int]) -> list[Part]:
        """Its parts by ascending hash, if they know where all of *hashes* stand; else none."""
        if not self._expected.issuperset(hashes):
            return []
        opened = self._open_all()
        return opened if all(part.is_ready for part in opened) else []

    def find_all(self, hashes: Collection[int]) -> Sequence[tuple[int, int]]:
        """Each of *hashes* that an entry may stand for, with the code of the entry."""
        universe = self._universe
        if self._expected and (ready := self._list_ready(hashes)):
            hashes = frozenset(hashes)
            found = [opened.find_expected(hashes) for opened in ready]
        elif len(hashes) * ENTRIES_PER_LOOKUP < self._count:
            return [
                (hashed, code)
                for hashed in hashes
                for _, _, code in self._spans_at(*universe.place(hashed), hashed, hashed)
            ]
        else:
            wanted = universe.number(hashes)
            every = self._open_all()
            found = [opened.find_all(wanted) for opened in every]
        return found[0] if len(found) == 1 else list(chain.from_iterable(found))

    def list_beside(self, hashes: Collection[int]) -> list[Span]:
        """Its entries that stand for none of *hashes*, in order."""
        if self._expected and (ready := self._list_ready(hashes)):
            hashes = frozenset(hashes)
            beside = [opened.list_beside_expected(hashes) for opened in ready]
        else:
            wanted = self._universe.number(hashes)
            every = self._open_all()
            beside = [opened.list_beside(wanted) for opened in every]
        return beside[0] if len(beside) == 1 else list(chain.from_iterable(beside))

    def find_spans(self, hashes: Collection[int]) -> Sequence[tuple[int, Span]]:
        """Each of *hashes* that an entry may stand for, with the entry."""
        if self._expected and (ready := self._list_ready(hashes)):
            hashes = frozenset(hashes)
            found = [opened.find_expected_spans(hashes) for opened in ready]
        else:
            wanted = self._universe.number(hashes)
            every = self._open_all()
            found = [opened.find_spans(wanted) for opened in every]
        return found[0] if len(found) == 1 else list(chain.from_iterable(found))

    def match(self, hashes: Collection[int]) -> Met:
        """Its entries that may stand for one of *hashes*, and the others, both in order."""
        wanted = self._universe.number(hashes)
        opened = self._open_all()
        matched = [part.match(wanted) for part in opened]
        if len(matched) == 1:
            return matched[0]
        found, others = ([one for pair in matched for one in pair[side]] for side in (0, 1))
        return found, others

    def places(self) -> Iterator[Placed]:
        """The code and the place of every entry that has one."""
        for opened in filter(None, map(self._part, self._parts)):
            yield from (one for one in opened.places() if one[1])

    def spans(self) -> Iterator[Span]:
        """Every entry, by ascending hash."""
        for part in sorted(self._parts):
            if len(self._parts) > _MAX_PARTS_KEPT:
                yield from Part(self._universe, part, self._parts[part]).spans()
            elif opened := self._part(part):
                yield from opened.spans()

    def list_apart(
        self, spans: Sequence[SpanLike], is_wanted: Sequence[bool]
    ) -> Sequence[SpanLike]:
        """Those of *spans*, by ascending last hash, that no entry with a wanted code may mean."""
        opened = [] if len(self._parts) > _MAX_PARTS_KEPT else self._open_all()
        if not opened or not all(part.is_plain for part in opened):
            return list_apart(spans, pick_wanted(self.spans(), is_wanted))
        numbers = list(chain.from_iterable(part.list_numbers(is_wanted) for part in opened))
        return list_off_numbers(spans, numbers, self._universe)

    def _open_all(self) -> list[Part]:
        return list(filter(None, map(self._part, sorted(self._parts))))

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


def compact_entries(holding: HashedEntries) -> Iterator[tuple[int, bytes]]:
    """The parts of the compact set that holds what *holding* holds."""
    found = holding.between(0, 1 << HASH_BITS, range(len(holding.fates)))
    universe = Universe(len(holding))
    return encode_parts(universe, found.coded, len(holding.fates), found.places)
