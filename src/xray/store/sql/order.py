"""Runs and steps in the order of their lists, newest first, as SQL."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.sql.expression import Select

from xray.query.plan import Plan, Position, Scope
from xray.store.compile import Compiled
from xray.store.sql.rows import raw_id
from xray.store.tables import runs, steps


def sort_columns(scope: Scope) -> tuple[Any, Any, Any]:
    """The number, the time and the id of a record, by which lists are sorted."""
    if scope == "run":
        return runs.c.seq, runs.c.started_at, runs.c.run_id
    return steps.c.seq, steps.c.started_at, steps.c.step_id


def _joined(query: Select[Any], scope: Scope, has_runs: bool) -> Select[Any]:
    if scope == "step" and has_runs:
        return query.join(runs, runs.c.seq == steps.c.run)
    return query


def _ordered(query: Select[Any], scope: Scope) -> Select[Any]:
    _, started_at, record_id = sort_columns(scope)
    return query.order_by(started_at.desc(), record_id.desc())


def select_newest(plan: Plan, compiled: Compiled, after: Position | None) -> Select[Any]:
    """The rows that meet the plan's plain conditions, newest first, behind *after*."""
    seq, started_at, record_id = sort_columns(plan.scope)
    query = select(seq, started_at, record_id).where(compiled.columns)
    query = _joined(query, plan.scope, compiled.has_runs)
    if after is not None:
        is_older = or_(
            started_at < after.sort_us,
            and_(started_at == after.sort_us, record_id < raw_id(after.record_id)),
        )
        query = query.where(started_at <= after.sort_us, is_older)
    return _ordered(query, plan.scope)


def is_not_behind(scope: Scope, end: Position) -> ColumnElement[bool]:
    """Whether a row comes before *end* in the order of the question, or is it."""
    _, started_at, record_id = sort_columns(scope)
    is_newer = or_(
        started_at > end.sort_us,
        and_(started_at == end.sort_us, record_id >= raw_id(end.record_id)),
    )
    return and_(started_at >= end.sort_us, is_newer)


def just_before(position: Position) -> Position:
    """The place in the order of a list right before the record at *position*."""
    number = min(UUID(position.record_id).int + 1, (1 << 128) - 1)
    return Position(position.sort_us, str(UUID(int=number)))
