"""Aggregates over runs that were not kept: what their tallies know, and what they do not.

A tally knows pipeline, environment, version and minute of its runs, and name and type of their
steps, each with how many ended how; and the sums of a few numbers, over all that ended anyhow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from xray.model.tallies import MINUTE_US, RunTally, Spread, StepTally, Tallied
from xray.model.vocabulary import ABANDONED_AFTER_S
from xray.query.aggregate import AggregatePlan, find_bucket_us
from xray.query.evaluate import compare, is_present
from xray.query.groups import Groups, Numbers, as_group_value
from xray.query.plan import (
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Exists,
    FieldRef,
    Not,
    Scope,
)

_Values = dict[tuple[Scope, str], object]
_PLACES: Final = (("run", "pipeline"), ("run", "environment"), ("run", "version"))
_KNOWN: Final[dict[Scope, frozenset[tuple[str, str]]]] = {
    "run": frozenset({*_PLACES, ("run", "status"), ("run", "started_at")}),
    "step": frozenset(
        {
            *_PLACES,
            ("step", "pipeline"),
            ("step", "name"),
            ("step", "step_type"),
            ("step", "status"),
            ("step", "started_at"),
        }
    ),
    "decision": frozenset(),
}
_NUMBERS: Final[dict[Scope, frozenset[str]]] = {
    "run": frozenset({"duration_ms"}),
    "step": frozenset(
        {"duration_ms", "rejection_rate", "rejected_count", "accepted_count", "selected_count"}
    ),
    "decision": frozenset(),
}
_SUMMED: Final = frozenset({"sum", "mean"})


class Range(Struct, frozen=True):
    """The tallies that can matter to a question.

    Args:
        pipeline: the only pipeline; None for all.
        from_us: no minute that began before.
        to_us: and none that began then or later; None: to the end.
    """

    pipeline: str | None
    from_us: int
    to_us: int | None


def is_covered(plan: AggregatePlan) -> bool:
    """Whether tallies know all that *plan* asks of the runs they stand for."""
    shape, where = plan.shape, plan.rows.where
    named = [*_fields_of(where), *shape.by]
    if None in named or shape.bucket_us % MINUTE_US:
        return False
    known, scope = _KNOWN[shape.scope], shape.scope
    if not all(field and not field.path and _key(field) in known for field in named):
        return False
    if shape.figures and (scope, "status") in {_key(field) for field in named if field}:
        # How long those took that failed is not told apart.
        return False
    return all(
        figure.kind in _SUMMED
        and figure.field.scope == scope
        and not figure.field.path
        and figure.field.name in _NUMBERS[scope]
        for figure in shape.figures
    )


def find_range(plan: AggregatePlan) -> Range:
    """The tallies that can matter to *plan*, from its cursor on."""
    where, scope, after = plan.rows.where, plan.shape.scope, plan.rows.after
    pipeline: str | None = None
    from_us = 0
    to_us = None if after is None else after.sort_us
    for part in where.parts if isinstance(where, AllOf) else (where,):
        if not isinstance(part, Comparison):
            continue
        if part.field.name == "pipeline" and part.op == "=" and isinstance(part.value, str):
            pipeline = part.value
        elif part.field == FieldRef(scope, "started_at") and isinstance(part.value, (int, float)):
            bound_us = int(part.value)
            if part.op in (">", ">="):
                from_us = max(from_us, bound_us)
            elif part.op in ("<", "<="):
                to_us = bound_us + 1 if to_us is None else min(to_us, bound_us + 1)
    return Range(pipeline, from_us, to_us)


def count_tallies(
    plan: AggregatePlan, now_us: int, groups: Groups, facts: Iterable[Tallied]
) -> None:
    """Add the runs or steps that *facts* tell of to their groups.

    Each began at the beginning of its minute.
    """
    shape = plan.shape
    used = {_key(field) for field in (*_fields_of(plan.rows.where), *shape.by) if field}
    has_status = (shape.scope, "status") in used
    for fact in facts:
        start_us = None
        if shape.bucket_us:
            start_us = find_bucket_us(fact.minute_us, shape.bucket_us)
        for values, count, tally in _rows(fact, shape.scope, now_us, has_status=has_status):
            if count and _holds(plan.rows.where, values):
                groups.fold(
                    tuple(as_group_value(values[_key(field)]) for field in shape.by),
                    start_us,
                    0,
                    float(count),
                    [_numbers(tally, field.name) for field in shape.fields],
                    tallied=count,
                )


def _rows(
    fact: Tallied, scope: Scope, now_us: int, *, has_status: bool
) -> Iterator[tuple[_Values, int, RunTally | StepTally]]:
    values: _Values = {
        ("run", "pipeline"): fact.pipeline,
        ("run", "environment"): fact.environment,
        ("run", "version"): fact.version,
        (scope, "started_at"): fact.minute_us,
    }
    tallies: Sequence[RunTally | StepTally] = [fact.runs] if scope == "run" else fact.steps
    for tally in tallies:
        of_step: _Values = {}
        if isinstance(tally, StepTally):
            of_step = {
                ("step", "pipeline"): fact.pipeline,
                ("step", "name"): tally.name,
                ("step", "step_type"): tally.step_type,
            }
        if not has_status:
            yield {**values, **of_step}, tally.count, tally
            continue
        is_old = now_us - fact.minute_us > ABANDONED_AFTER_S * 1_000_000
        for status, count in tally.statuses.items():
            is_abandoned = scope == "run" and status == "running" and is_old
            shown = "abandoned" if is_abandoned else status
            yield {**values, **of_step, (scope, "status"): shown}, count, tally


def _numbers(tally: RunTally | StepTally, name: str) -> Numbers:
    if name == "duration_ms":
        return _spread_numbers(tally.duration_ms)
    assert isinstance(tally, StepTally)
    if name == "rejection_rate":
        return _spread_numbers(tally.rejection_rate)
    total = {
        "rejected_count": tally.rejected,
        "accepted_count": tally.accepted,
        "selected_count": tally.selected,
    }[name]
    return Numbers(tally.count, float(tally.count), float(total))


def _spread_numbers(spread: Spread) -> Numbers:
    return Numbers(spread.count, float(spread.count), spread.total)


def _key(field: FieldRef) -> tuple[Scope, str]:
    return field.scope, field.name


def _fields_of(condition: Condition) -> Iterator[FieldRef | None]:
    """The fields that *condition* reads; None for what no tally can be asked."""
    if isinstance(condition, (AllOf, AnyOf)):
        for part in condition.parts:
            yield from _fields_of(part)
    elif isinstance(condition, Not):
        yield from _fields_of(condition.part)
    elif isinstance(condition, (Comparison, Exists)):
        yield condition.field
    else:
        yield None


def _holds(condition: Condition, values: _Values) -> bool:
    if isinstance(condition, AllOf):
        return all(_holds(part, values) for part in condition.parts)
    if isinstance(condition, AnyOf):
        return any(_holds(part, values) for part in condition.parts)
    if isinstance(condition, Not):
        return not _holds(condition.part, values)
    if isinstance(condition, Comparison):
        return compare(values[_key(condition.field)], condition.op, condition.value)
    return isinstance(condition, Exists) and is_present(values[_key(condition.field)])
