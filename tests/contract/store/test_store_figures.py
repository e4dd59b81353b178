"""The figures of runs: every engine gives those of the runs and steps it lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from tests.contract.store.conftest import some_engines
from tests.contract.store.worlds import NOW_US, worlds
from xray.model.facts import ErrorInfo, Fact, RunFinished, RunStarted, StepFinished, Tally
from xray.model.run_figures import figures_of
from xray.model.values import pack_value
from xray.query.cursor import decode_cursor
from xray.query.parameters import plan_from_parameters
from xray.query.plan import Plan
from xray.store.protocol import Store

QUERIES = ("", "status = 'failed'", "any(step.rejected_count > 2)", "version = '2'")


def some_runs(count: int) -> list[Fact]:
    facts: list[Fact] = []
    for number in range(count):
        run_id = f"0190a000-0000-7000-8000-{number:012d}"
        began_us = NOW_US - number * 1_000
        facts += [
            RunStarted(
                run_id=run_id,
                pipeline="search",
                started_at_us=began_us,
                version=str(number % 3),
                params=pack_value({"limit": number % 2}),
            ),
            StepFinished(
                run_id=run_id,
                step_id=f"0190b000-0000-7000-8000-{number:012d}",
                pipeline="search",
                name="filter",
                step_type="filter",
                ordinal=0,
                started_at_us=began_us,
                duration_ms=1.0 + number,
                params=pack_value({"strict": True}),
                stats=pack_value({"tokens": number, "model": "m", "is_cached": True}),
                error=ErrorInfo("TimeoutError", "") if number % 4 == 0 else None,
                tally=Tally(rejected=number % 5, accepted=2, reasons={"price": number % 5}),
            ),
        ]
        if number % 5:
            status = "failed" if number % 7 == 0 else "completed"
            facts.append(RunFinished(run_id=run_id, status=status, duration_ms=9.5))
    return facts


def expect(store: Store, plan: Plan) -> str:
    listed = store.runs(plan)
    figures = [
        figures_of(run, store.steps_of_run(run.run_id, is_sampled=False)) for run in listed.items
    ]
    return repr(replace(listed, items=figures))


@pytest.mark.parametrize("query", QUERIES)
def test_figures_are_those_of_the_listed_runs_page_after_page(store: Store, query: str) -> None:
    store.submit("batch", some_runs(40)).result()
    asked = [("q", query)] if query else []
    plan = replace(plan_from_parameters("run", asked, NOW_US), limit=4)
    seen = 0
    while True:
        page = store.figures(plan)
        assert repr(page) == expect(store, plan)
        seen += len(page.items)
        if page.next_cursor is None:
            break
        plan = replace(plan, after=decode_cursor(page.next_cursor, plan))
    assert seen > 3


def test_figures_hold_what_is_compared(store: Store) -> None:
    store.submit("batch", some_runs(5)).result()
    run = store.figures(Plan(scope="run", now_us=NOW_US)).items[4]
    assert (run.version, run.params, run.status) == ("1", {"limit": 0}, "completed")
    (step,) = run.steps
    assert (step.name, step.decided, step.reasons) == ("filter", 6, {"price": 4})
    assert (step.stats, step.error, step.duration_ms) == ({"tokens": 4}, "TimeoutError", 5.0)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(facts=worlds(), engines=some_engines)
def test_figures_of_hostile_records_are_the_same_in_every_engine(
    open_empty: Callable[[str], Store], facts: list[Fact], engines: Sequence[str]
) -> None:
    plan = Plan(scope="run", now_us=NOW_US)
    told = set()
    for engine in engines:
        with closing(open_empty(engine)) as store:
            store.submit("all", facts).result()
            told.add(repr(store.figures(plan)))
            assert told == {expect(store, plan)}
