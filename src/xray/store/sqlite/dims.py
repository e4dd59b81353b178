"""Repeated text as small numbers: pipelines, step names, versions, environments, repositories."""

from __future__ import annotations

import sqlite3
from typing import Final

from xray.store.words import DimKind

_MAX_CACHED: Final = 100_000


class Dims:
    """Gives each text of a kind its number; used by the writer alone.

    Args:
        connection: the writer's connection.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._numbers: dict[tuple[int, str], int] = {}

    def forget(self) -> None:
        """Drop what is remembered; for when a transaction was taken back."""
        self._numbers.clear()

    def number(self, kind: DimKind, text: str) -> int:
        """The number of *text*, which is given one when it has none."""
        known = self._numbers.get((kind, text))
        if known is not None:
            return known
        find = "select id from dim where kind = ? and text = ?"
        row = self._connection.execute(find, (kind, text)).fetchone()
        if row is None:
            add = "insert into dim (kind, text) values (?, ?)"
            number = self._connection.execute(add, (kind, text)).lastrowid
            assert number is not None
        else:
            number = row[0]
        if len(self._numbers) >= _MAX_CACHED:
            self._numbers.clear()
        self._numbers[kind, text] = number
        return number

    def optional(self, kind: DimKind, text: str | None) -> int | None:
        """The number of *text*; None for None."""
        return None if text is None else self.number(kind, text)
