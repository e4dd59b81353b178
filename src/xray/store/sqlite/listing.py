"""Pages of runs and steps: SQL where columns can answer, bounded scans where they cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, func, literal, or_, select
from sqlalchemy.sql.expression import Select

from xray.model.records import Page, Run, Step
from xray.query.cursor import encode_cursor
from xray.query.plan import Condition, Plan, Position, Scope
from xray.store.compile import Compiled, Dialect, JsonQuestion, compile_plan
from xray.store.folding import MAX_TOTAL
from xray.store.sqlite.functions import encode_question
from xray.store.sqlite.rows import id_text
from xray.store.tables import runs, steps

_OPENED_BATCH: Final = 200
_FIRST_WINDOW: Final = 2_000
_WINDOW_GROWTH: Final = 10

_Listed = TypeVar("_Listed", Run, Step)


def _holds_json(column: ColumnElement[Any], question: JsonQuestion) -> ColumnElement[bool]:
    return func.xray_holds(column, literal(encode_question(question))) == 1


def _holds_text(column: ColumnElement[Any], wanted: str) -> ColumnElement[bool]:
    return func.xray_text_holds(column, wanted) == 1


_DIALECT: Final = Dialect(holds_json=_holds_json, holds_text=_holds_text, uuid_text=func.xray_uuid)


class ScanBudget(Struct, frozen=True):
    """How many rows one page may look at before it is given back unfinished.

    Args:
        json_rows: rows whose JSON columns SQL reads.
        opened_rows: records that are opened one by one.
    """

    json_rows: int = 250_000
    opened_rows: int = 50_000


class _Row(Struct, frozen=True):
    seq: int
    position: Position


class Listing:
    """Lists runs and steps within one snapshot.

    Args:
        connection: a connection within a transaction.
        budget: where scans stop.
        is_met: judges an opened record by a condition, at a moment in µs since 1970.
    """

    def __init__(
        self,
        connection: Connection,
        budget: ScanBudget,
        is_met: Callable[[Condition, Run | Step, int], bool],
    ) -> None:
        self._connection = connection
        self._budget = budget
        self._is_met = is_met

    def page(
        self, plan: Plan, now_us: int, open_records: Callable[[Sequence[int]], list[_Listed]]
    ) -> Page[_Listed]:
        """The records that meet *plan*, opened from their numbers by *open_records*."""
        compiled = compile_plan(plan.scope, plan.where, now_us, _DIALECT)
        if compiled.rest is not None:
            return self._scan(plan, now_us, compiled, compiled.rest, open_records)
        if compiled.json is not None:
            return self._scan_json(plan, compiled, compiled.json, open_records)
        rows = self._rows(_newest(plan, compiled, plan.after).limit(plan.limit + 1))
        shown = rows[: plan.limit]
        counted = select(func.count()).select_from(
            _newest(plan, compiled, None).order_by(None).limit(MAX_TOTAL + 1).subquery()
        )
        total = int(self._connection.execute(counted).scalar_one())
        return Page(
            items=open_records([row.seq for row in shown]),
            next_cursor=_cursor(rows, plan),
            total=min(total, MAX_TOTAL),
            total_is_exact=total <= MAX_TOTAL,
        )

    def _scan_json(
        self,
        plan: Plan,
        compiled: Compiled,
        json: ColumnElement[bool],
        open_records: Callable[[Sequence[int]], list[_Listed]],
    ) -> Page[_Listed]:
        """A page whose JSON conditions are judged in growing windows, up to the budget."""
        found: list[_Row] = []
        after, end = plan.after, plan.after
        left, window = self._budget.json_rows, _FIRST_WINDOW
        while left > 0 and len(found) <= plan.limit:
            window = min(window, left)
            end = self._window_end(plan, compiled, after, window)
            query = _newest(plan, compiled, after).where(json)
            if end is not None:
                query = query.where(_is_not_behind(plan.scope, end))
            found += self._rows(query.limit(plan.limit + 1 - len(found)))
            if end is None:
                break
            left -= window
            after, window = end, window * _WINDOW_GROWTH
        is_full = len(found) > plan.limit
        return self._unfinished(plan, found, None if is_full else end, open_records)

    def _window_end(
        self, plan: Plan, compiled: Compiled, after: Position | None, window: int
    ) -> Position | None:
        """The last of the next *window* rows; None when the table ends with them or before."""
        rows = self._rows(_newest(plan, compiled, after).offset(window - 1).limit(2))
        return rows[0].position if len(rows) > 1 else None

    def _scan(
        self,
        plan: Plan,
        now_us: int,
        compiled: Compiled,
        rest: Condition,
        open_records: Callable[[Sequence[int]], list[_Listed]],
    ) -> Page[_Listed]:
        """A page whose conditions are judged on opened records, newest first."""
        found: list[_Row] = []
        kept: list[_Listed] = []
        after = plan.after
        left = self._budget.opened_rows
        is_over = False
        while left > 0 and not is_over and len(found) <= plan.limit:
            query = _newest(plan, compiled, after)
            if compiled.json is not None:
                query = query.where(compiled.json)
            rows = self._rows(query.limit(min(_OPENED_BATCH, left)))
            is_over = len(rows) < min(_OPENED_BATCH, left)
            left -= len(rows)
            for row, record in zip(rows, open_records([row.seq for row in rows]), strict=True):
                after = row.position
                if self._is_met(rest, record, now_us):
                    found.append(row)
                    kept.append(record)
        if is_over or len(found) > plan.limit:
            return self._unfinished(plan, found, None, lambda _: kept[: plan.limit])
        return self._unfinished(plan, found, after, lambda _: kept)

    def _unfinished(
        self,
        plan: Plan,
        rows: list[_Row],
        end: Position | None,
        open_records: Callable[[Sequence[int]], list[_Listed]],
    ) -> Page[_Listed]:
        """A page of a scan: *end* is where its budget ran out, None when it did not."""
        shown = rows[: plan.limit]
        is_all = end is None and len(rows) <= plan.limit and plan.after is None
        return Page(
            items=open_records([row.seq for row in shown]),
            next_cursor=_cursor(rows, plan) if end is None else encode_cursor(end, plan),
            total=len(rows) if is_all else None,
            total_is_exact=is_all,
            complete=end is None,
        )

    def _rows(self, query: Select[Any]) -> list[_Row]:
        rows: Iterable[Any] = self._connection.execute(query)
        return [_Row(row[0], Position(row[1], id_text(row[2]))) for row in rows]


def _sort_columns(scope: Scope) -> tuple[Any, Any, Any]:
    if scope == "run":
        return runs.c.seq, runs.c.started_at, runs.c.run_id
    return steps.c.seq, steps.c.started_at, steps.c.step_id


def _joined(query: Select[Any], scope: Scope, has_runs: bool) -> Select[Any]:
    if scope == "step" and has_runs:
        return query.join(runs, runs.c.seq == steps.c.run)
    return query


def _ordered(query: Select[Any], scope: Scope) -> Select[Any]:
    _, started_at, record_id = _sort_columns(scope)
    return query.order_by(started_at.desc(), record_id.desc())


def _newest(plan: Plan, compiled: Compiled, after: Position | None) -> Select[Any]:
    """The rows that meet the plan's plain conditions, newest first, behind *after*."""
    seq, started_at, record_id = _sort_columns(plan.scope)
    query = select(seq, started_at, record_id).where(compiled.columns)
    query = _joined(query, plan.scope, compiled.has_runs)
    if after is not None:
        is_older = or_(
            started_at < after.sort_us,
            and_(started_at == after.sort_us, record_id < raw_id(after.record_id)),
        )
        query = query.where(started_at <= after.sort_us, is_older)
    return _ordered(query, plan.scope)


def _is_not_behind(scope: Scope, end: Position) -> ColumnElement[bool]:
    """Whether a row comes before *end* in the order of the question, or is it."""
    _, started_at, record_id = _sort_columns(scope)
    is_newer = or_(
        started_at > end.sort_us,
        and_(started_at == end.sort_us, record_id >= raw_id(end.record_id)),
    )
    return and_(started_at >= end.sort_us, is_newer)


def _cursor(rows: Sequence[_Row], plan: Plan) -> str | None:
    has_more = len(rows) > plan.limit
    return encode_cursor(rows[plan.limit - 1].position, plan) if has_more else None


def raw_id(text: str) -> bytes:
    """The bytes of a canonical id; of any other text, bytes that no record has."""
    try:
        raw = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        return b""
    return raw if len(raw) == 16 and id_text(raw) == text else b""
