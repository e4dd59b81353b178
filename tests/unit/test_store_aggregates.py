"""Aggregates of a store: weights, types, budgets, and parts that add up to the whole."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from tests.unit.test_store_scan import COUNT, NOW_US, SMALL, OpenStore, TickingClock, open_store
from xray import reading
from xray.model.aggregates import Aggregate
from xray.model.facts import (
    ACCEPTED,
    REJECTED,
    DecisionRow,
    Reservoir,
    RunFinished,
    RunStarted,
    StepFinished,
)
from xray.model.records import Scan
from xray.model.values import pack_value
from xray.query.figures import add_parts
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.store.scanning import ScanBudget
from xray.testing.clock import FakeClock

__all__ = ["open_store"]

RUN = "0195f0a2-0000-7000-8000-00000000000{}".format
STEP = "0195f0a2-0000-7000-9000-00000000000{}".format


def ask(store: Store, asked: str) -> Aggregate:
    pairs = [(name, value) for name, _, value in (one.partition("=") for one in asked.split(" & "))]
    return reading.aggregate(store, pairs, NOW_US)


def ask_parts(store: Store, asked: str) -> list[Aggregate]:
    """All parts of an answer, as they travel."""
    parts = [ask(store, asked)]
    while parts[-1].next_cursor is not None:
        assert len(parts) < 5 * COUNT, "the search does not move on"
        parts.append(ask(store, f"{asked} & cursor={parts[-1].next_cursor}"))
    return [msgspec.json.decode(msgspec.json.encode(part), type=Aggregate) for part in parts]


QUESTIONS = (
    "of=runs & mean=duration_ms & by=pipeline",
    "of=runs & p50=duration_ms & sum=metadata.n & bucket=10s",
    "of=runs & q=input.n > 10 & max=input.n & by=pipeline",
    "of=steps & mean=rejection_rate & p90=duration_ms & by=run.pipeline,name",
    "of=steps & q=duration_ms > 50 & by=name",
    "of=steps & q=params.n > 50 and run.pipeline = 'odd' & min=stats.n",
    "of=decisions & by=step.name & mean=step.duration_ms",
    "of=decisions & q=reason in ('r3', 'r50') & by=reason",
)


@pytest.mark.parametrize("asked", QUESTIONS)
def test_parts_add_up_to_what_is_answered_at_once(open_store: OpenStore, asked: str) -> None:
    whole = ask(open_store(ScanBudget()), asked)
    assert whole.complete
    assert whole.rows
    parts = ask_parts(open_store(SMALL), asked)
    assert len(parts) > 1
    assert [part.complete for part in parts] == [False] * (len(parts) - 1) + [True]
    added = add_parts(parts)
    assert (added.groups, added.rows, added.complete) == (whole.groups, whole.rows, True)


def test_a_part_says_how_far_it_came(open_store: OpenStore) -> None:
    part = ask(open_store(SMALL), "of=runs & by=pipeline")
    assert isinstance(part.scan, Scan)
    assert part.scan.rows == 20
    assert part.rows == 20
    assert part.scan.back_to is not None
    assert part.scan.back_to.timestamp() == NOW_US / 1e6 - 19


def test_an_aggregate_stops_when_its_time_is_over(open_store: OpenStore) -> None:
    store = open_store(ScanBudget(duration_s=0.05), TickingClock(NOW_US))
    for of in ("runs", "steps", "decisions"):
        parts = ask_parts(store, f"of={of}")
        assert add_parts(parts).rows == COUNT * (3 if of == "decisions" else 1)


def test_decisions_of_one_run_go_on_where_they_stopped(open_store: OpenStore) -> None:
    run_id = "0195f0a2-0000-7000-8000-000000000007"
    answer = add_parts(ask_parts(open_store(SMALL), f"of=decisions & run_id={run_id}"))
    assert answer.rows == 3


@pytest.fixture
def sampled(open_empty: Callable[[], Store]) -> Store:
    store = open_empty()
    rows = [DecisionRow(REJECTED, "a", "price", score=1.0), DecisionRow(ACCEPTED, "b", score=3.0)]
    drawn = [DecisionRow(REJECTED, f"d{n}", "price", score=10.0) for n in range(2)]
    for number, weight in ((1, 1.0), (2, 9.0)):
        started = RunStarted(
            run_id=RUN(number),
            pipeline="p",
            started_at_us=NOW_US,
            weight=weight,
            metadata=pack_value({"v": (1, 1.0)[number - 1], "w": ("1", True)[number - 1]}),
        )
        finished = RunFinished(run_id=RUN(number), status="completed", duration_ms=number * 100.0)
        step = StepFinished(
            run_id=RUN(number),
            step_id=STEP(number),
            pipeline="p",
            name="s",
            step_type="filter",
            ordinal=0,
            started_at_us=NOW_US,
            duration_ms=float(number),
            status="completed",
            rows=rows,
            reservoirs=[Reservoir(REJECTED, "price", 8, drawn)] if number == 1 else [],
            logged=[DecisionRow(ACCEPTED, "shown", score=99.0)],
        )
        store.submit(str(number), [started, finished, step]).result()
    return store


@pytest.fixture(params=["memory", "sqlite"])
def open_empty(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Store]:
    def open_one() -> Store:
        if request.param == "memory":
            return MemoryStore(FakeClock(NOW_US))
        from xray.store.sqlite.engine import SqliteStore

        store = SqliteStore(tmp_path_factory.mktemp("s") / "x.db", clock=FakeClock(NOW_US))
        request.addfinalizer(store.close)
        return store

    return open_one


def test_runs_and_steps_count_by_the_weight_of_the_run(sampled: Store) -> None:
    for of, least, mean in (("runs", 100.0, 190.0), ("steps", 1.0, 1.9)):
        answer = ask(sampled, f"of={of} & mean=duration_ms & min=duration_ms & p50=duration_ms")
        (group,) = answer.groups
        assert (group.rows, group.count, group.n) == (2, 10, {"duration_ms": 2})
        assert group.figures["mean(duration_ms)"] == pytest.approx(mean)
        assert group.figures["min(duration_ms)"] == least
        assert group.figures["p50(duration_ms)"] == 2 * least


def test_decisions_count_by_their_own_weight_too_and_illustrations_not(sampled: Store) -> None:
    answer = ask(sampled, "of=decisions & by=decision & sum=score & max=score")
    rejected, accepted = (
        next(group for group in answer.groups if group.group["decision"] == verdict)
        for verdict in ("rejected", "accepted")
    )
    # One in full in each run, and two that stand for eight others.
    assert (rejected.rows, rejected.count) == (4, 1 + 8 + 9)
    assert rejected.figures == {"sum(score)": 1 + 80 + 9, "max(score)": 10.0}
    assert (accepted.rows, accepted.count) == (4, 10)
    assert accepted.figures == {"sum(score)": 30.0, "max(score)": 99.0}


def test_groups_are_told_apart_by_type_and_numbers_are_one(sampled: Store) -> None:
    same = ask(sampled, "of=runs & by=metadata.v")
    assert [group.group for group in same.groups] == [{"metadata.v": 1}]
    others = ask(sampled, "of=runs & by=metadata.w & sort=group")
    values = [group.group["metadata.w"] for group in others.groups]
    assert (len(values), values[0] is True, values[1] == "1") == (2, True, True)


def test_groups_beyond_the_limit_are_one(sampled: Store) -> None:
    answer = ask(sampled, "of=runs & by=run_id & limit=1 & mean=duration_ms")
    assert [group.count for group in answer.groups] == [9]
    assert answer.other is not None
    assert (answer.other.groups, answer.other.count) == (1, 1)
    assert answer.other.figures == {"mean(duration_ms)": 100.0}
    assert (answer.count, answer.rows) == (10, 2)


def test_groups_are_sorted_by_a_figure_and_those_without_it_come_last(sampled: Store) -> None:
    asked = "of=decisions & by=candidate_id & mean=score & sort=mean & order=asc"
    means = [group.figures["mean(score)"] for group in ask(sampled, asked).groups]
    assert means[:2] == [1.0, 3.0]
    assert means[-1] is None, "an illustration weighs nothing"


def test_nothing_at_all_is_one_empty_group_or_none(sampled: Store) -> None:
    none = "q=pipeline = 'nobody'"
    (group,) = ask(sampled, f"of=runs & {none} & mean=duration_ms & max=duration_ms").groups
    assert (group.rows, group.count) == (0, 0)
    assert set(group.figures.values()) == {None}
    assert ask(sampled, f"of=runs & {none} & by=pipeline").groups == []
    assert ask(sampled, f"of=runs & {none} & bucket=1h").groups == []
