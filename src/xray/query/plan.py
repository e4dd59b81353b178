"""The checked plan of a question: what every store executes, whoever asked and however.

Conditions are two-valued: a comparison whose operand is missing or of another type is false, and
`Not` of it is true. `spec/query.md` says what each of them means.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Scope = Literal["run", "step", "decision"]
Comparator = Literal["=", "!=", "<", "<=", ">", ">=", "contains"]
Operand = str | float | int | bool

DEFAULT_LIMIT = 50
MAX_LIMIT = 1000


class FieldRef(Struct, frozen=True):
    """A field of one scope.

    Args:
        scope: whose field it is; a step's condition may name a field of its run.
        name: a name of `query.fields.FIELDS`, e.g. `rejection_rate` or `stats`.
        path: the keys below a map: `stats.filter_rate` has the path `("filter_rate",)`.
    """

    scope: Scope
    name: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join((self.name, *self.path))


class Comparison(Struct, frozen=True, tag=True):
    """`field op value`; the value has the field's type already (times in µs since 1970).

    `contains` compares text without regard to case.
    """

    field: FieldRef
    op: Comparator
    value: Operand


class Exists(Struct, frozen=True, tag=True):
    """The field has a value."""

    field: FieldRef


class Has(Struct, frozen=True, tag=True):
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
    """At least one row of *scope* below this record meets the whole condition by itself.

    Within it, fields of the scopes above *scope* are those of that row's own step and run.
    """

    scope: Scope
    condition: Condition


Condition = Comparison | Exists | Has | AllOf | AnyOf | Not | AnyRow


def simplify(condition: Condition) -> Condition:
    """The same condition in its plainest form.

    What is joined by the same word stands in one row, a part alone stands for itself, and two
    `not` are none.
    """
    if isinstance(condition, Not):
        part = simplify(condition.part)
        return part.part if isinstance(part, Not) else Not(part)
    if isinstance(condition, AnyRow):
        return AnyRow(condition.scope, simplify(condition.condition))
    if not isinstance(condition, (AllOf, AnyOf)):
        return condition
    kind = type(condition)
    parts: list[Condition] = []
    for part in map(simplify, condition.parts):
        parts.extend(part.parts if isinstance(part, kind) else (part,))
    return parts[0] if len(parts) == 1 else kind(tuple(parts))


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
