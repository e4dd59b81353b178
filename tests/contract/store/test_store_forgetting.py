"""What is forgotten was never recorded: for what is left, for what is usual, and for what comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.store.conftest import ENGINES
from tests.contract.store.test_store_labels import a_label
from tests.contract.store.test_store_removal import facts_without
from tests.contract.store.test_store_verbs import (
    OTHER_RUN,
    RUN,
    finished_step,
    rejected,
    started,
)
from tests.contract.store.worlds import RUN_IDS, everything, worlds
from xray.model.facts import Fact, StepFinished
from xray.model.forgetting import FORGOTTEN_CODE, Forgotten, Progress
from xray.model.ids import new_uuid7
from xray.model.labels import LabelsAsked
from xray.store.protocol import Store

OpenEmpty = Callable[[str], Store]
_quick = settings(max_examples=15, suppress_health_check=list(HealthCheck))


def nobody_looks(_: Progress) -> None:
    """For whoever does not want to know how far it is."""


def forget(store: Store, *run_ids: str, pipelines: tuple[str, ...] = ()) -> Forgotten:
    return store.forget_runs(run_ids, pipelines, nobody_looks).result()


def usual_of(store: Store, facts: list[Fact]) -> list[Any]:
    names = sorted({fact.pipeline for fact in facts if isinstance(fact, StepFinished)})
    return [store.baselines(name) for name in names]


@pytest.mark.parametrize("engine", ENGINES)
@_quick
@given(facts=worlds(), gone=st.sets(st.sampled_from(RUN_IDS)))
def test_what_is_forgotten_was_never_there_and_does_not_come_again(
    open_empty: OpenEmpty, engine: str, facts: list[Fact], gone: set[str]
) -> None:
    store, without = open_empty(engine), open_empty("memory")
    store.submit("facts", facts).result()
    without.submit("facts", facts_without(facts, gone)).result()
    known = set(store.run_ids(""))
    forgotten = forget(store, *gone)
    assert forgotten.runs == len(gone & known)
    assert everything(store) == everything(without)
    assert usual_of(store, facts) == usual_of(without, facts)
    late = [fact for fact in facts if fact.run_id in gone]  # type: ignore[union-attr]
    receipt = store.submit("late", late).result()
    assert (receipt.accepted, receipt.duplicate) == (0, 0)
    assert {refusal.code for refusal in receipt.rejected} <= {FORGOTTEN_CODE, "invalid_record"}
    assert everything(store) == everything(without)


def test_a_run_is_forgotten_with_its_labels_ids_and_what_it_counted_for(store: Store) -> None:
    labels = [a_label("bad", "a", run_id) for run_id in (RUN, OTHER_RUN)]
    store.submit("labels", labels).result()
    store.submit(
        "runs",
        [
            started(correlation={"order": "77"}),
            started(OTHER_RUN, correlation={"order": "77"}),
            finished_step(rejected("a"), rejected("b")),
        ],
    ).result()
    assert store.baselines("search")
    assert store.runs_holding("a") == sorted([RUN, OTHER_RUN])
    assert store.runs_holding("b") == [RUN]
    assert forget(store, RUN) == Forgotten(1, 1)
    assert store.baselines("search") == []
    assert store.run(RUN) is None
    assert store.correlated("77", 10) == [OTHER_RUN]
    assert [label.run_id for label in store.labels(LabelsAsked(limit=10))] == [OTHER_RUN]
    assert store.runs_holding("a") == [OTHER_RUN]
    assert not store.owes_sweeping()


def test_other_runs_count_as_before(store: Store) -> None:
    store.submit("run", [started(), finished_step(rejected("a"))]).result()
    before = store.baselines("search")
    other = finished_step(rejected("b"), step_id=new_uuid7(), run_id=OTHER_RUN)
    store.submit("other", [started(OTHER_RUN), other]).result()
    assert store.baselines("search") != before
    forget(store, OTHER_RUN)
    assert store.baselines("search") == before


def test_a_pipeline_goes_with_all_that_was_usual_of_it(store: Store) -> None:
    store.submit("run", [started(), finished_step(rejected("a"))]).result()
    store.delete_runs([RUN]).result()
    assert store.baselines("search")
    assert forget(store, pipelines=("search",)) == Forgotten()
    assert store.baselines("search") == []


def test_what_comes_of_a_run_that_was_never_stored_is_refused_too(store: Store) -> None:
    assert forget(store, RUN, "no id") == Forgotten()
    facts = [started(), finished_step(rejected("a")), a_label("bad"), started(OTHER_RUN)]
    receipt = store.submit("late", facts).result()
    assert receipt.accepted == 1
    assert [refusal.code for refusal in receipt.rejected] == [FORGOTTEN_CODE] * 3
    assert f"The run {RUN} was forgotten" in receipt.rejected[0].detail
    assert store.run_ids("") == [OTHER_RUN]
    assert store.labels(LabelsAsked(limit=10)) == []


def test_names_are_found_as_values_and_as_words(store: Store) -> None:
    facts = [
        started(correlation={"order": "order-7"}),
        started(OTHER_RUN, correlation={"order": "order-77"}, tags=["not order-7 at all"]),
        finished_step(rejected("p-1")),
    ]
    store.submit("runs", facts).result()
    traces = store.find_names(["order-7"], [], nobody_looks).traces
    assert {(one.run_id, one.is_whole) for one in traces if one.run_id is not None} == {
        (RUN, True),
        (OTHER_RUN, False),
    }
    forget(store, RUN)
    traces = store.find_names(["order-7"], [], nobody_looks).traces
    assert {(one.run_id, one.is_whole) for one in traces} == {(OTHER_RUN, False)}
    assert store.find_names(["p-1", RUN], ["p-1"], nobody_looks).traces == []
