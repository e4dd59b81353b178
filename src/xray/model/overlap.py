"""Candidates of a run as a set that may know some of them by hash only, compared with rosters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

from xray.model.hashing import hash64
from xray.model.spans import Span, SpanWalk

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
        if not self.spans:
            return Crowd(self.ids - other.ids)
        taken = SpanWalk(other._sorted())
        left = tuple(span for span in self.spans if not taken.overlaps(*span))
        return Crowd(self.ids - other.ids, left)

    def name_known(self, known: Mapping[str, int]) -> Crowd:
        """The same candidates, with the ids of those that *known* has, each with its hash."""
        by_hash = {hashed: candidate_id for candidate_id, hashed in known.items()}
        hashes = sorted(by_hash)
        own, others = SpanWalk(self.spans), SpanWalk([(hashed, hashed) for hashed in hashes])
        named = frozenset(by_hash[hashed] for hashed in hashes if own.overlaps(hashed, hashed))
        return Crowd(
            self.ids | named, tuple(span for span in self.spans if not others.overlaps(*span))
        )

    def pick(self, ids: Collection[str]) -> frozenset[str]:
        """Those of *ids* that are in it."""
        if not self.spans:
            return self.ids.intersection(ids)
        hashed = sorted((hash64(candidate_id), candidate_id) for candidate_id in ids)
        own = SpanWalk(self._sorted())
        return frozenset(one for number, one in hashed if own.overlaps(number, number))

    def meet(self, entries: Iterable[tuple[int, int, Rest]]) -> Iterator[tuple[int, int, Rest]]:
        """Those *entries* of a roster, which come ascending, that stand for one of the crowd."""
        own = SpanWalk(self._sorted())
        return (entry for entry in entries if own.overlaps(entry[0], entry[1]))

    def _sorted(self) -> list[Span]:
        exact = [(hashed, hashed) for hashed in map(hash64, self.ids)]
        return sorted([*exact, *self.spans])


def join_crowds(crowds: Sequence[Crowd]) -> Crowd:
    """Everybody in any of *crowds*, which know the same candidates by id."""
    ids = frozenset[str]().union(*(crowd.ids for crowd in crowds))
    return Crowd(ids, tuple(sorted({span for crowd in crowds for span in crowd.spans})))
