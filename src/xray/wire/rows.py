"""The rows of one fact as one encoded value, which is copied as it is when the fact is encoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from msgspec import Raw

from xray.model.facts import DecisionRow

_ARRAY_32: Final = b"\xdd"
_HEADER_BYTES: Final = 5


def pack_rows(encoded: Sequence[bytes]) -> list[DecisionRow]:
    """What stands for the rows of a fact whose rows are *encoded* already.

    A thousand values would take as long to wrap and unwrap one by one as it took to encode them.
    """
    if not encoded:
        return []
    header = _ARRAY_32 + len(encoded).to_bytes(_HEADER_BYTES - 1, "big")
    return cast("list[DecisionRow]", Raw(header + b"".join(encoded)))


def count_rows(rows: list[DecisionRow]) -> int:
    """How many rows there are, packed or not."""
    packed: object = rows
    if not isinstance(packed, Raw):
        return len(rows)
    return int.from_bytes(memoryview(packed)[1:_HEADER_BYTES], "big")
