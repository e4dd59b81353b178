"""Time, injectable so that tests never sleep."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta, timezone
from typing import Protocol

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Clock(Protocol):
    """A wall clock for timestamps and a monotonic one for durations and deadlines."""

    def wall_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never go backwards."""
        ...


class SystemClock:
    """The clock of this machine."""

    def wall_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000

    def monotonic_s(self) -> float:
        """Seconds that never go backwards."""
        return time.perf_counter()


def from_wall_us(wall_us: int) -> datetime:
    """The UTC time at *wall_us* microseconds since 1970; exact to the microsecond."""
    return _EPOCH + timedelta(microseconds=wall_us)


def to_wall_us(moment: datetime) -> int:
    """Microseconds since 1970 of *moment*; a time without a zone is taken as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def parse_time_us(text: str) -> int | None:
    """Microseconds since 1970 of an RFC 3339 time or a date, or None; without a zone it is UTC."""
    try:
        return to_wall_us(msgspec.convert(text, datetime))
    except (msgspec.ValidationError, OverflowError):
        pass
    try:
        return to_wall_us(datetime.combine(date.fromisoformat(text), datetime.min.time()))
    except ValueError:
        return None
