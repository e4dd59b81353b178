"""What `spec/query.md` says, once more: queries judged over the API's plain JSON.

Written from that page alone, in another style than `xray.query` and sharing no code with it: one
expression splits the text, tuples stand for what it says, and the tables of fields are read from
the page. It judges queries that are known to be good; of the others it knows nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

SPEC = Path(__file__).parents[2] / "spec" / "query.md"
LEVELS = ("run", "step", "decision")
MISSING = object()
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<time>\d{4}-\d\d-\d\d[\w.:+-]*)
    | (?P<span>\d+(?:\.\d+)?(?:ms|[smhdw])\b)
    | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<path>[^\W\d][\w-]*(?:\.(?:[\w$-]+|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"))*)
    | (?P<sign>==|!=|<=|>=|[=<>(),])
    | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
KEY = re.compile(r"""[\w$-]+|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)

Json = dict[str, Any]
Tree = tuple[Any, ...]


@dataclass(frozen=True)
class Column:
    """One line of the page's tables of fields."""

    name: str
    type: str
    place: tuple[str, ...]
    words: dict[str, str]


@lru_cache(maxsize=1)
def read_tables() -> dict[str, dict[str, Column]]:
    """The fields of each level by every spelling, as the page lists them."""
    tables: dict[str, dict[str, Column]] = {level: {} for level in LEVELS}
    level = ""
    for line in SPEC.read_text("utf-8").splitlines():
        if line.startswith("### Fields of a "):
            level = line.split()[-1]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not (level and line.startswith("| `") and len(cells) == 4):
            continue
        name = cells[0].strip("`")
        place = re.search(r"in the JSON, `([\w.]+)`", cells[3])
        words: dict[str, str] = {}
        if cells[1] == "word":
            listed, *meant = cells[3].removeprefix("one of ").split("; ")
            words = {word: word for word in re.findall(r"`(\w+)`", listed)}
            for alias in meant:
                spelled, word = re.findall(r"`(\w+)`", alias)
                words[spelled.lower()] = word
        column = Column(name, cells[1], tuple((place[1] if place else name).split(".")), words)
        for spelling in (name, *re.findall(r"`(\w+)`", cells[2])):
            tables[level][spelling] = column
    return tables


class Reading:
    """Turns the text of a query into a tree."""

    def __init__(self, query: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while not self.tokens or self.tokens[-1][0] != "end":
            match = TOKEN.match(query, at)
            assert match is not None, query[at:]
            assert match.lastgroup is not None
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        self.at = 0

    def next(self) -> tuple[str, str]:
        self.at += 1
        return self.tokens[self.at - 1]

    def sees(self, *words: str) -> bool:
        kind, text = self.tokens[self.at]
        return kind in ("path", "sign") and text.lower() in words

    def expect(self, word: str) -> None:
        assert self.sees(word), self.tokens[self.at :]
        self.at += 1

    def whole(self) -> Tree:
        if self.tokens[0][0] == "end":
            return ("all",)
        tree = self.joined("or")
        assert self.tokens[self.at][0] == "end", self.tokens[self.at :]
        return tree

    def joined(self, word: str) -> Tree:
        read = (lambda: self.joined("and")) if word == "or" else self.single
        parts = [read()]
        while self.sees(word):
            self.next()
            parts.append(read())
        return parts[0] if len(parts) == 1 else ("any of" if word == "or" else "all", *parts)

    def single(self) -> Tree:
        if self.sees("not"):
            self.next()
            return ("not", self.single())
        if self.sees("("):
            self.next()
            tree = self.joined("or")
            self.expect(")")
            return tree
        kind, text = self.next()
        assert kind == "path"
        if text.lower() in ("any", "exists") and self.sees("("):
            self.next()
            inner: Any = self.joined("or") if text.lower() == "any" else split_path(self.next()[1])
            self.expect(")")
            return ("some" if text.lower() == "any" else "exists", inner)
        return self.comparison(split_path(text))

    def comparison(self, path: list[str]) -> Tree:
        sign = self.next()[1].lower()
        if sign == "not":
            self.expect("in")
            sign = "not in"
        if not sign.endswith("in"):
            return ("compare", path, "=" if sign == "==" else sign, self.value())
        self.expect("(")
        values = [self.value()]
        while self.sees(","):
            self.next()
            values.append(self.value())
        self.expect(")")
        if sign == "in":
            return ("any of", *(("compare", path, "=", value) for value in values))
        return ("all", *(("compare", path, "!=", value) for value in values))

    def value(self) -> tuple[str, Any]:
        kind, text = self.next()
        if kind == "text":
            return "text", unquote(text)
        if kind == "number":
            return "number", read_number(text)
        if kind == "path":
            return "flag", {"true": True, "false": False}[text.lower()]
        return kind, text


def split_path(text: str) -> list[str]:
    return [unquote(key) if key[0] in "'\"" else key for key in KEY.findall(text)]


def unquote(text: str) -> str:
    plain = {"n": "\n", "r": "\r", "t": "\t"}

    def stand_for(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code[1:], 16)) if len(code) == 5 else plain.get(code, code)

    return ESCAPE.sub(stand_for, text[1:-1])


