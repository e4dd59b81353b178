"""What an item came from and what it brought: its blast radius, generation after generation.

An item is a candidate of the run, or whatever candidates name as their origin: a keyword, a query,
a document. What it brought is followed from the step that names it through every later step, by id
where the id is known, by the hash in the steps' rosters where it is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

from msgspec import Struct

from xray.forensics.case import Case
from xray.forensics.evidence import RunEvidence
from xray.forensics.following import follow
from xray.forensics.gaps import explain_blindness
from xray.forensics.origins import name_thing
from xray.forensics.spelling import list_similar, recognize_candidate
from xray.forensics.wording import count_things, end_sentence, list_items, show_candidate
from xray.model.lineage import Generation, Lineage, Yield
from xray.model.overlap import Crowd, join_crowds
from xray.model.records import OriginTotal, Step
from xray.model.vocabulary import VERDICTS

_MAX_GENERATIONS: Final = 16
_MAX_SOURCES: Final = 10
_BROUGHT: Final = {"retrieve": "retrieved", "generate": "generated"}


class Arrival(Struct, frozen=True):
    """What one step received through some origins.

    Args:
        step: the step, whose decisions name the origins.
        totals: what it counted for each of them.
        crowd: the candidates, as far as they are known.
        anonymous: how many more had no id of their own.
    """

    step: Step
    totals: Sequence[OriginTotal]
    crowd: Crowd
    anonymous: int = 0


def trace_lineage(evidence: RunEvidence, item: str) -> Lineage:
    """Say what an item came from and what it brought.

    Args:
        evidence: the run.
        item: a candidate, or what candidates name as their origin, as somebody typed it.
    """
    case = Case.of(evidence)
    candidate_id = recognize_candidate(case, item)
    brought = list(_list_generations(case, candidate_id))
    is_recorded = bool(brought) or case.has_candidate(candidate_id)
    doubts = [one.because for one in brought] + [f.because for one in brought for f in one.fared]
    if not is_recorded:
        steps = case.flow.deciding_steps
        blind = [step for step in steps if not case.flow.is_accounted_for(step)]
        doubts = [explain_blindness(case.flow, step) for step in blind]
    because = "; ".join(dict.fromkeys(filter(None, doubts)))
    descend = {answer for one in brought for answer in one.answers} | {candidate_id}
    return Lineage(
        run_id=case.run.run_id,
        pipeline=case.run.pipeline,
        candidate_id=candidate_id,
        answer=_word_answer(case, candidate_id, brought, is_recorded=is_recorded),
        is_recorded=is_recorded,
        certainty="unknown" if because else "known",
        because=because,
        came_from=case.origins.provenance(candidate_id),
        brought=brought,
        answers=[answer for answer in case.origins.answer if answer in descend],
        similar=[] if is_recorded else list_similar(case, candidate_id),
    )


def _list_generations(case: Case, candidate_id: str) -> Iterator[Generation]:
    lines = list(_follow_lines(case, candidate_id))
    for depth, arrivals in enumerate(lines, start=1):
        for arrival in arrivals:
            is_alone = len(arrivals) == 1
            yield _describe(case, depth, arrival, is_alone=is_alone, is_last=depth == len(lines))


def _follow_lines(case: Case, candidate_id: str) -> Iterator[list[Arrival]]:
    """What the item brought to each step, then what that brought, and so on."""
    parents = followed = Crowd(frozenset([candidate_id]))
    for _ in range(_MAX_GENERATIONS):
        arrivals: list[Arrival] = []
        for step in case.flow.deciding_steps:
            # A step that creates none may repeat what brought those it was offered.
            before = [] if case.flow.role(step) == "creates" else arrivals
            known = join_crowds([followed, *(arrival.crowd for arrival in before)])
            arrival = _find_arrival(case, step, parents, known)
            if arrival is not None:
                arrivals.append(arrival)
        if not arrivals:
            return
        yield arrivals
        parents = join_crowds([arrival.crowd for arrival in arrivals])
        followed = join_crowds([followed, parents])


def _find_arrival(case: Case, step: Step, parents: Crowd, followed: Crowd) -> Arrival | None:
    """What *parents* brought to *step*, without whom was followed before."""
    named = parents.pick([one.candidate_id for one in step.origins])
    if not named:
        return None
    ledger = case.flow.ledger(step)
    table = ledger.table
    origins, nameless = table.origins, table.anonymous
    found = [at for at in ledger.counting_positions(*VERDICTS) if not named.isdisjoint(origins[at])]
    spans = [
        (first, last)
        for first, last, fate in (ledger.roster.entries() if ledger.roster else ())
        if any(origin.candidate_id in named for origin in fate.origin)
    ]
    ids = frozenset(table.candidate_ids[at] for at in found if not nameless[at])
    everybody = Crowd(ids, tuple(spans))
    if spans:
        everybody = everybody.name_known(case.evidence.known_ids)
    crowd = everybody.without(followed)
    anonymous = sum(nameless[at] for at in found)
    if len(everybody) and not len(crowd) and not anonymous:
        return None  # the same candidates, which name themselves at an earlier step
    totals = [one for one in step.origins if one.candidate_id in named]
    return Arrival(step, totals, crowd, anonymous)


def _describe(
    case: Case, depth: int, arrival: Arrival, *, is_alone: bool, is_last: bool
) -> Generation:
    flow, step, totals = case.flow, arrival.step, arrival.totals
    is_complete = flow.ledger(step).is_complete()
    count = len(arrival.crowd) + arrival.anonymous
    if not is_complete:
        # Each origin's count is exact, but several may have brought the same candidate.
        count = max(count, *(one.rejected + one.accepted + one.selected for one in totals))
    fared = list(follow(flow, arrival.crowd, step))
    answers = [one for one in case.origins.answer if one in arrival.crowd.ids]
    told = ", ".join(
        [_word_arrival(step, count, is_alone=is_alone), *_word_steps(case, step, fared)]
    )
    # What did not win itself may have brought the winner.
    if answers or is_last:
        told += _word_winner(case.origins.answer, answers)
    return Generation(
        depth=depth,
        brought_to=step.name,
        step_id=step.step_id,
        sources=[one.candidate_id for one in totals[:_MAX_SOURCES]],
        source_count=len(totals),
        count=count,
        fared=fared,
        answers=answers,
        text=end_sentence(told),
        certainty="known" if is_complete else "unknown",
        because="" if is_complete else explain_blindness(flow, step),
    )


def _word_answer(
    case: Case, candidate_id: str, brought: Sequence[Generation], *, is_recorded: bool
) -> str:
    shown = show_candidate(candidate_id)
    if not is_recorded:
        return f"No step of this run recorded {shown}, and no candidate names it as its origin."
    links = case.origins.brought_by(candidate_id)
    thing = name_thing(links[0]) if links else shown
    if brought:
        first = [one for one in brought if one.depth == 1]
        later = [one for one in brought if one.depth > 1]
        told = [f"{thing}: {' '.join(one.text for one in first)}"]
        return " ".join([*told, *(f"Through these: {one.text}" for one in later)])
    origins = list(dict.fromkeys(name_thing(link) for link in case.origins.links_of(candidate_id)))
    came_from = f"{shown} came from {list_items(origins)}" if origins else ""
    is_answer = candidate_id in case.origins.answer
    if came_from:
        return end_sentence(f"{came_from} and is the winner" if is_answer else came_from)
    return f"{shown} names no origin, and no candidate names it as its own."


def _word_arrival(step: Step, count: int, *, is_alone: bool) -> str:
    """`37 retrieved`, with the step where there are several."""
    verb = _BROUGHT.get(step.step_type)
    if verb is None:
        return f"{count_things(count)} brought to {step.name}"
    return f"{count:,} {verb}" if is_alone else f"{count:,} {verb} by {step.name}"


def _word_steps(case: Case, step: Step, fared: Sequence[Yield]) -> list[str]:
    """`9 kept by filter_candidates`, `1 selected`."""
    told = []
    answering = case.origins.answering_step
    after = [one for one in fared if one.step_id != step.step_id or one.rejected]
    worded = [(_word_yield(case.evidence.steps_by_id[one.step_id], one), one) for one in after]
    for said, group in groupby(worded, key=itemgetter(0)):
        through = [one for _, one in group]
        is_choice = answering is not None and through[-1].step_id == answering.step_id
        names = list_items([one.name for one in through])
        told.append(said if is_choice and len(through) == 1 else f"{said} by {names}")
    return told


def _word_yield(step: Step, fared: Yield) -> str:
    least = "at least " if fared.because else ""
    if fared.because and not fared.decided:
        return "an unknown number kept"
    if step.counts.selected:
        return f"{least}{fared.selected:,} selected" if fared.selected else "none selected"
    if step.counts.accepted:
        return f"{least}{fared.accepted:,} kept" if fared.accepted else "none kept"
    return f"{least}{fared.rejected:,} rejected"


def _word_winner(answer: Sequence[str], own: Sequence[str]) -> str:
    if not answer:
        return ""
    if len(answer) == 1:
        return ", and it is the winner" if own else ", and the winner is none of them"
    if not own:
        return f", and none of the {len(answer):,} winners is among them"
    if len(own) == len(answer):
        return ", and they are the winners"
    verb = "is" if len(own) == 1 else "are"
    return f", and {len(own):,} of the {len(answer):,} winners {verb} among them"
