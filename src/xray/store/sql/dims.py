"""Repeated text as small numbers: pipelines, step names, versions, reasons and the like."""

from __future__ import annotations

from typing import Final

from xray.store.sql.driver import Driver
from xray.store.words import DimKind

_MAX_CACHED: Final = 100_000


class Dims:
    """Gives each text of a kind its number; used by the writer alone.

    Args:
        connection: the writer's connection.
    """

    def __init__(self, connection: Driver) -> None:
        self._connection = connection
        self._numbers: dict[tuple[int, str], int] = {}
        self._few: dict[DimKind, dict[str | bytes, int]] = {}

    def forget(self) -> None:
        """Drop what is remembered; for when a transaction was taken back."""
        self._numbers.clear()
        self._few.clear()

    def number(self, kind: DimKind, text: str) -> int:
        """The number of *text*, which is given one when it has none."""
        known = self._numbers.get((kind, text))
        if known is not None:
            return known
        find = "select id from dim where kind = ? and text = ?"
        row = self._connection.execute(find, (kind, text)).fetchone()
        if row is None:
            number = self._add(kind, text)
        else:
            number = int(row[0])
        if len(self._numbers) >= _MAX_CACHED:
            self._numbers.clear()
        self._numbers[kind, text] = number
        return number

    def _add(self, kind: DimKind, text: str | bytes) -> int:
        add = "insert into dim (kind, text) values (?, ?) returning id"
        ((number,),) = self._connection.execute(add, (kind, text)).fetchall()
        return int(number)

    def optional(self, kind: DimKind, text: str | None) -> int | None:
        """The number of *text*; None for None."""
        return None if text is None else self.number(kind, text)

    def number_few(self, kind: DimKind, text: str | bytes, most: int) -> int | None:
        """The number of *text*; None once *most* of its kind have one, and it has none."""
        known = self._few.get(kind)
        if known is None:
            find = "select text, id from dim where kind = ?"
            known = self._few[kind] = dict(self._connection.execute(find, (kind,)).fetchall())
        number = known.get(text)
        if number is None and len(known) < most:
            number = known[text] = self._add(kind, text)
        return number
