"""Runs as far as their checks go: the same from every engine, each once, none forgotten."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from msgspec.structs import replace

from tests.contract.store.conftest import ENGINES, open_engine
from tests.contract.store.worlds import NOW_US
from xray import XRay
from xray.model.checked import CheckedRun, CheckedStep
from xray.model.facts import Check, DecisionRow, Fact, RunStarted, StepFinished, StepRows
from xray.model.ids import new_uuid7
from xray.model.vocabulary import CaptureLevel
from xray.query.parameters import plan_from_parameters
from xray.query.plan import Plan
from xray.store.protocol import Store
from xray.store.scanning import ScanBudget
from xray.testing import MemorySink

WORDS = frozenset(("price_too_high",))


def record(count: int = 12) -> list[Fact]:
    """Runs that check prices or not, whole or sampled, some of whose attributes name the check."""
    sink = MemorySink()
    random = Random(5)
    levels: tuple[CaptureLevel, ...] = ("full", "sample", "minimal")
    for number in range(count):
        x = XRay(
            f"shop-{number % 2}",
            sink=sink,
            capture=levels[number % 3],
            version=(None, "1.4")[number % 2],
        )
        with x.run(tags=[f"t{number % 4}"]) as run:
            size = 1_500 if number == 1 else random.randrange(1, 9)
            prices = [random.randrange(50, 150) for _ in range(size)]
            with run.step("search", step_type="retrieve") as step:
                for place, price in enumerate(prices):
                    step.accept(f"p{place}", attributes={"price_too_high": price})
            with run.step("price", step_type="filter") as step:
                for place, price in enumerate(prices):
                    if number % 4 == 3 or step.check(
                        f"p{place}", "price_too_high", price, "<=", 100, field="price"
                    ):
                        step.accept(f"p{place}")
                    else:
                        step.reject(f"p{place}")
            with run.step("pick", step_type="select") as step:
                step.select("p0")
    return list(sink.facts)


def show(
    store: Store, plan: Plan | None = None, words: frozenset[str] | None = WORDS
) -> list[CheckedRun]:
    shown: list[CheckedRun] = []
    plan = plan or Plan(scope="run", now_us=NOW_US)
    while True:
        visited = store.check_runs(plan, words, shown.append)
        if visited.end is None:
            return shown
        plan = replace(plan, after=visited.end)


def comparable(run: CheckedRun) -> object:
    def told(step: CheckedStep) -> object:
        if step.checks is None:
            return replace(step, step_id="")
        rows = [
            (row.candidate_id, row.verdict, row.reason, [check.name for check in row.checks])
            for row in step.checks.rows
        ]
        counts = step.checks.counts
        reasons = {name: count for name, count in counts.reasons.items() if count}
        return (
            step.name,
            counts.kept,
            reasons,
            counts.has_repeated,
            rows,
            list(step.checks.sketches),
        )

    selected = [list(run.find_selected(step.step_id)) for step in run.steps]
    return (
        run.run_id,
        run.pipeline,
        run.started_at_us,
        run.weight,
        run.version,
        selected,
        *map(told, run.steps),
    )


def test_every_run_is_shown_once_newest_first_with_the_steps_that_name_the_check(
    store: Store,
) -> None:
    store.submit(new_uuid7(), record()).result()
    shown = show(store)
    assert [run.run_id for run in shown] == store.run_ids("", 100)
    for place, run in enumerate(reversed(shown)):
        found = [step.name for step in run.steps if step.checks is not None]
        # At minimal the reason of a rejection still names the check.
        assert found in (([], ["price"]) if place % 3 == 2 else ([["price"], []][place % 4 == 3],))
        bare = [step.name for step in run.steps if step.is_bare]
        assert bare == (["search", "price", "pick"] if place % 3 == 2 else [])
        assert run.find_selected(run.steps[2].step_id) == (["p0"] if place % 3 != 2 else [])


def test_without_words_every_step_is_shown_that_rejected_or_checked(store: Store) -> None:
    store.submit(new_uuid7(), record()).result()
    shown = show(store, words=None)
    assert [run.version for run in reversed(shown)] == [None, "1.4"] * 6
    for place, run in enumerate(reversed(shown)):
        found = [step for step in run.steps if step.checks is not None]
        checked = [step for step in found if step.checks and step.checks.rows]
        assert {step.name for step in found} <= {"price"}
        if place % 3 != 2:
            assert bool(checked) == (place % 4 != 3)


def test_engines_show_the_same(open_empty: Callable[[str], Store]) -> None:
    facts = record()
    told = []
    for engine in ENGINES:
        store = open_empty(engine)
        store.submit(new_uuid7(), facts).result()
        told.append(
            [
                [comparable(run) for run in show(store, words=words)]
                for words in (WORDS, frozenset(("price",)), frozenset(("nothing",)), None)
            ]
        )
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "query",
    ["pipeline = 'shop-1'", "tags has 't3'", "any(step.rejection_rate > 0.5)", "duration_ms > 1e9"],
)
def test_only_runs_that_meet_the_query_are_shown(store: Store, query: str) -> None:
    store.submit(new_uuid7(), record()).result()
    plan = plan_from_parameters("run", [("q", query), ("limit", "1000")], NOW_US)
    assert [run.run_id for run in show(store, plan)] == [
        run.run_id for run in store.runs(plan).items
    ]


@pytest.mark.parametrize("budget", [ScanBudget(opened_rows=1), ScanBudget(column_rows=5)])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_search_that_stops_goes_on_where_it_stopped(
    engine: str, budget: ScanBudget, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = open_engine(engine, tmp_path_factory.mktemp("store"), budget)
    store.submit(new_uuid7(), record()).result()
    first = store.check_runs(Plan(scope="run"), WORDS, lambda _: None)
    if budget.opened_rows == 1:
        assert first.end is not None
        assert first.scan.back_to is not None
    assert [run.run_id for run in show(store)] == store.run_ids("", 100)
    store.close()


def test_what_was_decided_twice_and_what_came_in_chunks_is_shown_once(store: Store) -> None:
    run_id, step_id = new_uuid7(), new_uuid7()
    check = Check("price_too_high", "price", "<=", 120, 100, passed=False)
    first = DecisionRow(0, "p1", "price_too_high", checks=[check])
    facts: list[Fact] = [
        RunStarted(run_id=run_id, pipeline="p", started_at_us=NOW_US),
        StepFinished(
            run_id=run_id,
            step_id=step_id,
            pipeline="p",
            name="price",
            step_type="filter",
            ordinal=0,
            started_at_us=NOW_US,
            rows=[first, DecisionRow(1, "p1")],
            chunks=1,
        ),
        StepRows(run_id=run_id, step_id=step_id, chunk=1, rows=[DecisionRow(0, "p2", "other")]),
    ]
    store.submit(new_uuid7(), facts).result()
    (run,) = show(store)
    checks = run.steps[0].checks
    assert checks is not None
    assert [(row.candidate_id, row.verdict) for row in checks.rows] == [
        ("p1", "accepted"),
        ("p2", "rejected"),
    ]
