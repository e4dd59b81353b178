"""Small runs, steps and answers for tests of the command line."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from xray.model.answers import Cut, Finding, Provenance, Stop, Why
from xray.model.facts import ErrorInfo
from xray.model.records import (
    Check,
    Counts,
    Origin,
    Rejection,
    Run,
    RunDetail,
    Step,
    StepDecision,
)
from xray.model.values import MARK

RUN_ID = "0193f0c2-7a51-7abc-8def-0123456789ab"
SIBLING_ID = "0193f0c2-7a51-7abd-8def-0123456789ab"
OLDER_ID = "0193e0c2-1111-7abc-8def-0123456789ab"


def ago(**age: float) -> datetime:
    """The moment that lies this long back."""
    return datetime.now(timezone.utc) - timedelta(**age)


def step_id(number: int) -> str:
    return f"0193f0c2-7a51-7000-8000-{number:012d}"


def make_run(run_id: str = RUN_ID, **fields: Any) -> Run:
    given: dict[str, Any] = {
        "pipeline": "CompetitorDiscovery",
        "status": "completed",
        "started_at": ago(minutes=3, seconds=20),
        "duration_ms": 1234.5,
        **fields,
    }
    return Run(run_id=run_id, **given)


def make_step(number: int, name: str, step_type: str, **fields: Any) -> Step:
    given: dict[str, Any] = {
        "pipeline": "CompetitorDiscovery",
        "status": "completed",
        "started_at": ago(minutes=3),
        "duration_ms": 12.0,
        **fields,
    }
    return Step(
        step_id=step_id(number),
        run_id=RUN_ID,
        name=name,
        step_type=step_type,  # type: ignore[arg-type]
        ordinal=number,
        **given,
    )


def make_funnel() -> list[Step]:
    """Keywords, a search, a filter, a choice."""
    return [
        make_step(0, "GenerateKeywords", "generate", output_count=6),
        make_step(1, "SearchCatalogue", "retrieve", output_count=1204, duration_ms=40.2),
        make_step(
            2,
            "FilterByPrice",
            "filter",
            input_count=1204,
            output_count=112,
            rejection_rate=1092 / 1204,
            rate_basis="counted",
            counts=Counts(rejected=1092, accepted=112),
            rejections={
                "rating_too_low": Rejection(count=291),
                "price_too_high": Rejection(count=800),
                "missing:price": Rejection(count=1),
            },
            duration_ms=3.3,
        ),
        make_step(
            3,
            "RankAndSelect",
            "select",
            input_count=112,
            output_count=1,
            rejection_rate=111 / 112,
            rate_basis="declared",
            decision=StepDecision(selected="p-17", score=0.91),
            duration_ms=2205,
        ),
    ]


def make_detail(**fields: Any) -> RunDetail:
    given: dict[str, Any] = {
        "pipeline": "CompetitorDiscovery",
        "status": "completed",
        "started_at": ago(minutes=3, seconds=20),
        "duration_ms": 2260.0,
        "input": {"product": "laptop stand"},
        "output": {"id": "p-17", "note": {MARK: "redacted"}},
        "tags": ["nightly", "eu"],
        "environment": "production",
        "steps": make_funnel(),
        **fields,
    }
    return RunDetail(run_id=RUN_ID, **given)


def make_findings() -> list[Finding]:
    return [
        Finding(
            code="vanished",
            text="12 candidates that FilterByPrice kept were never decided by RankAndSelect.",
            certainty="known",
            step_id=step_id(3),
            step_name="RankAndSelect",
            count=12,
            examples=["p-3", "p-9"],
            surprise=1.0,
        ),
        Finding(
            code="flow_unknown",
            text="What SearchCatalogue took in cannot be told.",
            certainty="unknown",
            because="it shares no id with GenerateKeywords",
        ),
    ]


def make_why() -> Why:
    return Why(
        run_id=RUN_ID,
        pipeline="CompetitorDiscovery",
        candidate_id="p-150",
        outcome="rejected",
        answer="p-150 was rejected by FilterByPrice: its price 150 is over the limit of 100 by 50.",
        certainty="known",
        decided_at="FilterByPrice",
        decided_at_step_id=step_id(2),
        journey=[
            make_stop(
                1, "SearchCatalogue", "retrieve", "accepted", "Retrieved.", rank=4, score=0.5
            ),
            make_stop(
                2,
                "FilterByPrice",
                "filter",
                "rejected",
                "Rejected for price_too_high.",
                reasoning="Price $150 exceeds $100",
                checks=[
                    Check(
                        name="price_too_high",
                        field="price",
                        op="<=",
                        observed=150,
                        limit=100,
                        passed=False,
                        margin=50,
                    ),
                    Check(name="in_stock", field="in_stock", observed=True, passed=True),
                ],
            ),
            make_stop(
                3,
                "RankAndSelect",
                "select",
                "not_reached",
                "It did not get here.",
                certainty="inferred",
                because="it was rejected before",
            ),
        ],
        provenance=[
            Provenance(
                origin=Origin(candidate_id="stand", step_id=step_id(0)),
                step_name="GenerateKeywords",
                brought=37,
                text="stand brought 37 candidates to SearchCatalogue.",
            ),
            Provenance(
                origin=Origin(candidate_id="prompt", is_recorded=False),
                depth=2,
                certainty="unknown",
            ),
        ],
        findings=make_findings()[:1],
    )


def make_stop(number: int, name: str, step_type: str, kind: str, text: str, **fields: Any) -> Stop:
    given: dict[str, Any] = {"certainty": "known", **fields}
    return Stop(
        step_id=step_id(number),
        name=name,
        step_type=step_type,  # type: ignore[arg-type]
        ordinal=number,
        kind=kind,  # type: ignore[arg-type]
        text=text,
        **given,
    )


CUT = Cut(rank=5, last_kept_rank=3, score=0.5, last_kept_score=0.62, gap=0.12)
FAILURE = ErrorInfo(type="TimeoutError", message="no answer\nin 5 s")
