"""Questions by the whole: what became of a document is what became of its parts."""

from __future__ import annotations

from collections import Counter
from typing import Final

from xray.forensics.case import Case
from xray.forensics.wording import count_things, list_items, show_candidate
from xray.model.answers import Finding, Outcome, Provenance, Stop, Why

_BEST_FIRST: Final[tuple[Outcome, ...]] = (
    "selected",
    "not_offered",
    "survived",
    "unknown",
    "outranked",
    "merged",
    "rejected",
    "vanished",
    "never_retrieved",
)
_PHRASES: Final[dict[Outcome, str]] = {
    "selected": "{n} selected",
    "survived": "{n} survived",
    "rejected": "{n} rejected",
    "outranked": "{n} outranked",
    "merged": "{n} merged into others",
    "vanished": "{n} lost without a decision",
    "never_retrieved": "{n} never retrieved",
    "not_offered": "{n} decided though nobody offered it",
    "unknown": "{n} unknown",
}


def explain_whole(case: Case, whole: str, answers: list[Why], own: list[Stop]) -> Why:
    """What became of a whole, from the answers about its parts.

    The part that got furthest decides: a document is in the answer when one of its chunks is.

    Args:
        case: the run.
        whole: the whole that was asked for.
        answers: what became of each part.
        own: what the whole went through itself, before it was taken apart.
    """
    best = min(answers, key=lambda why: (_BEST_FIRST.index(why.outcome), -_reach(why)))
    return Why(
        run_id=case.run.run_id,
        pipeline=case.run.pipeline,
        candidate_id=whole,
        outcome=best.outcome,
        answer=_word_answer(whole, answers, best) + _tell_unnamed(case),
        certainty=best.certainty,
        because=best.because,
        decided_at=best.decided_at,
        decided_at_step_id=best.decided_at_step_id,
        journey=_merge_journeys(answers, own),
        provenance=_merge_provenance(answers),
        parts=[why.candidate_id for why in answers],
        findings=_merge_findings(answers),
    )


def _word_answer(whole: str, answers: list[Why], best: Why) -> str:
    if len(answers) == 1:
        part = show_candidate(best.candidate_id)
        return f"{show_candidate(whole)} was here as {part}. {best.answer}"
    counted = Counter(why.outcome for why in answers)
    if len(counted) == 1:
        phrase = _PHRASES[best.outcome].format(n="all")
        return (
            f"{show_candidate(whole)} was here in {count_things(len(answers), 'part')}, {phrase}. "
            f"{best.answer}"
        )
    told = list_items(
        [
            _PHRASES[outcome].format(n=counted[outcome])
            for outcome in _BEST_FIRST
            if counted[outcome]
        ],
        limit=len(_BEST_FIRST),
    )
    return (
        f"{show_candidate(whole)} was here in {count_things(len(answers), 'part')}: {told}. "
        f"{best.answer}"
    )


def _tell_unnamed(case: Case) -> str:
    """Where details were not kept there may be more parts, and nothing says so."""
    for step in case.flow.steps:
        ledger = case.flow.ledger(step)
        if not ledger.is_detailed() and any(True for _ in ledger.wholes):
            rest = count_things(ledger.decided_count - ledger.detailed_count)
            return f" Whether it has more parts among {rest} of {step.name} is unknown."
    return ""


def _reach(why: Why) -> int:
    reached = (
        stop.ordinal for stop in why.journey if stop.kind not in ("not_recorded", "not_reached")
    )
    return max(reached, default=-1)


def _merge_journeys(answers: list[Why], own: list[Stop]) -> list[Stop]:
    stops = own + [
        stop
        for why in answers
        for stop in why.journey
        if stop.kind not in ("not_recorded", "not_reached")
    ]
    return sorted(stops, key=lambda stop: stop.ordinal)


def _merge_provenance(answers: list[Why]) -> list[Provenance]:
    links = {
        (link.origin.candidate_id, link.origin.step_id): link
        for why in answers
        for link in why.provenance
    }
    return sorted(links.values(), key=lambda link: link.depth)


def _merge_findings(answers: list[Why]) -> list[Finding]:
    return [finding for why in answers for finding in why.findings]
