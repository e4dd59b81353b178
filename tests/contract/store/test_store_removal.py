"""What is deleted is as if it had never been recorded, and the rest as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.contract.store.conftest import ENGINES
from tests.contract.store.test_store_labels import a_label
from tests.contract.store.test_store_verbs import OTHER_RUN, RUN, finished_step, rejected, started
from tests.contract.store.worlds import NOW_US, RUN_IDS, everything, worlds
from xray.model.facts import Fact, StepFinished, StepRoster, StepRows
from xray.model.ids import new_uuid7
from xray.model.labels import LabelsAsked
from xray.model.removal import Removed
from xray.model.tallies import Tallied
from xray.store.protocol import Store

OpenEmpty = Callable[[str], Store]
_quick = settings(max_examples=15, suppress_health_check=list(HealthCheck))


def facts_without(facts: list[Fact], gone: Collection[str]) -> list[Fact]:
    """The facts that tell of other runs; those about a step tell of that step's run."""
    owners = {fact.step_id: fact.run_id for fact in facts if isinstance(fact, StepFinished)}
    left: list[Fact] = []
    for fact in facts:
        assert not isinstance(fact, Tallied)
        if isinstance(fact, (StepRows, StepRoster)) and owners.get(fact.step_id, RUN) not in gone:
            is_known = fact.step_id in owners
            if fact.run_id not in gone:
                left.append(fact)
            elif is_known:
                left.append(replace(fact, run_id=owners[fact.step_id]))
        elif fact.run_id not in gone:
            left.append(fact)
    return left


@pytest.mark.parametrize("engine", ENGINES)
@_quick
@given(facts=worlds(), gone=st.sets(st.sampled_from(RUN_IDS)))
def test_what_is_deleted_was_never_there_and_can_come_again(
    open_empty: OpenEmpty, engine: str, facts: list[Fact], gone: set[str]
) -> None:
    store, without, whole = (open_empty(one) for one in (engine, "memory", "memory"))
    for opened, given_facts in (
        (store, facts),
        (without, facts_without(facts, gone)),
        (whole, facts),
    ):
        opened.submit("facts", given_facts).result()
    known = set(store.run_ids(""))
    steps = {fact.step_id for fact in facts if isinstance(fact, StepFinished)}
    expected = Removed(len(gone & known), sum(store.step(step).run_id in gone for step in steps))
    assert store.delete_runs(sorted(gone)).result() == expected
    assert everything(store) == everything(without)
    store.submit("again", facts).result()
    assert everything(store) == everything(whole)
    for opened in (store, without, whole):
        opened.close()


def test_a_run_goes_with_its_steps_decisions_and_labels(store: Store) -> None:
    facts = [
        a_label("bad", candidate_id, run_id)
        for run_id in (RUN, OTHER_RUN)
        for candidate_id in (None, "a")
    ]
    store.submit("labels", facts).result()
    store.submit(
        "runs",
        [
            started(correlation={"order": "77"}),
            started(OTHER_RUN, correlation={"order": "77"}),
            finished_step(rejected("a"), stats={}),  # type: ignore[arg-type]
        ],
    ).result()
    assert store.correlated("77", 10) == [OTHER_RUN, RUN]
    assert store.delete_runs([RUN, RUN, new_uuid7(NOW_US), "no id"]).result() == Removed(1, 1)
    assert store.run(RUN) is None
    assert store.run_ids("") == store.correlated("77", 10) == [OTHER_RUN]
    assert {label.run_id for label in store.labels(LabelsAsked(limit=10))} == {OTHER_RUN}


def test_what_was_usual_stays_known(store: Store) -> None:
    store.submit("run", [started(), finished_step(rejected("a"), rejected("b"))]).result()
    before = store.baselines("search")
    assert before
    store.delete_runs([RUN]).result()
    assert store.baselines("search") == before


def test_a_label_goes_that_waits_for_its_run(store: Store) -> None:
    store.submit("label", [a_label("bad")]).result()
    assert store.delete_runs([RUN]).result() == Removed()
    store.submit("run", [started()]).result()
    run = store.run(RUN)
    assert run is not None
    assert run.label is None
