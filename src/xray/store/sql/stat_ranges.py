"""Steps by the numbers of an indexed statistic, hour by hour, the newest first.

Hours without a match are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from xray.store.compile import StatRange
from xray.store.sql.driver import Driver
from xray.store.sql.spelling import Spelling
from xray.store.sql.stat_index import HOUR_US

_MAX_HOURS: Final = 64
_ALL: Final = 1 << 40


def find_hours(
    connection: Driver, spelling: Spelling, asked: StatRange, newest: int, limit: int = _ALL
) -> list[int]:
    """The hours with a number in the range *asked*, from *newest* back.

    Args:
        connection: a connection.
        spelling: how its engine spells SQL.
        asked: which numbers.
        newest: the hour to begin with.
        limit: how many hours.
    """
    tests, values = _spell_tests(spelling, asked)
    query = f"""
        with recursive passed (hour) as (
            select max(hour) from step_stats where stat = ? and hour <= ?
            union all
            select (select max(hour) from step_stats where stat = ? and hour < passed.hour)
            from passed where hour > ?
        )
        select hour from passed where hour >= ? and exists (
            select 1 from step_stats where stat = ? and hour = passed.hour and {tests}
        ) limit ?"""  # noqa: S608
    oldest = asked.first_us // HOUR_US
    values = (asked.stat, newest, asked.stat, oldest, oldest, asked.stat, *values, limit)
    return [hour for (hour,) in connection.execute(query, values)]


def count_numbers(
    connection: Driver, spelling: Spelling, asked: StatRange, hours: Sequence[int], limit: int
) -> int:
    """How many numbers of *hours* lie in the range *asked*; at most *limit* are counted."""
    tests, values = _spell_tests(spelling, asked)
    query = f"""
        select count(*) from (
            select 1 from {spelling.listed} as wanted
            {spelling.then_join} step_stats on stat = ? and hour = wanted.value and {tests} limit ?
        ) as found"""  # noqa: S608
    listed = spelling.list_numbers(hours)
    found = connection.execute(query, (listed, asked.stat, *values, limit))
    return int(found.fetchone()[0])


def _spell_tests(spelling: Spelling, asked: StatRange) -> tuple[str, tuple[Any, ...]]:
    tests = " and ".join(f"step_stats.value {op} ?" for op, _ in asked.tests)
    return tests, tuple(spelling.bind_number(operand) for _, operand in asked.tests)


def portion_hours(
    connection: Driver, spelling: Spelling, asked: StatRange, newest: int
) -> Iterator[tuple[list[int], bool]]:
    """The hours with a number in the range *asked*, from *newest* back, and whether more follow.

    Each portion has twice as many hours as the one before, up to a point.
    """
    size = 1
    while True:
        hours = find_hours(connection, spelling, asked, newest, size + 1)
        has_more = len(hours) > size
        yield hours[:size], has_more
        if not has_more:
            return
        newest = hours[size - 1] - 1
        size = min(2 * size, _MAX_HOURS)
