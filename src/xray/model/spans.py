"""Spans of hashes: what an entry of a roster may stand for, compared in one walk."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, compress, repeat
from operator import gt
from typing import Final, TypeVar

from xray.model.universe import HASH_BITS, Universe

Span = tuple[int, int]
"""The first and the last hash that an entry can stand for; one and the same for a known id."""

SpanLike = TypeVar("SpanLike", Span, tuple[int, int, int])

BEYOND: Final = 1 << HASH_BITS
"""The first number that is no hash."""


class SpanWalk:
    """Spans that are asked about by ascending last hash, read only as far as they are needed.

    Args:
        spans: by ascending first hash.
    """

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = chain(spans, [(BEYOND, BEYOND)])
        self._next = next(self._spans)
        self._furthest = -1

    def overlaps(self, first: int, last: int) -> bool:
        """Whether some span has a hash in common with this one."""
        while self._next[0] <= last:
            self._furthest = max(self._furthest, self._next[1])
            self._next = next(self._spans)
        return self._furthest >= first


def list_apart(spans: Iterable[SpanLike], others: Iterable[Span]) -> list[SpanLike]:
    """Those of *spans* that have no hash in common with any of *others*.

    Args:
        spans: by ascending last hash; what stands behind the two hashes does not matter.
        others: by ascending first hash.
    """
    walk = iter(chain(others, [(BEYOND, BEYOND)]))
    begin, end = next(walk)
    furthest = -1
    apart: list[SpanLike] = []
    for span in spans:
        last = span[1]
        while begin <= last:
            if end > furthest:
                furthest = end
            begin, end = next(walk)
        if furthest < span[0]:
            apart.append(span)
    return apart


def pick_wanted(spans: Iterable[tuple[int, int, int]], is_wanted: Sequence[bool]) -> Iterator[Span]:
    """Those of *spans* whose code is wanted.

    Args:
        spans: the first and the last hash of each, and its code.
        is_wanted: for each code whether it is.
    """
    return ((first, last) for first, last, code in spans if is_wanted[code])


def list_off_numbers(
    spans: Sequence[SpanLike], numbers: list[int], universe: Universe
) -> list[SpanLike]:
    """Those of *spans* that no entry of a compact set may mean.

    A hash stands at a number exactly if it lies in the span of the number, so spans are compared
    with the numbers of a set without the spans of its entries.

    Args:
        spans: in any order; what stands behind the two hashes does not matter.
        numbers: of the entries, ascending.
        universe: what the set is in.
    """
    size = universe.size
    first_numbers = [span[0] * size >> HASH_BITS for span in spans]
    last_numbers = [span[1] * size >> HASH_BITS for span in spans]
    entries = [*numbers, size]
    nearest = map(entries.__getitem__, map(bisect_left, repeat(entries), first_numbers))
    return list(compress(spans, map(gt, nearest, last_numbers)))
