"""A checked plan as SQLAlchemy Core: what can be asked of columns becomes SQL, the rest is told.

Under `not` every comparison is made two-valued, so that a missing value is false there too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeGuard
from uuid import UUID

from msgspec import Struct
from sqlalchemy import ColumnElement, Integer, and_, false, func, not_, or_, select, true
from sqlalchemy.sql.expression import FromClause

from xray.model.vocabulary import ABANDONED_AFTER_S
from xray.query.evaluate import compare
from xray.query.plan import (
    AllOf,
    AnyOf,
    AnyRow,
    Comparator,
    Comparison,
    Condition,
    Exists,
    FieldRef,
    Has,
    Not,
    Operand,
    Scope,
)
from xray.store.tables import (
    INDEXES,
    STORED_FIELDS,
    UNIQUE_FIELDS,
    Stored,
    dim,
    runs,
    steps,
)
from xray.store.words import RUN_STATUS_WORDS, number_words

Clause = ColumnElement[bool]
JsonQuestion = Comparison | Has | Exists
_INT64: Final = range(-(1 << 63), 1 << 63)
_STATUS: Final = number_words(RUN_STATUS_WORDS)
_RUN_FIELD_OF_STEP: Final = "run_id"
_STARTED_AT: Final = FieldRef("step", "started_at")
_ONLY_TIME: Final = frozenset({"started_at"})
_END_OF_TIME_US: Final = 1 << 62
_INT_REACH: Final = 2.0**63


class Dialect(Struct, frozen=True):
    """What the engines spell differently.

    Args:
        holds_json: a JSON column meets a condition, exactly as `query.evaluate` judges it; None
            where SQL cannot tell.
        holds_text: a text column contains a text, exactly as `query.evaluate` judges it.
        uuid_text: the canonical text of a UUID column.
    """

    holds_json: Callable[[ColumnElement[Any], JsonQuestion], Clause | None]
    holds_text: Callable[[ColumnElement[Any], str], Clause]
    uuid_text: Callable[[ColumnElement[Any]], ColumnElement[str]]


class StatRange(Struct, frozen=True):
    """The numbers of an indexed statistic that are asked for.

    Args:
        stat: its number.
        tests: signs and the numbers behind them; all must hold.
        first_us: no step that began before is asked for.
        last_us: and none that began later.
    """

    stat: int
    tests: tuple[tuple[Comparator, int | float], ...]
    first_us: int
    last_us: int


class Compiled(Struct, frozen=True):
    """A plan's condition in parts, all of which must hold.

    Args:
        columns: what an index answers.
        filters: what SQL must look at row by row; None when there is nothing.
        has_json: the filters read JSON columns, which is slow.
        rest: what SQL cannot say; for `query.evaluate`.
        has_runs: the SQL of a step's condition reads the runs table, which must be joined.
        stat_range: what an index of a statistic answers.
        is_named: whether the candidate index leads to the records.
        is_bounded: whether the columns say anything.
        stretch: the part of the columns that names one stretch of an index; None when it is all.
    """

    columns: Clause
    filters: Clause | None
    has_json: bool
    rest: Condition | None
    has_runs: bool
    stat_range: StatRange | None = None
    is_named: bool = False
    is_bounded: bool = False
    stretch: Clause | None = None


class _NotInSqlError(Exception):
    pass


def compile_plan(
    scope: Scope,
    where: Condition,
    now_us: int,
    dialect: Dialect,
    *,
    indexed_stats: Mapping[str, int] = MappingProxyType({}),
    deciding: Clause | None = None,
) -> Compiled:
    """The SQL of *where* over the runs or steps table.

    Args:
        scope: `run` or `step`.
        where: the condition.
        now_us: the moment `abandoned` is judged by.
        dialect: the engine's spelling.
        indexed_stats: the statistics of steps that have an index, with their numbers.
        deciding: names the few records that may meet the condition, where the candidate index
            knows them.
    """
    parts: Sequence[Condition] = _conjuncts(where)
    stat_range: StatRange | None = None
    covered: frozenset[str] | None = None
    if deciding is None:
        covered = _choose_index(scope, parts)
        if covered is not None and scope == "step":
            stat_range, parts = _take_stat(parts, indexed_stats)
        if stat_range is not None:
            covered = _ONLY_TIME
    columns: list[Clause] = []
    stretch: list[Clause] = []
    filters: list[Clause] = []
    rest: list[Condition] = []
    has_json = has_runs = False
    for part in parts:
        compiler = _Compiler(scope, now_us, dialect)
        try:
            clause = compiler.clause(part, is_negated=False)
        except _NotInSqlError:
            rest.append(part)
            continue
        if covered is None or _reads_only(part, scope, covered):
            columns.append(clause)
            if covered is None or _names_stretch(part):
                stretch.append(clause)
        else:
            filters.append(clause)
            has_json = has_json or compiler.reads_json
        has_runs = has_runs or compiler.has_runs
    if deciding is not None:
        columns.append(deciding)
        stretch.append(deciding)
    return Compiled(
        columns=and_(true(), *columns),
        filters=and_(true(), *filters) if filters else None,
        has_json=has_json,
        rest=AllOf(tuple(rest)) if rest else None,
        has_runs=has_runs,
        stat_range=stat_range,
        is_named=deciding is not None,
        is_bounded=bool(columns),
        stretch=and_(true(), *stretch) if len(stretch) < len(columns) else None,
    )


def _take_stat(
    parts: Sequence[Condition], indexed_stats: Mapping[str, int]
) -> tuple[StatRange | None, Sequence[Condition]]:
    """The first indexed statistic that *parts* bound, and the parts that say something else."""
    found = [part for part in parts if _bounds_stat(part, indexed_stats)]
    if not found:
        return None, parts
    name = found[0].field.path[0]
    tests = tuple(
        (part.op, part.value)
        for part in found
        if part.field.path[0] == name and not isinstance(part.value, str)
    )
    first_us, last_us = -_END_OF_TIME_US, _END_OF_TIME_US
    for part in parts:
        if isinstance(part, Comparison) and part.field == _STARTED_AT:
            bound_us = int(part.value)
            if part.op in ("=", ">", ">="):
                first_us = max(first_us, bound_us)
            if part.op in ("=", "<", "<="):
                last_us = min(last_us, bound_us)
    others = [part for part in parts if part not in found or part.field.path[0] != name]
    return StatRange(indexed_stats[name], tests, first_us, last_us), others


def _bounds_stat(condition: Condition, indexed_stats: Mapping[str, int]) -> TypeGuard[Comparison]:
    if not isinstance(condition, Comparison) or condition.op == "contains":
        return False
    field, operand = condition.field, condition.value
    if field.scope != "step" or field.name != "stats" or len(field.path) != 1:
        return False
    if isinstance(operand, (str, bool)) or not -_INT_REACH < operand < _INT_REACH:
        return False
    return field.path[0] in indexed_stats


def _choose_index(scope: Scope, parts: Sequence[Condition]) -> frozenset[str] | None:
    """The fields of the index that answers most of *parts*; None when it leaves a handful of rows.

    Time is always among them: rows are read newest first.
    """
    if any(_names_few(part, scope) for part in parts):
        return None
    demanded = {
        part.field.name
        for part in parts
        if isinstance(part, Comparison)
        and (part.op, part.field.scope, part.field.path) == ("=", scope, ())
    }
    usable = [frozenset(fields) for fields in INDEXES[scope] if fields[0] in demanded]
    return max(
        (_ONLY_TIME, *usable),
        key=lambda fields: sum(_reads_only(part, scope, fields) for part in parts),
    )


def _names_stretch(condition: Condition) -> bool:
    """Whether the records that meet *condition*, within an index, lie side by side."""
    if not isinstance(condition, Comparison):
        return False
    return condition.field.name == "started_at" or condition.op == "="


def _names_few(condition: Condition, scope: Scope) -> bool:
    """Whether *condition* demands one of a few ids."""
    if isinstance(condition, AnyOf):
        return all(_names_few(part, scope) for part in condition.parts)
    if not isinstance(condition, Comparison) or condition.op != "=":
        return False
    field = condition.field
    return field.scope == scope and field.name in UNIQUE_FIELDS[scope] and not field.path


def _reads_only(condition: Condition, scope: Scope, names: frozenset[str]) -> bool:
    """Whether *condition* reads nothing but fields of *scope* among *names*."""
    if isinstance(condition, (AllOf, AnyOf)):
        return all(_reads_only(part, scope, names) for part in condition.parts)
    if isinstance(condition, Not):
        return _reads_only(condition.part, scope, names)
    if isinstance(condition, AnyRow):
        return False
    field = condition.field
    return field.scope == scope and field.name in names and not field.path


def _conjuncts(condition: Condition) -> list[Condition]:
    if isinstance(condition, AllOf):
        return [leaf for part in condition.parts for leaf in _conjuncts(part)]
    return [condition]


class _Compiler:
    def __init__(self, scope: Scope, now_us: int, dialect: Dialect) -> None:
        self._scope = scope
        self._now_us = now_us
        self._dialect = dialect
        self._tables: dict[Scope, FromClause] = {scope: runs if scope == "run" else steps}
        self.reads_json = False
        self.has_runs = False

    def clause(self, condition: Condition, *, is_negated: bool) -> Clause:
        if isinstance(condition, AllOf):
            parts = [self.clause(part, is_negated=is_negated) for part in condition.parts]
            return and_(true(), *parts)
        if isinstance(condition, AnyOf):
            parts = [self.clause(part, is_negated=is_negated) for part in condition.parts]
            return or_(false(), *parts)
        if isinstance(condition, Not):
            return not_(self.clause(condition.part, is_negated=True))
        if isinstance(condition, AnyRow):
            return self._any_row(condition)
        leaf = self._leaf(condition)
        return func.coalesce(leaf, false()) if is_negated else leaf

    def _any_row(self, condition: AnyRow) -> Clause:
        if condition.scope == "run":
            return false()
        if condition.scope != "step":
            raise _NotInSqlError
        if self._scope != "run":
            return false()
        below = steps.alias()
        inner = _Compiler("step", self._now_us, self._dialect)
        inner._tables = {"run": runs, "step": below}
        clause = inner.clause(condition.condition, is_negated=False)
        self.reads_json = self.reads_json or inner.reads_json
        return select(below.c.seq).where(below.c.run == runs.c.seq, clause).correlate(runs).exists()

    def _leaf(self, condition: JsonQuestion) -> Clause:
        field = condition.field
        table = self._table(field.scope)
        if table is None:
            return false()
        stored = STORED_FIELDS[field.scope].get(field.name)
        if stored is None:
            raise _NotInSqlError
        if field.scope == "step" and field.name == _RUN_FIELD_OF_STEP:
            table = self._table("run")
            assert table is not None
        column = table.c[field.name]
        if stored.how == "json":
            self.reads_json = True
            held = self._dialect.holds_json(column, condition)
            if held is None:
                raise _NotInSqlError
            return held
        if field.path or isinstance(condition, Has):
            return false()
        if isinstance(condition, Exists):
            return column.is_not(None)
        if stored.how == "run_status":
            return self._status(condition, table)
        return self._comparison(condition, column, stored)

    def _table(self, scope: Scope) -> FromClause | None:
        if scope == "run" and self._scope == "step":
            self.has_runs = True
            return runs
        return self._tables.get(scope)

    def _comparison(
        self, condition: Comparison, column: ColumnElement[Any], stored: Stored
    ) -> Clause:
        op, operand = condition.op, condition.value
        if stored.how == "number":
            return _number(column, op, operand)
        if not isinstance(operand, str):
            return false()
        if stored.how == "dim":
            texts = select(dim.c.id).where(
                dim.c.kind == stored.dim_kind, self._text(dim.c.text, op, operand)
            )
            return column == texts.scalar_subquery() if op == "=" else column.in_(texts)
        if stored.how == "words":
            numbers = [
                number for number, word in enumerate(stored.words) if compare(word, op, operand)
            ]
            return column == numbers[0] if len(numbers) == 1 else column.in_(numbers)
        if stored.how == "uuid":
            return self._uuid(column, op, operand)
        return self._text(column, op, operand)

    def _text(self, column: ColumnElement[Any], op: Comparator, operand: str) -> Clause:
        if op == "contains":
            return self._dialect.holds_text(column, operand)
        return _is(column, op, operand)

    def _uuid(self, column: ColumnElement[Any], op: Comparator, operand: str) -> Clause:
        if op != "=":
            return self._text(self._dialect.uuid_text(column), op, operand)
        try:
            uuid = UUID(operand)
        except ValueError:
            return false()
        return column == uuid.bytes if str(uuid) == operand else false()

    def _status(self, condition: Comparison, table: FromClause) -> Clause:
        status, started_at = table.c.status, table.c.started_at
        shown = {word for word in RUN_STATUS_WORDS if compare(word, condition.op, condition.value)}
        cutoff_us = self._now_us - ABANDONED_AFTER_S * 1_000_000
        is_running = status == _STATUS["running"]
        parts: list[Clause] = [
            status == _STATUS[word] for word in RUN_STATUS_WORDS if word in shown - {"running"}
        ]
        if "running" in shown:
            parts.append(and_(is_running, started_at >= cutoff_us))
        if "abandoned" in shown:
            parts.append(and_(is_running, started_at < cutoff_us))
        return or_(false(), *parts)


def _number(column: ColumnElement[Any], op: Comparator, operand: Operand) -> Clause:
    if isinstance(operand, (bool, str)) or op == "contains":
        return false()
    if math.isnan(operand):
        return false()
    if isinstance(column.type, Integer):
        return _compare_whole(column, op, operand)
    return _is(column, op, operand) if isinstance(operand, float) else _near(column, op, operand)


def _compare_whole(column: ColumnElement[Any], op: Comparator, operand: float) -> Clause:
    """`column op operand` for a column of whole numbers, exactly; every engine rounds otherwise."""
    is_above, is_below = operand >= _INT64.stop, operand < _INT64.start
    if is_above or is_below:
        is_met = op == "!=" or op in (("<", "<=") if is_above else (">", ">="))
        return column.is_not(None) if is_met else false()
    floor = math.floor(operand)
    if floor == operand:
        return _is(column, op, floor)
    if op in ("=", "!="):
        return false() if op == "=" else column.is_not(None)
    return column <= floor if op in ("<", "<=") else column > floor


def _near(column: ColumnElement[Any], op: Comparator, operand: int) -> Clause:
    """`column op operand` for a column of floats, exactly."""
    if op in ("=", "!="):
        return _equals_near(column, op, operand)
    try:
        near = float(operand)
        is_above = near > operand
    except OverflowError:
        near, is_above = math.copysign(math.inf, operand), operand > 0
    if near == operand:
        return _is(column, op, near)
    # The nearest float lies beside the operand, and no value of the column lies between.
    if op in ("<", "<="):
        return column < near if is_above else column <= near
    return column >= near if is_above else column > near


def _equals_near(column: ColumnElement[Any], op: Comparator, operand: int) -> Clause:
    try:
        near = float(operand)
        is_exact = int(near) == operand
    except OverflowError:
        is_exact = False
    if is_exact:
        return _is(column, op, near)
    return false() if op == "=" else column.is_not(None)


def _is(column: ColumnElement[Any], op: Comparator, operand: str | float) -> Clause:
    compared: Clause = {
        "=": column.__eq__,
        "!=": column.__ne__,
        "<": column.__lt__,
        "<=": column.__le__,
        ">": column.__gt__,
        ">=": column.__ge__,
    }[op](operand)
    return compared
