"""A large step in pieces that each fit a request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

from msgspec import Raw

from xray.capture.settlement import NamedGroup
from xray.model.facts import MAX_ROSTER_CHUNK_IDS, DecisionRow, RosterGroup

MAX_CHUNK_BYTES: Final = 196_608
MAX_ROSTER_CHUNK_CHARACTERS: Final = 262_144


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
    return [cast("list[DecisionRow]", list(map(Raw, chunk))) for chunk in chunks]


def split_roster(roster: list[NamedGroup]) -> Iterator[list[RosterGroup]]:
    """A roster in pieces that each fit a request, spelled as they are asked for."""
    piece: list[RosterGroup] = []
    ids_left, characters_left = MAX_ROSTER_CHUNK_IDS, MAX_ROSTER_CHUNK_CHARACTERS
    for verdict, reason, origin, by, ids in roster:
        start = 0
        while start < len(ids):
            texts = ids.texts(start, start + ids_left)
            while (characters := len("".join(texts))) > characters_left:
                del texts[len(texts) * characters_left // characters :]
            if texts:
                piece.append(RosterGroup(verdict, reason, origin, by, texts))
                start += len(texts)
                ids_left -= len(texts)
                characters_left -= characters
            if start < len(ids):
                yield piece
                piece = []
                ids_left, characters_left = MAX_ROSTER_CHUNK_IDS, MAX_ROSTER_CHUNK_CHARACTERS
    if piece:
        yield piece
