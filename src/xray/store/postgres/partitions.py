"""Tables in parts, by the time their records came: each part holds the numbers of some days."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from xray.store.blocks import BLOCK_BITS
from xray.store.postgres.driver import Connection
from xray.store.sql.rosters import ID_BITS, PIECE_BITS

_LOCK: Final = 0x58526179_02
_FIRST_DATE: Final = date(2020, 1, 1)
_PERIOD_DAYS: Final = 7
_AHEAD_DAYS: Final = 7
COUNT_BITS: Final = 28
"""A number is a day, shifted by this many bits, and a count."""

_FACT_BITS: Final = 2
_SHIFTS: Final = {
    "runs": 0,
    "run_facts": _FACT_BITS,
    "steps": 0,
    "step_bodies": 0,
    "blocks": BLOCK_BITS,
    "rosters": 0,
    "roster_chunks": ID_BITS,
    "roster_parts": ID_BITS + PIECE_BITS,
}
"""The tables, and how far the number of a run or step is shifted in their ids."""

_TODAY: Final = "select floor(extract(epoch from clock_timestamp()) / 86400)::bigint - 18262"


def make_partitions(connection: Connection) -> int:
    """Make the parts of the next days, where they are missing.

    Returns:
        The day, in days since 2020, before which every part is there.
    """
    today = read_day(connection)
    beyond = _read_end(connection)
    if beyond is not None and beyond > today + _AHEAD_DAYS // 2:
        return beyond
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        beyond = _read_end(connection)
        # Periods begin on Mondays, of which 2019-12-30 was one.
        first = today - (today + 2) % _PERIOD_DAYS
        beyond = first if beyond is None else max(beyond, first)
        while beyond <= today + _AHEAD_DAYS:
            _make_period(connection, beyond, beyond + _PERIOD_DAYS)
            beyond += _PERIOD_DAYS
    return beyond


def read_day(connection: Connection) -> int:
    """The database's own day, in days since 2020."""
    (today,) = connection.execute(_TODAY).fetchone() or (0,)
    return int(today)


def _read_end(connection: Connection) -> int | None:
    found = connection.execute("select max(beyond_day) from periods").fetchone()
    return None if found is None or found[0] is None else int(found[0])


def _make_period(connection: Connection, first_day: int, beyond_day: int) -> None:
    name = (_FIRST_DATE + timedelta(days=first_day)).strftime("%Y_%m_%d")
    for table, shift in _SHIFTS.items():
        first = first_day << COUNT_BITS << shift
        beyond = beyond_day << COUNT_BITS << shift
        connection.execute(
            f"create table {table}_{name} partition of {table}"
            f" for values from ({first}) to ({beyond})".encode()
        )
    connection.execute(
        "insert into periods (first_day, beyond_day) values (%s, %s)", (first_day, beyond_day)
    )
