"""The numbers that stand for the hashes of one compact set, and hashes looked for by them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from msgspec import Struct

HASH_BITS: Final = 64
PART_BITS: Final = 14
PART_BUCKETS: Final = 1 << PART_BITS
LOW_BITS: Final = 16


class Wanted(Struct, frozen=True):
    """Hashes that are looked for in a set, by their numbers in its universe.

    Args:
        hashes: one for each number.
        twins: all of them, for the numbers that several have.
    """

    hashes: dict[int, int]
    twins: dict[int, list[int]]


class Universe:
    """The numbers that the hashes of one set are mapped to, in the order of the hashes.

    Args:
        total: how many hashes the set was made for.

    Attributes:
        bucket_count: how many buckets there are.
        size: how many numbers there are.
    """

    __slots__ = ("bucket_count", "size", "total")

    def __init__(self, total: int) -> None:
        self.total = total
        self.bucket_count = max(1, -(-8 * total // 5))
        self.size = self.bucket_count << LOW_BITS

    @property
    def part_count(self) -> int:
        """How many parts there are."""
        return -(-self.bucket_count // PART_BUCKETS)

    def buckets_in(self, part: int) -> int:
        """How many buckets *part* has."""
        return min(PART_BUCKETS, self.bucket_count - part * PART_BUCKETS)

    def place(self, hashed: int) -> tuple[int, int]:
        """The part that a hash belongs to, and its number within it."""
        number = hashed * self.size >> HASH_BITS
        return number >> PART_BITS + LOW_BITS, number & (PART_BUCKETS << LOW_BITS) - 1

    def number(self, hashes: Collection[int]) -> Wanted:
        """*hashes* by their numbers, counted through all parts."""
        size = self.size
        numbers = [hashed * size >> HASH_BITS for hashed in hashes]
        found = dict(zip(numbers, hashes, strict=True))
        twins: dict[int, list[int]] = {}
        if len(found) < len(hashes):
            for number, hashed in zip(numbers, hashes, strict=True):
                twins.setdefault(number, []).append(hashed)
        return Wanted(found, {number: all_ for number, all_ in twins.items() if len(all_) > 1})

    def span(self, part: int, number: int) -> tuple[int, int]:
        """The first and the last hash that stand at *number* in *part*."""
        number += part * PART_BUCKETS << LOW_BITS
        return self._first(number), self._first(number + 1) - 1

    def part_start(self, part: int) -> int:
        """The first hash of *part*; that of the part behind the last is beyond all hashes."""
        return self._first(min(part * PART_BUCKETS, self.bucket_count) << LOW_BITS)

    def _first(self, number: int) -> int:
        return -(-(number << HASH_BITS) // self.size)
