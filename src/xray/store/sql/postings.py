"""Which steps a candidate occurs in: sorted segments of (hash, step), merged level by level.

A B-tree row for each candidate would dirty one page for each decision. Here every commit appends
one sorted segment; when `fanout` segments of a level have gathered in a window of 65,536 steps
they become one of the next level, and a window that is full becomes a single segment. A lookup
reads one row a segment and bisects it. 48 bits of the hash are kept: the reader checks the id.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Final

from xray.store.sql.driver import Driver

_STEP_BITS: Final = 16
_STEP_MASK: Final = (1 << _STEP_BITS) - 1
_PART_BITS: Final = 12
_PART_ENTRIES: Final = 256
_HASH_SHIFT: Final = 16
_CLOSED_LEVEL: Final = 255
_WORTH_SWEEPING: Final = 0.25


class Postings:
    """Writes the candidate index; used by the writer alone.

    Args:
        connection: the writer's connection.
        fanout: how many segments of a level become one of the next.
        window_bits: a window holds 2 to the power of this many steps, at most 16.
    """

    def __init__(
        self, connection: Driver, *, fanout: int = 16, window_bits: int = _STEP_BITS
    ) -> None:
        self._connection = connection
        self._fanout = fanout
        self._window_bits = window_bits

    def add(self, occurrences: Iterable[tuple[int, Iterable[int]]]) -> None:
        """Add steps with the 64-bit hashes of their candidates, as one segment a window."""
        windows: dict[int, set[int]] = {}
        for step, hashes in occurrences:
            low = step & _STEP_MASK
            entries = windows.setdefault(step >> self._window_bits, set())
            entries.update([hashed >> _HASH_SHIFT << _STEP_BITS | low for hashed in hashes])
        for window, entries in windows.items():
            if entries:
                self._write(window, 0, array("Q", sorted(entries)))

    def _write(self, window: int, level: int, entries: array[int]) -> None:
        bits = min(_PART_BITS, max(0, (len(entries) // _PART_ENTRIES).bit_length()))
        ((segment,),) = self._connection.execute(
            'insert into cand_seg ("window", level, bits, entries) values (?, ?, ?, ?)'
            " returning id",
            (window, level, bits, len(entries)),
        ).fetchall()
        rows: list[tuple[int, bytes]] = []
        start = 0
        for part in range(1 << bits):
            end = bisect_left(entries, (part + 1) << (64 - bits), start)
            if end > start:
                rows.append((segment << _PART_BITS | part, _to_bytes(entries[start:end])))
            start = end
        self._connection.executemany("insert into cand_post (id, data) values (?, ?)", rows)

    def merge_due(self) -> bool:
        """Merge one group of segments that is due; False when none is."""
        due = self._connection.execute(
            'select "window", level from cand_seg group by "window", level having count(*) >= ?'
            " order by level limit 1",
            (self._fanout,),
        ).fetchone()
        if due is not None:
            window, level = due
            self._merge(window, level, level, min(level + 1, _CLOSED_LEVEL))
            return True
        full = self._connection.execute(
            'select "window" from cand_seg where "window" < (select max("window") from cand_seg)'
            ' group by "window" having max(level) < ? and count(*) > 1 limit 1',
            (_CLOSED_LEVEL,),
        ).fetchone()
        if full is None:
            return False
        self._merge(full[0], 0, _CLOSED_LEVEL, _CLOSED_LEVEL)
        return True

    def _merge(self, window: int, lowest: int, highest: int, level: int) -> None:
        segments = [
            row[0]
            for row in self._connection.execute(
                'select id from cand_seg where "window" = ? and level between ? and ?',
                (window, lowest, highest),
            )
        ]
        merged: array[int] = array("Q")
        for segment in segments:
            merged.extend(self._load(segment))
        self._write(window, level, array("Q", sorted(merged)))
        for segment in segments:
            self._delete(segment)

    def window_of(self, step: int) -> int:
        """The window of step number *step*."""
        return step >> self._window_bits

    def segments_of(self, window: int) -> list[tuple[int, int]]:
        """The segments of a window, each with its level."""
        query = 'select id, level from cand_seg where "window" = ? order by id'
        return self._connection.execute(query, (window,)).fetchall()

    def windows(self) -> list[int]:
        """The windows that have segments."""
        query = 'select distinct "window" from cand_seg order by "window"'
        return [window for (window,) in self._connection.execute(query).fetchall()]

    def sweep(self, window: int, segment: tuple[int, int], *, is_thorough: bool = False) -> None:
        """Leave deleted steps out of a segment, where they are enough to be worth it.

        Args:
            window: its window.
            segment: its number and its level; one that was merged meanwhile is passed over.
            is_thorough: whether every single one is worth it.
        """
        number, level = segment
        if (number, level) not in self.segments_of(window):
            return
        entries = self._load(number)
        is_alive = self._find_alive(window)
        left = array("Q", [entry for entry in entries if is_alive[entry & _STEP_MASK]])
        gone = len(entries) - len(left)
        if not gone or (not is_thorough and gone < len(entries) * _WORTH_SWEEPING):
            return
        self._delete(number)
        if left:
            self._write(window, level, left)

    def _find_alive(self, window: int) -> bytearray:
        """Of each step of a window, by the low bits of its number, whether it is stored."""
        bounds = (window << self._window_bits, (window + 1 << self._window_bits) - 1)
        is_alive = bytearray(_STEP_MASK + 1)
        for table in ("steps", "early_steps"):
            query = f"select seq from {table} where seq between ? and ?"  # noqa: S608
            for (seq,) in self._connection.execute(query, bounds):
                is_alive[seq & _STEP_MASK] = 1
        return is_alive

    def _load(self, segment: int) -> array[int]:
        entries: array[int] = array("Q")
        query = "select data from cand_post where id between ? and ? order by id"
        for (data,) in self._connection.execute(query, _part_range(segment)):
            entries.extend(_from_bytes(data))
        return entries

    def _delete(self, segment: int) -> None:
        query = "delete from cand_post where id between ? and ?"
        self._connection.execute(query, _part_range(segment))
        self._connection.execute("delete from cand_seg where id = ?", (segment,))


def find_steps(connection: Driver, hashed: int, *, window_bits: int = _STEP_BITS) -> list[int]:
    """The steps that may hold the candidate with the 64-bit hash *hashed*, ascending."""
    lowest = hashed >> _HASH_SHIFT << _STEP_BITS
    steps: set[int] = set()
    segments = connection.execute('select id, "window", bits from cand_seg').fetchall()
    for segment, window, bits in segments:
        part = segment << _PART_BITS | hashed >> (64 - bits)
        row = connection.execute("select data from cand_post where id = ?", (part,)).fetchone()
        if row is None:
            continue
        entries = _from_bytes(row[0])
        start = bisect_left(entries, lowest)
        end = bisect_right(entries, lowest | _STEP_MASK, start)
        base = window << window_bits & ~_STEP_MASK
        steps.update(base | entry & _STEP_MASK for entry in entries[start:end])
    return sorted(steps)


def _part_range(segment: int) -> tuple[int, int]:
    return segment << _PART_BITS, (segment + 1 << _PART_BITS) - 1


def _to_bytes(entries: array[int]) -> bytes:
    if sys.byteorder == "big":
        entries = array("Q", entries)
        entries.byteswap()
    return entries.tobytes()


def _from_bytes(data: bytes) -> array[int]:
    entries: array[int] = array("Q")
    entries.frombytes(data)
    if sys.byteorder == "big":
        entries.byteswap()
    return entries
