"""How two runs differ: the same from both sides, nothing for one run, and what really changed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace as with_fields
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.property.crowded_runs import REASONS, Plan, make_plan, record
from tests.unit.small_runs import evidence_of, row, select, step
from xray.forensics.diff import compare_runs
from xray.forensics.evidence import RunEvidence, load_evidence
from xray.model.differences import Change, MoveKind, Moves, RunDiff, StepDiff
from xray.model.facts import ACCEPTED, REJECTED, StepFinished
from xray.model.ids import new_uuid7
from xray.model.vocabulary import CaptureLevel
from xray.store.memory import MemoryStore

NAMES = ["p_1", "p_2", "p_3", "https://shop.example/p?id=1&x=2", 'a "quoted" id', "π"]


@st.composite
def runs(draw: st.DrawFn) -> RunEvidence:
    """A run of a few steps over a few candidates, with ids of every kind."""
    steps: list[StepFinished] = []
    for number in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["filter", "rank", "retrieve"]))
        names = draw(st.lists(st.sampled_from(NAMES), unique=True))
        rows = [
            row(
                draw(st.sampled_from([REJECTED, ACCEPTED])),
                name,
                reason=draw(st.sampled_from([None, "dear", "old"])),
                rank=draw(st.none() | st.integers(1, 5)),
                score=draw(st.none() | st.sampled_from([0.25, 0.5, 1.0])),
                by=draw(st.sampled_from([None, None, "q1"])),
            )
            for name in names
        ]
        params = draw(st.none() | st.dictionaries(st.sampled_from("ab"), st.integers(0, 2)))
        name = draw(st.sampled_from(["one", "two"])) + str(number % 2)
        steps.append(step(name, kind, rows, params=params))
    if draw(st.booleans()):
        steps.append(
            step(
                "pick",
                "select",
                select(*draw(st.lists(st.sampled_from(NAMES), max_size=2, unique=True))),
            )
        )
    return evidence_of(*steps)


@given(runs())
def test_a_run_does_not_differ_from_itself(run: RunEvidence) -> None:
    diff = compare_runs(run, run)
    assert diff.is_same, diff
    assert diff.answer.startswith("Nothing differs")
    assert all(one.is_same and not one.text for one in diff.steps)


@given(runs(), runs())
def test_a_comparison_is_the_mirror_of_the_opposite_one(a: RunEvidence, b: RunEvidence) -> None:
    there, back = compare_runs(a, b), compare_runs(b, a)
    assert without_words(there) == without_words(mirror(back))


MIRRORED: dict[MoveKind, MoveKind] = {
    "newly_rejected": "newly_kept",
    "newly_kept": "newly_rejected",
    "only_in_a": "only_in_b",
    "only_in_b": "only_in_a",
}


def mirror(diff: RunDiff) -> RunDiff:
    return replace(
        diff,
        a=diff.b,
        b=diff.a,
        changes=[mirror_change(one) for one in diff.changes],
        steps=[mirror_step(one) for one in diff.steps],
    )


def mirror_change(change: Change) -> Change:
    only_in: Any = {"a": "b", "b": "a", None: None}[change.only_in]
    return replace(change, a=change.b, b=change.a, only_in=only_in)


def mirror_step(diff: StepDiff) -> StepDiff:
    moves = [
        Moves(
            kind=MIRRORED.get(one.kind, one.kind),
            count=one.count,
            examples=[replace(move, a=move.b, b=move.a) for move in one.examples],
        )
        for one in diff.moves
    ]
    return replace(
        diff,
        a=diff.b,
        b=diff.a,
        changes=[mirror_change(one) for one in diff.changes],
        reasons=[replace(one, a=one.b, b=one.a) for one in diff.reasons],
        moves=moves,
    )


def without_words(diff: RunDiff) -> Any:
    plain = msgspec.to_builtins(replace(diff, answer="", because=""))
    for one in plain["steps"]:
        one["text"] = one["because"] = ""
        one["moves"].sort(key=lambda moves: moves["kind"])
        for name in ("rank_overlap", "kendall_tau"):
            one[name] = None if one[name] is None else round(one[name], 9)
    return plain


@pytest.mark.parametrize(("seed", "capture"), [(0, "sample"), (1, "sample"), (2, "full")])
def test_what_changed_in_a_large_run_is_counted_to_the_last_candidate(
    seed: int, capture: CaptureLevel
) -> None:
    before = with_fields(make_plan(seed, 2_000), fails_first=False)
    after = change_some(before, seed)
    diff = compare_runs(load(before, capture), load(after, capture))
    assert diff.certainty == "known", diff.because
    assert diff.first_divergence is not None
    rules = diff.steps[diff.first_divergence]
    assert rules.name == "rules"
    assert {one.kind: one.count for one in rules.moves} == truth(before, after)
    told = {one.reason: (one.a, one.b) for one in rules.reasons}
    dropped = [Counter(filter(None, plan.fates.values())) for plan in (before, after)]
    assert told == {
        reason: (dropped[0][reason], dropped[1][reason])
        for reason in REASONS
        if dropped[0][reason] != dropped[1][reason]
    }
    kept = [{name for name, reason in one.fates.items() if not reason} for one in (before, after)]
    assert rules.jaccard == pytest.approx(len(kept[0] & kept[1]) / len(kept[0] | kept[1]))
    assert compare_runs(load(before, capture), load(before, capture)).is_same


def change_some(plan: Plan, seed: int) -> Plan:
    random = Random(seed)
    fates = dict(plan.fates)
    for name in random.sample(list(fates), 300):
        fates[name] = random.choice([None, *REASONS])
    for name in random.sample(list(fates), 20):
        del fates[name]
    offered = [name for name in plan.offered if name in fates]
    return with_fields(plan, fates=fates, offered=offered)


def truth(before: Plan, after: Plan) -> dict[str, int]:
    moves = Counter[str]()
    for name, reason in before.fates.items():
        if name not in after.fates:
            moves["only_in_a"] += 1
        elif reason != after.fates[name]:
            other = after.fates[name]
            kind = (
                "newly_rejected"
                if reason is None
                else "newly_kept"
                if other is None
                else "reason_changed"
            )
            moves[kind] += 1
    moves["only_in_b"] = len(after.fates.keys() - before.fates.keys())
    return {kind: count for kind, count in moves.items() if count}


def load(plan: Plan, capture: CaptureLevel) -> RunEvidence:
    run_id, facts = record(plan, capture)
    store = MemoryStore()
    store.submit(new_uuid7(), facts).result()
    return load_evidence(store, run_id)
