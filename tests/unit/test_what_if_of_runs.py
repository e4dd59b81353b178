"""What many runs would have decided with other limits: words, sums, weights, parts, parameters."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.small_runs import START_US, accept, an_id, row, step
from xray import reading
from xray.errors import InvalidQueryError, XRayError
from xray.model.facts import (
    ACCEPTED,
    REJECTED,
    SELECTED,
    Check,
    DecisionRow,
    RunFinished,
    RunStarted,
    StepFinished,
    Tally,
)
from xray.model.what_if_runs import WhatIfOfRuns
from xray.query.what_if_parts import add_parts
from xray.store.memory import MemoryStore
from xray.store.scanning import ScanBudget

NOW_US = START_US + 3_600_000_000


def decided(name: str, price: float, limit: float = 100, op: str = "<=") -> DecisionRow:
    passed = price <= limit
    check = Check("price_too_high", "price", op, price, limit, passed=passed)
    reason = None if passed else "price_too_high"
    return row(ACCEPTED if passed else REJECTED, name, reason=reason, checks=[check])


def filtered(*prices: float, **fields: Any) -> StepFinished:
    rows = [decided(f"p_{place}", price) for place, price in enumerate(prices)]
    return step("filter_price", "filter", rows, **fields)


def picked(name: str) -> StepFinished:
    return step("pick", "select", [row(SELECTED, name)])


def add_run(
    store: MemoryStore, *steps: StepFinished, weight: float = 1.0, pipeline: str = "shop"
) -> str:
    run_id = an_id()
    at_us = START_US + len(store.run_ids("", 1000)) * 1_000_000
    started = RunStarted(run_id=run_id, pipeline=pipeline, started_at_us=at_us, weight=weight)
    placed = [
        replace(one, run_id=run_id, pipeline=pipeline, ordinal=place, started_at_us=at_us + place)
        for place, one in enumerate(steps)
    ]
    ended = RunFinished(run_id=run_id, status="completed", duration_ms=1.0)
    receipt = store.submit(an_id(), [started, *placed, ended]).result()
    assert not receipt.rejected
    return run_id


def ask(store: MemoryStore, *limits: str, **others: str) -> WhatIfOfRuns:
    asked = [("limit", limit) for limit in limits]
    return reading.try_limits_on_runs(store, [*asked, *others.items()], NOW_US)


def test_the_sentence_says_how_many_candidates_in_how_many_runs() -> None:
    store = MemoryStore()
    add_run(store, filtered(60, 110, 130), picked("p_0"))
    add_run(store, filtered(60, 90))
    add_run(store, filtered(60, 118))
    answer = ask(store, "price_too_high=120")
    assert answer.answer == (
        "With price <= 120 instead of 100, 3 runs would have kept 2 candidates besides in 2 of "
        "them. What later steps would make of the candidates kept besides, only a rerun can tell."
    )
    assert (answer.certainty, answer.exact, answer.complete) == ("known", 3, True)
    assert (answer.kept, answer.newly_kept.least, answer.newly_kept.runs.most) == (4, 2, 2)
    (group,) = answer.steps
    assert group.text == (
        "With price <= 120 instead of 100 filter_price would have kept 6 instead of 4 candidates, "
        "in 3 runs."
    )
    assert [(point.limit, point.least, point.most) for point in group.curve] == [
        (60, 3, 3), (90, 4, 4), (100, 4, 4), (110, 5, 5), (118, 6, 6), (120, 6, 6), (130, 7, 7),
    ]  # fmt: skip


def test_the_runs_whose_answer_is_touched_are_counted_and_shown_first() -> None:
    store = MemoryStore()
    add_run(store, filtered(40, 90), picked("p_0"))
    touched = add_run(store, filtered(90, 40), picked("p_0"))
    answer = ask(store, "price=50")
    assert (answer.touched.least, answer.touched.most) == (1, 1)
    assert "In 1 run a candidate that was selected would have been dropped." in answer.answer
    assert [(one.run_id, one.lost_answers) for one in answer.examples[:1]] == [(touched, ["p_0"])]
    assert [flip.candidate_id for flip in answer.examples[0].flips] == ["p_0"]


def test_what_decides_the_same_is_said_so() -> None:
    store = MemoryStore()
    add_run(store, filtered(60, 110))
    assert ask(store, "price=105").answer == (
        "With price <= 105 instead of 100, 1 run would have decided the same."
    )


def test_runs_that_cannot_be_judged_are_counted_by_why() -> None:
    store = MemoryStore()
    add_run(store, filtered(60, 110))
    add_run(store, step("search", "retrieve", accept("p_1")))
    add_run(
        store,
        step("filter_price", "filter", capture="minimal", tally=Tally(accepted=3, rejected=4)),
    )
    add_run(
        store,
        step("filter_price", "filter", [row(REJECTED, "p_1", reason="price_too_high")]),
    )
    foreign = Check("price_too_high", "price", "<=", "a", "b", passed=True)
    add_run(store, step("filter_price", "filter", [row(ACCEPTED, "p_1", checks=[foreign])]))
    answer = ask(store, "price_too_high=120")
    assert (answer.runs, answer.judged) == (5, 1)
    assert {one.why: one.runs for one in answer.unjudged} == {
        "no_such_check": 1, "not_kept": 1, "no_evidence": 1, "not_comparable": 1,
    }  # fmt: skip
    assert (
        "4 runs could not be judged: 1 recorded no such check, 1 kept counts only, 1 did not "
        "record what the check observed and 1 recorded a check that cannot be compared with this "
        "limit."
    ) in answer.answer


def test_where_no_run_has_such_a_check_those_there_are_are_named() -> None:
    store = MemoryStore()
    add_run(store, filtered(60))
    add_run(store, filtered(60))
    answer = ask(store, "prise=3")
    assert answer.answer == (
        "None of 2 runs could be judged by prise: 2 recorded no such check. Did you mean 'price'?"
    )
    assert answer.checks == ["price", "price_too_high"]
    assert ask(store, "price=3", pipeline="none").answer == "There is no such run."


def test_a_field_that_several_checks_of_a_run_read_must_be_told_apart() -> None:
    store = MemoryStore()
    both = [
        Check("price_too_low", "price", ">=", 60, 10, passed=True),
        Check("price_too_high", "price", "<=", 60, 100, passed=True),
    ]
    add_run(store, step("filter", "filter", [row(ACCEPTED, "p_1", checks=both)]))
    with pytest.raises(InvalidQueryError) as caught:
        ask(store, "price=3")
    assert caught.value.code == "ambiguous_check"


def test_the_last_attempt_of_a_step_is_the_one_that_counts() -> None:
    store = MemoryStore()
    add_run(store, filtered(110, status="failed"), filtered(110, 110.5))
    assert ask(store, "price=120").newly_kept.most == 2


def test_sampled_runs_say_what_is_exact_of_those_kept_and_estimated_of_all() -> None:
    store = MemoryStore()
    add_run(store, filtered(60, 110), weight=100.0)
    add_run(store, filtered(60, 110, 115), weight=1.0)
    answer = ask(store, "price=120")
    assert (answer.runs, answer.estimated_runs, answer.is_estimated) == (2, 101, True)
    kept = answer.newly_kept
    assert (kept.least, kept.most, kept.estimated_least, kept.estimated_most) == (3, 3, 102, 102)
    assert (kept.runs.least, kept.runs.estimated_least) == (2, 101)
    assert (
        "These are the runs that were kept; by their weights there were about 101 runs, and about "
        "102 candidates kept besides."
    ) in answer.answer
    whole = MemoryStore()
    add_run(whole, filtered(60, 110))
    assert "weights" not in ask(whole, "price=120").answer


def test_limits_that_differ_between_runs_are_all_shown() -> None:
    store = MemoryStore()
    for limit in (100, 105, 110, 115, 120, 125):
        add_run(store, step("filter_price", "filter", [decided("p_1", 60, limit)]))
    (group,) = ask(store, "price=50").steps
    (change,) = group.changes
    assert (len(change.was), change.is_was_whole) == (4, False)
    assert group.text.startswith("With price <= 50 filter_price would have kept 0 instead of 6")


def test_parts_of_a_bounded_search_add_up_to_the_answer_without_bounds() -> None:
    whole, bounded = MemoryStore(), MemoryStore(budget=ScanBudget(opened_rows=2))
    for prices in ((60, 110), (90, 130), (60, 119, 200), (101,), ()):
        steps = [filtered(*prices)]
        add_run(whole, *steps)
        add_run(bounded, *steps)
    expected = ask(whole, "price=120")
    parts = [ask(bounded, "price=120")]
    while parts[-1].next_cursor is not None:
        assert not parts[-1].complete
        assert parts[-1].scan is not None
        parts.append(ask(bounded, "price=120", cursor=parts[-1].next_cursor))
    assert len(parts) > 2
    added = parts[0]
    for part in parts[1:]:
        added = add_parts([added, part])
    shown = [[replace(one, run_id="") for one in all_.examples] for all_ in (added, expected)]
    assert shown[0] == shown[1]
    bare: dict[str, Any] = {"scan": None, "state": "", "examples": []}
    assert replace(added, **bare) == replace(expected, **bare)
    assert parts[0].next_cursor is not None
    with pytest.raises(InvalidQueryError, match="another question"):
        ask(bounded, "price=130", cursor=parts[0].next_cursor)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ([], "missing_parameter"),
        ([("limit", "price")], "invalid_limit"),
        ([("limit", "=3")], "invalid_limit"),
        ([("limit", "price=")], "invalid_limit"),
        ([("limit", "price=null")], "invalid_limit"),
        ([("limit", "price=1"), ("limit", "price=2")], "invalid_limit"),
        ([("limit", f"p{number}=1") for number in range(17)], "invalid_limit"),
        ([("limit", "price=1"), ("q", "pipeline is")], "invalid_query"),
        ([("limit", "price=1"), ("colour", "red")], "invalid_query"),
        ([("limit", "price=1"), ("cursor", "x")], "wrong_cursor"),
    ],
)
def test_what_cannot_be_asked_is_refused(asked: list[tuple[str, str]], code: str) -> None:
    with pytest.raises(XRayError) as caught:
        reading.try_limits_on_runs(MemoryStore(), asked, NOW_US)
    assert caught.value.code == code


@pytest.mark.parametrize("spelled", ["price=120", "price<=120", "price <= 120", " price = 120 "])
def test_a_limit_may_be_written_with_its_comparison(spelled: str) -> None:
    store = MemoryStore()
    add_run(store, filtered(60, 110))
    assert ask(store, spelled).newly_kept.least == 1
