"""A candidate that many steps decided is found page by page, alike in every engine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.contract.store.conftest import ENGINES
from tests.contract.store.worlds import NOW_US
from xray.model.facts import ACCEPTED, REJECTED, DecisionRow, Fact, RunStarted, StepFinished
from xray.query.aggregate_parameters import aggregate_from_parameters
from xray.query.cursor import decode_cursor
from xray.query.figures import answer_groups
from xray.query.language import parse_query
from xray.query.plan import Plan, Scope
from xray.store.protocol import Store

RUNS = 230


def uuid(kind: int, number: int) -> str:
    return f"0195f0a2-0000-7000-{8000 + kind}-{number:012d}"


def world() -> list[Fact]:
    """Runs of two steps; each first one decides about `hot`, and one in 50 about `rare`."""
    facts: list[Fact] = []
    for number in range(RUNS):
        run_id, at_us = uuid(0, number), NOW_US - number // 4 * 1_000_000
        facts.append(RunStarted(run_id=run_id, pipeline="p", started_at_us=at_us))
        rows = [DecisionRow(ACCEPTED, "hot"), DecisionRow(REJECTED, f"c{number}", "r")]
        if number % 50 == 7:
            rows += [DecisionRow(REJECTED, "rare", "r", by=str(by)) for by in range(3)]
        for ordinal in (0, 1):
            facts.append(
                StepFinished(
                    run_id=run_id,
                    step_id=uuid(1 + ordinal, number),
                    pipeline="p",
                    name="ab"[ordinal],
                    step_type="filter",
                    ordinal=ordinal,
                    started_at_us=at_us,
                    rows=rows if not ordinal else [DecisionRow(ACCEPTED, f"d{number}")],
                )
            )
    return facts


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, open_empty: Callable[[str], Store]) -> Store:
    opened = open_empty(request.param)
    opened.submit("b", world()).result()
    return opened


def collect(store: Store, scope: Scope, query: str, limit: int) -> list[str]:
    """The runs of everything that is found, page by page."""
    where = parse_query(query, scope, NOW_US)
    found: list[str] = []
    after = None
    for _ in range(2 * RUNS):
        plan = Plan(scope=scope, where=where, limit=limit, after=after, now_us=NOW_US)
        page = getattr(store, f"{scope}s")(plan)
        found += [record.run_id for record in page.items]
        if page.next_cursor is None:
            return found
        after = decode_cursor(page.next_cursor, plan)
    raise AssertionError("the search does not end")


def newest_first(numbers: list[int]) -> list[str]:
    """The ids of those runs; four began in one moment."""
    return [uuid(0, number) for number in sorted(numbers, key=lambda one: (one // 4, -one))]


@pytest.mark.parametrize("limit", [1, 50, 229, 230, 231])
def test_a_long_history_is_read_to_its_end_whatever_the_size_of_a_page(
    store: Store, limit: int
) -> None:
    found = collect(store, "decision", "candidate_id = 'hot'", limit)
    assert found == newest_first(list(range(RUNS)))


def test_a_short_history_says_how_long_it_is(store: Store) -> None:
    where = parse_query("candidate_id = 'rare'", "decision", NOW_US)
    page = store.decisions(Plan(scope="decision", where=where, limit=2, now_us=NOW_US))
    assert (page.total, page.total_is_exact, len(page.items)) == (15, True, 2)
    rare = [number for number in range(RUNS) if number % 50 == 7]
    expected = [run_id for run_id in newest_first(rare) for _ in range(3)]
    assert collect(store, "decision", "candidate_id = 'rare'", 4) == expected


@pytest.mark.parametrize("scope", ["run", "step"])
@pytest.mark.parametrize("limit", [1, 3, 50])
def test_runs_and_steps_are_found_by_a_candidate(store: Store, scope: Scope, limit: int) -> None:
    rare = newest_first([number for number in range(RUNS) if number % 50 == 7])
    assert collect(store, scope, "any(decision.candidate_id = 'rare')", limit) == rare
    both = "any(decision.candidate_id = 'rare' and decision.reason = 'r') and pipeline = 'p'"
    assert collect(store, scope, both, limit) == rare
    neither = "any(decision.candidate_id = 'rare' and decision.reason = 's')"
    assert collect(store, scope, neither, limit) == []
    absent = "any(decision.candidate_id = 'none')"
    assert collect(store, scope, absent, limit) == []


def test_runs_are_found_by_a_candidate_of_a_step(store: Store) -> None:
    rare = newest_first([number for number in range(RUNS) if number % 50 == 7])
    first = "any(step.name = 'a' and any(decision.candidate_id = 'rare'))"
    assert collect(store, "run", first, 2) == rare
    second = "any(step.name = 'b' and any(decision.candidate_id = 'rare'))"
    assert collect(store, "run", second, 2) == []


def test_what_is_not_about_a_candidate_is_not_looked_for_by_one(store: Store) -> None:
    rare = [number for number in range(RUNS) if number % 50 == 7]
    others = newest_first([number for number in range(RUNS) if number not in rare])
    assert collect(store, "run", "not any(decision.candidate_id = 'rare')", 100) == others
    either = "any(decision.candidate_id = 'rare') or any(decision.candidate_id = 'c3')"
    assert collect(store, "run", either, 100) == newest_first([*rare, 3])


def test_runs_of_a_candidate_are_counted(store: Store) -> None:
    parameters = [("of", "runs"), ("q", "any(decision.candidate_id = 'rare')")]
    counted = store.aggregate(aggregate_from_parameters(parameters, NOW_US))
    assert (counted.end, answer_groups(counted.groups).rows) == (None, 5)


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_a_search_by_a_candidate_is_no_scan_in_a_database(
    open_empty: Callable[[str], Store], engine: str
) -> None:
    store = open_empty(engine)
    store.submit("b", world()).result()
    for scope, search in (("run", store.runs), ("step", store.steps)):
        where = parse_query("any(decision.candidate_id = 'rare')", scope, NOW_US)  # type: ignore[arg-type]
        page = search(Plan(scope=scope, where=where, now_us=NOW_US))  # type: ignore[arg-type]
        assert (page.scan, page.complete, page.total) == (None, True, 5)
