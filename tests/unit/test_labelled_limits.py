"""What another limit does to labelled candidates: precision and recall before and after."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray import XRay
from xray.cli.terminal import Terminal
from xray.cli.what_if import draw_what_if
from xray.cli.what_if_runs import draw_runs
from xray.forensics.evidence import load_evidence
from xray.forensics.what_if import try_limits
from xray.model.clock import from_wall_us
from xray.model.ids import new_uuid7
from xray.model.labels import Labelled
from xray.model.quality import LimitQuality
from xray.model.vocabulary import LabelWord
from xray.model.what_if import WhatIf
from xray.query.what_if_parts import add_parts
from xray.reading import try_limits as ask_run
from xray.reading import try_limits_on_runs as ask_runs
from xray.store.memory import MemoryStore
from xray.store.scanning import ScanBudget
from xray.testing import MemorySink

NOW_US = 1_760_000_000_000_000
PRICES = {f"p{number}": 10 * number for number in range(10)}


def record(
    sink: MemorySink,
    prices: dict[str, int],
    limit: int = 50,
    capture: str = "full",
    *,
    is_lazy: bool = False,
) -> str:
    """A filter that keeps what costs at most *limit*; a lazy one records failed checks only."""
    x = XRay("shop", sink=sink, capture=capture)
    with x.run() as run, run.step("price", step_type="filter") as step:
        for name, price in prices.items():
            is_met = price <= limit
            if not (is_lazy and is_met):
                step.check(name, "too_dear", field="price", observed=price, op="<=", limit=limit)
            if is_met:
                step.accept(name)
            else:
                step.reject(name)
    return run.run_id


def store_of(sink: MemorySink, budget: ScanBudget | None = None) -> MemoryStore:
    store = MemoryStore(budget=budget)
    store.submit("01890000-0000-7000-8000-000000000000", sink.facts).result()
    return store


def label(store: MemoryStore, run_id: str, words: dict[str, LabelWord]) -> None:
    facts = [
        Labelled(
            label_id=new_uuid7(NOW_US),
            run_id=run_id,
            labelled_at_us=NOW_US,
            candidate_id=name,
            label=word,
        )
        for name, word in words.items()
    ]
    store.submit("labels", facts).result()


def sides(answer: WhatIf) -> tuple[LimitQuality, LimitQuality]:
    was, would_be = answer.steps[0].quality
    assert (was.side, would_be.side) == ("was", "would_be")
    return was, would_be


def test_precision_and_recall_are_told_before_and_after(xray_sink: MemorySink) -> None:
    run_id = record(xray_sink, PRICES)
    store = store_of(xray_sink)
    label(store, run_id, {"p1": "good", "p2": "bad", "p6": "good", "p7": "good", "p9": "bad"})
    answer = ask_run(store, run_id, [("limit", "too_dear=70")])
    was, would_be = sides(answer)
    assert (was.precision, was.recall) == (0.5, pytest.approx(1 / 3))
    assert (would_be.precision, would_be.recall) == (0.75, 1.0)
    assert (would_be.good_kept, would_be.bad_kept, would_be.bad_dropped) == (3, 1, 1)
    assert "precision 0.75, recall 1.00 instead of precision 0.50, recall 0.33" in answer.answer
    same = ask_run(store, run_id, [("limit", "too_dear=55")])
    assert "Nothing would change for the labelled candidates." in same.answer


def test_the_command_tells_both_sides(xray_sink: MemorySink) -> None:
    run_id = record(xray_sink, PRICES)
    store = store_of(xray_sink)
    label(store, run_id, {"p1": "good", "p2": "bad", "p6": "good"})
    plain = Terminal(width=120)
    lines = draw_what_if(ask_run(store, run_id, [("limit", "too_dear=70")]), plain)
    told = [
        f"  labelled, {said} good and 0 bad)"
        for said in (
            "as it was: precision 0.50, recall 0.50 (kept 1 good and 1 bad, dropped 1",
            "would be: precision 0.67, recall 1.00 (kept 2 good and 1 bad, dropped 0",
        )
    ]
    assert [line for line in lines if line.startswith("  labelled")] == told
    answer = ask_runs(store, [("limit", "too_dear=70")], NOW_US)
    drawn = draw_runs(answer, plain, from_wall_us(NOW_US))
    assert [line for line in drawn if line.startswith("  labelled")] == told


def test_without_labels_nothing_is_said_of_them(xray_sink: MemorySink) -> None:
    run_id = record(xray_sink, PRICES)
    answer = ask_run(store_of(xray_sink), run_id, [("limit", "too_dear=70")])
    assert answer.steps[0].quality == []
    assert "labelled" not in answer.answer


def test_what_was_not_checked_is_unknown_with_another_limit(xray_sink: MemorySink) -> None:
    run_id = record(xray_sink, PRICES, is_lazy=True)
    store = store_of(xray_sink)
    label(store, run_id, {"p1": "good", "p9": "bad"})
    was, would_be = sides(ask_run(store, run_id, [("limit", "too_dear=20")]))
    assert (was.good_kept, was.bad_dropped, was.unknown) == (1, 1, 0)
    assert (would_be.good_kept, would_be.bad_dropped, would_be.unknown) == (0, 1, 1)


def test_of_sampled_out_candidates_nothing_is_claimed(xray_sink: MemorySink) -> None:
    prices = {f"p{number}": number for number in range(3_000)}
    run_id = record(xray_sink, prices, limit=1_500, capture="sample")
    store = store_of(xray_sink)
    known = load_evidence(store, run_id).known_ids
    gone = [name for name in prices if name not in known and prices[name] > 2_000]
    label(store, run_id, {"p1": "good", gone[0]: "good"})
    was, would_be = sides(ask_run(store, run_id, [("limit", "too_dear=2000")]))
    assert (was.good_kept, was.unknown) == (1, 1)
    assert (would_be.good_kept, would_be.unknown) == (1, 1)


words = st.dictionaries(st.sampled_from(sorted(PRICES)), st.sampled_from(["good", "bad"]))


@given(seed=st.integers(0, 999), was=st.integers(0, 99), now=st.integers(0, 99), labels=words)
def test_it_is_what_a_rerun_with_that_limit_decides(
    seed: int, was: int, now: int, labels: dict[str, LabelWord]
) -> None:
    chance = random.Random(seed)
    prices = {name: chance.randrange(100) for name in PRICES}
    first, second = MemorySink(), MemorySink()
    run_id, rerun_id = record(first, prices, was), record(second, prices, now)
    tried = try_limits(load_evidence(store_of(first), run_id), {"price": now}, labels)
    rerun = try_limits(load_evidence(store_of(second), rerun_id), {"price": now}, labels)
    if not labels:
        assert tried.steps[0].quality == rerun.steps[0].quality == []
        return
    expected, _ = sides(rerun)
    _, would_be = sides(tried)
    if any(price <= was for price in prices.values()):
        assert would_be.unknown == 0
        assert (would_be.precision, would_be.recall) == (expected.precision, expected.recall)


def test_over_runs_they_are_added_up_also_from_parts(xray_sink: MemorySink) -> None:
    runs = [record(xray_sink, PRICES, limit) for limit in (30, 50, 70)]
    store = store_of(xray_sink)
    for run_id in runs[:2]:
        label(store, run_id, {"p1": "good", "p4": "good", "p6": "bad"})
    asked = [("limit", "too_dear=60")]
    (step,) = ask_runs(store, asked, NOW_US).steps
    was, would_be = step.quality
    assert (was.good_kept, was.good_dropped, was.bad_kept, was.bad_dropped) == (3, 1, 0, 2)
    assert (would_be.good_kept, would_be.good_dropped, would_be.bad_kept) == (4, 0, 2)
    assert "precision 0.67, recall 1.00 instead of precision 1.00, recall 0.75" in step.text
    small = store_of(xray_sink, ScanBudget(opened_rows=1))
    for run_id in runs[:2]:
        label(small, run_id, {"p1": "good", "p4": "good", "p6": "bad"})
    parts = [ask_runs(small, asked, NOW_US)]
    while parts[-1].next_cursor is not None:
        parts.append(ask_runs(small, [*asked, ("cursor", parts[-1].next_cursor)], NOW_US))
    assert len(parts) > 1
    assert add_parts(parts).steps[0].quality == step.quality
