"""The hash that stands for a candidate wherever its id would take too much room."""

from __future__ import annotations

from hashlib import blake2b


def hash64(candidate_id: str) -> int:
    """The 64-bit hash of a candidate id that posting lists and rosters share (BLAKE2b, RFC 7693).

    Lone surrogates, which no record holds, hash like a question mark.
    """
    raw = candidate_id.encode("utf-8", "replace")
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "big")
