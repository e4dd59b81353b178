"""Figures of facts kept in memory: groups counted, and what the checks of runs say."""

from __future__ import annotations

from xray.model.checked import (
    CheckedRun,
    CheckedStep,
    StepChecks,
    count_step,
    list_selected,
)
from xray.model.clock import to_wall_us
from xray.model.decisions import ListedDecisions, outline_decisions
from xray.model.records import Run, Step
from xray.query.aggregate import AggregatePlan
from xray.query.evaluate import meets
from xray.query.groups import Groups
from xray.query.plan import Position
from xray.query.tallied import count_tallies, find_range, is_covered
from xray.store.aggregating import MAX_TALLIES, Counted, conclude, count_record, find_span_us
from xray.store.folding import sample_rejections
from xray.store.kept import KeptFacts, by_age
from xray.store.paging import StepKey
from xray.store.scanning import Meter


def count_kept(kept: KeptFacts, plan: AggregatePlan, now_us: int, meter: Meter) -> Counted:
    """Figures of groups of the runs or steps that meet *plan*, of the newest first."""
    groups = Groups(plan.shape)
    tallied = _list_tallied(kept, plan)
    stopped = _count_stored(kept, plan, now_us, groups, meter, tallied)
    if tallied:
        pipeline = find_range(plan).pipeline
        facts = kept.tallies_between(pipeline, *find_span_us(plan, stopped))
        count_tallies(plan, now_us, groups, facts)
    return conclude(groups, stopped, meter)


def _list_tallied(kept: KeptFacts, plan: AggregatePlan) -> frozenset[str]:
    """The pipelines whose runs are counted from tallies where they were not kept."""
    asked = find_range(plan)
    facts = kept.tallies_between(asked.pipeline, asked.from_us, asked.to_us)
    if not is_covered(plan) or len(facts) > MAX_TALLIES:
        return frozenset()
    return frozenset(fact.pipeline for fact in kept.tallies.values())


def _count_stored(
    kept: KeptFacts,
    plan: AggregatePlan,
    now_us: int,
    groups: Groups,
    meter: Meter,
    tallied: frozenset[str],
) -> Position | None:
    """Count what is stored; where it stopped."""
    after = None if plan.rows.after is None else by_age(plan.rows.after)
    ends = kept.run_ends() if plan.shape.scope == "run" else kept.step_ends()
    stopped = plan.rows.after
    for end in ends:
        if after is not None and by_age(end) >= after:
            continue
        if not meter.left:
            return stopped
        meter.spend(1)
        stopped = end
        record: Run | Step
        if plan.shape.scope == "run":
            record = run = kept.run(end.record_id, now_us)
        else:
            record = kept.step(end.record_id)
            run = kept.run(record.run_id, now_us)
        if meets(plan.rows.where, record, run, now_us, rows_below=kept.rows_below):
            count_record(groups, record, run, now_us, tallied=tallied)
    return None


def check_kept(kept: KeptFacts, run: Run, words: frozenset[str] | None) -> CheckedRun:
    """A run as far as its checks go: those that *words* name, or all."""
    keys = sorted(map(kept.key, kept.step_ids.get(run.run_id, ())), key=StepKey.in_run)
    return CheckedRun(
        run_id=run.run_id,
        pipeline=run.pipeline,
        started_at_us=to_wall_us(run.started_at),
        weight=run.weight,
        version=run.version,
        steps=[_check_step(kept, key.step_id, words) for key in keys],
        find_selected=lambda step_id: list_selected(kept.step(step_id)),
    )


def _check_step(kept: KeptFacts, step_id: str, words: frozenset[str] | None) -> CheckedStep:
    decisions = kept.decisions(step_id)
    step = sample_rejections(kept.step(step_id), decisions)
    rows = outline_decisions(ListedDecisions(step_id, decisions))
    counts = count_step(step)
    counted = sum(row.verdict is not None and not row.is_logged for row in rows)
    checks = StepChecks(counts, rows, kept.steps[step_id].sketches)
    return CheckedStep(
        step_id=step.step_id,
        name=step.name,
        step_type=step.step_type,
        status=step.status,
        attempt=step.attempt,
        parent_step_id=step.parent_step_id,
        is_bare=not counted and bool(counts.kept or counts.reasons),
        checks=checks if checks.names_one_of(words) else None,
    )
