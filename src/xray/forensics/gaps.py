"""Why the records of a step leave a question open."""

from __future__ import annotations

from xray.forensics.flow import Flow
from xray.model.records import Step


def explain_sample(flow: Flow, step: Step) -> str:
    """Why a step's rows do not say what became of every candidate."""
    decided = flow.ledger(step).decided_count
    if step.capture == "minimal":
        return f"at the capture level minimal {step.name} kept counts only"
    kept = len(flow.ledger(step).decided)
    return (
        f"at the capture level {step.capture} {step.name} kept {kept:,} of its {decided:,} "
        "decisions, and this candidate is not among them"
    )


def explain_silence(flow: Flow, step: Step) -> str:
    """Why a step that counted no decision says nothing about a candidate."""
    if any(True for _ in flow.ledger(step).candidate_ids):
        return f"{step.name} only logged samples of its candidates"
    return f"{step.name} recorded no decisions"
