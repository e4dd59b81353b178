"""Text and numbers in a form that PostgreSQL keeps exactly.

PostgreSQL's text holds no character NUL. It is stored as U+0001 U+0001, and U+0001 itself as U+0001
U+0002: nothing is lost, and the order of texts by code point stays.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Final

from xray.query.distribution import Number

_ESCAPED: Final = re.compile(rb"\x01[\x01\x02]")
_PLAIN: Final = {b"\x01\x01": b"\x00", b"\x01\x02": b"\x01"}
# Whole strings are matched first, so that what lies in them is no number.
_JSON_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9.]+[eE][+-]?[0-9]+')
_JSON_ESCAPE: Final = re.compile(r"\\(?:u000[01]|.)")
_STORED_ESCAPE: Final = re.compile(r"\\(?:u0001\\u000[12]|.)")


def escape_text(text: bytes) -> bytes:
    """*text*, in UTF-8, as it is stored."""
    if b"\x00" not in text and b"\x01" not in text:
        return text
    return text.replace(b"\x01", b"\x01\x02").replace(b"\x00", b"\x01\x01")


def restore_text(stored: bytes) -> bytes:
    """The text that `escape_text` made *stored* of."""
    if b"\x01" not in stored:
        return stored
    return _ESCAPED.sub(lambda found: _PLAIN[found.group()], stored)


def escape_json(text: str | None) -> str | None:
    """JSON *text* as it is stored: without NUL, and every number as what it is exactly."""
    if text is None:
        return None
    return _JSON_TOKEN.sub(_escape_token, text)


def _escape_token(found: re.Match[str]) -> str:
    token = found.group()
    if token[0] != '"':
        return _spell_exactly(float(token))
    if "\\u000" not in token:
        return token
    return _JSON_ESCAPE.sub(_escape_character, token)


def _escape_character(found: re.Match[str]) -> str:
    text = found.group()
    if text == "\\u0000":
        return "\\u0001\\u0001"
    return "\\u0001\\u0002" if text == "\\u0001" else text


def _spell_exactly(number: float) -> str:
    # Below, the shortest spelling of a fraction stands on its side of every whole number.
    return f"{int(number)}.0" if abs(number) >= 2**53 else repr(number)


def restore_json(stored: str) -> str:
    """The JSON text that `escape_json` made *stored* of, as PostgreSQL spells it."""
    if "\\u0001" not in stored:
        return stored
    return _STORED_ESCAPE.sub(_restore_character, stored)


def _restore_character(found: re.Match[str]) -> str:
    text = found.group()
    if text == "\\u0001\\u0001":
        return "\\u0000"
    return "\\u0001" if text == "\\u0001\\u0002" else text


def exact_number(number: Number) -> Decimal:
    """*number* as it stands in JSON that was stored."""
    if isinstance(number, int):
        return Decimal(number)
    if math.isinf(number):
        return Decimal("Infinity") if number > 0 else Decimal("-Infinity")
    return Decimal(int(number)) if abs(number) >= 2**53 else Decimal(repr(number))
