"""Labels: what holds for a run or a candidate, in whatever order it was said."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.store.conftest import ENGINES, open_engine, some_engines
from tests.contract.store.worlds import CANDIDATES, NOW_US, RUN_IDS
from xray.model.facts import (
    ACCEPTED,
    REJECTED,
    DecisionRow,
    Fact,
    RosterGroup,
    RunFinished,
    RunPatched,
    RunStarted,
    StepFinished,
    StepRoster,
    Tally,
)
from xray.model.ids import new_uuid7
from xray.model.labels import Label, Labelled, LabelPosition, LabelsAsked
from xray.model.vocabulary import LabelWord
from xray.query.language import parse_query
from xray.query.plan import Plan, Scope
from xray.store import labels as label_book
from xray.store.protocol import Store
from xray.store.sql import labels as label_rows

RUN, OTHER, THIRD, _ = RUN_IDS
STEP = new_uuid7(NOW_US)


def a_label(
    label: LabelWord | None = "bad",
    candidate_id: str | None = None,
    run_id: str = RUN,
    at: int = 0,
    **fields: str,
) -> Labelled:
    return Labelled(
        label_id=new_uuid7(NOW_US + at),
        run_id=run_id,
        labelled_at_us=NOW_US + at,
        candidate_id=candidate_id,
        label=label,
        **fields,
    )


def a_run(run_id: str = RUN, **fields: object) -> RunStarted:
    return RunStarted(run_id=run_id, pipeline="search", started_at_us=NOW_US, **fields)


def a_step(*rows: DecisionRow, run_id: str = RUN, step_id: str = STEP) -> StepFinished:
    return StepFinished(
        run_id=run_id,
        step_id=step_id,
        pipeline="search",
        name="filter",
        step_type="filter",
        ordinal=0,
        started_at_us=NOW_US,
        rows=list(rows),
    )


def put(store: Store, *facts: Fact) -> tuple[int, int, int]:
    receipt = store.submit("batch", list(facts)).result()
    return receipt.accepted, receipt.duplicate, len(receipt.rejected)


def said(labels: list[Label]) -> list[tuple[str, str | None, str]]:
    return [(label.run_id, label.candidate_id, label.label) for label in labels]


def ask(store: Store, scope: Scope, query: str) -> list[str]:
    plan = Plan(scope=scope, where=parse_query(query, scope, NOW_US), now_us=NOW_US)
    if scope == "run":
        page = store.runs(plan)
        assert page.complete
        return [run.run_id for run in page.items]
    if scope == "step":
        return [step.step_id for step in store.steps(plan).items]
    return [row.candidate_id for row in store.decisions(plan).items]


def test_a_label_is_kept_with_who_gave_it_when_and_why(store: Store) -> None:
    put(store, a_run(), a_label("bad", note="a stand is no case", labelled_by="ana"))
    (label,) = store.labels(LabelsAsked())
    assert (label.run_id, label.candidate_id, label.label) == (RUN, None, "bad")
    assert (label.note, label.labelled_by) == ("a stand is no case", "ana")
    assert label.labelled_at.timestamp() == NOW_US / 1e6


def test_a_run_and_its_decisions_show_their_labels(store: Store) -> None:
    rows = [DecisionRow(ACCEPTED, "a"), DecisionRow(REJECTED, "b", "price")]
    put(store, a_run(), a_step(*rows), a_label("bad"), a_label("good", "b"))
    run = store.run(RUN)
    assert run is not None
    assert run.label == "bad"
    assert [row.label for row in store.decisions_of_step(STEP)] == [None, "good"]
    step = store.step(STEP)
    assert step is not None
    assert step.rejections["price"].samples[0].label == "good"


def test_a_run_is_labelled_again_and_the_label_taken_back(store: Store) -> None:
    put(store, a_run(), a_label("bad", at=1))
    assert put(store, a_label("good", at=2)) == (1, 0, 0)
    assert said(store.labels(LabelsAsked())) == [(RUN, None, "good")]
    assert ask(store, "run", "label = 'bad'") == []
    put(store, a_label(None, at=3))
    assert store.labels(LabelsAsked()) == []
    assert ask(store, "run", "not exists(label)") == [RUN]
    run = store.run(RUN)
    assert run is not None
    assert run.label is None


def test_an_earlier_word_that_arrives_late_changes_nothing(store: Store) -> None:
    put(store, a_run(), a_label(None, at=5), a_label("good", "a", at=5))
    assert put(store, a_label("bad", at=4), a_label("bad", "a", at=4)) == (0, 2, 0)
    assert said(store.labels(LabelsAsked())) == [(RUN, "a", "good")]


def test_the_same_label_sent_twice_is_a_duplicate(store: Store) -> None:
    label = a_label()
    assert put(store, a_run(), label, label) == (2, 1, 0)
    assert put(store, label) == (0, 1, 0)


def test_a_label_waits_for_its_run(store: Store) -> None:
    put(store, a_label("bad"))
    assert store.run(RUN) is None
    assert said(store.labels(LabelsAsked(run_ids=(RUN,)))) == [(RUN, None, "bad")]
    put(store, a_run(), RunFinished(run_id=RUN, status="completed"))
    assert ask(store, "run", "label = 'bad'") == [RUN]
    put(store, RunPatched(run_id=RUN, duration_ms=5.0))
    assert ask(store, "run", "label = 'bad'") == [RUN]


def test_a_label_and_its_run_may_come_together(store: Store) -> None:
    put(store, a_label("bad"), a_run())
    put(store, a_run(OTHER), a_label("bad", run_id=OTHER))
    assert ask(store, "run", "label = 'bad'") == [OTHER, RUN]


def test_labels_of_runs_steps_and_candidates_are_asked_for(store: Store) -> None:
    step_ids = [new_uuid7(NOW_US + number * 1000) for number in range(3)]
    for run_id, step_id in zip((RUN, OTHER, THIRD), step_ids, strict=True):
        rows = [DecisionRow(ACCEPTED, "a"), DecisionRow(REJECTED, "b", "price")]
        put(store, a_run(run_id), a_step(*rows, run_id=run_id, step_id=step_id))
    put(store, a_label("bad"), a_label("bad", "a", OTHER), a_label("good", "b", THIRD))
    assert ask(store, "run", "label = 'BAD'") == [RUN]
    assert ask(store, "run", "label != 'good'") == [RUN]
    assert ask(store, "run", "not (label = 'bad')") == [THIRD, OTHER]
    assert ask(store, "step", "run.label = 'bad'") == [step_ids[0]]
    assert ask(store, "run", "any(decision.label = 'bad')") == [OTHER]
    assert ask(store, "step", "any(decision.label = 'good' and decision.reason = 'price')") == [
        step_ids[2]
    ]
    assert ask(store, "run", "any(decision.label = 'good' and decision.reason = 'x')") == []
    assert ask(store, "run", "any(step.name = 'filter' and any(decision.label = 'bad'))") == [OTHER]
    assert ask(store, "decision", "label = 'good'") == ["b"]
    assert ask(store, "decision", "exists(label)") == ["b", "a"]
    assert ask(store, "decision", f"run_id = '{OTHER}' and label = 'bad'") == ["a"]
    assert ask(store, "decision", "run.label = 'bad' and candidate_id = 'a'") == ["a"]


def test_what_only_a_roster_knows_is_labelled_too(store: Store) -> None:
    step = StepFinished(
        run_id=RUN,
        step_id=STEP,
        pipeline="search",
        name="filter",
        step_type="filter",
        ordinal=0,
        started_at_us=NOW_US,
        tally=Tally(rejected=1, reasons={"price": 1}),
        roster_chunks=1,
    )
    group = RosterGroup(REJECTED, "price", None, None, ids=["a"])
    roster = StepRoster(run_id=RUN, step_id=STEP, chunk=1, total=1, groups=[group])
    put(store, a_run(), step, roster, a_label("good", "a"))
    plan = Plan(scope="decision", where=parse_query("candidate_id = 'a'", "decision", NOW_US))
    (row,) = store.decisions(plan).items
    assert (row.has_detail, row.label) == (False, "good")


def test_labels_are_listed_newest_first_in_parts(store: Store) -> None:
    labels = [a_label("bad", f"c{number}", at=number // 2) for number in range(7)]
    put(store, *labels, a_label("good", run_id=OTHER, at=9, labelled_by="ana"))
    whole = store.labels(LabelsAsked())
    assert [label.labelled_at for label in whole] == sorted(
        (label.labelled_at for label in whole), reverse=True
    )
    parts: list[Label] = []
    after: LabelPosition | None = None
    while part := store.labels(LabelsAsked(after=after, limit=3)):
        parts += part
        after = LabelPosition(round(part[-1].labelled_at.timestamp() * 1e6), part[-1].label_id)
    assert parts == whole
    assert said(store.labels(LabelsAsked(run_ids=(OTHER, THIRD)))) == [(OTHER, None, "good")]
    assert said(store.labels(LabelsAsked(candidate_id="c3"))) == [(RUN, "c3", "bad")]
    assert said(store.labels(LabelsAsked(is_of_run=True))) == [(OTHER, None, "good")]
    assert len(store.labels(LabelsAsked(is_of_run=False, label="bad"))) == 7
    assert said(store.labels(LabelsAsked(labelled_by="ana"))) == [(OTHER, None, "good")]
    assert store.labels(LabelsAsked(run_ids=())) == []


def test_a_run_is_found_by_any_of_its_ids_in_other_systems(store: Store) -> None:
    put(store, a_run(RUN, correlation={"trace_id": "t1", "order": "o1"}))
    put(store, a_run(OTHER, correlation={"trace_id": "t1"}))
    put(store, RunPatched(run_id=RUN, correlation={"order": "o2"}))
    assert store.correlated("t1", 10) == [OTHER, RUN]
    assert store.correlated("t1", 1) == [OTHER]
    assert store.correlated("o2", 10) == [RUN]
    assert store.correlated("o1", 10) == []
    assert store.correlated("trace_id", 10) == []


def test_a_run_has_no_more_labels_than_a_store_can_show(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_book, "MAX_LABELS_OF_RUN", 2)
    monkeypatch.setattr(label_rows, "MAX_LABELS_OF_RUN", 2)
    assert put(store, a_run(), a_label(), a_label("good", "a"), a_label("good", "b")) == (3, 0, 1)
    assert put(store, a_label("bad", "a", at=1)) == (1, 0, 0)
    assert len(store.labels(LabelsAsked())) == 2


def test_a_label_of_no_run_is_refused_alone(store: Store) -> None:
    wrong = Labelled(label_id=new_uuid7(), run_id="RUN", labelled_at_us=NOW_US, label="bad")
    assert put(store, a_run(), wrong) == (1, 0, 1)


words = st.sampled_from(("good", "bad", None))
facts = st.lists(
    st.builds(
        Labelled,
        label_id=st.integers(0, 3).map(lambda n: f"0190e000-0000-7000-8000-{n:012x}"),
        run_id=st.sampled_from(RUN_IDS[:2]),
        labelled_at_us=st.integers(NOW_US, NOW_US + 2),
        candidate_id=st.none() | st.sampled_from(CANDIDATES),
        label=words,
    ),
    unique_by=lambda fact: (fact.subject, fact.age),
    max_size=12,
)


@pytest.fixture(scope="module")
def open_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Store]:
    return lambda engine: open_engine(engine, tmp_path_factory.mktemp("labels"))


@given(said_facts=facts, number=st.integers(0, 99), engines=some_engines)
def test_every_engine_ends_with_the_latest_word_whatever_came_first(
    open_once: Callable[[str], Store],
    said_facts: list[Labelled],
    number: int,
    engines: Sequence[str],
) -> None:
    latest: dict[tuple[str, str | None], Labelled] = {}
    for fact in sorted(said_facts, key=lambda fact: fact.age):
        latest[fact.subject] = fact
    expected = {subject: fact.label for subject, fact in latest.items() if fact.label}
    for engine in engines:
        shuffled: list[Fact] = [*said_facts, a_run(RUN), a_run(OTHER)]
        random.Random(number).shuffle(shuffled)
        store = open_once(engine)
        for fact in shuffled:
            put(store, fact)
        found = store.labels(LabelsAsked())
        assert {(label.run_id, label.candidate_id): label.label for label in found} == expected
        for run_id in (RUN, OTHER):
            run = store.run(run_id)
            assert run is not None
            assert run.label == expected.get((run_id, None))
        store.close()


def fill(store: Store, runs: int) -> None:
    facts: list[Fact] = []
    for number in range(runs):
        run_id, step_id = new_uuid7(NOW_US + number * 1000), new_uuid7(NOW_US + number * 1000)
        facts += [a_run(run_id), a_step(DecisionRow(ACCEPTED, "a"), run_id=run_id, step_id=step_id)]
        if number % 100 == 7:
            facts += [a_label("bad", run_id=run_id), a_label("good", "a", run_id=run_id)]
    put(store, *facts)


@pytest.mark.parametrize("engine", ENGINES[1:])
@pytest.mark.parametrize(
    ("scope", "query"),
    [
        ("run", "label = 'bad'"),
        ("run", "any(decision.label = 'good')"),
        ("step", "run.label = 'bad'"),
        ("step", "any(decision.label = 'good')"),
    ],
)
def test_in_a_database_an_index_leads_to_what_is_labelled(
    open_empty: Callable[[str], Store], scope: Scope, query: str, engine: str
) -> None:
    store = open_empty(engine)
    fill(store, 300)
    plan = Plan(scope=scope, where=parse_query(query, scope, NOW_US), now_us=NOW_US, limit=2)
    page = store.runs(plan) if scope == "run" else store.steps(plan)
    assert len(page.items) == 2
    assert page.next_cursor is not None
    assert page.scan is None


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_labelled_decisions_are_found_in_the_runs_that_have_labels_alone(
    open_empty: Callable[[str], Store], engine: str
) -> None:
    store = open_empty(engine)
    fill(store, 300)
    plan = Plan(scope="decision", where=parse_query("label = 'good'", "decision", NOW_US))
    page = store.decisions(plan)
    assert len(page.items) == 3
    assert page.scan is not None
    assert page.scan.rows < 20
