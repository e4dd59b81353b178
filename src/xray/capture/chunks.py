"""A large step in pieces that each fit a request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from xray.capture.sets.ids import Ids
from xray.capture.settlement import NamedColumn, NamedGroup
from xray.model.columns import IdColumn
from xray.model.facts import MAX_ROSTER_CHUNK_IDS, DecisionRow, RosterColumn, RosterGroup
from xray.wire.rows import pack_rows

MAX_CHUNK_BYTES: Final = 196_608
MAX_ROSTER_CHUNK_BYTES: Final = 262_144


def split_rows(rows: list[bytes]) -> list[list[DecisionRow]]:
    """Encoded rows in pieces that each fit a request."""
    chunks: list[list[bytes]] = [rows]
    if sum(map(len, rows)) > MAX_CHUNK_BYTES:
        chunks = [[]]
        size = 0
        for row in rows:
            if size + len(row) > MAX_CHUNK_BYTES and chunks[-1]:
                chunks.append([])
                size = 0
            chunks[-1].append(row)
            size += len(row)
    return [pack_rows(chunk) for chunk in chunks]


def split_roster(
    roster: list[NamedGroup | NamedColumn],
) -> Iterator[tuple[list[RosterGroup], list[RosterColumn]]]:
    """A roster in pieces that each fit a request, spelled as they are asked for."""
    groups: list[RosterGroup] = []
    columns: list[RosterColumn] = []
    ids_left, bytes_left = MAX_ROSTER_CHUNK_IDS, MAX_ROSTER_CHUNK_BYTES
    for part in roster:
        start = 0
        while start < len(part.ids):
            ids, size = _cut_ids(part.ids, start, ids_left, bytes_left)
            if len(ids):
                told = part.tell(start, ids)
                if isinstance(told, RosterGroup):
                    groups.append(told)
                else:
                    columns.append(told)
                start += len(ids)
                ids_left -= len(ids)
                bytes_left -= size
            if start < len(part.ids):
                yield groups, columns
                groups, columns = [], []
                ids_left, bytes_left = MAX_ROSTER_CHUNK_IDS, MAX_ROSTER_CHUNK_BYTES
    if groups or columns:
        yield groups, columns


def _cut_ids(
    held: Ids, start: int, most_ids: int, most_bytes: int
) -> tuple[IdColumn | list[str], int]:
    """As many ids from *start* on as fit, and about how many bytes they have."""
    stop = min(start + most_ids, len(held))
    while True:
        ids = held.column(start, stop)
        size = len(ids.cells) if isinstance(ids, IdColumn) else len("".join(ids))
        if size <= most_bytes:
            return ids, size
        stop = start + (stop - start) * most_bytes // size
