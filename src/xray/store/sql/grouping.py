"""Aggregates of runs and steps: summed up by SQL where columns hold what is asked.

A quantile needs every number, and what lies inside JSON must be read: then SQL gives the columns
row by row. What no column holds is read from opened records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Float, and_, case, func, literal, select
from sqlalchemy.sql.expression import FromClause, Select
from sqlalchemy.sql.util import find_tables

from xray.model.clock import Clock
from xray.model.records import Run, Step
from xray.model.vocabulary import ABANDONED_AFTER_S
from xray.query.aggregate import AggregatePlan, Shape, bucket_origin_us
from xray.query.evaluate import walk_path
from xray.query.groups import MAX_TRACKED_GROUPS, Group, Groups, Numbers, as_group_value, as_number
from xray.query.plan import AllOf, Condition, FieldRef, Scope
from xray.store.aggregating import Counted, conclude, count_record
from xray.store.compile import Compiled
from xray.store.scanning import Meter, ScanBudget
from xray.store.sql.listing import Listing
from xray.store.sql.rows import id_text
from xray.store.tables import STORED_FIELDS, Stored, dim, runs, steps
from xray.store.words import RUN_STATUS_WORDS, number_words

OpenWithRun = Callable[[Scope, Sequence[int], Condition, int], list[tuple[Run | Step, Run | None]]]
"""Opens the records of some numbers that meet a condition, each with its run."""

_OPENED_BATCH: Final = 200
_FIRST_WINDOW: Final = 20_000
_MAX_FLOAT: Final = 1.7976931348623157e308
_STATUS: Final = number_words(RUN_STATUS_WORDS)
_MAX_KEPT_TEXTS: Final = 10_000


class _Read(Struct, frozen=True):
    """A field of a row of SQL.

    Args:
        column: the column that holds it.
        stored: how it lies there.
        path: what is named inside.
    """

    column: ColumnElement[Any]
    stored: Stored
    path: tuple[str, ...]


class Grouping:
    """Groups runs or steps within one snapshot.

    Args:
        connection: a connection within a transaction.
        listing: goes through the table, newest first.
        budget: where scans stop.
        clock: tells how long they took.
    """

    def __init__(
        self, connection: Connection, listing: Listing, budget: ScanBudget, clock: Clock
    ) -> None:
        self._connection = connection
        self._listing = listing
        self._budget = budget
        self._clock = clock
        self._texts: dict[int, str] = {}
        self._tallied: dict[int, str] = {}

    def count(
        self,
        plan: AggregatePlan,
        now_us: int,
        open_with_run: OpenWithRun,
        tallied: dict[int, str],
    ) -> Counted:
        """The groups of the records that meet *plan*.

        Args:
            plan: the question.
            now_us: the moment `abandoned` is judged by.
            open_with_run: opens records whose fields no column holds.
            tallied: the pipelines whose other runs are counted from tallies, by their numbers:
                theirs count once each.
        """
        self._tallied = tallied
        shape = plan.shape
        compiled = self._listing.compile(shape.scope, plan.rows.where, now_us)
        by = [_find_column(field, shape.scope, now_us) for field in shape.by]
        fields = [_find_column(field, shape.scope, now_us) for field in shape.fields]
        found_by = [one for one in by if one is not None]
        found = [one for one in fields if one is not None]
        is_whole = len(found_by) == len(by) and len(found) == len(fields)
        if compiled.rest is not None or not is_whole:
            return self._count_opened(plan, compiled, now_us, open_with_run)
        has_json = any(one.stored.how == "json" for one in (*found_by, *found))
        if has_json or any(shape.is_spread(field) for field in shape.fields):
            return self._count_rows(plan, compiled, found_by, found, has_json=has_json)
        return self._count_in_sql(plan, compiled, found_by, found)

    def _count_in_sql(
        self, plan: AggregatePlan, compiled: Compiled, by: list[_Read], fields: list[_Read]
    ) -> Counted:
        shape = plan.shape
        weight = self._weight(shape.scope)
        keys = [one.column for one in by]
        start = _start(shape)
        if start is not None:
            keys.append(start)
        total = self._listing.spelling.total
        figures: list[ColumnElement[Any]] = [func.count(), total(weight)]
        for one in fields:
            number = _finite(one.column)
            is_there = case((number.is_not(None), weight))
            figures += [
                func.count(number), total(is_there), total(weight * number),
                func.min(number), func.max(number),
            ]  # fmt: skip
        groups = Groups(shape)
        meter = self._meter(has_json=compiled.has_json)
        end = plan.rows.after
        for query, reached in self._listing.portions(plan.rows, compiled, meter, _FIRST_WINDOW):
            end = reached
            chosen = _choose(query, shape.scope, compiled, [*keys, *figures]).group_by(*keys)
            for row in self._connection.execute(chosen).all():
                rows, count, *numbers = row[len(keys) :]
                if not rows:
                    continue
                groups.fold(
                    self._values(row, by),
                    row[len(by)] if start is not None else None,
                    rows,
                    count,
                    [Numbers(*numbers[place : place + 5]) for place in range(0, len(numbers), 5)],
                )
        return conclude(groups, end, meter)

    def _count_rows(
        self,
        plan: AggregatePlan,
        compiled: Compiled,
        by: list[_Read],
        fields: list[_Read],
        *,
        has_json: bool,
    ) -> Counted:
        shape = plan.shape
        start = _start(shape)
        key_count = 1 + len(by)
        known: dict[tuple[object, ...], Group] = {}
        columns = [
            self._weight(shape.scope),
            literal(None) if start is None else start,
            *(one.column for one in by),
            *(one.column for one in fields),
        ]
        groups = Groups(shape)
        meter = self._meter(has_json=has_json or compiled.has_json)
        end = plan.rows.after
        for query, reached in self._listing.portions(plan.rows, compiled, meter, _FIRST_WINDOW):
            end = reached
            chosen = _choose(query, shape.scope, compiled, columns)
            for weight, *row in self._connection.execute(chosen).all():
                key = tuple(row[:key_count])
                group = known.get(key)
                if group is None:
                    if len(known) >= MAX_TRACKED_GROUPS:
                        known.clear()
                    group = known[key] = groups.find(self._values(key[1:], by), key[0])
                numbers = [
                    as_number(self._value(number, one))
                    if one.stored.how != "number"
                    else as_number(number)
                    for number, one in zip(row[key_count:], fields, strict=True)
                ]
                groups.add_to(group, weight, numbers)
        return conclude(groups, end, meter)

    def _count_opened(
        self, plan: AggregatePlan, compiled: Compiled, now_us: int, open_with_run: OpenWithRun
    ) -> Counted:
        shape = plan.shape
        tallied = frozenset(self._tallied.values())
        rest = AllOf() if compiled.rest is None else compiled.rest
        groups = Groups(shape)
        opened = Meter(self._budget.opened_rows, self._budget.duration_s, self._clock)
        meter = opened
        if compiled.filters is not None:
            meter = self._meter(has_json=compiled.has_json)
        end = plan.rows.after
        for rows, end in self._listing.windows(plan.rows, compiled, meter, _OPENED_BATCH):
            for place in range(0, len(rows), _OPENED_BATCH):
                batch = rows[place : place + _OPENED_BATCH]
                seqs = [row.seq for row in batch]
                for record, run in open_with_run(shape.scope, seqs, rest, now_us):
                    count_record(groups, record, run, now_us, tallied=tallied)
                if meter is not opened:
                    opened.spend(len(batch))
                if not opened.left and place + len(batch) < len(rows):
                    end = batch[-1].position
                    break
            if not opened.left:
                break
        return conclude(groups, end, meter)

    def _weight(self, scope: Scope) -> ColumnElement[Any]:
        """How many records one stands for; a constant where no run is joined just for that."""
        is_tallied = runs.c.pipeline.in_(self._tallied)
        weight = case((is_tallied, 1.0), else_=runs.c.weight) if self._tallied else runs.c.weight
        if scope == "run":
            return weight
        weights = select(func.min(runs.c.weight), func.max(runs.c.weight)).where(~is_tallied)
        lightest, heaviest = self._connection.execute(weights).one()
        return literal(1.0) if {lightest, heaviest} <= {1.0, None} else weight

    def _meter(self, *, has_json: bool) -> Meter:
        budget = self._budget
        rows = budget.json_rows if has_json else budget.column_rows
        return Meter(rows, budget.duration_s, self._clock)

    def _values(self, row: Sequence[Any], by: list[_Read]) -> tuple[Any, ...]:
        return tuple(
            as_group_value(self._value(value, one)) for value, one in zip(row, by, strict=False)
        )

    def _value(self, value: Any, one: _Read) -> object:
        """What a record has in a field whose column holds *value*."""
        how = one.stored.how
        if how == "json":
            return walk_path(None if value is None else msgspec.json.decode(value), one.path)
        if value is None or one.path:
            return None
        if how == "dim":
            return self._text(value)
        if how == "words":
            return one.stored.words[value]
        if how == "run_status":
            return RUN_STATUS_WORDS[value]
        return id_text(value) if how == "uuid" else value

    def _text(self, number: int) -> str:
        if number not in self._texts:
            if len(self._texts) > _MAX_KEPT_TEXTS:
                self._texts.clear()
            query = select(dim.c.text).where(dim.c.id == number)
            self._texts[number] = self._connection.execute(query).scalar_one()
        return self._texts[number]


def _choose(
    query: Select[Any],
    scope: Scope,
    compiled: Compiled,
    columns: Sequence[ColumnElement[Any]],
) -> Select[Any]:
    """*query* for *columns* of the records and, where one of them is of the run, their runs."""
    read = (find_tables(column, check_columns=True) for column in columns)
    reads_runs = any(table is runs for tables in read for table in tables)
    if scope == "step" and reads_runs and not compiled.has_runs:
        query = query.join(runs, runs.c.seq == steps.c.run)
    return query.with_only_columns(*columns, maintain_column_froms=True).order_by(None)


def _find_column(field: FieldRef, scope: Scope, now_us: int) -> _Read | None:
    """Where SQL finds *field*; None where no column holds it."""
    stored = STORED_FIELDS[field.scope].get(field.name)
    if stored is None:
        return None
    table: FromClause = runs if field.scope == "run" else steps
    if (scope, field.scope, field.name) == ("step", "step", "run_id"):
        table = runs
    if stored.how == "run_status":
        return _Read(_shown_status(now_us), stored, field.path)
    return _Read(table.c[field.name], stored, field.path)


def _shown_status(now_us: int) -> ColumnElement[Any]:
    cutoff_us = now_us - ABANDONED_AFTER_S * 1_000_000
    is_abandoned = and_(runs.c.status == _STATUS["running"], runs.c.started_at < cutoff_us)
    return case((is_abandoned, _STATUS["abandoned"]), else_=runs.c.status)


def _finite(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """*column* where it has a number with an end."""
    if not isinstance(column.type, Float):
        return column
    return case((column.between(-_MAX_FLOAT, _MAX_FLOAT), column))


def _start(shape: Shape) -> ColumnElement[Any] | None:
    """Where a record's bucket of time begins; None without buckets."""
    if not shape.bucket_us:
        return None
    started_at = runs.c.started_at if shape.scope == "run" else steps.c.started_at
    width_us = shape.bucket_us
    # The remainder in SQL has the sign of what is divided.
    past = (started_at - bucket_origin_us(width_us)) % width_us
    return started_at - (past + width_us) % width_us
