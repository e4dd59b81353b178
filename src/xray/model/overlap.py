"""Candidates of a run as a set that may know some of them by hash only, compared with rosters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TypeVar

from msgspec import Struct

from xray.model.hashing import hash64

Span = tuple[int, int]
"""The first and the last hash that an entry of a roster can stand for."""

Rest = TypeVar("Rest")


class Crowd(Struct, frozen=True):
    """A set of candidates.

    Args:
        ids: those known by id.
        spans: those known by hash only, ascending; none of them stands for one of the ids.
    """

    ids: frozenset[str] = frozenset()
    spans: tuple[Span, ...] = ()

    def __len__(self) -> int:
        return len(self.ids) + len(self.spans)

    def without(self, other: Crowd) -> Crowd:
        """Those of its candidates that *other* lacks."""
        taken = _Spans(other._sorted())
        left = tuple(span for span in self.spans if not taken.overlaps(*span))
        return Crowd(self.ids - other.ids, left)

    def name_known(self, known: Iterable[str]) -> Crowd:
        """The same candidates, with the ids of those that *known* has."""
        by_hash = {hash64(candidate_id): candidate_id for candidate_id in known}
        hashes = sorted(by_hash)
        own, others = _Spans(self.spans), _Spans([(hashed, hashed) for hashed in hashes])
        named = frozenset(by_hash[hashed] for hashed in hashes if own.overlaps(hashed, hashed))
        return Crowd(
            self.ids | named, tuple(span for span in self.spans if not others.overlaps(*span))
        )

    def pick(self, ids: Collection[str]) -> frozenset[str]:
        """Those of *ids* that are in it."""
        if not self.spans:
            return self.ids.intersection(ids)
        hashed = sorted((hash64(candidate_id), candidate_id) for candidate_id in ids)
        own = _Spans(self._sorted())
        return frozenset(one for number, one in hashed if own.overlaps(number, number))

    def meet(self, entries: Iterable[tuple[int, int, Rest]]) -> Iterator[tuple[int, int, Rest]]:
        """Those *entries* of a roster, which come ascending, that stand for one of the crowd."""
        own = _Spans(self._sorted())
        return (entry for entry in entries if own.overlaps(entry[0], entry[1]))

    def _sorted(self) -> list[Span]:
        exact = [(hashed, hashed) for hashed in map(hash64, self.ids)]
        return sorted([*exact, *self.spans])


def join_crowds(crowds: Sequence[Crowd]) -> Crowd:
    """Everybody in any of *crowds*, which know the same candidates by id."""
    ids = frozenset[str]().union(*(crowd.ids for crowd in crowds))
    return Crowd(ids, tuple(sorted({span for crowd in crowds for span in crowd.spans})))


class _Spans:
    """Ascending spans that are asked about in ascending order."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        self._next = 0
        self._furthest = -1

    def overlaps(self, first: int, last: int) -> bool:
        """Whether some span has a hash in common with this one."""
        while self._next < len(self._spans) and self._spans[self._next][0] <= last:
            self._furthest = max(self._furthest, self._spans[self._next][1])
            self._next += 1
        return self._furthest >= first
