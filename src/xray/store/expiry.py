"""What a policy of retention lets go: foreseen, and done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from xray.model.clock import from_wall_us
from xray.model.removal import Removed
from xray.model.retention_report import RetentionReport, RetentionRule, say_retention
from xray.query.aggregate import AggregatePlan, Figure, Shape
from xray.query.cursor import decode_cursor
from xray.query.groups import Group
from xray.query.plan import AllOf, Comparison, Condition, FieldRef, Plan, simplify
from xray.query.retention import Policy
from xray.store.protocol import Store

PASS_RUNS: Final = 5_000
"""How many runs one call of `expire` deletes at most."""
_MINUTE_US: Final = 60_000_000
_WIDTHS_US: Final = (30 * 1440 * _MINUTE_US, 1440 * _MINUTE_US, 60 * _MINUTE_US, _MINUTE_US)
_SPARE: Final = 0.05
_STARTED_AT: Final = FieldRef("run", "started_at")
_EARLIEST: Final = Figure("min", _STARTED_AT)


class Expiry(Struct, frozen=True):
    """What one call of `expire` did.

    Args:
        removed: what was deleted.
        is_complete: whether nothing is left to be deleted.
    """

    removed: Removed
    is_complete: bool


def foresee(store: Store, policy: Policy, now_us: int) -> RetentionReport:
    """What `expire` would delete now, rule by rule; nothing is deleted."""
    reports = []
    for place, rule in enumerate(policy.rules):
        plan = policy.expired(place, now_us)
        runs, first_us = (0, None) if plan is None else _count(store, plan)
        reports.append(
            RetentionRule(
                rule=rule.text,
                runs=runs,
                oldest=None if first_us is None else from_wall_us(first_us),
            )
        )
    total, _ = _count(store, Plan(scope="run", now_us=now_us))
    size_bytes = store.size_bytes()
    answer = say_retention(reports, total, size_bytes, policy.max_bytes)
    return RetentionReport(
        answer=answer,
        rules=reports,
        runs=total,
        expired=sum(report.runs for report in reports),
        size_bytes=size_bytes,
        max_bytes=policy.max_bytes,
    )


def expire(
    store: Store,
    policy: Policy,
    now_us: int,
    max_runs: int = PASS_RUNS,
    note: Callable[[Sequence[str]], None] = lambda _: None,
) -> Expiry:
    """Delete runs that *policy* does not keep; returns when that is on disk.

    Args:
        store: where they are.
        policy: what is kept.
        now_us: the moment ages are counted back from, in µs since 1970.
        max_runs: how many are deleted at most.
        note: is told the ids of runs that were deleted.
    """
    removed = Removed()
    for place in range(len(policy.rules)):
        plan = policy.expired(place, now_us)
        if plan is None:
            continue
        for run_ids in _list_ids(store, plan, max_runs - removed.runs):
            removed = removed.plus(store.delete_runs(run_ids).result())
            note(run_ids)
            if removed.runs >= max_runs:
                return Expiry(removed, is_complete=False)
    more = _shrink(store, policy, now_us, max_runs - removed.runs, note)
    return Expiry(removed.plus(more.removed), more.is_complete)


def _list_ids(store: Store, plan: Plan, most: int) -> Iterator[list[str]]:
    """The ids of the runs that meet *plan*, a page at a time; each is gone before the next."""
    after = plan.after
    while most > 0:
        page = store.runs(replace(plan, limit=min(plan.limit, most), after=after))
        if page.items:
            yield [run.run_id for run in page.items]
            most -= len(page.items)
        if page.next_cursor is None:
            return
        after = decode_cursor(page.next_cursor, plan)


def _shrink(
    store: Store,
    policy: Policy,
    now_us: int,
    max_runs: int,
    note: Callable[[Sequence[str]], None],
) -> Expiry:
    """Delete the oldest runs while the store is larger than it may be."""
    size_bytes = store.size_bytes()
    if policy.max_bytes is None or size_bytes is None or size_bytes <= policy.max_bytes:
        return Expiry(Removed(), is_complete=True)
    dispensable = policy.dispensable(now_us)
    total, _ = _count(store, Plan(scope="run", where=dispensable, now_us=now_us))
    surplus = 1 - policy.max_bytes * (1 - _SPARE) / size_bytes
    wanted = min(max_runs, max(1, round(total * surplus)))
    is_old = Comparison(_STARTED_AT, "<", _find_cut(store, dispensable, wanted, now_us))
    plan = Plan(
        scope="run", where=simplify(AllOf((is_old, dispensable))), limit=1000, now_us=now_us
    )
    removed = Removed()
    for run_ids in _list_ids(store, plan, max_runs):
        removed = removed.plus(store.delete_runs(run_ids).result())
        note(run_ids)
    left_bytes = store.size_bytes()
    is_small = left_bytes is None or left_bytes <= policy.max_bytes
    return Expiry(removed, is_complete=is_small or not removed.runs)


def _find_cut(store: Store, where: Condition, wanted: int, now_us: int) -> int:
    """The moment before which at least *wanted* runs that meet *where* began, to the minute."""
    span: tuple[Condition, ...] = ()
    before = 0
    cut_us = now_us + 1
    for width_us in _WIDTHS_US:
        plan = Plan(scope="run", where=simplify(AllOf((where, *span))), now_us=now_us)
        groups = _aggregate(store, plan, Shape(scope="run", bucket_us=width_us))
        buckets = sorted((group.start_us or 0, group.rows) for group in groups)
        for start_us, runs in buckets:
            if before + runs >= wanted:
                cut_us = start_us + width_us
                span = (
                    Comparison(_STARTED_AT, ">=", start_us),
                    Comparison(_STARTED_AT, "<", cut_us),
                )
                break
            before += runs
        else:
            return cut_us
    return cut_us


def _count(store: Store, plan: Plan) -> tuple[int, int | None]:
    """How many stored runs meet *plan*, and when the first of them began, in µs since 1970."""
    groups = _aggregate(store, plan, Shape(scope="run", figures=(_EARLIEST,)))
    firsts = [group.numbers[0].least for group in groups if group.numbers[0].least is not None]
    return sum(group.rows for group in groups), round(min(firsts)) if firsts else None


def _aggregate(store: Store, plan: Plan, shape: Shape) -> list[Group]:
    asked = AggregatePlan(rows=plan, shape=shape)
    counted = store.aggregate(asked)
    groups = counted.groups
    while counted.end is not None:
        counted = store.aggregate(replace(asked, rows=replace(plan, after=counted.end)))
        groups.merge(counted.groups)
    return groups.listed()
