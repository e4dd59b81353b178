"""Every store outlines a step's decisions as their rows have them."""

from __future__ import annotations

from pathlib import Path

from xray import XRay
from xray.forensics.evidence import load_evidence
from xray.model.decisions import Outline, outline_decisions
from xray.model.ids import new_uuid7
from xray.model.records import Decision
from xray.store.memory import MemoryStore
from xray.store.sqlite.engine import SqliteStore
from xray.testing import MemorySink


def gist(one: Outline | Decision, verdict: str | None) -> object:
    checks = [(check.name, check.observed, check.limit, check.passed) for check in one.checks]
    return (
        one.candidate_id, verdict, one.reason, one.score, one.rank, one.by, checks,
        one.weight, one.is_logged,
    )  # fmt: skip


def test_an_outline_says_what_the_whole_decision_says(tmp_path: Path) -> None:
    sink = MemorySink()
    with XRay("shop", sink=sink).run() as run, run.step("f", step_type="filter") as step:
        for number in range(2_000):
            name = f"p{number}"
            if step.check(name, "price", observed=number, op="<=", limit=500):
                step.accept(name, score={"total": number / 7}, rank=number + 1, origin="stand")
            else:
                step.reject(name, by="q")
        step.reject("p1", "second thoughts")
        step.log_sampled_candidates(accepted=["logged"])
    sqlite = SqliteStore(tmp_path / "runs.db")
    try:
        for store in (MemoryStore(), sqlite):
            store.submit(new_uuid7(), sink.facts).result(60)
            evidence = load_evidence(store, run.run_id)
            table = store.decisions_of_step(evidence.steps[0].step_id)
            outlines = [gist(one, one.verdict) for one in outline_decisions(table)]
            assert outlines == [gist(row, row.decision) for row in table]
            assert [list(ids) for ids in table.origins] == [
                [origin.candidate_id for origin in row.origin] for row in table
            ]
            shown = evidence.ledger(evidence.steps[0]).outlines
            assert len(shown) == len(table) - 1
            assert not any(one.is_logged for one in shown)
    finally:
        sqlite.close()
