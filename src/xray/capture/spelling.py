"""Plain text for names, keys, times and the like, without running code of the pipeline's."""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, Final

from xray.model.ids import read_field
from xray.model.kinds import is_a, is_one_of, name_kind, read_loaded

# Python may be set to spell no more than 640 digits.
_MAX_INT_BITS: Final = 2_048
_MAX_KEY_PARTS: Final = 16
_MAX_KEY_BYTES: Final = 8_192
_PLAIN: Final = (str, int, float, bool, type(None))
_DATE: Final = [date.__dict__[name].__get__ for name in ("year", "month", "day")]
_CLOCK: Final = [
    datetime.__dict__[name].__get__ for name in ("hour", "minute", "second", "microsecond")
]
_DURATION: Final = [
    timedelta.__dict__[name].__get__ for name in ("days", "seconds", "microseconds")
]
_read_zone: Final = datetime.__dict__["tzinfo"].__get__
_read_fold: Final = datetime.__dict__["fold"].__get__


def bounded_text(text: object, omissions: dict[str, int], max_length: int = 4_096) -> str | None:
    """*text* when it is a string, cut to *max_length* with an ellipsis; other types by name."""
    if text is None:
        return None
    plain = str.__str__(text) if is_a(text, str) else spell_plain(text)
    if len(plain) > max_length:
        count_omission(omissions, "truncated")
        plain = plain[: max_length - 1] + "…"
    return well_formed(plain)


def count_omission(omissions: dict[str, int], kind: str, by: int = 1) -> None:
    """Add to what was left out of a record; several threads may at once."""
    # No call between reading and writing, so no other thread runs there.
    omissions.setdefault(kind, 0)
    omissions[kind] += by


def spell_plain(value: object) -> str:
    """A plain scalar as text; an int of very many digits and every other object by its type."""
    if type(value) is int and value.bit_length() > _MAX_INT_BITS:
        return f"<int of {value.bit_length()} bits>"
    return str(value) if is_one_of(value, _PLAIN) else name_kind(value)


def well_formed(text: str) -> str:
    """*text* with every lone surrogate replaced by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def spell_key(key: object) -> str:
    """The key of a mapping as text; what is no name by its type, in angle brackets."""
    if is_a(key, enum.Enum):
        name = read_field(key, "_name_")
        if is_a(name, str):
            return well_formed(str.__str__(name))
    if is_a(key, str):
        return well_formed(str.__str__(key))
    if is_a(key, bytes):
        return bytes.decode(bytes.__getitem__(key, slice(0, _MAX_KEY_BYTES)), "utf-8", "replace")
    if is_one_of(key, _PLAIN):
        return spell_plain(key)
    if type(key) is tuple and len(key) <= _MAX_KEY_PARTS:
        parts: tuple[object, ...] = key
        if all(is_one_of(part, _PLAIN) for part in parts):
            spelled = (repr(part) if type(part) is str else spell_plain(part) for part in parts)
            return well_formed(f"({', '.join(spelled)})")
    return f"<{name_kind(key)}>"


def spell_time(value: object) -> str | None:
    """A date, time or duration as text, whatever class below them it is of; None for all else.

    A time zone that is the pipeline's own code is named by its type.
    """
    if type(value) is time:
        zone = value.tzinfo
        return str(value) if _is_known(zone) else f"{value.replace(tzinfo=None)} {name_kind(zone)}"
    if is_a(value, datetime):
        # The "not a time" of pandas is a datetime by its type alone.
        return None if value is read_loaded("pandas", "NaT") else _spell_datetime(value)
    if is_a(value, date):
        return str(date(*(read(value) for read in _DATE)))
    if is_a(value, timedelta):
        return str(timedelta(*(read(value) for read in _DURATION)))
    return None


def _spell_datetime(value: datetime) -> str:
    year, month, day, *clock = (read(value) for read in (*_DATE, *_CLOCK))
    plain = datetime(year, month, day, *clock, fold=_read_fold(value))  # noqa: DTZ001
    zone = _read_zone(value)
    if _is_known(zone):
        return str(plain.replace(tzinfo=zone))
    return f"{plain} {name_kind(zone)}"


def _is_known(zone: object) -> bool:
    known: Any = read_loaded("zoneinfo", "ZoneInfo")
    return zone is None or type(zone) is timezone or (known is not None and type(zone) is known)
