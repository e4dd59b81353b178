"""Random queries that can be asked: from the tables of the page, with values that occur."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any

from tests.oracle.interpreter import LEVELS, Column, Json, read_tables

TEXTS = ("", "a", "b", "B", "ä", "𝕏", "a\x00b", 'quote"', "it's", "1", "true", "null", "ǅ", "ß")
KEYS = ("x", "y", "a\x00b", 'quote"', "a.b", "", "it's", "0", "$xray", "value", "type", "message")
NUMBERS = (
    "0", "1", "-1", "5", "0.5", "-0.0", ".5", "1e300", "5e-324", "9007199254740992",
    "9007199254740993", "9007199254740992.0", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "18446744073709551615", "18446744073709551616", "1e15", "0.1",
)  # fmt: skip
TIMES = ("24h", "1d", "0s", "'24h'", "1.5d", "2025-12-31", "'2026-01-01'",
         "2025-12-31T00:00:00Z", "2025-12-31T23:59:59.999995Z", "2026-01-01T01:00:00+01:00",
         "999999w")  # fmt: skip
SPANS = ("0s", "1ms", "0.5ms", "500ms", "1s", "1w")
ORDER = ("=", "!=", "<", "<=", ">", ">=")


class Questions:
    """Writes queries about a world.

    Args:
        chance: the source of all choices.
        runs: the world, as the oracle has it; its values are asked for.
    """

    def __init__(self, chance: random.Random, runs: list[Json]) -> None:
        self._chance = chance
        self._values = _collect(runs)
        self._texts = [value for value in self._values if isinstance(value, str)]
        self._ids = [one["run_id"] for one in runs]
        self._ids += [step["step_id"] for one in runs for step in one["steps"]]

    def write(self, level: str) -> str:
        """A query about records of *level*."""
        if self._chance.random() < 0.02:
            return ""
        text = self._either(level, None, self._chance.choice((1, 1, 2, 3)))
        if level == "decision" and self._chance.random() < 0.4:
            named = self._chance.choice(("candidate_id = 'a'", "candidate_id = 'b'"))
            named = self._chance.choice((named, f"run_id = '{self._chance.choice(self._ids)}'"))
            text = f"{named} and ({text})"
        return text

    def _either(self, row: str, bound: str | None, depth: int) -> str:
        choose = self._chance.random()
        if depth <= 0 or choose < 0.35:
            return self._leaf(row, bound)
        if choose < 0.55:
            return f"not ({self._either(row, bound, depth - 1)})"
        if choose < 0.62:
            return f"not {self._leaf(row, bound)}"
        word = self._chance.choice((" and ", " or ", " AND ", "  or\n"))
        parts = [self._grouped(row, bound, depth - 1) for _ in range(self._chance.randint(2, 3))]
        return word.join(parts)

    def _grouped(self, row: str, bound: str | None, depth: int) -> str:
        text = self._either(row, bound, depth)
        return text if self._chance.random() < 0.4 else f"({text})"

    def _leaf(self, row: str, bound: str | None) -> str:
        below = LEVELS[LEVELS.index(row) + 1 :]
        if below and self._chance.random() < 0.25:
            inner = self._chance.choice(below)
            first = self._comparison(inner, inner, must_be=inner)
            if self._chance.random() < 0.6:
                joint = self._chance.choice((" and ", " or "))
                first += joint + f"({self._either(inner, inner, 1)})"
            return f"any({first})"
        return self._comparison(row, bound)

    def _comparison(self, row: str, bound: str | None, must_be: str | None = None) -> str:
        chance = self._chance
        above = LEVELS[: LEVELS.index(row) + 1]
        level = must_be or (row if chance.random() < 0.75 else chance.choice(above))
        spelling, column = chance.choice(list(read_tables()[level].items()))
        is_named = bound is not None or level != row or chance.random() < 0.2
        path = f"{level}.{spelling}" if is_named else spelling
        if column.type == "map" or (column.type == "anything" and chance.random() < 0.6):
            path += "".join("." + self._key() for _ in range(chance.choice((1, 1, 1, 2))))
            column = Column("", "anything", (), {})
        if chance.random() < 0.12:
            return f"exists({path})"
        return f"{path}{self._signed(column)}"

    def _key(self) -> str:
        key = self._chance.choice(KEYS)
        is_bare = re.fullmatch(r"[\w$-]+", key) is not None
        return key if is_bare and self._chance.random() < 0.9 else self._quoted(key)

    def _signed(self, column: Column) -> str:
        chance = self._chance
        if column.type == "list of text":
            return f" has {self._text()}"
        if column.type == "anything":
            return self._free()
        values = [self._value(column) for _ in range(chance.choice((1, 1, 2, 3)))]
        if len(values) > 1 and len({value[:1] in "'\"" for value in values}) == 1:
            kinds = {_kind(value) for value in values}
            if len(kinds) == 1:
                return f" {chance.choice(('in', 'not in', 'NOT  In'))} ({', '.join(values)})"
        if column.type == "text" and chance.random() < 0.25:
            return f" contains {values[0]}"
        signs: Sequence[str] = ("=", "!=") if column.type in ("word", "id") else ORDER
        sign = chance.choice(signs)
        return f" {'==' if sign == '=' and chance.random() < 0.2 else sign} {values[0]}"

    def _free(self) -> str:
        chance = self._chance
        kind = chance.choice(("text", "number", "flag", "found", "found"))
        if kind == "found" and self._values:
            kind, value = self._spell(chance.choice(self._values))
        elif kind in ("text", "found"):
            kind, value = "text", self._text()
        elif kind == "number":
            value = chance.choice(NUMBERS)
        else:
            value = chance.choice(("true", "false", "TRUE"))
        if chance.random() < 0.2:
            return f" has {value}"
        if kind == "text" and chance.random() < 0.2:
            return f" contains {value}"
        if chance.random() < 0.15:
            return f" {chance.choice(('in', 'not in'))} ({value}, {value})"
        sign = chance.choice(("=", "!=") if kind == "flag" else ORDER)
        return f"{sign}{value}" if chance.random() < 0.2 else f" {sign} {value}"

    def _spell(self, value: Any) -> tuple[str, str]:
        if isinstance(value, bool):
            return "flag", "true" if value else "false"
        if isinstance(value, str):
            return "text", self._quoted(value)
        return "number", repr(value)

    def _value(self, column: Column) -> str:
        chance = self._chance
        if column.type == "word":
            word = chance.choice(list(column.words))
            return self._quoted(chance.choice((word, word.upper(), word.title())))
        if column.type == "id":
            uuid = chance.choice(self._ids)
            return self._quoted(chance.choice((uuid, uuid.upper(), uuid.replace("-", ""))))
        if column.type == "time":
            return chance.choice(TIMES)
        if column.type == "milliseconds" and chance.random() < 0.3:
            return chance.choice(SPANS)
        return self._text() if column.type == "text" else chance.choice(NUMBERS)

    def _text(self) -> str:
        is_found = bool(self._texts) and self._chance.random() < 0.5
        return self._quoted(self._chance.choice(self._texts if is_found else TEXTS))

    def _quoted(self, text: str) -> str:
        quote = self._chance.choice("'\"")
        spelled = text.replace("\\", "\\\\").replace(quote, "\\" + quote)
        if self._chance.random() < 0.5:
            spelled = spelled.replace("\x00", "\\u0000").replace("\n", "\\n")
        return f"{quote}{spelled}{quote}"


def _kind(value: str) -> str:
    if value[0] in "'\"":
        return "text"
    if re.fullmatch(r"[\d.]+(ms|[smhdw])", value):
        return "span"
    return "time" if re.match(r"\d{4}-\d\d-\d\d", value) else "number"


def _collect(value: Any) -> list[Any]:
    """Every text, number and flag within *value* that is not too long to ask for."""
    if isinstance(value, dict):
        return [found for one in value.values() for found in _collect(one)]
    if isinstance(value, list):
        return [found for one in value for found in _collect(one)]
    if value is None or (isinstance(value, str) and len(value) > 40):
        return []
    return [value]
