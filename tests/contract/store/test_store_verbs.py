"""What each verb promises, on every engine."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec import Raw

from tests.contract.store.worlds import DAY_US, NOW_US, RUN_IDS, STEP_IDS
from xray.errors import StoreError
from xray.model.facts import (
    ACCEPTED,
    EVIDENCE,
    REJECTED,
    SELECTED,
    Check,
    DecisionRow,
    Fact,
    Receipt,
    Reservoir,
    RunFinished,
    RunPatched,
    RunStarted,
    StepFinished,
    StepRows,
    Tally,
)
from xray.model.ids import new_uuid7
from xray.model.values import pack_value
from xray.query.cursor import decode_cursor
from xray.query.plan import AllOf, Comparison, FieldRef, Has, Not, Plan, Scope
from xray.store.protocol import Store

RUN, OTHER_RUN = RUN_IDS[0], RUN_IDS[1]
STEP, OTHER_STEP = STEP_IDS[0], STEP_IDS[1]


def started(run_id: str = RUN, at_us: int = NOW_US, **fields: object) -> RunStarted:
    given = {"pipeline": "search", **fields}
    return RunStarted(run_id=run_id, started_at_us=at_us, **given)  # type: ignore[arg-type]


def finished_step(
    *rows: DecisionRow, step_id: str = STEP, run_id: str = RUN, **fields: object
) -> StepFinished:
    given = {
        "pipeline": "search", "name": "filter", "step_type": "filter", "ordinal": 0,
        "started_at_us": NOW_US, **fields,
    }  # fmt: skip
    return StepFinished(run_id=run_id, step_id=step_id, rows=list(rows), **given)  # type: ignore[arg-type]


def rejected(name: str, reason: str | None = "price", **fields: object) -> DecisionRow:
    return DecisionRow(REJECTED, name, reason, **fields)  # type: ignore[arg-type]


def put(store: Store, *facts: Fact) -> Receipt:
    return store.submit("batch", list(facts)).result()


def ask(name: str, value: str, scope: Scope = "decision", **fields: object) -> Plan:
    where = Comparison(FieldRef(scope, name), "=", value)
    return Plan(scope=scope, where=where, **fields)  # type: ignore[arg-type]


def candidates(store: Store, plan: Plan) -> list[str]:
    return [decision.candidate_id for decision in store.decisions(plan).items]


def test_an_empty_store_answers_every_question_with_nothing(store: Store) -> None:
    assert store.run(RUN) is None
    assert store.step(STEP) is None
    assert store.steps_of_run(RUN) == []
    assert len(store.decisions_of_step(STEP)) == 0
    assert store.runs(Plan(scope="run")).items == []
    assert store.steps(Plan(scope="step")).total == 0
    assert store.decisions(ask("candidate_id", "a")).items == []
    assert store.run_ids("") == []


@pytest.mark.parametrize(
    "nonsense", ["", "last", "0190", RUN.upper(), RUN.replace("-", ""), "\x00"]
)
def test_what_is_no_id_names_nothing(store: Store, nonsense: str) -> None:
    put(store, started(), finished_step(rejected("a")))
    assert store.run(nonsense) is None
    assert store.step(nonsense) is None
    assert store.steps_of_run(nonsense) == []
    assert store.decisions(ask("run_id", nonsense)).items == []


def test_a_task_is_claimed_beside_other_tasks_and_again(store: Store) -> None:
    for _ in range(2):
        with store.claim("retention") as is_ours, store.claim("something else") as is_ours_too:
            assert (is_ours, is_ours_too) == (True, True)


def test_the_same_fact_twice_is_a_duplicate_and_changes_nothing(store: Store) -> None:
    facts = [started(), finished_step(rejected("a")), RunFinished(run_id=RUN, status="completed")]
    assert put(store, *facts, *facts) == Receipt(batch_id="batch", accepted=3, duplicate=3)
    assert put(store, *facts).duplicate == 3
    assert len(store.decisions_of_step(STEP)) == 1
    assert len(store.decisions(ask("candidate_id", "a")).items) == 1


def test_a_second_different_end_is_a_duplicate(store: Store) -> None:
    put(store, started(), RunFinished(run_id=RUN, status="completed", duration_ms=5.0))
    assert put(store, RunFinished(run_id=RUN, status="failed")).duplicate == 1
    run = store.run(RUN)
    assert run is not None
    assert (run.status, run.duration_ms) == ("completed", 5.0)


def test_patches_apply_in_order_and_merge_metadata(store: Store) -> None:
    put(store, started(metadata=pack_value({"a": 1, "b": 1}), tags=["x"]))
    put(store, RunPatched(run_id=RUN, metadata=pack_value({"b": 2}), tags=["y"]))
    put(store, RunPatched(run_id=RUN, metadata=pack_value({"c": 3}), output=pack_value("late")))
    run = store.run(RUN)
    assert run is not None
    assert run.metadata == {"a": 1, "b": 2, "c": 3}
    assert (run.tags, run.output) == (["y"], "late")
    tagged = Plan(scope="run", where=Has(FieldRef("run", "tags"), "y"))
    assert len(store.runs(tagged).items) == 1


def test_an_end_is_not_undone_by_a_mark_that_its_owner_died(store: Store) -> None:
    put(store, started(), RunPatched(run_id=RUN, status="abandoned"))
    assert store.run(RUN).status == "abandoned"  # type: ignore[union-attr]
    put(store, RunFinished(run_id=RUN, status="completed"))
    assert store.run(RUN).status == "completed"  # type: ignore[union-attr]


def test_a_run_without_an_end_is_abandoned_after_a_day(store: Store) -> None:
    put(store, started(RUN, NOW_US - DAY_US - 1), started(OTHER_RUN, NOW_US - DAY_US))
    statuses = {run.run_id: run.status for run in store.runs(Plan(scope="run")).items}
    assert statuses == {RUN: "abandoned", OTHER_RUN: "running"}
    abandoned = store.runs(ask("status", "abandoned", "run"))
    assert [run.run_id for run in abandoned.items] == [RUN]


def test_a_step_before_its_run_makes_the_run_known_from_the_earliest_step(store: Store) -> None:
    put(
        store,
        finished_step(started_at_us=NOW_US - 1, pipeline="late"),
        finished_step(step_id=OTHER_STEP, started_at_us=NOW_US - 9, pipeline="early"),
    )
    run = store.run(RUN)
    assert run is not None
    assert (run.pipeline, run.status) == ("early", "running")
    assert int(run.started_at.timestamp() * 1e6) == NOW_US - 9
    put(store, started(at_us=NOW_US - 100))
    assert store.runs(ask("pipeline", "search", "run")).items[0].run_id == RUN
    assert store.runs(ask("pipeline", "early", "run")).items == []


def test_chunks_join_their_step_in_chunk_order_whenever_they_arrive(store: Store) -> None:
    chunks = [
        StepRows(run_id=RUN, step_id=STEP, chunk=2, rows=[rejected("c"), rejected("a", "late")]),
        StepRows(run_id=RUN, step_id=STEP, chunk=1, rows=[DecisionRow(SELECTED, "b", score=0.5)]),
    ]
    put(store, chunks[0])
    assert store.step(STEP) is None
    assert len(store.decisions_of_step(STEP)) == 0
    put(store, finished_step(DecisionRow(ACCEPTED, "a"), chunks=2))
    assert put(store, *chunks) == Receipt(batch_id="batch", accepted=1, duplicate=1)
    table = store.decisions_of_step(STEP)
    assert list(table.candidate_ids) == ["a", "b", "c"]
    assert list(table.verdicts) == ["rejected", "selected", "rejected"]
    step = store.step(STEP)
    assert step is not None
    assert (step.counts.rejected, step.counts.redecided, step.score) == (2, 1, 0.5)
    assert {reason: one.count for reason, one in step.rejections.items()} == {"late": 1, "price": 1}


def test_a_re_decided_candidate_is_stored_once_with_its_last_verdict(store: Store) -> None:
    evidence = DecisionRow(EVIDENCE, "a", checks=[Check("price", "price", "<=", 150, 100, False)])
    put(store, finished_step(evidence, DecisionRow(ACCEPTED, "a"), rejected("a", None)))
    (decision,) = store.decisions_of_step(STEP)
    assert (decision.decision, decision.reason) == ("rejected", "price")
    assert decision.checks[0].margin == 50


def test_sampled_and_logged_rows_carry_their_weight_and_mark(store: Store) -> None:
    drawn = [Reservoir(REJECTED, "price", 10, [rejected("b"), rejected("c")])]
    logged = [DecisionRow(REJECTED, "shown", "colour")]
    tally = Tally(rejected=11, reasons={"price": 11})
    put(store, finished_step(rejected("a"), reservoirs=drawn, logged=logged, tally=tally))
    table = store.decisions_of_step(STEP)
    assert [(row.candidate_id, row.weight, row.is_logged) for row in table] == [
        ("a", 1.0, False), ("b", 5.0, False), ("c", 5.0, False), ("shown", 1.0, True),
    ]  # fmt: skip
    assert list(table.logged) == [False, False, False, True]
    assert table.row(2).weight == 5.0
    step = store.step(STEP)
    assert step is not None
    assert step.rejections["price"].count == 11
    assert step.rejections["colour"].count == 0
    assert len(step.rejections["colour"].samples) == 1


def test_rejection_samples_stop_at_fifty_a_reason(store: Store) -> None:
    put(store, finished_step(*(rejected(f"c{number}") for number in range(80))))
    step = store.step(STEP)
    assert step is not None
    assert step.rejections["price"].count == 80
    assert [row.candidate_id for row in step.rejections["price"].samples] == [
        f"c{number}" for number in range(50)
    ]
    listed = store.steps(Plan(scope="step")).items[0]
    assert listed.rejections["price"].samples == []
    assert store.steps_of_run(RUN) == [step]


def test_a_reason_has_no_more_samples_than_it_counts(store: Store) -> None:
    rows = [rejected("a"), rejected("b"), rejected("c", "late"), rejected("d", "unheard of")]
    put(store, finished_step(*rows, tally=Tally(rejected=2, reasons={"price": 1, "late": 1})))
    step = store.step(STEP)
    assert step is not None
    assert {
        reason: [row.candidate_id for row in one.samples]
        for reason, one in step.rejections.items()
        if one.count
    } == {"price": ["a"], "late": ["c"]}


def test_steps_of_a_run_come_by_ordinal(store: Store) -> None:
    put(
        store,
        *(
            finished_step(step_id=step_id, ordinal=ordinal, started_at_us=NOW_US - ordinal)
            for step_id, ordinal in zip(STEP_IDS, (2, 0, 1), strict=False)
        ),
    )
    assert [step.ordinal for step in store.steps_of_run(RUN)] == [0, 1, 2]


def test_a_long_output_is_cut_in_a_list_and_whole_in_the_run(store: Store) -> None:
    put(store, started(), RunFinished(run_id=RUN, status="failed", output=pack_value("x" * 5000)))
    (listed,) = store.runs(Plan(scope="run")).items
    assert listed.output["$xray"] == "truncated"
    assert store.run(RUN).output == "x" * 5000  # type: ignore[union-attr]


@pytest.mark.parametrize("limit", [1, 3, 10])
def test_cursors_cover_everything_once_even_where_times_are_equal(store: Store, limit: int) -> None:
    expected = [new_uuid7(NOW_US) for _ in range(10)]
    times = [NOW_US - number % 3 for number in range(10)]
    put(store, *(started(run_id, at) for run_id, at in zip(expected, times, strict=True)))
    plan = Plan(scope="run", limit=limit)
    seen: list[str] = []
    while True:
        page = store.runs(plan)
        assert page.total == 10
        assert page.total_is_exact
        seen += [run.run_id for run in page.items]
        if page.next_cursor is None:
            break
        after = decode_cursor(page.next_cursor, plan)
        plan = Plan(scope="run", limit=limit, after=after)
    newest_first = sorted(zip(times, expected, strict=True), reverse=True)
    assert seen == [run_id for _, run_id in newest_first]
    assert store.run_ids("", limit=3) == seen[:3]


def _walk(store: Store, plan: Plan) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []
    while True:
        page = store.decisions(plan)
        seen += [(row.step_id, row.candidate_id) for row in page.items]
        if page.next_cursor is None:
            return seen
        after = decode_cursor(page.next_cursor, plan)
        plan = Plan(scope="decision", where=plan.where, limit=plan.limit, after=after)


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_decisions_of_a_run_come_in_recorded_order_and_of_a_candidate_newest_first(
    store: Store, limit: int
) -> None:
    names = ["a", "b", "c"]
    for number, step_id in enumerate(STEP_IDS[:3]):
        rows = [rejected(name) for name in names]
        at_us = NOW_US + number
        put(store, finished_step(*rows, step_id=step_id, ordinal=3 - number, started_at_us=at_us))
    by_ordinal = [(step_id, name) for step_id in reversed(STEP_IDS[:3]) for name in names]
    assert _walk(store, ask("run_id", RUN, limit=limit)) == by_ordinal
    newest = [(step_id, "b") for step_id in reversed(STEP_IDS[:3])]
    assert _walk(store, ask("candidate_id", "b", limit=limit)) == newest
    assert store.decisions(ask("run_id", RUN, limit=limit)).total == 9


def test_decisions_can_be_narrowed_beside_what_they_are_found_by(store: Store) -> None:
    put(store, finished_step(rejected("a"), rejected("b", "colour"), DecisionRow(ACCEPTED, "c")))
    named = Comparison(FieldRef("decision", "step_id"), "=", STEP)
    colour = Comparison(FieldRef("decision", "reason"), "=", "colour")
    assert candidates(store, Plan(scope="decision", where=AllOf((named, colour)))) == ["b"]
    other = Plan(scope="decision", where=AllOf((named, Not(colour))))
    assert candidates(store, other) == ["a", "c"]


def test_a_step_named_beside_another_run_has_no_decisions(store: Store) -> None:
    put(store, finished_step(rejected("a")))
    step = Comparison(FieldRef("decision", "step_id"), "=", STEP)
    for run_id, found in ((RUN, ["a"]), (OTHER_RUN, [])):
        run = Comparison(FieldRef("decision", "run_id"), "=", run_id)
        assert candidates(store, Plan(scope="decision", where=AllOf((step, run)))) == found


def test_decisions_of_everything_come_newest_step_first(store: Store) -> None:
    old, new = (
        finished_step(rejected("a"), rejected("b")),
        finished_step(rejected("c"), rejected("d"), step_id=OTHER_STEP, started_at_us=NOW_US + 1),
    )
    put(store, old, new)
    plan = Plan(scope="decision", limit=3)
    page = store.decisions(plan)
    assert [one.candidate_id for one in page.items] == ["c", "d", "a"]
    assert page.next_cursor is not None
    assert page.complete
    after = decode_cursor(page.next_cursor, plan)
    rest = store.decisions(Plan(scope="decision", limit=3, after=after))
    assert [one.candidate_id for one in rest.items] == ["b"]
    assert rest.next_cursor is None
    assert page.scan is not None


def test_a_step_is_found_by_its_run_and_its_run_by_its_steps_fields(store: Store) -> None:
    put(store, started(environment="production"), finished_step(rejected("a")))
    put(store, finished_step(rejected("a"), step_id=OTHER_STEP, run_id=OTHER_RUN))
    found = store.steps(
        Plan(scope="step", where=Comparison(FieldRef("run", "environment"), "=", "production"))
    )
    assert [step.step_id for step in found.items] == [STEP]
    assert store.steps(ask("run_id", OTHER_RUN, "step")).items[0].step_id == OTHER_STEP


@pytest.mark.parametrize("bad", ["", "no-uuid", RUN.upper()])
def test_a_fact_that_cannot_be_found_again_is_refused_alone(store: Store, bad: str) -> None:
    receipt = put(store, started(), started(bad), finished_step(rejected("a")))
    assert (receipt.accepted, receipt.duplicate) == (2, 0)
    assert [refusal.code for refusal in receipt.rejected] == ["invalid_record"]
    assert store.run(RUN) is not None


def test_run_ids_are_found_by_prefix(store: Store) -> None:
    put(store, *(started(run_id, NOW_US + at) for at, run_id in enumerate(RUN_IDS)))
    assert store.run_ids(RUN[:8], limit=2) == [RUN_IDS[3], RUN_IDS[2]]
    assert store.run_ids(RUN) == [RUN]
    assert store.run_ids(RUN_IDS[3].upper()) == [RUN_IDS[3]]
    prefixes: Sequence[str] = ("zz", "0190a000x", "%", RUN + "0")
    assert [store.run_ids(prefix) for prefix in prefixes] == [[], [], [], []]


def test_free_form_fields_are_searched_by_path(store: Store) -> None:
    put(store, started(input=pack_value({"q": {"lang": "de"}})), started(OTHER_RUN))
    deep = Comparison(FieldRef("run", "input", ("q", "lang")), "=", "de")
    page = store.runs(Plan(scope="run", where=deep))
    assert [run.run_id for run in page.items] == [RUN]
    assert page.complete


def test_an_unusable_raw_value_does_not_spoil_its_neighbours(store: Store) -> None:
    put(store, started(metadata=Raw(b"\xc0")), started(OTHER_RUN, metadata=Raw(b"\x81\xa1a\x01")))
    assert [run.metadata for run in store.runs(Plan(scope="run")).items] == [{"a": 1}, {}]


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.run(RUN)
    with pytest.raises(StoreError, match="closed"):
        put(store, started())
    store.close()
