"""Which candidates of one set are not in another, where either may know some only by hash.

A candidate that is in both is never called missing. One that is missing may be overlooked where
it looks like another; `Missing.overlooked` says how likely that is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from heapq import merge
from itertools import chain
from typing import Final

from msgspec import Struct

from xray.model.hashing import hash64
from xray.model.roster import Roster
from xray.model.spans import BEYOND, Span, SpanWalk

_MAX_SORTED: Final = 50_000
"""More spans are merged one by one, which takes longer and no room."""

Run = tuple[int, Iterable[Span]]
"""Spans in order, and how many there are, at most."""


class Candidates(Struct, frozen=True):
    """A set of candidates.

    Args:
        ids: those known by id.
        rosters: those known by hash; one may be in several, and among the ids as well.
        hash_of: gives the hash of each of the ids.
    """

    ids: Collection[str] = ()
    rosters: Sequence[Roster] = ()
    hash_of: Callable[[str], int] = hash64


class Missing(Struct, frozen=True):
    """The candidates of one set that are not in another.

    Args:
        count: how many there are at least, each counted once.
        ids: those of them whose ids are known.
        compared: how many candidates were looked for, at least.
        overlooked: the chance that a candidate which is missing was taken for another and is not
            counted.
    """

    count: int
    ids: list[str]
    compared: int
    overlooked: float

    @property
    def shared(self) -> int:
        """How many of the candidates were found."""
        return self.compared - self.count


def find_missing(offered: Candidates, decided: Candidates) -> Missing:
    """Which of *offered* are not in *decided*."""
    decided_ids = frozenset(decided.ids)
    offered_ids = dict.fromkeys(offered.ids)
    rest = {one: offered.hash_of(one) for one in offered_ids if one not in decided_ids}
    alike = (roster.find_all(rest.values()) for roster in decided.rosters)
    found = set(chain.from_iterable(chain.from_iterable(one.values() for one in alike)))
    gone = [candidate_id for candidate_id, hashed in rest.items() if hashed not in found]
    held = sum(roster.held for roster in (*offered.rosters, *decided.rosters))
    compare = _walk if held > _MAX_SORTED else _match
    compared, unmatched, widest = compare(offered, decided)
    lookalikes = len(offered_ids) + len(decided_ids) + sum(one.held for one in decided.rosters)
    chance = sum(roster.mistaken for roster in decided.rosters) + lookalikes * widest / BEYOND
    return Missing(
        count=len(gone) + unmatched,
        ids=gone,
        compared=len(offered_ids) + compared,
        overlooked=min(1.0, chance),
    )


_Compared = tuple[int, int, int]
"""How many of those known by hash were looked for, how many of them were not found, and how many
hashes an entry stands for at most."""


def _match(offered: Candidates, decided: Candidates) -> _Compared:
    """Compare those known by hash, all of them at hand at once."""
    named = set(map(offered.hash_of, offered.ids))
    known = named.union(map(decided.hash_of, decided.ids))
    looked_for = _list_beside(offered.rosters, named)
    unknown = looked_for if known == named else _list_beside(offered.rosters, known)
    for roster in decided.rosters:
        unknown = roster.list_apart(unknown)
    widest = max([span[1] - span[0] for span in looked_for], default=-1) + 1
    return _count_distinct(looked_for), _count_distinct(unknown), widest


def _list_beside(
    rosters: Sequence[Roster], hashes: Collection[int]
) -> Sequence[tuple[int, int, int]]:
    """What the entries of *rosters* may stand for that stand for none of *hashes*, by the last."""
    lists = [roster.list_beside(hashes) for roster in rosters]
    if len(lists) == 1:
        return lists[0]
    return sorted(chain.from_iterable(lists), key=_last)


def _walk(offered: Candidates, decided: Candidates) -> _Compared:
    """Compare those known by hash, each roster walked once, in order of hashes."""
    named = SpanWalk((hashed, hashed) for hashed in sorted(map(offered.hash_of, offered.ids)))
    known = SpanWalk(_put_in_order([_list_exact(decided), *_list_spans(decided)]))
    compared, unmatched, widest = _Distinct(), _Distinct(), 0
    for first, last in _put_in_order(_list_spans(offered), key=_last):
        if named.overlaps(first, last):
            continue
        if last - first >= widest:
            widest = last - first + 1
        compared.add(first, last)
        if not known.overlaps(first, last):
            unmatched.add(first, last)
    return compared.count, unmatched.count, widest


def _last(span: tuple[int, ...]) -> int:
    return span[1]


def _list_exact(candidates: Candidates) -> Run:
    hashes = sorted(map(candidates.hash_of, set(candidates.ids)))
    return len(hashes), ((hashed, hashed) for hashed in hashes)


def _list_spans(candidates: Candidates) -> list[Run]:
    return [(roster.held, roster.spans()) for roster in candidates.rosters]


def _put_in_order(
    runs: Sequence[Run], key: Callable[[Span], object] | None = None
) -> Iterable[Span]:
    """All spans of *runs*, each of which is in that order: by *key*, else as they are."""
    spans = [one for _, one in runs]
    if len(spans) == 1:
        return spans[0]
    if sum(count for count, _ in runs) > _MAX_SORTED:
        return merge(*spans, key=key)  # type: ignore[arg-type]
    return sorted(chain.from_iterable(spans), key=key)  # type: ignore[arg-type]


def _count_distinct(spans: Iterable[tuple[int, int, int]]) -> int:
    """How many candidates *spans*, which come by ascending last hash, stand for at least."""
    count, reached = 0, -1
    for first, last, _ in spans:
        if first > reached:
            count += 1
            reached = last
    return count


class _Distinct:
    """Counts spans that come by ascending last hash; those that may be one candidate, once."""

    def __init__(self) -> None:
        self.count = 0
        self._reached = -1

    def add(self, first: int, last: int) -> None:
        """Count one span."""
        if first > self._reached:
            self.count += 1
            self._reached = last