def read_number(text: str) -> int | float:
    if re.fullmatch(r"[+-]?\d+", text) and -(2**63) <= int(text) < 2**63:
        return int(text)
    return float(text)


def read_moment(text: str) -> int:
    """Microseconds since 1970."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - EPOCH) // timedelta(microseconds=1)


def read_span(text: str) -> float:
    """Milliseconds."""
    match = re.fullmatch(r"([\d.]+)([a-z]+)", text)
    assert match is not None
    return float(match[1]) * UNIT_MS[match[2]]


class Oracle:
    """Knows which records of a world a query is true of.

    Args:
        runs: the API's JSON of each run, with its `steps`, each with all its `decisions`.
        now_us: the moment of asking.
    """

    def __init__(self, runs: list[Json], now_us: int) -> None:
        self.runs = runs
        self.now_us = now_us

    def ask(self, query: str, level: str) -> list[Json]:
        """The records of *level* that *query* is true of; of runs and steps the newest first."""
        tree = Reading(query).whole()
        rows = [{"run": run} for run in self.runs]
        for below in LEVELS[1 : LEVELS.index(level) + 1]:
            rows = [found for row in rows for found in self.below(row, below)]
        met = [row[level] for row in rows if self.judge(tree, row, level)]
        if level == "decision":
            return met
        return sorted(met, key=lambda one: (one["started_at"], one[f"{level}_id"]), reverse=True)

    def below(self, row: Json, level: str) -> Iterator[Json]:
        """The rows of *level* below *row*, each with what lies above it."""
        if level in row:
            return
        if level == "decision" and "step" not in row:
            for inner in self.below(row, "step"):
                yield from self.below(inner, level)
            return
        above = row["run"]["steps"] if level == "step" else row["step"]["decisions"]
        yield from ({**row, level: record} for record in above)

    def judge(self, tree: Tree, row: Json, level: str) -> bool:
        """Whether *tree* is true of *row*, whose fields without a level are those of *level*."""
        word, *parts = tree
        if word == "all":
            return all(self.judge(part, row, level) for part in parts)
        if word == "any of":
            return any(self.judge(part, row, level) for part in parts)
        if word == "not":
            return not self.judge(parts[0], row, level)
        if word == "some":
            deepest = max(levels_named(parts[0]), key=LEVELS.index)
            return any(self.judge(parts[0], one, deepest) for one in self.below(row, deepest))
        column, value = self.look_up(parts[0], row, level)
        if word == "exists":
            return value is not MISSING and value is not None and value not in ([], {})
        return compare(value, parts[1], self.operand(column, *parts[2]))

    def look_up(self, path: list[str], row: Json, level: str) -> tuple[Column, Any]:
        if len(path) > 1 and path[0] in LEVELS:
            level, *path = path
        column = read_tables()[level][path[0]]
        value: Any = row.get(level, MISSING)
        for key in (*column.place, *path[1:]):
            value = value.get(key, MISSING) if isinstance(value, dict) else MISSING
        if level == "decision" and column.name == "score" and isinstance(value, dict):
            names = [name for name in ("score", "total", "overall") if name in value]
            value = value[(names or list(value))[0]] if value else MISSING
        if column.type == "time" and isinstance(value, str):
            value = read_moment(value)
        # What a path finds inside a field can be anything.
        return (Column("", "anything", (), {}), value) if len(path) > 1 else (column, value)

    def operand(self, column: Column, kind: str, value: Any) -> Any:
        if column.type == "time":
            if re.fullmatch(r"[\d.]+(ms|[smhdw])", value):
                return max(0, self.now_us - round(read_span(value) * 1000))
            return read_moment(value)
        if column.type == "milliseconds" and kind == "span":
            return read_span(value)
        if column.type == "word":
            return column.words[value.lower()]
        return str(UUID(value)) if column.type == "id" else value


def levels_named(tree: Tree) -> set[str]:
    word, *parts = tree
    if word == "some":
        return {"run"}
    if word in ("exists", "compare"):
        return {parts[0][0]}
    return {level for part in parts for level in levels_named(part)}


def kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, (int, float)):
        return "number"
    return "text" if isinstance(value, str) else "other"


def compare(value: Any, sign: str, wanted: Any) -> bool:
    if sign == "has":
        return isinstance(value, list) and any(compare(one, "=", wanted) for one in value)
    kind = kind_of(value)
    if kind == "other" or kind != kind_of(wanted):
        return False
    if sign == "contains":
        return kind == "text" and wanted.casefold() in value.casefold()
    if sign in ("=", "!="):
        return (value == wanted) == (sign == "=")
    if kind == "flag":
        return False
    below, equal = value < wanted, value == wanted
    return {"<": below, "<=": below or equal, ">": not below and not equal, ">=": not below}[sign]
