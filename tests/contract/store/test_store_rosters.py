"""Rosters on every engine: whoever was decided is found, in whatever order the facts came."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest

from tests.contract.store.worlds import NOW_US, RUN_IDS, STEP_IDS
from xray.model.facts import (
    REJECTED,
    SELECTED,
    DecisionRow,
    Fact,
    OriginRef,
    Receipt,
    Reservoir,
    RosterGroup,
    StepFinished,
    StepRoster,
    Tally,
)
from xray.model.records import Decision
from xray.model.roster import Roster
from xray.query.plan import AllOf, Comparison, FieldRef, Plan
from xray.store.protocol import Store

RUN, STEP, OTHER_STEP = RUN_IDS[0], STEP_IDS[0], STEP_IDS[1]


def put(store: Store, *facts: Fact) -> Receipt:
    return store.submit("batch", list(facts)).result()


def sampled_step(named: int, *, chunks: int = 1, step_id: str = STEP) -> StepFinished:
    """A step with one candidate in its census, one of the others drawn, *named* in its roster."""
    return StepFinished(
        run_id=RUN,
        step_id=step_id,
        pipeline="search",
        name="filter",
        step_type="filter",
        ordinal=0,
        started_at_us=NOW_US,
        rows=[DecisionRow(SELECTED, "first")],
        reservoirs=[Reservoir(REJECTED, "price", named, [DecisionRow(REJECTED, "c0", "price")])],
        tally=Tally(rejected=named, selected=1, reasons={"price": named}),
        roster_chunks=chunks,
    )


def roster_chunks(named: int, *, chunks: int = 1, step_id: str = STEP) -> list[StepRoster]:
    """The roster of `sampled_step`: even candidates cost too much, odd ones are out of stock."""
    names = [f"c{number}" for number in range(named)]
    return [
        StepRoster(
            run_id=RUN,
            step_id=step_id,
            chunk=chunk + 1,
            total=named,
            groups=[
                RosterGroup(
                    REJECTED, "price", [OriginRef("stand")], None, names[chunk::chunks][::2]
                ),
                RosterGroup(REJECTED, "stock", None, None, names[chunk::chunks][1::2]),
            ],
        )
        for chunk in range(chunks)
    ]


def roster_of(store: Store, step_id: str = STEP) -> Roster:
    roster = store.roster_of_step(step_id)
    assert roster is not None
    return roster


def coverage(store: Store) -> str:
    step = store.step(STEP)
    assert step is not None
    return step.coverage


def fates(
    store: Store, candidate_id: str, anchor: str = "step_id", of: str = STEP
) -> list[Decision]:
    where = AllOf(
        (
            Comparison(FieldRef("decision", anchor), "=", of),
            Comparison(FieldRef("decision", "candidate_id"), "=", candidate_id),
        )
    )
    return store.decisions(Plan(scope="decision", where=where)).items


def test_a_step_without_a_roster_has_none(store: Store) -> None:
    assert store.roster_of_step(STEP) is None
    put(store, sampled_step(9))
    assert store.roster_of_step(STEP) is None
    assert coverage(store) == "sampled"


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_a_roster_is_whole_in_whatever_order_its_facts_come(
    store: Store, order: Sequence[int]
) -> None:
    facts: list[Fact] = [sampled_step(9, chunks=3), *roster_chunks(9, chunks=3)]
    for place in order:
        assert put(store, facts[place]).accepted == 1
    assert put(store, *facts) == Receipt(batch_id="batch", accepted=0, duplicate=4)
    roster = roster_of(store)
    assert (roster.step_id, roster.run_id, roster.total, roster.held) == (STEP, RUN, 9, 9)
    assert roster.is_complete
    assert coverage(store) == "named"
    for number in range(9):
        (decision,) = roster.find(f"c{number}")
        assert decision.reason == ("price" if number // 3 % 2 == 0 else "stock")
        assert [origin.candidate_id for origin in decision.origin] == (
            ["stand"] if decision.reason == "price" else []
        )
    assert "first" not in roster
    assert len(store.decisions_of_step(STEP)) == 2


def test_a_roster_that_lacks_a_chunk_answers_for_what_came(store: Store) -> None:
    chunks = roster_chunks(9, chunks=3)
    put(store, sampled_step(9, chunks=3), chunks[0], chunks[2])
    roster = roster_of(store)
    assert (roster.held, roster.is_complete) == (6, False)
    assert roster.find("c3")[0].reason == "stock"
    assert roster.find("c1") == []
    assert coverage(store) == "sampled"


def test_a_roster_before_its_step_waits_for_it(store: Store) -> None:
    put(store, *roster_chunks(3))
    assert store.roster_of_step(STEP) is None
    assert store.step(STEP) is None
    assert store.run(RUN) is not None
    put(store, sampled_step(3))
    assert "c2" in roster_of(store)
    assert coverage(store) == "named"


def test_a_roster_that_does_not_account_for_all_leaves_the_step_sampled(store: Store) -> None:
    put(store, sampled_step(9), *roster_chunks(8))
    assert roster_of(store).is_complete
    assert coverage(store) == "sampled"


def test_rosters_of_different_steps_keep_apart(store: Store) -> None:
    put(store, sampled_step(3), sampled_step(5, step_id=OTHER_STEP))
    put(store, *roster_chunks(3), *roster_chunks(5, step_id=OTHER_STEP))
    assert "c4" not in roster_of(store)
    assert "c4" in roster_of(store, OTHER_STEP)


def test_a_chunk_that_contradicts_those_before_it_is_refused_alone(store: Store) -> None:
    first, second, third = roster_chunks(9, chunks=3)
    other_total = StepRoster(run_id=RUN, step_id=STEP, chunk=2, total=8, groups=second.groups)
    too_many = StepRoster(
        run_id=RUN,
        step_id=STEP,
        chunk=4,
        total=9,
        groups=[RosterGroup(REJECTED, "price", None, None, ["x"])],
    )
    receipt = put(store, sampled_step(9, chunks=3), first, other_total, second, third, too_many)
    assert (receipt.accepted, receipt.duplicate) == (4, 0)
    assert [(one.id, one.code) for one in receipt.rejected] == [
        (f"step:{STEP}:roster:2", "invalid_record"),
        (f"step:{STEP}:roster:4", "invalid_record"),
    ]
    assert coverage(store) == "named"


def test_a_chunk_of_a_roster_outside_its_bounds_is_refused(store: Store) -> None:
    for chunk, total in ((0, 1), (4096, 1), (1, -1), (1, 4095 * 8192 + 1)):
        fact = StepRoster(run_id=RUN, step_id=STEP, chunk=chunk, total=total)
        assert [one.code for one in put(store, fact).rejected] == ["invalid_record"]


def test_an_empty_roster_is_complete(store: Store) -> None:
    put(store, sampled_step(9), StepRoster(run_id=RUN, step_id=STEP, chunk=1, total=0))
    assert roster_of(store).is_complete
    assert coverage(store) == "sampled"


def test_a_question_about_one_candidate_is_answered_without_its_detail(store: Store) -> None:
    put(store, sampled_step(9), *roster_chunks(9))
    (named,) = fates(store, "c5")
    assert (named.decision, named.reason, named.weight) == ("rejected", "stock", 0.0)
    assert not named.has_detail
    assert fates(store, "c5", "run_id", RUN) == [named]
    (drawn,) = fates(store, "c0")
    assert (drawn.has_detail, drawn.weight) == (True, 9.0)
    assert fates(store, "first")[0].has_detail
    assert fates(store, "stranger") == []
    everyone = Plan(scope="decision", where=Comparison(FieldRef("decision", "step_id"), "=", STEP))
    assert store.decisions(everyone).total == 2


def test_a_candidate_named_for_another_query_is_told_beside_its_detail(store: Store) -> None:
    groups = [RosterGroup(REJECTED, "price", None, by, ["c0"]) for by in ("q1", "q2", None)]
    put(
        store,
        sampled_step(3),
        StepRoster(run_id=RUN, step_id=STEP, chunk=1, total=3, groups=groups),
    )
    told = {(one.by, one.has_detail) for one in fates(store, "c0")}
    assert told == {(None, True), ("q1", False), ("q2", False)}


def test_a_roster_of_many_chunks_and_parts_finds_every_candidate(store: Store) -> None:
    chunks = roster_chunks(24_000, chunks=5)
    put(store, sampled_step(24_000, chunks=5), *chunks[:4])
    assert "c0" in roster_of(store)
    put(store, chunks[4])
    dice = random.Random(5)
    for _ in range(2):
        # Once while the chunks may still be merged, once when they are or soon will be.
        roster = roster_of(store)
        assert roster.is_complete
        for number in dice.sample(range(24_000), 200):
            (decision,) = roster.find(f"c{number}")
            assert decision.reason == ("price" if number // 5 % 2 == 0 else "stock")
    assert sum(roster_of(store).counts().values()) == 24_000
    assert coverage(store) == "named"
