"""How the command line says what it shows to a person."""

from __future__ import annotations

from typing import Any

import msgspec

from xray.cli.terminal import Terminal, fit, printable
from xray.model.facts import ErrorInfo
from xray.model.sayings import (
    MIN_SHORT_ID,
    NOT_THERE,
    say_bytes,
    say_count,
    say_duration,
    say_measured,
    say_number,
    say_rate,
    say_when,
    shorten_ids,
)
from xray.model.values import MARK, is_mark
from xray.model.vocabulary import Certainty

__all__ = [
    "MIN_SHORT_ID",
    "NOT_THERE",
    "say_bytes",
    "say_certainty",
    "say_count",
    "say_duration",
    "say_error",
    "say_measured",
    "say_number",
    "say_rate",
    "say_value",
    "say_when",
    "shorten_ids",
]


def say_certainty(certainty: Certainty, because: str = "", said: str = "") -> str:
    """The certainty and what it rests on, in brackets; nothing for what is known.

    Args:
        said: the sentence before it, which may give the ground already.
    """
    if certainty == "known":
        return ""
    is_news = because and because not in said
    return f"({certainty}: {printable(because)})" if is_news else f"({certainty})"


def say_value(value: Any, terminal: Terminal, max_width: int = 60) -> str:
    """A free-form value on one line, with marks in words."""
    if value is None:
        return NOT_THERE
    plain_value = _spell_marks(value)
    if not isinstance(plain_value, str):
        plain_value = msgspec.json.encode(plain_value).decode("utf-8", "replace")
    return fit(printable(plain_value), max_width, terminal.ellipsis)


def _spell_marks(value: Any) -> Any:
    if is_mark(value):
        return _spell_mark(value)
    if isinstance(value, dict):
        return {name: _spell_marks(item) for name, item in value.items()}
    return [_spell_marks(item) for item in value] if isinstance(value, list) else value


def _spell_mark(mark: dict[str, Any]) -> Any:
    kind = mark[MARK]
    if kind == "map":
        return _spell_marks(mark.get("value"))
    if kind == "float":
        return str(mark.get("value"))
    if kind == "truncated" and isinstance(mark.get("head"), str):
        return f"{mark['head']}…"
    named = mark.get("type")
    return f"<{kind} {named}>" if isinstance(named, str) else f"<{kind}>"


def say_error(error: ErrorInfo) -> str:
    """What failed, on one line."""
    return printable(f"{error.type}: {error.message}" if error.message else error.type)
