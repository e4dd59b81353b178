"""How much a search without an index may cost, and what it has cost so far."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from xray.model.clock import Clock, from_wall_us
from xray.model.records import Scan
from xray.query.plan import Position

ROWS_A_RECORD: Final = 64
"""How many decisions cost about as much as opening a record."""


class ScanBudget(Struct, frozen=True):
    """How much one page may cost before it is given back unfinished.

    Args:
        column_rows: rows whose plain columns SQL compares.
        json_rows: rows whose JSON columns SQL reads.
        opened_rows: records that are opened one by one.
        duration_s: seconds; looked at between portions of rows.
    """

    column_rows: int = 1_000_000
    json_rows: int = 250_000
    opened_rows: int = 50_000
    duration_s: float = 2.0


class Visited(Struct, frozen=True):
    """How far records were shown one by one.

    Args:
        end: the last that was looked at; None when all were.
        scan: how many were looked at.
    """

    end: Position | None
    scan: Scan


class Meter:
    """What one search has spent.

    Args:
        rows: how many rows it may look at.
        duration_s: how long it may take.
        clock: the time.
    """

    def __init__(self, rows: int, duration_s: float, clock: Clock) -> None:
        self._allowed = rows
        self._clock = clock
        self._deadline_s = clock.monotonic_s() + duration_s
        self._spent = 0
        self.rows = 0

    def spend(self, rows: int) -> None:
        """Count *rows* that are looked at."""
        self._spent += rows
        self.rows += rows

    def note(self, rows: int) -> None:
        """Count *rows* that another meter let be looked at."""
        self.rows += rows

    @property
    def left(self) -> int:
        """How many more rows may be looked at; none once the time is over."""
        if self._spent and self._clock.monotonic_s() >= self._deadline_s:
            return 0
        return max(0, self._allowed - self._spent)

    def report(self, back_to_us: int | None) -> Scan:
        """How far the search came.

        Args:
            back_to_us: the start of the last record it looked at; None when it looked at all.
        """
        back_to = None if back_to_us is None else from_wall_us(back_to_us)
        return Scan(rows=self.rows, back_to=back_to)
