"""Runs that were not kept: every engine adds their tallies up, each once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.store.conftest import open_engine, some_engines
from tests.contract.store.worlds import NOW_US, RUN_IDS, TEXTS
from xray.model.clock import from_wall_us
from xray.model.facts import RunFinished, RunStarted
from xray.model.ids import new_uuid7
from xray.model.tallies import (
    MINUTE_US,
    MinuteTally,
    RunTally,
    Spread,
    StepTally,
    Tallied,
    merge_minutes,
)
from xray.query.plan import Comparison, FieldRef, Plan
from xray.store.protocol import Store

MINUTE = NOW_US // MINUTE_US * MINUTE_US
_serial = itertools.count(1)


def a_tally(pipeline: str = "search", minute: int = 0, **fields: object) -> Tallied:
    number = next(_serial)
    step = StepTally(
        name="filter",
        step_type="filter",
        statuses={"completed": 3},
        rejected=20,
        accepted=10,
        reasons={"price": 15, "stock": 5},
        input_count=30,
        output_count=10,
        rejection_rate=Spread(3, 2.0, [0, 0, 0, 0, 0, 0, 0, 3]),
        duration_ms=Spread(3, 30.0, [0, 0, 0, 2, 1]),
    )
    rank = StepTally(name="rank", step_type="rank", statuses={"failed": 1})
    base = Tallied(
        tally_id=new_uuid7(NOW_US + number * 1000),
        pipeline=pipeline,
        minute_us=MINUTE + minute * MINUTE_US,
        runs=RunTally(statuses={"completed": 2, "failed": 1}, duration_ms=Spread(3, 60.0, [1, 2])),
        steps=[step, rank],
    )
    return msgspec.structs.replace(base, **fields)


def put(store: Store, *facts: Tallied) -> tuple[int, int, int]:
    receipt = store.submit("batch", list(facts)).result()
    return receipt.accepted, receipt.duplicate, len(receipt.rejected)


def test_facts_of_one_minute_are_added_up(store: Store) -> None:
    put(store, a_tally(), a_tally())
    put(store, a_tally())
    (minute,) = store.tallies()
    assert minute.minute == from_wall_us(MINUTE)
    assert (minute.runs.count, minute.runs.statuses) == (9, {"completed": 6, "failed": 3})
    assert minute.runs.duration_ms == Spread(9, 180.0, [3, 6])
    by_name = {step.name: step for step in minute.steps}
    assert by_name["filter"].reasons == {"price": 45, "stock": 15}
    assert by_name["filter"].decided == 90
    assert by_name["filter"].rejection_rate.mean == pytest.approx(2 / 3)
    assert by_name["rank"].statuses == {"failed": 3}


def test_a_tally_sent_twice_counts_once(store: Store) -> None:
    fact = a_tally()
    assert put(store, fact, fact) == (1, 1, 0)
    assert put(store, fact) == (0, 1, 0)
    assert store.tallies()[0].runs.count == 3


def test_tallies_are_told_apart_by_pipeline_minute_environment_and_version(store: Store) -> None:
    put(store, a_tally(minute=2), a_tally("answer", 1), a_tally(minute=1))
    put(store, a_tally(minute=1, environment="test"), a_tally(minute=1, version="2"))
    found = [(one.minute, one.pipeline, one.environment, one.version) for one in store.tallies()]
    first, second = from_wall_us(MINUTE + MINUTE_US), from_wall_us(MINUTE + 2 * MINUTE_US)
    assert found == [
        (first, "answer", None, None),
        (first, "search", None, None),
        (first, "search", None, "2"),
        (first, "search", "test", None),
        (second, "search", None, None),
    ]


def test_tallies_are_found_by_pipeline_step_and_time(store: Store) -> None:
    put(store, *(a_tally(minute=minute) for minute in range(5)), a_tally("answer"))
    after, before = MINUTE + MINUTE_US, MINUTE + 3 * MINUTE_US
    assert len(store.tallies("search")) == 5
    assert len(store.tallies("search", from_us=after, to_us=before)) == 2
    assert len(store.tallies(from_us=after - 1, to_us=before - 1)) == 2
    assert store.tallies("nobody") == []
    (minute,) = store.tallies("answer", "rank")
    assert [step.name for step in minute.steps] == ["rank"]
    assert minute.runs.count == 3


def test_tallies_are_no_runs(store: Store) -> None:
    put(store, a_tally())
    page = store.runs(Plan(scope="run"))
    assert (page.items, page.total) == ([], 0)


@pytest.mark.parametrize(
    "fields", [{"tally_id": "x"}, {"minute_us": MINUTE + 1}], ids=["id", "minute"]
)
def test_a_tally_nobody_could_add_up_is_refused(store: Store, fields: dict[str, object]) -> None:
    assert put(store, a_tally(**fields)) == (0, 0, 1)
    assert store.tallies() == []


def test_an_end_can_correct_the_weight_of_its_start(store: Store) -> None:
    started = RunStarted(run_id=RUN_IDS[0], pipeline="p", started_at_us=NOW_US, weight=100.0)
    ended = RunFinished(run_id=RUN_IDS[0], status="failed", weight=1.0, kept_for="watch: a")
    is_heavy = Plan(scope="run", where=Comparison(FieldRef("run", "weight"), ">", 1))
    store.submit("start", [started]).result()
    assert [run.weight for run in store.runs(is_heavy).items] == [100.0]
    store.submit("end", [ended]).result()
    run = store.run(RUN_IDS[0])
    assert run is not None
    assert (run.weight, run.kept_for) == (1.0, "watch: a")
    assert store.runs(is_heavy).items == []


counts = st.integers(0, 1_000)
spreads = st.builds(
    Spread, counts, st.integers(0, 10_000).map(float), st.lists(counts, max_size=32)
)
step_tallies = st.builds(
    StepTally,
    name=st.sampled_from(TEXTS),
    step_type=st.sampled_from(["filter", "rank", "custom"]),
    statuses=st.dictionaries(st.sampled_from(["completed", "failed"]), counts),
    rejected=counts,
    reasons=st.dictionaries(st.sampled_from(TEXTS), counts),
    rejection_rate=spreads,
    duration_ms=spreads,
)
tallies = st.builds(
    Tallied,
    tally_id=st.integers(0, 5).map(lambda digit: f"0190c000-0000-7000-8000-00000000000{digit}"),
    pipeline=st.sampled_from(TEXTS),
    minute_us=st.integers(0, 3).map(lambda minute: minute * MINUTE_US),
    environment=st.sampled_from([None, "a", "ä"]),
    runs=st.builds(RunTally, statuses=st.just({"completed": 1}), duration_ms=spreads),
    steps=st.lists(step_tallies, max_size=4),
)


@given(
    facts=st.lists(tallies, max_size=12),
    step_name=st.sampled_from([None, *TEXTS]),
    engines=some_engines,
)
def test_every_engine_adds_up_alike(
    open_empty_once: Callable[[str], Store],
    facts: list[Tallied],
    step_name: str | None,
    engines: Sequence[str],
) -> None:
    first: dict[str, Tallied] = {}
    for fact in facts:
        first.setdefault(fact.tally_id, fact)
    expected: list[MinuteTally] = merge_minutes(first.values(), step_name)
    for engine in engines:
        store = open_empty_once(engine)
        store.submit("batch", facts).result()
        assert store.tallies(step_name=step_name) == expected
        store.close()


@pytest.fixture(scope="module")
def open_empty_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Store]:
    return lambda engine: open_engine(engine, tmp_path_factory.mktemp("tallies"))
