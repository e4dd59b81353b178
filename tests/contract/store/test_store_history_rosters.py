"""The history of a candidate also tells of steps that know it by their roster alone."""

from __future__ import annotations

import pytest

from tests.contract.store.test_store_rosters import put, roster_chunks, sampled_step
from tests.contract.store.worlds import NOW_US, RUN_IDS
from xray.model.facts import DecisionRow, RosterGroup, StepFinished, StepRoster
from xray.model.ids import new_uuid7
from xray.model.ranking import make_ranking
from xray.model.records import Decision, Page
from xray.query.cursor import decode_cursor
from xray.query.plan import AllOf, Comparison, FieldRef, Plan
from xray.store.protocol import Store

_STEPS = 7
_RUN = RUN_IDS[0]


def history(store: Store, *more: Comparison, limit: int = 50, cursor: str = "") -> Page[Decision]:
    wanted = Comparison(FieldRef("decision", "candidate_id"), "=", "c5")
    plan = Plan(scope="decision", where=AllOf((wanted, *more)), limit=limit)
    if cursor:
        plan = Plan(
            scope="decision", where=plan.where, limit=limit, after=decode_cursor(cursor, plan)
        )
    return store.decisions(plan)


def tell_steps(store: Store) -> list[str]:
    """Steps of growing age whose rosters hold c5, one in two; one that keeps its row besides."""
    holding = []
    for age in range(_STEPS):
        step_id = new_uuid7()
        count = 9 if age % 2 else 3
        step = sampled_step(count, chunks=2, step_id=step_id)
        started_at_us = NOW_US - age * 1_000_000
        if age == 2:
            step = StepFinished(
                run_id=step.run_id, step_id=step_id, pipeline="search", name="rules",
                step_type="filter", ordinal=0, started_at_us=started_at_us,
                rows=[DecisionRow(1, "c5")],
            )  # fmt: skip
            put(store, step)
        else:
            aged = StepFinished(
                run_id=step.run_id, step_id=step_id, pipeline="search", name="filter",
                step_type="filter", ordinal=0, started_at_us=started_at_us, rows=step.rows,
                reservoirs=step.reservoirs, tally=step.tally, roster_chunks=2,
            )  # fmt: skip
            put(store, aged, *roster_chunks(count, chunks=2, step_id=step_id))
        if age % 2 or age == 2:
            holding.append(step_id)
    return holding


def test_rosters_are_asked_newest_first_beside_the_rows(store: Store) -> None:
    holding = tell_steps(store)
    page = history(store)
    assert [row.step_id for row in page.items] == holding
    assert [row.has_detail for row in page.items] == [False, True, False, False]
    assert (page.total, page.total_is_exact, page.complete) == (4, True, True)
    assert {row.reason for row in page.items if not row.has_detail} == {"price"}


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_history_goes_on_from_its_cursor(store: Store, limit: int) -> None:
    holding = tell_steps(store)
    found: list[str] = []
    page = history(store, limit=limit)
    while True:
        found += [row.step_id for row in page.items]
        if page.next_cursor is None:
            break
        page = history(store, limit=limit, cursor=page.next_cursor)
    assert found == holding


def test_conditions_hold_for_what_a_roster_tells(store: Store) -> None:
    holding = tell_steps(store)
    rejected = Comparison(FieldRef("decision", "decision"), "=", "rejected")
    assert [row.step_id for row in history(store, rejected).items] == [
        holding[0],
        *holding[2:],
    ]
    dear = Comparison(FieldRef("decision", "reason"), "=", "stock")
    assert history(store, dear).items == []


@pytest.mark.parametrize("chunks", [1, 3])
def test_a_roster_of_any_number_of_chunks_tells_rank_and_score(store: Store, chunks: int) -> None:
    step_id, count = new_uuid7(), 60
    names = [f"c{number}" for number in range(count)]
    put(store, sampled_step(count, chunks=chunks, step_id=step_id))
    for chunk in range(chunks):
        own = range(chunk, count, chunks)
        ranking = make_ranking([place + 1 for place in own], [1 - place / 64 for place in own])
        group = RosterGroup(0, "price", None, None, [names[place] for place in own], ranking)
        put(
            store,
            StepRoster(run_id=_RUN, step_id=step_id, chunk=chunk + 1, total=count, groups=[group]),
        )
    (row,) = history(store).items
    assert (row.rank, row.score, row.has_detail) == (6, 1 - 5 / 64, False)
    assert row.score_error is not None
    assert row.score_error < 1e-5
