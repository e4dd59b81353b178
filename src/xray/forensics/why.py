"""Why one candidate ended as it did: its journey, its outcome, and the sentence that says why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from xray.forensics.absence import explain_absence
from xray.forensics.case import Case
from xray.forensics.evidence import RunEvidence
from xray.forensics.gaps import explain_roster
from xray.forensics.journey import Journey
from xray.forensics.origins import Link, name_thing
from xray.forensics.passages import Passage
from xray.forensics.sentences import describe_passage, describe_stranger
from xray.forensics.spelling import recognize_candidate
from xray.forensics.wholes import explain_whole
from xray.forensics.wording import end_sentence, list_items, list_names, show_candidate
from xray.model.answers import Finding, Outcome, Stop, StopKind, Why
from xray.model.counts import score_value
from xray.model.vocabulary import Certainty

OUTCOMES: Final[dict[StopKind, Outcome]] = {
    "selected": "selected",
    "accepted": "survived",
    "kept": "survived",
    "rejected": "rejected",
    "outranked": "outranked",
    "not_selected": "outranked",
    "merged": "merged",
    "vanished": "vanished",
}

_GIVEN: Final[frozenset[StopKind]] = frozenset({"selected", "accepted"})
"""What a whole itself went through before it was taken apart."""


class Verdict(Struct, frozen=True, kw_only=True):
    """What the answer says, before the journey is written out."""

    outcome: Outcome
    answer: str
    certainty: Certainty
    because: str = ""
    passage: Passage | None = None


def explain(evidence: RunEvidence, candidate_id: str) -> Why:
    """Say why a candidate was chosen, dropped, outranked, merged or lost, or never there.

    Args:
        evidence: the run.
        candidate_id: the candidate as somebody typed it, or a whole its parts name with `part_of`.
    """
    case = Case.of(evidence)
    known = recognize_candidate(case, candidate_id)
    return _explain_known(case, known, is_whole_allowed=True)


def _explain_known(case: Case, candidate_id: str, is_whole_allowed: bool) -> Why:
    journey = case.journey(candidate_id)
    parts = case.parts_of(candidate_id) if is_whole_allowed else []
    verdict = _reach_verdict(case, journey)
    is_open = verdict is None or verdict.outcome in ("survived", "vanished", "unknown")
    if parts and is_open:
        answers = [_explain_known(case, part, is_whole_allowed=False) for part in parts]
        own = [stop for stop in write_stops(case, journey) if stop.kind in _GIVEN]
        return explain_whole(case, candidate_id, answers, own)
    if verdict is None:
        return explain_absence(case, journey, write_stops(case, journey))
    passage = verdict.passage
    has_settled = passage is not None and verdict.outcome != "unknown"
    return Why(
        run_id=case.run.run_id,
        pipeline=case.run.pipeline,
        candidate_id=candidate_id,
        outcome=verdict.outcome,
        answer=verdict.answer,
        certainty=verdict.certainty,
        because=verdict.because,
        decided_at=passage.step.name if passage and has_settled else None,
        decided_at_step_id=passage.step.step_id if passage and has_settled else None,
        journey=write_stops(case, journey),
        provenance=case.origins.provenance(candidate_id),
        parts=parts,
        findings=list(_find_about(case, journey)),
    )


def _reach_verdict(
    case: Case, journey: Journey, seen: frozenset[str] = frozenset()
) -> Verdict | None:
    passage = journey.last_passage()
    if passage is None:
        return None
    candidate_id = journey.candidate_id
    outcome: Outcome = (
        "not_offered" if passage.is_stranger else OUTCOMES.get(passage.kind, "unknown")
    )
    answer = _word_answer(case, journey, passage, outcome)
    if passage.kind == "merged":
        answer += _tell_survivor(case, passage, seen | {candidate_id})
    answer += _tell_detours(journey, passage) + _tell_earlier_attempts(case, journey)
    if outcome in ("survived", "unknown"):
        answer += {
            "running": " The run has not ended.",
            "abandoned": " The run was abandoned.",
        }.get(case.run.status, "")
    return Verdict(
        outcome=outcome,
        answer=answer,
        certainty=passage.certainty if outcome != "unknown" else "unknown",
        because=passage.because or explain_roster(passage),
        passage=passage,
    )


def _word_answer(case: Case, journey: Journey, passage: Passage, outcome: Outcome) -> str:
    candidate_id = journey.candidate_id
    shown = show_candidate(candidate_id)
    if passage.is_stranger:
        return end_sentence(describe_stranger(passage, candidate_id, _last_drop(journey, passage)))
    sources = [edge.source for edge in case.flow.edges(passage.step)]
    sources = [
        source for source in sources if case.flow.ledger(source).has(candidate_id)
    ] or sources
    clause = describe_passage(passage, candidate_id, sources)
    links = case.origins.links_of(candidate_id)
    if outcome == "selected":
        origin = _tell_origin(links) or _tell_creators(case, journey)
        return end_sentence(f"{clause}; it came from {origin}" if origin else clause)
    if outcome == "survived":
        return _word_survival(case, journey, passage, clause)
    if outcome == "unknown":
        return end_sentence(f"What became of {shown} is unknown: {passage.because or clause}")
    origin = _tell_origin(links)
    answer = end_sentence(clause)
    return f"{answer} It came from {origin}." if origin else answer


def _word_survival(case: Case, journey: Journey, passage: Passage, clause: str) -> str:
    shown = show_candidate(journey.candidate_id)
    brought = case.origins.brought_by(journey.candidate_id)
    if brought:
        link = brought[0]
        told = case.origins.describe_yield(
            case.origins.count_brought(link), case.origins.count_selected(link), link
        )
        return end_sentence(f"{clause}; it brought {told}")
    if passage.kind == "kept":
        return end_sentence(f"{shown} survived, as far as can be told: {passage.because}")
    clause = describe_passage(passage, "it", [])
    is_last = passage.step.step_id == case.flow.deciding_steps[-1].step_id
    if is_last:
        after = "and no step came after that"
    elif case.flow.consumers(passage.step):
        after = "and nothing after that dropped it"
    else:
        after = "and no later step took it up"
    answer = end_sentence(f"{shown} survived: {clause}, {after}")
    if case.run.status == "failed":
        error = case.run.error
        answer += f" The run failed: {error.type}: {error.message}" if error else " The run failed"
        answer = end_sentence(answer)
    origin = _tell_origin(case.origins.links_of(journey.candidate_id))
    return f"{answer} It came from {origin}." if origin else answer


def _tell_origin(links: list[Link]) -> str:
    """What brought the candidate: `the keyword "stand" of generate_keywords`."""
    if not links:
        return ""
    named = []
    for link in links:
        thing = name_thing(link)
        article = "the " if " " in thing and not thing.startswith('"') else ""
        of = f" of {link.source.name}" if link.source is not None else ", which no step recorded"
        named.append(f"{article}{thing}{of}")
    return list_items(named)


def _tell_creators(case: Case, journey: Journey) -> str:
    """The steps that brought the candidate in, or else the one that made it from another."""
    recorded = [passage.step for passage in journey.passages if passage.decision is not None]
    creating = [step for step in recorded if case.flow.role(step) == "creates"]
    mapping = [step for step in recorded[:1] if case.flow.role(step) == "maps"]
    return list_names(creating or mapping)


def _tell_survivor(case: Case, passage: Passage, seen: frozenset[str]) -> str:
    """What became of the candidate that stands for a merged one."""
    into = passage.decision.merged_into if passage.decision else None
    if into is None or into in seen:
        return ""
    verdict = _reach_verdict(case, case.journey(into), seen)
    return f" {verdict.answer}" if verdict is not None else ""


def _tell_detours(journey: Journey, last: Passage) -> str:
    """What else is strange on the way of a candidate that went on nevertheless."""
    told = ""
    for passage in journey.passages:
        if passage.step.step_id == last.step.step_id:
            break
        if passage.is_stranger:
            told += f" It entered at {passage.step.name}, to which nobody had offered it."
        elif passage.kind == "vanished" and passage.step.status == "completed":
            told += f" {passage.step.name} was offered it and never decided it."
    return told


def _tell_earlier_attempts(case: Case, journey: Journey) -> str:
    """What attempts that count no more had said otherwise."""
    counting = {passage.step.step_id: passage for passage in journey.passages}
    told = ""
    for earlier in journey.replaced_passages():
        later = counting.get(case.flow.attempts.last_attempt(earlier.step).step_id)
        if later is not None and later.fate != earlier.fate:
            clause = describe_passage(earlier, "it", [])
            status = earlier.step.status
            told += f" Attempt {earlier.attempt}, which {status}, had said otherwise: {clause}."
    return told


def _last_drop(journey: Journey, stranger: Passage) -> Passage | None:
    before = [one for one in journey.passages if one.step.ordinal < stranger.step.ordinal]
    return next((one for one in reversed(before) if one.fate == "out"), None)


def write_stops(case: Case, journey: Journey) -> list[Stop]:
    """The journey in words, earlier attempts included, by ordinal."""
    passages = [
        single
        for passage in _leave_out_other_kinds(case, journey)
        for single in journey.split_queries(passage)
    ]
    passages += journey.replaced_passages()
    passages.sort(key=lambda passage: passage.step.ordinal)
    return [_write_stop(case, passage, journey.candidate_id) for passage in passages]


def _leave_out_other_kinds(case: Case, journey: Journey) -> list[Passage]:
    """The passages without the steps that work on another kind of candidate altogether."""
    generations = case.generations
    own = {generations.of(passage.step) for passage in journey.passages if passage.is_present}
    return [
        passage
        for passage in journey.passages
        if passage.is_present
        or generations.of(passage.step) in own
        or not any(generations.are_other_kinds(generations.of(passage.step), one) for one in own)
    ]


def _write_stop(case: Case, passage: Passage, candidate_id: str) -> Stop:
    step, row = passage.step, passage.decision
    sources = [edge.source for edge in case.flow.edges(step)]
    text = describe_passage(passage, candidate_id, sources)
    because = passage.because
    if passage.is_replaced:
        counting = case.flow.attempts.last_attempt(step)
        because = f"attempt {case.flow.attempts.numbers[counting.step_id]} of {step.name} counts"
        text = f"{text} (attempt {passage.attempt}, which {step.status})"
    elif passage.is_stranger:
        text = f"{text}, though nobody offered it"
    rows = passage.decisions
    return Stop(
        step_id=step.step_id,
        name=step.name,
        step_type=step.step_type,
        ordinal=step.ordinal,
        attempt=passage.attempt,
        kind=passage.kind,
        text=end_sentence(text),
        certainty=passage.certainty,
        because=because,
        reason=row.reason if row else None,
        reasoning=row.reasoning if row else None,
        score=score_value(row.score) if row else None,
        score_error=row.score_error if row else None,
        rank=row.rank if row else None,
        checks=row.checks if row else [check for one in rows for check in one.checks],
        cut=passage.cut,
        runner_up=passage.runner_up,
        by=row.by if row else None,
    )


def _find_about(case: Case, journey: Journey) -> Iterable[Finding]:
    for passage in journey.passages:
        if passage.is_stranger:
            text = describe_stranger(passage, journey.candidate_id, _last_drop(journey, passage))
        elif passage.kind == "vanished" and passage.step.status == "completed":
            sources = [edge.source for edge in case.flow.edges(passage.step)]
            text = describe_passage(passage, journey.candidate_id, sources)
        else:
            continue
        yield Finding(
            code="not_offered" if passage.is_stranger else "vanished",
            text=end_sentence(text),
            certainty="known" if passage.certainty == "known" else "inferred",
            step_id=passage.step.step_id,
            step_name=passage.step.name,
            count=1,
            examples=[journey.candidate_id],
            because=passage.because,
        )
