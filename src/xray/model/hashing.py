"""The hash that stands for a candidate wherever its id would take too much room."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final

_MAX_REMEMBERED: Final = 1 << 15
"""Some 200 bytes each."""


def hash64(candidate_id: str) -> int:
    """The 64-bit hash of a candidate id that posting lists and rosters share (BLAKE2b, RFC 7693).

    Lone surrogates, which no record holds, hash like a question mark.
    """
    raw = candidate_id.encode("utf-8", "replace")
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "big")


def hash_all(candidate_ids: Sequence[str]) -> tuple[int, ...]:
    """The `hash64` of each of *candidate_ids*, in less time than one by one."""
    digests = [
        blake2b(candidate_id.encode("utf-8", "replace"), digest_size=8).digest()
        for candidate_id in candidate_ids
    ]
    return struct.unpack(f">{len(digests)}Q", b"".join(digests))


hash_often: Final[Callable[[str], int]] = lru_cache(_MAX_REMEMBERED)(hash64)
"""`hash64`, remembered: runs of one pipeline decide the same candidates again and again."""
