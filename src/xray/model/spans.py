"""Spans of hashes: what an entry of a roster may stand for, compared in one walk."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Final, TypeVar

from xray.model.universe import HASH_BITS

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
