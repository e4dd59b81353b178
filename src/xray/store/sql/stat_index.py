"""Statistics that can be asked without a scan: their numbers by the hour the step began in.

An index ordered by the numbers alone would dirty a page for every number; this one grows at its
end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from xray.query.distribution import Number
from xray.query.groups import as_number
from xray.store.sql.driver import Driver

HOUR_US: Final = 3_600_000_000
_SLICE_STEPS: Final = 2_000
_INT64: Final = range(-(1 << 63), 1 << 63)
_StatRow = tuple[int, int, Any, int]
_PUT: Final = (
    "insert into step_stats (stat, hour, value, seq) values (?, ?, ?, ?)"
    " on conflict (stat, hour, value, seq) do nothing"
)
_DELETE: Final = "delete from step_stats where stat = ? and hour = ? and value = ? and seq = ?"


def as_int64_or_float(number: Number) -> Number:
    """*number*, or one that lies on the same side of every number of 64 bits."""
    if isinstance(number, float) or number in _INT64:
        return number
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, number)


class StatIndex:
    """Writes the index; used by the writer alone.

    Args:
        connection: the writer's connection.
        bind: a number in the form it is stored in.
    """

    def __init__(
        self, connection: Driver, bind: Callable[[Number], Any] = as_int64_or_float
    ) -> None:
        self._connection = connection
        self._bind = bind
        self._rows: list[_StatRow] = []
        self.refresh()

    def refresh(self) -> None:
        """Start again from what the database says."""
        self._rows.clear()
        query = "select name, id from indexed_stats where is_wanted = 1"
        self._wanted: dict[str, int] = dict(self._connection.execute(query).fetchall())
        query = "select count(*) from indexed_stats where filled_from > 1 or is_wanted = 0"
        self.is_due = self._connection.execute(query).fetchone()[0] > 0

    def add(self, seq: int, started_at_us: int, stats: Mapping[str, Any]) -> None:
        """Let the numbers of step *seq* wait for `write`."""
        for name, stat in self._wanted.items():
            number = as_number(stats.get(name))
            if number is not None:
                self._rows.append((stat, started_at_us // HOUR_US, self._bind(number), seq))

    def write(self) -> None:
        """Write what waits."""
        self._connection.executemany(_PUT, self._rows)
        self._rows.clear()

    def remove(self, steps: Iterable[tuple[int, int, str | None]]) -> None:
        """Leave steps out that are deleted.

        Args:
            steps: the number of each, when it began in µs since 1970, and its statistics as they
                are stored.
        """
        indexed = self._connection.execute("select name, id from indexed_stats").fetchall()
        rows: list[_StatRow] = []
        for seq, started_at_us, text in steps:
            stats = msgspec.json.decode(text) if text else {}
            for name, stat in indexed:
                number = as_number(stats.get(name))
                if number is not None:
                    rows.append((stat, started_at_us // HOUR_US, self._bind(number), seq))
        self._connection.executemany(_DELETE, rows)

    def fill_slice(self) -> None:
        """Fill in some older steps, or delete some rows that are not wanted any more."""
        stat, name, filled_from, is_wanted = self._connection.execute(
            "select id, name, filled_from, is_wanted from indexed_stats"
            " where filled_from > 1 or is_wanted = 0 order by is_wanted desc limit 1"
        ).fetchone()
        if is_wanted:
            self._fill(stat, name, filled_from)
        else:
            self._delete(stat)
        self.refresh()

    def _fill(self, stat: int, name: str, filled_from: int) -> None:
        first = self._connection.execute(
            "select seq from steps where seq < ? order by seq desc limit 1 offset ?",
            (filled_from, _SLICE_STEPS - 1),
        ).fetchone()
        first = 1 if first is None else first[0]
        found = self._connection.execute(
            "select seq, started_at, stats from steps where seq >= ? and seq < ?"
            " and stats is not null",
            (first, filled_from),
        )
        rows: list[_StatRow] = []
        for seq, started_at_us, text in found:
            number = as_number(msgspec.json.decode(text).get(name))
            if number is not None:
                rows.append((stat, started_at_us // HOUR_US, self._bind(number), seq))
        self._connection.executemany(_PUT, rows)
        self._connection.execute(
            "update indexed_stats set filled_from = ? where id = ?", (first, stat)
        )

    def _delete(self, stat: int) -> None:
        hour = self._connection.execute(
            "select hour from step_stats where stat = ? order by hour limit 1 offset ?",
            (stat, _SLICE_STEPS),
        ).fetchone()
        if hour is None:
            self._connection.execute("delete from step_stats where stat = ?", (stat,))
            self._connection.execute("delete from indexed_stats where id = ?", (stat,))
        else:
            self._connection.execute(
                "delete from step_stats where stat = ? and hour <= ?", (stat, hour[0])
            )


def choose_stats(connection: Driver, names: Sequence[str], first: int) -> None:
    """Index the statistics *names* from now on, and no others; older steps are filled in later.

    Args:
        connection: within a transaction.
        names: the statistics.
        first: a number that no step reaches which is stored already.
    """
    known = dict(connection.execute("select name, is_wanted from indexed_stats").fetchall())
    for name in names:
        if not known.get(name):
            connection.execute(
                "insert into indexed_stats (name, filled_from, is_wanted) values (?, ?, 1)"
                " on conflict (name) do update set filled_from = ?, is_wanted = 1",
                (name, first, first),
            )
    for name in known.keys() - set(names):
        connection.execute("update indexed_stats set is_wanted = 0 where name = ?", (name,))


def list_indexed(connection: Driver) -> dict[str, int]:
    """The statistics that are indexed for all steps, with their numbers."""
    query = "select name, id from indexed_stats where is_wanted = 1 and filled_from <= 1"
    return dict(connection.execute(query).fetchall())
