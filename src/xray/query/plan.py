"""The checked plan of a question: what every store executes, whoever asked and however.

Conditions are two-valued: a comparison whose operand is missing or of another type is false, and
`Not` of it is true.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Scope = Literal["run", "step", "decision"]
Comparator = Literal["=", "!=", "<", "<=", ">", ">="]
Operand = str | float | int | bool

DEFAULT_LIMIT = 50
MAX_LIMIT = 1000


class FieldRef(Struct, frozen=True):
    """A field of one scope.

    Args:
        scope: whose field it is; a step's condition may name a field of its run.
        name: a name of `query.fields.FIELDS`, e.g. `rejection_rate` or `stats`.
        path: the keys below a free-form field: `stats.filter_rate` has the path `("filter_rate",)`.
    """

    scope: Scope
    name: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join((self.name, *self.path))


class Comparison(Struct, frozen=True, tag=True):
    """`field op value`; the value has the field's type already (times in µs since 1970)."""

    field: FieldRef
    op: Comparator
    value: Operand


class Exists(Struct, frozen=True, tag=True):
    """The field has a value."""

    field: FieldRef


class Contains(Struct, frozen=True, tag=True):
    """The list *field* (such as `tags`) holds *value*."""

    field: FieldRef
    value: Operand


class AllOf(Struct, frozen=True, tag=True):
    """Every part holds; true without parts."""

    parts: tuple[Condition, ...] = ()


class AnyOf(Struct, frozen=True, tag=True):
    """At least one part holds."""

    parts: tuple[Condition, ...]


class Not(Struct, frozen=True, tag=True):
    """The part does not hold."""

    part: Condition


class AnyRow(Struct, frozen=True, tag=True):
    """At least one row of *scope* below this record meets the whole condition by itself."""

    scope: Scope
    condition: Condition


Condition = Comparison | Exists | Contains | AllOf | AnyOf | Not | AnyRow


class Position(Struct, frozen=True, array_like=True):
    """Where the previous page ended: the sort key of its last record.

    Args:
        sort_us: that record's `started_at` in µs since 1970 (decisions: of their step).
        record_id: its id.
        index: for decisions, its position within the step.
    """

    sort_us: int
    record_id: str
    index: int = 0


class Plan(Struct, frozen=True, kw_only=True):
    """One checked question.

    Runs and steps come newest first (`started_at`, then id, descending). Decisions of one step or
    run come in recorded order (step ordinal, then position); decisions of one candidate come
    newest step first.

    Args:
        scope: what is listed.
        where: what must hold.
        limit: records a page, 1 to `MAX_LIMIT`.
        after: where the previous page ended; None for the first page.
        now_us: the moment the question was asked; `abandoned` is judged by it.
    """

    scope: Scope
    where: Condition = AllOf()
    limit: int = DEFAULT_LIMIT
    after: Position | None = None
    now_us: int = 0
