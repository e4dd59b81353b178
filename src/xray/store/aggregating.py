"""Aggregates over opened records: what a record counts, the same for every engine."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from msgspec import Struct

from xray.model.clock import to_wall_us
from xray.model.records import Decision, Run, Scan, Step
from xray.model.tallies import MINUTE_US
from xray.query.aggregate import AggregatePlan, Shape, find_bucket_us
from xray.query.evaluate import Record, meets, read_field, scopes_named
from xray.query.groups import Groups, as_group_value, as_number
from xray.query.plan import FieldRef, Position, Scope
from xray.query.tallied import find_range
from xray.store.paging import BEHIND_ALL, DecisionSource, Search, StepKey, find_anchor
from xray.store.scanning import Meter

_MAX_KEPT_RUNS: Final = 1_000


class Counted(Struct, frozen=True):
    """What a store has counted for an aggregate.

    Args:
        groups: the groups.
        end: where the search stopped; None when it came to the end.
        scan: how far it came.
    """

    groups: Groups
    end: Position | None
    scan: Scan


MAX_TALLIES: Final = 50_000
"""How many tallies are added up for one answer; beyond, it is estimated by weights."""


def find_span_us(plan: AggregatePlan, end: Position | None) -> tuple[int, int | None]:
    """The minutes that belong to the part of an answer that ends at *end*: from, and to before.

    A minute belongs to the part that came past its beginning, so that parts share none.
    """
    asked = find_range(plan)
    from_us = asked.from_us // MINUTE_US * MINUTE_US
    return from_us if end is None else max(from_us, end.sort_us), asked.to_us


def conclude(groups: Groups, end: Position | None, meter: Meter) -> Counted:
    """What was counted in *groups* until the search came to *end*, and how far that was."""
    return Counted(groups, end, meter.report(None if end is None else end.sort_us))


def count_record(
    groups: Groups,
    record: Record,
    run: Run | None,
    now_us: int,
    step: Step | None = None,
    started_at_us: int | None = None,
    tallied: Collection[str] = (),
) -> None:
    """Add *record* to its group.

    Args:
        groups: where it is counted.
        record: a run, a step or a decision.
        run: the run of a step or decision.
        now_us: the moment `abandoned` is judged by.
        step: the step of a decision, where its fields are asked.
        started_at_us: when the record began, where it does not say so itself.
        tallied: the pipelines whose other runs are counted from tallies.
    """
    shape = groups.shape

    def read(field: FieldRef) -> object:
        owner: Record | None = record
        if field.scope != shape.scope:
            owner = run if field.scope == "run" else step
        return None if owner is None else read_field(owner, field, now_us)

    if started_at_us is None and not isinstance(record, Decision):
        started_at_us = to_wall_us(record.started_at)
    start_us = None
    if shape.bucket_us and started_at_us is not None:
        start_us = find_bucket_us(started_at_us, shape.bucket_us)
    groups.add(
        tuple(as_group_value(read(field)) for field in shape.by),
        start_us,
        1.0 if run is not None and run.pipeline in tallied else weigh(record, run),
        [as_number(read(field)) for field in shape.fields],
    )


def weigh(record: Record, run: Run | None) -> float:
    """How many records *record* stands for; 0 for a decision that only illustrates."""
    if isinstance(record, Run):
        return record.weight
    of_run = 1.0 if run is None else run.weight
    if isinstance(record, Step):
        return of_run
    return 0.0 if record.is_logged else of_run * record.weight


def count_decisions(plan: AggregatePlan, search: Search) -> Counted:
    """The decisions found by *search* that meet *plan*; it stops behind a step."""
    walk = _Walk(plan, search.source)
    meter = search.meter
    after = plan.rows.after
    is_past = after is None or find_anchor(plan.rows).is_scan
    end = after
    for keys, reached in search.portions:
        for key in keys:
            is_last = after is not None and key.step_id == after.record_id
            if not is_past or is_last:
                is_past = is_past or is_last
                continue
            if not meter.left:
                return conclude(walk.groups, end, meter)
            meter.spend(1 + walk.visit(key))
            end = Position(key.started_at_us, key.step_id, BEHIND_ALL)
        if reached is not None:
            end = Position(reached.sort_us, reached.record_id, BEHIND_ALL)
        elif is_past:
            return conclude(walk.groups, None, meter)
    return conclude(walk.groups, end, meter)


class _Walk:
    def __init__(self, plan: AggregatePlan, source: DecisionSource) -> None:
        self.groups = Groups(plan.shape)
        self._plan = plan
        self._source = source
        self._candidate_id = find_anchor(plan.rows).candidate_id
        self._scopes = scopes_named(plan.rows.where) | _scopes_read(plan.shape)
        self._runs: dict[str, Run | None] = {}

    def visit(self, key: StepKey) -> int:
        """Count the decisions of one step; how many were looked at."""
        table = self._source.table(key)
        rows: Iterable[Decision] = table
        if self._candidate_id is not None:
            rows = table.find(self._candidate_id)
        step = self._source.step(key.step_id) if "step" in self._scopes else None
        run = self._run(key.run_id)
        rows_plan = self._plan.rows
        for decision in rows:
            if meets(rows_plan.where, decision, run, rows_plan.now_us, step=step):
                count_record(self.groups, decision, run, rows_plan.now_us, step, key.started_at_us)
        return len(table)

    def _run(self, run_id: str) -> Run | None:
        if run_id not in self._runs:
            if len(self._runs) >= _MAX_KEPT_RUNS:
                self._runs.clear()
            self._runs[run_id] = self._source.run(run_id)
        return self._runs[run_id]


def _scopes_read(shape: Shape) -> set[Scope]:
    return {field.scope for field in (*shape.by, *shape.fields)}
