"""How values are spelled: numbers, times, ages and the words of the vocabulary."""

from __future__ import annotations

import math
import re
from typing import Final

from xray.model.clock import parse_time_us
from xray.query.fields import Words
from xray.query.spelling import find_nearest

_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)
_SPAN: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s|m|h|d|w)\Z", re.ASCII)
_UNIT_US: Final = {
    "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000,
    "d": 86_400_000_000, "w": 604_800_000_000,
}  # fmt: skip
_LOST_PLUS: Final = re.compile(r"(T\d\d:\d\d\S*) (\d\d:?\d\d)\Z")
_MAX_EXACT_INT: Final = 1 << 63
_MAX_INT_LENGTH: Final = 20

TIME_FORMS: Final = "2026-01-01T00:00:00Z, 2026-01-01, or 24h, 7d for that long ago"


def read_number(text: str) -> int | float | None:
    """The number that *text* spells, or None; beyond 64 bits it is the nearest float."""
    if not _NUMBER.match(text):
        return None
    if text.lstrip("+-").isdigit() and len(text) < _MAX_INT_LENGTH:
        whole = int(text)
        return whole if -_MAX_EXACT_INT <= whole < _MAX_EXACT_INT else float(whole)
    number = float(text)
    return number if math.isfinite(number) else None


def read_span_us(text: str) -> int | None:
    """The microseconds that a span of time such as `90m` or `1.5h` takes, or None."""
    span = _SPAN.match(text.strip().lower())
    return None if span is None else round(float(span[1]) * _UNIT_US[span[2]])


def read_time_us(text: str, now_us: int) -> int | None:
    """Microseconds since 1970 of a time, or of as long before *now_us* as a span takes; or None."""
    span_us = read_span_us(text)
    if span_us is not None:
        return max(0, now_us - span_us)
    # A form decoder turns the plus sign of "+02:00" into a space.
    return parse_time_us(_LOST_PLUS.sub(r"\1+\2", text.strip()))


def say_words(text: str, words: Words) -> str:
    """What to write instead of *text*, which is none of *words*."""
    near = find_nearest(text.strip(), (*words.known, *words.aliases))
    if near is not None:
        return f"Did you mean {near!r}?"
    also = "".join(f"; {alias.upper()} means {word}" for alias, word in words.aliases.items())
    return f"Any case will do{also}."
