"""A search without an index stops at its budget, says how far it came, and goes on from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from xray.model.clock import from_wall_us
from xray.model.facts import REJECTED, DecisionRow, Fact, RunFinished, RunStarted, StepFinished
from xray.model.records import Page, Scan
from xray.model.values import pack_value
from xray.query.cursor import decode_cursor
from xray.query.language import parse_query
from xray.query.plan import Plan, Scope
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.store.scanning import Meter, ScanBudget
from xray.store.sqlite.engine import SqliteStore
from xray.testing.clock import FakeClock

NOW_US = 1_767_225_600_000_000
COUNT = 60
SMALL = ScanBudget(column_rows=20, json_rows=20, opened_rows=20)

OpenStore = Callable[..., Store]


class TickingClock(FakeClock):
    """A clock on which every look takes a tenth of a second."""

    def monotonic_s(self) -> float:
        self.advance(0.1)
        return super().monotonic_s()


def uuid(kind: int, number: int) -> str:
    return f"0195f0a2-0000-7000-{8000 + kind}-{number:012d}"


def world() -> list[Fact]:
    """Runs of one step each, each a second older than the one before."""
    facts: list[Fact] = []
    for number in range(COUNT):
        run_id, at_us = uuid(0, number), NOW_US - number * 1_000_000
        facts.append(
            RunStarted(
                run_id=run_id,
                pipeline="even" if number % 2 == 0 else "odd",
                started_at_us=at_us,
                metadata=pack_value({"n": number}),
                input=pack_value({"n": number}),
            )
        )
        facts.append(RunFinished(run_id=run_id, status="completed", duration_ms=float(number)))
        facts.append(
            StepFinished(
                run_id=run_id,
                step_id=uuid(1, number),
                pipeline="p",
                name="odd" if number % 2 else "even",
                step_type="filter",
                ordinal=0,
                started_at_us=at_us,
                duration_ms=float(number),
                stats=pack_value({"n": number}),
                params=pack_value({"n": number}),
                rows=[DecisionRow(REJECTED, f"c{number}-{row}", f"r{number}") for row in range(3)],
            )
        )
    return facts


@pytest.fixture(params=["memory", "sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    opened: list[Store] = []

    def open_one(budget: ScanBudget, clock: FakeClock | None = None) -> Store:
        clock = clock or FakeClock(NOW_US)
        store: Store
        if request.param == "memory":
            store = MemoryStore(clock, budget)
        else:
            store = SqliteStore(tmp_path / f"{len(opened)}.db", clock=clock, budget=budget)
        opened.append(store)
        store.submit("world", world()).result()
        return store

    yield open_one
    for store in opened:
        store.close()


def ask(store: Store, plan: Plan) -> tuple[list[str], Page[object]]:
    if plan.scope == "run":
        runs = store.runs(plan)
        return [run.run_id for run in runs.items], runs  # type: ignore[return-value]
    if plan.scope == "step":
        steps = store.steps(plan)
        return [step.step_id for step in steps.items], steps  # type: ignore[return-value]
    decisions = store.decisions(plan)
    return [one.candidate_id for one in decisions.items], decisions  # type: ignore[return-value]


def ask_all(
    store: Store, scope: Scope, query: str, limit: int = 3
) -> tuple[list[str], list[Page[object]]]:
    """Every record, and the pages they came on."""
    where = parse_query(query, scope, NOW_US)
    plan = Plan(scope=scope, where=where, limit=limit, now_us=NOW_US)
    found: list[str] = []
    pages: list[Page[object]] = []
    while True:
        ids, page = ask(store, plan)
        found += ids
        pages.append(page)
        assert len(pages) < 10 * COUNT, "the search does not move on"
        if page.next_cursor is None:
            return found, pages
        after = decode_cursor(page.next_cursor, plan)
        plan = Plan(scope=scope, where=where, limit=limit, now_us=NOW_US, after=after)


QUESTIONS: list[tuple[Scope, str]] = [
    ("run", "duration_ms > 50"),
    ("run", "metadata.n >= 50"),
    ("run", "input.n >= 50"),
    ("run", "input.n >= 50 and duration_ms != 55"),
    ("run", "pipeline = 'even' and metadata.n > 40"),
    ("run", "any(decision.reason = 'r41')"),
    ("step", "duration_ms > 50"),
    ("step", "stats.n >= 50"),
    ("step", "params.n >= 50 and run.pipeline = 'odd'"),
    ("step", "any(decision.reason = 'r57')"),
    ("decision", "reason in ('r3', 'r44', 'r59')"),
    ("decision", "step.name = 'even' and reason = 'r50'"),
    ("decision", "step.params.n = 58"),
    ("decision", "not exists(reason)"),
    ("run", "metadata.n < 0"),
]


@pytest.mark.parametrize(("scope", "query"), QUESTIONS)
def test_a_stopped_search_goes_on_until_it_has_found_the_same(
    open_store: OpenStore, scope: Scope, query: str
) -> None:
    whole, whole_pages = ask_all(open_store(ScanBudget()), scope, query, limit=1000)
    assert all(page.complete for page in whole_pages)
    found, pages = ask_all(open_store(SMALL), scope, query)
    assert found == whole
    assert any(not page.complete for page in pages)
    for page in pages:
        assert page.scan is not None
        if not page.complete:
            assert page.next_cursor is not None
            assert page.total is None
            assert page.scan.back_to is not None


def test_a_stopped_search_says_how_many_rows_it_looked_at_and_how_far_back(
    open_store: OpenStore,
) -> None:
    plan = Plan(scope="run", where=parse_query("metadata.n >= 50", "run", NOW_US), now_us=NOW_US)
    page = open_store(SMALL).runs(plan)
    assert page.items == []
    assert not page.complete
    assert page.scan == Scan(rows=20, back_to=from_wall_us(NOW_US - 19_000_000))


@pytest.mark.parametrize("query", ["metadata.n < 0", "duration_ms > 99", "input.n < 0"])
def test_a_search_to_the_end_looked_at_everything_once(open_store: OpenStore, query: str) -> None:
    where = parse_query(query, "run", NOW_US)
    page = open_store(ScanBudget()).runs(Plan(scope="run", where=where, now_us=NOW_US))
    assert page.items == []
    assert page.complete
    assert page.scan == Scan(rows=COUNT)


def test_a_search_stops_when_its_time_is_over(open_store: OpenStore) -> None:
    budget = ScanBudget(duration_s=1.0)
    store = open_store(budget, TickingClock(NOW_US))
    found, pages = ask_all(store, "step", "any(decision.candidate_id = 'c57-2')")
    assert found == [uuid(1, 57)]
    if isinstance(store, MemoryStore):
        assert not pages[0].complete
    found, pages = ask_all(store, "decision", "reason = 'r57'")
    assert found == ["c57-0", "c57-1", "c57-2"]
    assert not pages[0].complete


INDEXED: list[tuple[Scope, str]] = [
    ("run", ""),
    ("run", f"run_id = '{uuid(0, 5)}' and metadata.n = 5"),
    ("run", f"run_id in ('{uuid(0, 5)}', '{uuid(0, 57)}') and metadata.n = 57"),
    ("run", "pipeline = 'odd' and status = 'completed'"),
    ("run", "pipeline = 'odd' and started_at > 1h"),
    ("step", "started_at > 1h"),
    ("step", "step_type = 'filter' and rejection_rate > 0.9"),
    ("step", f"run_id = '{uuid(0, 5)}' and stats.n = 5"),
    ("decision", "candidate_id = 'c5-1' and reason = 'r5'"),
    ("decision", f"run_id = '{uuid(0, 5)}'"),
]


@pytest.mark.parametrize(("scope", "query"), INDEXED)
def test_what_an_index_answers_is_no_scan(tmp_path: Path, scope: Scope, query: str) -> None:
    with closing(SqliteStore(tmp_path / "x.db", clock=FakeClock(NOW_US), budget=SMALL)) as store:
        store.submit("world", world()).result()
        where = parse_query(query, scope, NOW_US)
        ids, page = ask(store, Plan(scope=scope, where=where, now_us=NOW_US))
        assert ids
        assert page.scan is None
        assert page.complete
        assert page.total is not None


def test_a_meter_gives_out_what_is_left_until_its_time_is_over() -> None:
    clock = FakeClock(NOW_US)
    meter = Meter(10, 2.0, clock)
    meter.spend(4)
    meter.note(100)
    assert (meter.left, meter.rows) == (6, 104)
    clock.advance(2.0)
    assert meter.left == 0
    assert meter.report(None) == Scan(rows=104)
