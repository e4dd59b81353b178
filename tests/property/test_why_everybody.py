"""`why` says of every candidate, with detail or without, what a full capture of the run says."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.property.crowded_runs import Plan, make_plan, record
from xray.forensics.evidence import RunEvidence, load_evidence
from xray.forensics.findings.finders import find
from xray.forensics.why import explain
from xray.model.answers import Why
from xray.model.facts import Fact
from xray.model.ids import new_uuid7
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.store.sqlite.engine import SqliteStore

CANDIDATES = 5_000
_MISTAKEN = 1e-5
"""How often, at most, a roster takes a candidate for another."""


@dataclass
class Tally:
    """How many questions were compared, and how they came out."""

    runs: int = 0
    questions: int = 0
    mistaken: int = 0
    sampled_out: int = 0
    seconds: float = 0.0


def test_why_agrees_with_a_full_capture_about_the_unusual_and_many_others(
    tmp_path: Path,
) -> None:
    tally = Tally()
    for seed in range(3):
        plan = make_plan(seed, CANDIDATES)
        unusual = plan.unusual
        others = Random(seed).sample([one for one in plan.candidates if one not in unusual], 500)
        compare_run(seed, plan, [*unusual, *others], tmp_path, tally, in_memory=300)
    assert tally.mistaken <= 2


@pytest.mark.prove
def test_why_agrees_with_a_full_capture_about_everybody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = Tally()
    for seed in range(50):
        plan = make_plan(seed, CANDIDATES)
        compare_run(seed, plan, plan.candidates, tmp_path, tally)
    with capsys.disabled():
        print(
            f"\n{tally.runs} runs, {tally.questions:,} answers at `sample` compared with those at "
            f"`full`, {tally.sampled_out:,} of them about candidates without detail; "
            f"{tally.mistaken} differ, each where a roster takes one candidate for another; "
            f"{1000 * tally.seconds / tally.questions:.2f} ms an answer"
        )
    # A candidate is looked up in up to five rosters, with every spelling of its id the same.
    assert tally.mistaken <= 5 + 10 * _MISTAKEN * tally.questions


def compare_run(
    seed: int,
    plan: Plan,
    asked: Sequence[str],
    folder: Path,
    tally: Tally,
    in_memory: int | None = None,
) -> None:
    """Ask of one run, recorded at both levels into both stores, about candidates.

    Args:
        seed: names the database.
        plan: makes the run.
        asked: the candidates the database is asked about, whose rosters are compact.
        folder: where to put it.
        tally: what to count in.
        in_memory: of how many of them the store in memory, which names everybody, is asked too;
            of all when absent.
    """
    sampled, full = record(plan, "sample"), record(plan, "full")
    truth = load(MemoryStore(), full)
    truths = {candidate: explain(truth, candidate) for candidate in asked}
    file = SqliteStore(folder / f"{seed}.db")
    try:
        in_file = load(file, full)
        for candidate in asked[:200]:
            assert gist(explain(in_file, candidate)) == gist(truths[candidate])
        for store, candidates in ((MemoryStore(), asked[:in_memory]), (file, asked)):
            evidence = load(store, sampled)
            compare_findings(evidence, truth)
            began = time.perf_counter()
            answers = {candidate: explain(evidence, candidate) for candidate in candidates}
            tally.seconds += time.perf_counter() - began
            for candidate, why in answers.items():
                compare(why, truths[candidate], evidence, truth, tally)
    finally:
        file.close()
    tally.runs += 1


def load(store: Store, recorded: tuple[str, Sequence[Fact]]) -> RunEvidence:
    run_id, facts = recorded
    receipt = store.submit(new_uuid7(), facts).result(60)
    assert not receipt.rejected, receipt.rejected[:3]
    return load_evidence(store, run_id)


def compare(why: Why, truth: Why, evidence: RunEvidence, full: RunEvidence, tally: Tally) -> None:
    candidate = why.candidate_id
    tally.questions += 1
    tally.sampled_out += not any(evidence.ledger(s).has_row(candidate) for s in evidence.steps)
    if gist(why) == gist(truth):
        return
    assert is_mistaken(candidate, evidence, full), (
        f"\n{why.answer}\n{truth.answer}\n{gist(why)}\n{gist(truth)}"
    )
    tally.mistaken += 1


def gist(why: Why) -> object:
    """What must not depend on the capture level."""
    return (
        why.outcome,
        why.certainty,
        why.decided_at,
        [
            (stop.name, stop.attempt, stop.kind, stop.certainty, stop.reason, stop.rank)
            + ((stop.cut.rank, stop.cut.last_kept_rank) if stop.cut else ())
            for stop in why.journey
        ],
        [
            (link.origin.candidate_id, link.step_name, link.brought, link.selected, link.depth)
            for link in why.provenance
        ],
        [(finding.code, finding.step_name, finding.certainty) for finding in why.findings],
    )


def is_mistaken(candidate: str, evidence: RunEvidence, full: RunEvidence) -> bool:
    """Whether some roster takes the candidate for another, so that a difference is explained."""
    for sampled, complete in zip(evidence.steps, full.steps, strict=True):
        roster = evidence.ledger(sampled).roster
        if roster is None or not roster.mistaken:
            continue
        rows = [(row.decision, row.reason) for row in full.ledger(complete).find(candidate)]
        named = {(row.decision, row.reason) for row in roster.find(candidate)}
        if named - set(rows):
            return True
    return False


def compare_findings(evidence: RunEvidence, full: RunEvidence) -> None:
    """What the conservation check finds, and how many candidates, is the same at both levels."""
    assert [(one.code, one.step_name, one.count) for one in find(evidence)] == [
        (one.code, one.step_name, one.count) for one in find(full)
    ]
