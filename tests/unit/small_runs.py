"""Small runs for tests: a few steps and decisions, stored and read back as a server would."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from xray.forensics.evidence import RunEvidence, load_evidence
from xray.model.facts import (
    ACCEPTED,
    EVIDENCE,
    REJECTED,
    SELECTED,
    Check,
    DecisionRow,
    ErrorInfo,
    OriginRef,
    RunFinished,
    RunStarted,
    StepFinished,
)
from xray.model.ids import new_uuid7
from xray.model.records import Step
from xray.model.values import pack_value
from xray.model.vocabulary import RunStatus, StepType
from xray.store.memory import MemoryStore
from xray.testing.clock import FakeClock

START_US = 1_760_000_000_000_000
_random = random.Random(7)
_serial = itertools.count(1)


def an_id() -> str:
    """A new id; the same ones in every test run."""
    return new_uuid7(START_US + next(_serial) * 1000)


def row(verdict: int, candidate_id: str, **fields: Any) -> DecisionRow:
    """One decision; `origin` may be an id, `attributes` a plain map."""
    origin = fields.pop("origin", None)
    if origin is not None:
        named = [origin] if isinstance(origin, (str, tuple)) else origin
        fields["origin"] = [
            OriginRef(one) if isinstance(one, str) else OriginRef(one[1], one[0]) for one in named
        ]
    if "attributes" in fields:
        fields["attributes"] = pack_value(fields["attributes"])
    return DecisionRow(verdict, candidate_id, **fields)


def accept(*candidate_ids: str, **fields: Any) -> list[DecisionRow]:
    """Accepted, each with the same *fields*."""
    return [row(ACCEPTED, one, **fields) for one in candidate_ids]


def reject(*candidate_ids: str, **fields: Any) -> list[DecisionRow]:
    """Rejected, each with the same *fields*."""
    return [row(REJECTED, one, **fields) for one in candidate_ids]


def select(*candidate_ids: str, **fields: Any) -> list[DecisionRow]:
    """Selected, each with the same *fields*."""
    return [row(SELECTED, one, **fields) for one in candidate_ids]


def check(candidate_id: str, name: str, observed: Any, op: str, limit: Any) -> list[DecisionRow]:
    """A failed check that decides nothing by itself."""
    evidence = Check(name, "", op, observed, limit, passed=False)
    return [row(EVIDENCE, candidate_id, checks=[evidence])]


def step(
    name: str, step_type: StepType, *rows: Iterable[DecisionRow], **fields: Any
) -> StepFinished:
    """One step; its run, ordinal and start are set when the run is put together."""
    for free_form in ("stats", "output", "input", "params"):
        if free_form in fields:
            fields[free_form] = pack_value(fields[free_form])
    if isinstance(fields.get("error"), str):
        fields["error"] = ErrorInfo(type="TimeoutError", message=fields["error"])
    defaults: dict[str, Any] = {
        "run_id": "",
        "step_id": an_id(),
        "pipeline": "search",
        "ordinal": -1,
        "started_at_us": -1,
        "duration_ms": 10.0,
        "rows": [one for group in rows for one in group],
    }
    return StepFinished(name=name, step_type=step_type, **{**defaults, **fields})


def evidence_of(
    *steps: StepFinished, status: RunStatus = "completed", error: ErrorInfo | None = None
) -> RunEvidence:
    """The run of *steps*, one after the other, stored and loaded again.

    `takes` and `parent_step_id` may name steps of the same run by name.
    """
    run_id = an_id()
    ids = {one.name: one.step_id for one in steps}
    placed = []
    for ordinal, one in enumerate(steps):
        parent = one.parent_step_id
        placed.append(
            replace(
                one,
                run_id=run_id,
                ordinal=ordinal if one.ordinal < 0 else one.ordinal,
                started_at_us=(
                    START_US + ordinal * 100_000 if one.started_at_us < 0 else one.started_at_us
                ),
                takes=None if one.takes is None else [ids.get(name, name) for name in one.takes],
                parent_step_id=None if parent is None else ids.get(parent, parent),
                rows=[_name_origin_steps(decided, ids) for decided in one.rows],
            )
        )
    store = MemoryStore(FakeClock(START_US + 1_000_000))
    facts: list[Any] = [
        RunStarted(run_id=run_id, pipeline="search", started_at_us=START_US),
        *placed,
    ]
    if status != "running":
        facts.append(RunFinished(run_id=run_id, status=status, duration_ms=500.0, error=error))
    receipt = store.submit("batch", facts).result()
    assert not receipt.rejected, receipt.rejected
    return load_evidence(store, run_id)


def _name_origin_steps(decided: DecisionRow, ids: dict[str, str]) -> DecisionRow:
    if not decided.origin:
        return decided
    origin = [
        one if one.step_id is None else replace(one, step_id=ids.get(one.step_id, one.step_id))
        for one in decided.origin
    ]
    return replace(decided, origin=origin)


def step_named(evidence: RunEvidence, name: str) -> Step:
    """The last step of the run with that name."""
    return [one for one in evidence.steps if one.name == name][-1]


def several(prefix: str, count: int, first: int = 1) -> list[str]:
    """`prefix_1`, `prefix_2`, …"""
    return [f"{prefix}_{number}" for number in range(first, first + count)]
