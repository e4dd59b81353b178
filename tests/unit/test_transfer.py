"""Copies are compared record by record, whatever form the two sides keep a record in."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from xray.errors import InvalidRecordError
from xray.model.compact_entries import CompactEntries, compact_entries
from xray.model.facts import DecisionRow, RosterGroup, RunStarted, StepFinished, StepRoster
from xray.model.labels import Labelled
from xray.model.stored_facts import HashedRoster, PackedRoster, StoredFact, encode_stored
from xray.model.tallies import RunTally, Tallied
from xray.model.transfer import Amounts
from xray.model.universe import Universe
from xray.store.memory import MemoryStore
from xray.transfer.copying import copy_runs
from xray.transfer.prints import Prints
from xray.transfer.sources import StoreSource
from xray.transfer.transferring import say_amounts
from xray.wire.codec import decode_fact

RUN_ID = "0190a000-0000-7000-8000-000000000001"
STEP_ID = "0190b000-0000-7000-8000-000000000001"
OTHER_ID = "0190d000-0000-7000-8000-000000000001"


def chunk(names: Sequence[str], number: int, total: int, reason: str = "cut") -> StepRoster:
    group = RosterGroup(0, reason, None, None, list(names))
    return StepRoster(run_id=RUN_ID, step_id=STEP_ID, chunk=number, total=total, groups=[group])


def pack(roster: StepRoster) -> PackedRoster:
    held = HashedRoster.of(roster)
    return PackedRoster(
        run_id=RUN_ID, step_id=STEP_ID, total=roster.total, chunks=b"\x02", fates=held.fates,
        parts=dict(compact_entries(held.open())),
    )  # fmt: skip


def step(*names: str) -> StepFinished:
    rows = [DecisionRow(1, name) for name in names]
    return StepFinished(
        run_id=RUN_ID, step_id=STEP_ID, pipeline="p", name="s", step_type="filter", ordinal=0,
        started_at_us=5, rows=rows,
    )  # fmt: skip


def store(*facts: StoredFact) -> MemoryStore:
    opened = MemoryStore()
    assert not opened.submit("1", facts).result().rejected
    return opened


def test_a_roster_in_chunks_and_the_one_they_were_merged_to_are_the_same() -> None:
    names = [f"c{number}" for number in range(3_000)]
    chunks = [HashedRoster.of(chunk(names[at : at + 1_000], 1 + at, 3_000)) for at in (0, 1_000)]
    chunks.append(HashedRoster.of(chunk(names[2_000:], 9, 3_000)))
    merged = pack(chunk(names, 1, 3_000))
    assert CompactEntries(merged.fates, Universe(3_000), merged.parts, 3_000).find("c7")
    apart, whole = Prints.of(chunks), Prints.of([merged])
    assert not list(apart.differences(whole, [RUN_ID]))
    assert apart.amounts.candidates == whole.amounts.candidates == 3_000


@pytest.mark.parametrize(
    "other",
    [chunk(["a", "b", "x"], 1, 3), chunk(["a", "b", "c"], 1, 3, "outranked"), chunk(["a"], 1, 3)],
)
def test_rosters_of_other_candidates_or_fates_are_told_apart(other: StepRoster) -> None:
    ours = Prints.of([pack(chunk(["a", "b", "c"], 1, 3))])
    (difference,) = ours.differences(Prints.of([HashedRoster.of(other)]), [RUN_ID])
    assert difference.record == f"the roster of step {STEP_ID}"


def test_what_the_target_knows_otherwise_or_alone_is_named() -> None:
    label = Labelled(
        label_id=OTHER_ID, run_id=RUN_ID, candidate_id="a", labelled_at_us=9, label="bad"
    )
    started = RunStarted(run_id=RUN_ID, pipeline="p", started_at_us=1)
    target = store(step("a", "z"), label)
    books = copy_runs(StoreSource(store(started, step("a", "b")), "", 10), target)
    assert {one.record: one.detail for one in books.differences} == {
        f"step {STEP_ID}": "it is not the same",
        "the label of candidate 'a'": "it is only where the run went",
    }
    assert books.differing == 2


def test_a_tally_that_is_there_with_other_counts_is_named() -> None:
    def tally(count: int) -> Tallied:
        return Tallied(
            tally_id=OTHER_ID, pipeline="p", minute_us=0, runs=RunTally(statuses={"failed": count})
        )

    books = copy_runs(StoreSource(store(tally(1)), "", 10), store(tally(2)))
    (difference,) = books.differences
    assert (difference.run_id, difference.record) == (None, f"tally {OTHER_ID}")


def test_a_run_that_the_target_forgot_is_refused_and_named() -> None:
    started = RunStarted(run_id=RUN_ID, pipeline="p", started_at_us=1)
    source, target = store(started, step("a")), store(started)
    target.forget_runs([RUN_ID], [], lambda _: None).result()
    books = copy_runs(StoreSource(source, "", 10), target)
    details = [one.detail for one in books.differences]
    assert "it is missing where the run went" in details
    assert any("forgotten" in detail for detail in details)
    assert target.run(RUN_ID) is None


def test_a_candidate_is_found_in_rosters_that_came_by_hash() -> None:
    whole = pack(chunk(["a", "b"], 1, 2))
    part = HashedRoster.of(chunk(["a"], 1, 2))
    for roster in (whole, part):
        assert store(step(), roster).runs_holding("a") == [RUN_ID]
        assert store(step(), roster).runs_holding("z") == []


def test_a_query_leaves_out_what_belongs_to_no_run_of_it() -> None:
    tally = Tallied(tally_id=OTHER_ID, pipeline="p", minute_us=0)
    started = RunStarted(run_id=RUN_ID, pipeline="p", started_at_us=1)
    source, target = store(tally, started), MemoryStore()
    books = copy_runs(StoreSource(source, "pipeline = 'p'", 10), target)
    assert books.compared == Amounts(runs=1)
    assert not target.tallies()


@pytest.mark.parametrize("fact", [pack(chunk(["a"], 1, 1)), HashedRoster.of(chunk(["a"], 1, 1))])
def test_rosters_by_hash_do_not_travel_on_the_wire(fact: StoredFact) -> None:
    with pytest.raises(InvalidRecordError):
        decode_fact(encode_stored(fact))


def test_amounts_are_said_in_words() -> None:
    amounts = Amounts(runs=1, steps=2, candidates=1, tallies=3)
    assert say_amounts(amounts) == "1 run, 2 steps, 1 candidate of a roster and 3 tallies"
    assert say_amounts(Amounts()) == "0 runs"
