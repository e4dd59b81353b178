"""What one store gives of its runs, another takes, and then answers as the first does."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.golden.cut import batch_facts, record_facts
from tests.contract.store.conftest import ENGINES, some_engines
from tests.contract.store.worlds import NOW_US, RUN_IDS, everything, worlds
from xray.model.facts import Fact, RosterGroup, StepFinished, StepRoster, StepRows
from xray.model.labels import Labelled, LabelsAsked
from xray.model.stored_facts import (
    HashedRoster,
    PackedRoster,
    StoredFact,
    encode_stored,
    stored_fact_id,
)
from xray.model.tallies import RunTally, Tallied
from xray.store.protocol import Store

OpenEmpty = Callable[[str], Store]
_quick = settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
STEP_ID = "0190b000-0000-7000-8000-000000000001"
TALLY_ID = "0190d000-0000-7000-8000-000000000001"


def take(store: Store, facts: list[StoredFact]) -> int:
    receipt = store.submit("taken", facts).result()
    assert not receipt.rejected, receipt.rejected
    return receipt.accepted


def give(store: Store, run_ids: tuple[str, ...] = RUN_IDS) -> list[StoredFact]:
    return list(store.export_runs(run_ids))


def spell(facts: list[StoredFact]) -> list[bytes]:
    """All but rosters, which some engines keep in chunks and others merge."""
    return [
        encode_stored(fact) for fact in facts if not isinstance(fact, (HashedRoster, PackedRoster))
    ]


@st.composite
def labelled_worlds(draw: st.DrawFn) -> list[Fact]:
    facts = draw(worlds())
    subjects = st.tuples(st.sampled_from(RUN_IDS), st.sampled_from([None, "a", "B", ""]))
    for number, subject in enumerate(draw(st.lists(subjects, max_size=4))):
        facts.append(
            Labelled(
                label_id=f"0190c000-0000-7000-8000-00000000000{number}",
                run_id=subject[0],
                candidate_id=subject[1],
                labelled_at_us=NOW_US - number,
                label=draw(st.sampled_from([None, "good", "bad"])),
                note=draw(st.none() | st.just("n\x00te")),
            )
        )
    return facts


@_quick
@given(facts=labelled_worlds(), roads=some_engines.flatmap(st.permutations))
def test_runs_that_went_through_every_engine_answer_as_they_did(
    open_empty: OpenEmpty, facts: list[Fact], roads: list[str]
) -> None:
    store = open_empty(roads[0])
    store.submit("recorded", facts).result()
    expected = everything(store), store.labels(LabelsAsked()), spell(give(store))
    for engine in (*roads[1:], roads[0]):
        given_away = give(store)
        store.close()
        store = open_empty(engine)
        take(store, given_away)
        assert take(store, given_away) == 0
        found = everything(store), store.labels(LabelsAsked()), spell(give(store))
        assert found == expected
        assert store.submit("again", facts).result().accepted == 0
    store.close()


def test_everything_capture_records_goes_from_engine_to_engine(open_empty: OpenEmpty) -> None:
    facts = record_facts(seed=3)
    origin = open_empty("memory")
    for number, batch in enumerate(batch_facts(facts)):
        origin.submit(str(number), batch).result()
    run_ids = origin.run_ids("", 1_000)
    source = origin
    for engine in ("sqlite", "postgres", "memory"):
        target = open_empty(engine)
        take(target, list(source.export_tallies()))
        for at in range(0, len(run_ids), 20):
            take(target, list(source.export_runs(run_ids[at : at + 20])))
        for run_id in run_ids:
            assert target.run(run_id) == origin.run(run_id)
            steps = target.steps_of_run(run_id)
            assert steps == origin.steps_of_run(run_id)
            for step in steps:
                rows, expected = (one.decisions_of_step(step.step_id) for one in (target, origin))
                assert list(rows) == list(expected)
                sketches = target.sketches_of_step(step.step_id)
                assert sketches == origin.sketches_of_step(step.step_id)
                rosters = [one.roster_of_step(step.step_id) for one in (target, origin)]
                for name in (f"p{number}" for number in range(0, 4_000, 97)):
                    found = [roster and roster.find(name) for roster in rosters]
                    assert found[0] == found[1]
        assert target.labels(LabelsAsked()) == origin.labels(LabelsAsked())
        assert target.tallies() == origin.tallies()
        for pipeline in ("shop", "café"):
            assert target.baselines(pipeline) == origin.baselines(pipeline)
        source = target
    kinds = {type(fact) for fact in source.export_runs(run_ids)}
    assert PackedRoster in kinds


def roster_chunk(chunk: int, ids: list[str], total: int) -> StepRoster:
    group = RosterGroup(1, "kept", None, None, ids)
    return StepRoster(run_id=RUN_IDS[0], step_id=STEP_ID, chunk=chunk, total=total, groups=[group])


def make_step() -> StepFinished:
    return StepFinished(
        run_id=RUN_IDS[0], step_id=STEP_ID, pipeline="p", name="s", step_type="filter",
        ordinal=0, started_at_us=NOW_US,
    )  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_a_roster_of_which_a_part_is_missing_is_completed_where_it_went(
    open_empty: OpenEmpty, engine: str
) -> None:
    source, target = open_empty("sqlite"), open_empty(engine)
    source.submit("1", [make_step(), roster_chunk(1, ["a", "b"], 3)]).result()
    half = give(source)
    assert [type(fact) for fact in half].count(HashedRoster) == 1
    take(target, half)
    found = target.roster_of_step(STEP_ID)
    assert found is not None
    assert (found.total, found.held, "a" in found) == (3, 2, True)
    assert target.submit("2", [roster_chunk(2, ["c"], 3)]).result().accepted == 1
    found = target.roster_of_step(STEP_ID)
    assert found is not None
    assert found.is_complete
    assert all(name in found for name in "abc")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_whole_roster_takes_the_place_of_the_chunks_that_came_before_it(
    open_empty: OpenEmpty, engine: str
) -> None:
    source, target = open_empty("sqlite"), open_empty(engine)
    source.submit("1", [make_step(), roster_chunk(1, ["a", "b", "c"], 3)]).result()
    whole = give(source)
    assert any(isinstance(fact, PackedRoster) for fact in whole)
    target.submit("2", [make_step(), roster_chunk(7, ["a"], 3)]).result()
    assert take(target, whole) >= 1
    found = target.roster_of_step(STEP_ID)
    assert found is not None
    assert found.is_complete
    assert take(target, whole) == 0
    step = target.step(STEP_ID)
    assert step is not None
    assert target.submit("3", [roster_chunk(1, ["a", "b", "c"], 3)]).result().duplicate == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_chunk_behind_a_whole_roster_changes_nothing(
    open_empty: OpenEmpty, engine: str
) -> None:
    store = open_empty(engine)
    store.submit("1", [make_step(), roster_chunk(1, ["a", "b"], 2)]).result()
    assert store.submit("2", [roster_chunk(2, [], 2)]).result().accepted == 1
    assert store.submit("3", [roster_chunk(2, [], 2)]).result().duplicate == 1
    found = store.roster_of_step(STEP_ID)
    assert found is not None
    assert found.find("a")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_roster_that_counts_otherwise_than_it_says_is_refused(
    open_empty: OpenEmpty, engine: str
) -> None:
    source, target = open_empty("sqlite"), open_empty(engine)
    source.submit("1", [make_step(), roster_chunk(1, ["a", "b"], 2)]).result()
    whole = next(fact for fact in give(source) if isinstance(fact, PackedRoster))
    wrong = msgspec.structs.replace(whole, total=3)
    (refusal,) = target.submit("2", [wrong]).result().rejected
    assert (refusal.id, refusal.code) == (stored_fact_id(wrong), "invalid_record")


@pytest.mark.parametrize("engine", ENGINES)
def test_decisions_of_a_step_that_has_not_arrived_and_awaited_labels_go_along(
    open_empty: OpenEmpty, engine: str
) -> None:
    source, target = open_empty(engine), open_empty("memory")
    label = Labelled(
        label_id=TALLY_ID, run_id=RUN_IDS[2], labelled_at_us=NOW_US, label="bad"
    )  # fmt: skip
    early = StepRows(run_id=RUN_IDS[0], step_id=STEP_ID, chunk=4, rows=[])
    tally = Tallied(
        tally_id=TALLY_ID, pipeline="p", minute_us=0, runs=RunTally(statuses={"failed": 3})
    )
    source.submit("1", [early, roster_chunk(1, ["a"], 2), label, tally]).result()
    assert list(source.awaited_runs()) == [RUN_IDS[2]]
    assert list(source.export_tallies()) == [tally]
    take(target, give(source))
    assert list(target.awaited_runs()) == [RUN_IDS[2]]
    assert [type(fact).__name__ for fact in give(target)] == [
        "RunPatched", "StepRows", "HashedRoster", "Labelled",
    ]  # fmt: skip
    for store in (source, target):
        assert store.submit("2", [make_step()]).result().accepted == 1
    assert everything(source) == everything(target)
