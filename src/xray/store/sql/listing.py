"""Pages of runs and steps: SQL where columns can answer, bounded scans where they cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final, TypeVar
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, func, literal, select
from sqlalchemy.sql.expression import Select

from xray.model.clock import Clock
from xray.model.hashing import hash64
from xray.model.records import Page, Run, Step
from xray.query.cursor import encode_cursor
from xray.query.evaluate import named_below, named_value
from xray.query.plan import Condition, Plan, Position, Scope
from xray.store.compile import Compiled, StatRange, compile_plan
from xray.store.folding import MAX_TOTAL
from xray.store.paging import BEHIND_ALL
from xray.store.scanning import Meter, ScanBudget
from xray.store.sql.driver import Driver
from xray.store.sql.order import (
    is_not_behind,
    just_before,
    select_newest,
    sort_columns,
)
from xray.store.sql.postings import find_steps
from xray.store.sql.rows import id_text
from xray.store.sql.spelling import Spelling
from xray.store.sql.stat_index import HOUR_US, list_indexed
from xray.store.sql.stat_ranges import count_numbers, find_hours, portion_hours
from xray.store.tables import labels, runs, step_stats, steps
from xray.store.words import LABEL_WORDS

_OPENED_BATCH: Final = 200
_FIRST_WINDOW: Final = 2_000
_WINDOW_GROWTH: Final = 10
_MAX_WINDOW: Final = 100_000
_MAX_COUNTED_ROWS: Final = 20_000
_FIRST_ID: Final = str(UUID(int=0))

_Listed = TypeVar("_Listed", Run, Step)


class Row(Struct, frozen=True):
    """The number of a record, and its place in the order of its list."""

    seq: int
    position: Position


class _Searched(Struct, frozen=True):
    """What a search found.

    Args:
        rows: matches, one more than the page holds when there are more.
        end: where the search stopped; None when it came to the end of the table.
        meter: what it cost.
    """

    rows: list[Row]
    end: Position | None
    meter: Meter


class Listing:
    """Lists runs and steps within one snapshot.

    Args:
        connection: a connection within a transaction.
        driver: the same, as its driver has it.
        spelling: how its engine spells SQL.
        budget: where scans stop.
        clock: tells how long they took.
        is_met: judges an opened record by a condition, at a moment in µs since 1970.
    """

    def __init__(
        self,
        connection: Connection,
        driver: Driver,
        spelling: Spelling,
        budget: ScanBudget,
        clock: Clock,
        is_met: Callable[[Condition, Run | Step, int], bool],
    ) -> None:
        self._connection = connection
        self._driver = driver
        self.spelling = spelling
        self._budget = budget
        self._clock = clock
        self._is_met = is_met

    def page(
        self, plan: Plan, now_us: int, open_records: Callable[[Sequence[int]], list[_Listed]]
    ) -> Page[_Listed]:
        """The records that meet *plan*, opened from their numbers by *open_records*."""
        compiled = self.compile(plan.scope, plan.where, now_us)
        if compiled.rest is not None:
            return self._scan_records(plan, now_us, compiled, compiled.rest, open_records)
        if compiled.filters is not None:
            return self._scan_rows(plan, compiled, open_records)
        if compiled.stat_range is None:
            rows = self._rows(select_newest(plan, compiled, plan.after).limit(plan.limit + 1))
            total = self._count_listed(plan, compiled)
        else:
            rows = self._rows_by_stat(plan, compiled, compiled.stat_range)
            total = self._count_by_stat(plan, compiled, compiled.stat_range)
        return Page(
            items=open_records([row.seq for row in rows[: plan.limit]]),
            next_cursor=_cursor(rows, plan),
            total=None if total is None else min(total, MAX_TOTAL),
            total_is_exact=total is not None and total <= MAX_TOTAL,
        )

    def compile(self, scope: Scope, where: Condition, now_us: int) -> Compiled:
        """The SQL of *where*, with what the indexes beside the tables know."""
        return compile_plan(
            scope,
            where,
            now_us,
            self.spelling.dialect,
            indexed_stats=self._indexed_stats,
            deciding=self._find_deciding(scope, where),
        )

    @cached_property
    def _indexed_stats(self) -> dict[str, int]:
        return list_indexed(self._driver)

    def _find_deciding(self, scope: Scope, where: Condition) -> ColumnElement[bool] | None:
        """The records that may have decided about the candidate that *where* demands."""
        candidate_id = named_below(where)
        if candidate_id is None:
            return _find_labelled(scope, where)
        found = find_steps(self._driver, hash64(candidate_id))
        deciding = self.spelling.are_among(steps.c.seq, found)
        if scope == "step":
            return deciding
        return runs.c.seq.in_(select(steps.c.run).where(deciding))

    def walk(
        self, where: Condition, after: Position | None, now_us: int, meter: Meter
    ) -> Iterator[tuple[list[int], Position | None]]:
        """The numbers of steps that may meet *where*, newest first, with where each portion ends.

        Args:
            where: a condition about steps; what SQL cannot judge of it is left to the caller.
            after: begin with this step, or behind it where all of it was looked at.
            now_us: the moment `abandoned` is judged by.
            meter: notes how many steps were looked at.
        """
        compiled = self.compile("step", where, now_us)
        if after is not None and after.index != BEHIND_ALL:
            after = just_before(after)
        plan = Plan(scope="step", after=after)
        own = self._meter(compiled)
        seen = 0
        for rows, end in self.windows(plan, compiled, own, _OPENED_BATCH):
            meter.note(own.rows - seen)
            seen = own.rows
            yield [row.seq for row in rows], end

    def walk_runs(
        self, plan: Plan, now_us: int, open_runs: Callable[[Sequence[int]], list[Run]]
    ) -> Iterator[tuple[list[Row], Position | None]]:
        """The runs that meet *plan*, newest first from its cursor on, and where each portion ends.

        Args:
            plan: the question.
            now_us: the moment `abandoned` is judged by.
            open_runs: opens runs where SQL cannot judge them.
        """
        compiled = self.compile("run", plan.where, now_us)
        rest = compiled.rest
        for rows, end in self.windows(plan, compiled, self._meter(compiled), _OPENED_BATCH):
            for start in range(0, len(rows), _OPENED_BATCH):
                batch = rows[start : start + _OPENED_BATCH]
                if rest is not None:
                    opened = open_runs([row.seq for row in batch])
                    batch = [
                        row
                        for row, run in zip(batch, opened, strict=True)
                        if self._is_met(rest, run, now_us)
                    ]
                is_last = start + _OPENED_BATCH >= len(rows)
                yield batch, end if is_last else rows[start + _OPENED_BATCH - 1].position
            if not rows:
                yield [], end

    def _count_listed(self, plan: Plan, compiled: Compiled) -> int | None:
        """How many rows match; None where many more would have to be looked at than listed."""
        if compiled.stretch is not None:
            whole = replace(compiled, columns=compiled.stretch)
            if self._window_end(plan, whole, None, _MAX_COUNTED_ROWS) is not None:
                return None
        return self._count(plan, compiled)

    def _count(self, plan: Plan, compiled: Compiled) -> int:
        query = select_newest(plan, compiled, None)
        if compiled.filters is not None:
            query = query.where(compiled.filters)
        return self._count_found(query.limit(MAX_TOTAL + 1))

    def _count_found(self, query: Select[Any]) -> int:
        # Without the columns that only a page shows, an index may do without the table.
        found = (
            query.order_by(None)
            .with_only_columns(literal(1), maintain_column_froms=True)
            .subquery()
        )
        return int(self._connection.execute(select(func.count()).select_from(found)).scalar_one())

    def _count_small(self, plan: Plan, compiled: Compiled) -> int | None:
        """How many rows match, where the table is so small that counting costs nothing."""
        seq, _, _ = sort_columns(plan.scope)
        last = self._connection.execute(select(func.max(seq))).scalar() or 0
        return self._count(plan, compiled) if last <= _MAX_COUNTED_ROWS else None

    def _scan_rows(
        self, plan: Plan, compiled: Compiled, open_records: Callable[[Sequence[int]], list[_Listed]]
    ) -> Page[_Listed]:
        """A page whose conditions SQL judges row by row, newest first."""
        meter = self._meter(compiled)
        found: list[Row] = []
        end = plan.after
        for query, reached in self.portions(plan, compiled, meter, _FIRST_WINDOW):
            found += self._rows(query.limit(plan.limit + 1 - len(found)))
            end = reached
            if len(found) > plan.limit:
                break
        is_stopped = end is not None and len(found) <= plan.limit
        is_cheap = not (compiled.has_json or is_stopped or compiled.stat_range)
        total = self._count_small(plan, compiled) if is_cheap else None
        return _scanned(plan, compiled, _Searched(found, end, meter), open_records, total)

    def _scan_records(
        self,
        plan: Plan,
        now_us: int,
        compiled: Compiled,
        rest: Condition,
        open_records: Callable[[Sequence[int]], list[_Listed]],
    ) -> Page[_Listed]:
        """A page whose conditions are judged on opened records, newest first."""
        opened = Meter(self._budget.opened_rows, self._budget.duration_s, self._clock)
        meter = opened if compiled.filters is None else self._meter(compiled)
        found: list[Row] = []
        kept: dict[int, _Listed] = {}
        end = plan.after
        size = min(_OPENED_BATCH, plan.limit + 1) if compiled.is_named else _OPENED_BATCH
        for rows, end in self.windows(plan, compiled, meter, size):
            for start in range(0, len(rows), size):
                batch = rows[start : start + size]
                records = open_records([row.seq for row in batch])
                for row, record in zip(batch, records, strict=True):
                    if self._is_met(rest, record, now_us):
                        found.append(row)
                        kept[row.seq] = record
                if meter is not opened:
                    opened.spend(len(batch))
                is_last = start + len(batch) == len(rows)
                if len(found) > plan.limit or (not opened.left and not is_last):
                    end = batch[-1].position
                    break
            if len(found) > plan.limit or not opened.left:
                break
        return _scanned(
            plan,
            compiled,
            _Searched(found, end, meter),
            lambda seqs: [kept[seq] for seq in seqs],
            None,
        )

    def _meter(self, compiled: Compiled) -> Meter:
        budget = self._budget
        rows = budget.json_rows if compiled.has_json else budget.column_rows
        return Meter(rows, budget.duration_s, self._clock)

    def windows(
        self, plan: Plan, compiled: Compiled, meter: Meter, size: int
    ) -> Iterator[tuple[list[Row], Position | None]]:
        """What meets the SQL of each window, and where the window ends; None with the table.

        Windows grow where SQL filters them, as long as *meter* lets them.
        """
        if compiled.filters is not None or compiled.stat_range is not None:
            for query, end in self.portions(plan, compiled, meter, size):
                yield self._rows(query), end
            return
        after = plan.after
        while left := meter.left:
            window = min(size, left)
            rows = self._rows(select_newest(plan, compiled, after).limit(window + 1))
            end = rows[window - 1].position if len(rows) > window else None
            meter.spend(min(window, len(rows)))
            yield rows[:window], end
            if end is None:
                return
            after = end

    def portions(
        self,
        plan: Plan,
        compiled: Compiled,
        meter: Meter,
        size: int,
    ) -> Iterator[tuple[Select[Any], Position | None]]:
        """The query of each window, newest first, and where it ends; None with the table.

        Args:
            plan: the question.
            compiled: its SQL.
            meter: stops the search.
            size: how many rows the first window has.
        """
        if compiled.stat_range is not None:
            yield from self._portions_by_stat(plan, compiled, compiled.stat_range, meter)
            return
        after = plan.after
        while left := meter.left:
            window = min(size, left)
            query = select_newest(plan, compiled, after)
            if compiled.filters is not None:
                query = query.where(compiled.filters)
            end = self._window_end(plan, compiled, after, window)
            if end is not None:
                query = query.where(is_not_behind(plan.scope, end))
            size = min(size * _WINDOW_GROWTH, _MAX_WINDOW)
            meter.spend(
                window if end is not None else self._count_rest(plan, compiled, after, window)
            )
            yield query, end
            if end is None:
                return
            after = end

    def _portions_by_stat(
        self, plan: Plan, compiled: Compiled, asked: StatRange, meter: Meter
    ) -> Iterator[tuple[Select[Any], Position | None]]:
        """The query of some hours with matches, newest first, and where they end."""
        for hours, has_more in self._portion_hours(plan, asked):
            if not meter.left:
                return
            query = select_newest(plan, compiled, plan.after).where(self._is_in_range(asked, hours))
            if compiled.filters is not None:
                query = query.where(compiled.filters)
            meter.spend(count_numbers(self._driver, self.spelling, asked, hours, _MAX_WINDOW))
            yield query, Position(hours[-1] * HOUR_US, _FIRST_ID) if has_more else None

    def _is_in_range(self, asked: StatRange, hours: Sequence[int]) -> ColumnElement[bool]:
        value = step_stats.c.value
        tests = [
            value.op(op, is_comparison=True)(literal(self.spelling.bind_number(operand)))
            for op, operand in asked.tests
        ]
        found = select(step_stats.c.seq).where(
            step_stats.c.stat == asked.stat, step_stats.c.hour.in_(hours), *tests
        )
        return steps.c.seq.in_(found)

    def _portion_hours(self, plan: Plan, asked: StatRange) -> Iterator[tuple[list[int], bool]]:
        newest = _newest_hour(plan, asked)
        return portion_hours(self._driver, self.spelling, asked, newest)

    def _rows_by_stat(self, plan: Plan, compiled: Compiled, asked: StatRange) -> list[Row]:
        rows: list[Row] = []
        for hours, _ in self._portion_hours(plan, asked):
            query = select_newest(plan, compiled, plan.after).where(self._is_in_range(asked, hours))
            rows += self._rows(query.limit(plan.limit + 1 - len(rows)))
            if len(rows) > plan.limit:
                break
        return rows

    def _count_by_stat(self, plan: Plan, compiled: Compiled, asked: StatRange) -> int:
        hours = find_hours(self._driver, self.spelling, asked, asked.last_us // HOUR_US)
        if compiled.is_bounded:
            query = select_newest(plan, compiled, None).where(self._is_in_range(asked, hours))
            return self._count_found(query.limit(MAX_TOTAL + 1))
        return count_numbers(self._driver, self.spelling, asked, hours, MAX_TOTAL + 1)

    def _count_rest(
        self, plan: Plan, compiled: Compiled, after: Position | None, window: int
    ) -> int:
        """How many rows lie in the last window."""
        return self._count_found(select_newest(plan, compiled, after).limit(window))

    def _window_end(
        self, plan: Plan, compiled: Compiled, after: Position | None, window: int
    ) -> Position | None:
        """The last of the next *window* rows; None when the table ends with them or before."""
        _, started_at, record_id = sort_columns(plan.scope)
        query = select_newest(plan, compiled, after).order_by(None)
        # An index knows the order of times, not that of the records of one moment.
        times = query.with_only_columns(started_at, maintain_column_froms=True)
        last = times.order_by(started_at.desc()).offset(window - 1).limit(1)
        moment_us = self._connection.execute(last).scalar()
        if moment_us is None:
            return None
        newer = select(func.count()).select_from(times.where(started_at > moment_us).subquery())
        place = window - 1 - self._connection.execute(newer).scalar_one()
        same = query.where(started_at == moment_us).order_by(record_id.desc())
        rows = self._rows(same.offset(place).limit(2))
        older = times.where(started_at < moment_us).limit(1)
        has_more = len(rows) > 1 or self._connection.execute(older).first() is not None
        return rows[0].position if has_more else None

    def _rows(self, query: Select[Any]) -> list[Row]:
        rows: Iterable[Any] = self._connection.execute(query)
        return [Row(row[0], Position(row[1], id_text(row[2]))) for row in rows]


def _scanned(
    plan: Plan,
    compiled: Compiled,
    found: _Searched,
    open_records: Callable[[Sequence[int]], list[_Listed]],
    total: int | None,
) -> Page[_Listed]:
    """The page of a search; *total* is how many match where they were counted."""
    rows = found.rows
    has_more = len(rows) > plan.limit
    end = None if has_more else found.end
    if total is None and end is None and not has_more and plan.after is None:
        total = len(rows)
    back_to = rows[plan.limit].position if has_more else end
    is_scan = end is not None or not compiled.is_named
    return Page(
        items=open_records([row.seq for row in rows[: plan.limit]]),
        next_cursor=_cursor(rows, plan) if end is None else encode_cursor(end, plan),
        total=None if total is None else min(total, MAX_TOTAL),
        total_is_exact=total is not None and total <= MAX_TOTAL,
        complete=end is None,
        scan=found.meter.report(None if back_to is None else back_to.sort_us) if is_scan else None,
    )


def _find_labelled(scope: Scope, where: Condition) -> ColumnElement[bool] | None:
    """The records of the runs labelled as *where* demands, or with a candidate labelled so."""
    below = runs.alias()
    word = named_value(where, "run", "label") if scope == "step" else None
    if word in LABEL_WORDS:
        is_labelled = below.c.label == LABEL_WORDS.index(word)
        return steps.c.run.in_(select(below.c.seq).where(is_labelled))
    word = named_below(where, "label")
    if word not in LABEL_WORDS:
        return None
    labelled = select(labels.c.run_id).where(
        labels.c.is_run == 0, labels.c.label == LABEL_WORDS.index(word)
    )
    if scope == "run":
        return runs.c.run_id.in_(labelled)
    return steps.c.run.in_(select(below.c.seq).where(below.c.run_id.in_(labelled)))


def _newest_hour(plan: Plan, asked: StatRange) -> int:
    last_us = asked.last_us if plan.after is None else min(asked.last_us, plan.after.sort_us)
    return last_us // HOUR_US


def _cursor(rows: Sequence[Row], plan: Plan) -> str | None:
    has_more = len(rows) > plan.limit
    return encode_cursor(rows[plan.limit - 1].position, plan) if has_more else None
