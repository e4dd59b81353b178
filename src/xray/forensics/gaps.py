"""Why the records of a step leave a question open."""

from __future__ import annotations

from xray.forensics.flow import Flow
from xray.forensics.passages import Passage
from xray.forensics.wording import count_things
from xray.model.records import Step


def explain_sample(flow: Flow, step: Step) -> str:
    """Why a step's rows do not say what became of one candidate."""
    ledger = flow.ledger(step)
    if step.capture == "minimal":
        return f"at the capture level minimal {step.name} kept counts only"
    if ledger.anonymous_count:
        return f"{count_things(ledger.anonymous_count)} of {step.name} had no id of their own"
    return (
        f"at the capture level {step.capture} {step.name} kept {ledger.detailed_count:,} of its "
        f"{ledger.decided_count:,} decisions, and this candidate is not among them"
    )


def explain_roster(passage: Passage) -> str:
    """How sure an answer is that a roster alone gives; empty where there is detail."""
    if not passage.is_without_detail:
        return ""
    return (
        f"it stands in the roster of {passage.step.name}, which mistakes one candidate in 100,000 "
        "for another"
    )


def explain_silence(flow: Flow, step: Step) -> str:
    """Why a step that counted no decision says nothing about its candidates."""
    if any(True for _ in flow.ledger(step).candidate_ids):
        return f"{step.name} only logged samples of its candidates"
    return f"{step.name} recorded no decisions"


def explain_blindness(flow: Flow, step: Step) -> str:
    """Why what a step decided, or let through, cannot be compared with another step."""
    ledger = flow.ledger(step)
    if step.status != "completed":
        return f"{step.name} did not finish"
    if not ledger.decided_count:
        return explain_silence(flow, step)
    if step.capture == "minimal":
        return f"{step.name} kept counts only (capture level minimal)"
    if ledger.anonymous_count:
        return f"{count_things(ledger.anonymous_count)} of {step.name} had no id of their own"
    if not ledger.is_complete():
        return f"{step.name} kept a sample of its {ledger.decided_count:,} decisions"
    if ledger.dropped_elsewhere:
        return (
            f"{step.name} recorded {count_things(step.counts.rejected, 'rejection')}, and its "
            f"counts say that it dropped {ledger.dropped_elsewhere:,} more"
        )
    return f"{step.name} recorded only rejections, and what it was offered is not known in full"
