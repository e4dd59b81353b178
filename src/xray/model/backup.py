"""What a copy of a store holds."""

from __future__ import annotations

from msgspec import Struct


class Backup(Struct, frozen=True, kw_only=True):
    """A copy that was checked.

    Args:
        runs: how many runs it holds.
        steps: how many steps.
        size_bytes: how large it is.
    """

    runs: int
    steps: int
    size_bytes: int
