"""A query as it was written: what the parser reads and the checker judges."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from xray.query.tokens import Key

Sign = Literal["=", "!=", "<", "<=", ">", ">=", "in", "not in", "has", "contains"]
ValueKind = Literal["text", "number", "span", "time", "flag"]


class WrittenField(Struct, frozen=True):
    """A path: a field, perhaps behind its scope, perhaps with names of something inside."""

    keys: tuple[Key, ...]

    @property
    def start(self) -> int:
        """Where it begins."""
        return self.keys[0].start

    @property
    def end(self) -> int:
        """Behind its last character."""
        return self.keys[-1].end


class WrittenValue(Struct, frozen=True):
    """A value.

    Args:
        kind: what it is.
        value: text, number or flag; of a span its µs, of a time µs since 1970.
        text: it as it was written.
        start: where it begins.
        end: behind its last character.
    """

    kind: ValueKind
    value: str | int | float | bool
    text: str
    start: int
    end: int


class Compared(Struct, frozen=True):
    """`field sign value`; only `in` and `not in` have several values."""

    field: WrittenField
    sign: Sign
    sign_start: int
    sign_end: int
    values: tuple[WrittenValue, ...]


class Existing(Struct, frozen=True):
    """`exists(field)`."""

    field: WrittenField


class SomeRow(Struct, frozen=True):
    """`any(condition)`."""

    part: Written
    start: int
    end: int


class Joined(Struct, frozen=True):
    """Conditions joined by the same word."""

    word: Literal["and", "or"]
    parts: tuple[Written, ...]


class Negated(Struct, frozen=True):
    """`not condition`."""

    part: Written


Written = Compared | Existing | SomeRow | Joined | Negated
