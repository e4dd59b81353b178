"""What `spec/query.md` says of aggregates, once more: counted over the API's plain JSON.

Written from that page alone and sharing no code with `xray.query`: sums are exact fractions, and
quantiles are read off a sorted list.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tests.oracle.interpreter import (
    LEVELS,
    MISSING,
    Json,
    Oracle,
    Reading,
    read_moment,
    read_tables,
    split_path,
)
from tests.oracle.questions import KEYS, Questions

MONDAY_US = 4 * 24 * 3600 * 1_000_000
WIDTHS_US = {
    "7ms": 7_000,
    "1h": 3_600_000_000,
    "1d": 86_400_000_000,
    "1w": 604_800_000_000,
}
WORDS = ("sum", "mean", "min", "max", "p50", "p90", "p99.9", "median", "p0", "p100")
TOLERANCE = 1e-9
LEAST = 1e-300


@dataclass(frozen=True)
class Asked:
    """One aggregate.

    Args:
        level: of which records.
        query: which of them.
        by: the fields they are grouped by.
        figures: words and the fields they are of.
        bucket: the width of the buckets of time, or nothing.
    """

    level: str
    query: str
    by: tuple[str, ...] = ()
    figures: tuple[tuple[str, str], ...] = ()
    bucket: str = ""

    def parameters(self) -> list[tuple[str, str]]:
        """The same as parameters of a URL."""
        pairs = [("of", f"{self.level}s"), ("q", self.query)]
        pairs += [("by", field) for field in self.by]
        pairs += list(self.figures)
        return pairs + ([("bucket", self.bucket)] if self.bucket else [])


def aggregate(oracle: Oracle, asked: Asked) -> dict[Any, Json]:
    """Each group's figures by its values and the start of its bucket."""
    level = asked.level
    rows: list[Json] = [{"run": run} for run in oracle.runs]
    for below in LEVELS[1 : LEVELS.index(level) + 1]:
        rows = [found for row in rows for found in oracle.below(row, below)]
    tree = Reading(asked.query).whole()
    groups: dict[Any, list[Json]] = {} if asked.by or asked.bucket else {((), None): []}
    for row in rows:
        if oracle.judge(tree, row, level):
            values = tuple(group_value(look_up(oracle, field, row, level)) for field in asked.by)
            groups.setdefault((values, start_of(row, asked)), []).append(row)
    return {
        key: {
            "rows": len(found),
            "count": float(sum(weigh(row, level) for row in found)),
            "figures": [figure(oracle, word, field, found, level) for word, field in asked.figures],
        }
        for key, found in groups.items()
    }


def look_up(oracle: Oracle, field: str, row: Json, level: str) -> Any:
    value = oracle.look_up(split_path(field), row, level)[1]
    return None if value is MISSING else value


def weigh(row: Json, level: str) -> Fraction:
    weight = Fraction(row["run"]["weight"])
    if level == "decision":
        decision = row["decision"]
        weight *= 0 if decision["is_logged"] else Fraction(decision["weight"])
    return weight


def group_value(value: Any) -> tuple[str, Any]:
    if isinstance(value, bool):
        return "flag", value
    if isinstance(value, (int, float)):
        return "number", Fraction(value)
    return ("text", value) if isinstance(value, str) else ("none", None)


def start_of(row: Json, asked: Asked) -> int | None:
    if not asked.bucket:
        return None
    width = WIDTHS_US[asked.bucket]
    origin = MONDAY_US if asked.bucket.endswith("w") else 0
    began = read_moment(row["run" if asked.level == "run" else "step"]["started_at"])
    return (began - origin) // width * width + origin


def figure(
    oracle: Oracle, word: str, field: str, rows: list[Json], level: str
) -> tuple[float | None, float]:
    """The figure, and how far from it an answer may lie that was summed up in floats."""
    found = [
        (Fraction(value), weigh(row, level))
        for row in rows
        if group_value(value := look_up(oracle, field, row, level))[0] == "number"
    ]
    if word in ("min", "max"):
        if not found:
            return None, 0.0
        return as_float((min if word == "min" else max)(value for value, _ in found)), 0.0
    found = [(value, weight) for value, weight in found if weight]
    whole = sum(weight for _, weight in found)
    if not whole:
        return None, 0.0
    if word in ("sum", "mean"):
        total = sum(value * weight for value, weight in found)
        size = sum(abs(value) * weight for value, weight in found)
        by = whole if word == "mean" else 1
        return as_float(total / by), as_float(size / by) * TOLERANCE + LEAST
    share = Fraction("50" if word == "median" else word[1:]) / 100
    reached = Fraction(0)
    for value, weight in sorted(found):
        reached += weight
        if reached >= share * whole:
            return as_float(value), 0.0
    raise AssertionError("the weights reach their sum")


def as_float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def write_asked(chance: random.Random, questions: Questions) -> Asked:
    """An aggregate that can be asked."""
    level = chance.choice(LEVELS)
    query = "" if chance.random() < 0.5 else questions.write(level)
    by = tuple(
        write_field(chance, level, ("text", "word", "id", "number", "milliseconds", "anything"))
        for _ in range(chance.choice((0, 1, 1, 2)))
    )
    figures = tuple(
        (chance.choice(WORDS), write_field(chance, level, ("number", "milliseconds", "anything")))
        for _ in range(chance.choice((0, 1, 2, 3)))
    )
    bucket = chance.choice(("", "", *WIDTHS_US))
    return Asked(level, query, tuple(dict.fromkeys(by)), tuple(dict.fromkeys(figures)), bucket)


def write_field(chance: random.Random, level: str, types: tuple[str, ...]) -> str:
    owner = level if chance.random() < 0.7 else chance.choice(LEVELS[: LEVELS.index(level) + 1])
    columns = read_tables()[owner].items()
    fitting = [name for name, column in columns if column.type in (*types, "map")]
    name = chance.choice(fitting)
    column = read_tables()[owner][name]
    path = name if owner == level and chance.random() < 0.8 else f"{owner}.{name}"
    if column.type == "map" or (column.type == "anything" and chance.random() < 0.6):
        key = chance.choice(KEYS)
        is_bare = re.fullmatch(r"[\w$-]+", key) is not None
        path += "." + (key if is_bare else '"' + key.replace('"', '\\"') + '"')
    return path
