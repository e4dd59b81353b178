"""Candidates like one that were decided otherwise: what the decision turned on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from xray.forensics.case import Case
from xray.forensics.evidence import Ledger, RunEvidence
from xray.forensics.gaps import explain_blindness
from xray.forensics.profiles import CAME_FROM, Comparison, Likeness, gather_profiles
from xray.forensics.spelling import recognize_candidate
from xray.forensics.wording import (
    end_sentence,
    list_items,
    name_kept,
    show_candidate,
    show_value,
)
from xray.model.counts import score_value
from xray.model.differences import Change
from xray.model.neighbours import Neighbour, Neighbours
from xray.model.records import Check, Decision, Step
from xray.model.vocabulary import Verdict

MAX_NEIGHBOURS: Final = 20
_MAX_LOOKED_AT: Final = 1_000
_SHOWN: Final = 3


class _Opposed(Struct, frozen=True):
    """Candidates that a step decided otherwise than one.

    Args:
        step: the step.
        own: what it decided about that one.
        places: where the rows of the others stand.
    """

    step: Step
    own: Decision
    places: list[int]


def find_neighbours(evidence: RunEvidence, candidate_id: str, most: int = 5) -> Neighbours:
    """Say which candidates like one were decided otherwise, and what is different about them.

    Of a candidate that was rejected these are the ones that the same step let through; of any
    other, those that a step on its way rejected.

    Args:
        evidence: the run.
        candidate_id: the candidate as somebody typed it.
        most: how many are named.
    """
    case = Case.of(evidence)
    known = recognize_candidate(case, candidate_id)
    opposed = list(_list_opposed(case, known))
    places = [(one, at) for one in opposed for at in one.places]
    looked_at = _pick_evenly(places, _MAX_LOOKED_AT)
    neighbours, has_profile = _compare(case, known, looked_at)
    because = _explain_doubt(case, known, opposed, len(looked_at), has_profile=has_profile)
    return Neighbours(
        run_id=case.run.run_id,
        pipeline=case.run.pipeline,
        candidate_id=known,
        answer=_word_answer(case, known, neighbours, has_profile=has_profile),
        certainty="unknown" if because else "known",
        because=because,
        neighbours=neighbours[:most],
        looked_at=len(looked_at),
        opposed=len(places),
    )


def _list_opposed(case: Case, candidate_id: str) -> Iterator[_Opposed]:
    """The steps that decided the candidate and others otherwise; the last where it was rejected."""
    decided = [
        (step, own)
        for step in case.flow.deciding_steps
        for own in case.flow.ledger(step).find(candidate_id)
        if own.decision is not None and not own.is_logged
    ]
    rejections = [(step, own) for step, own in decided if own.decision == "rejected"]
    for step, own in rejections[-1:] or decided:
        survives: Verdict = "selected" if step.counts.selected else "accepted"
        if own.decision not in ("rejected", survives):
            continue
        ledger = case.flow.ledger(step)
        wanted: Verdict = survives if own.decision == "rejected" else "rejected"
        places = [
            at
            for at in ledger.counting_positions(wanted)
            if ledger.table.partitions[at] == own.by
            and ledger.table.candidate_ids[at] != candidate_id
        ]
        yield _Opposed(step, own, places)


def _pick_evenly(
    places: Sequence[tuple[_Opposed, int]], most: int
) -> Sequence[tuple[_Opposed, int]]:
    if len(places) <= most:
        return places
    return [places[at * len(places) // most] for at in range(most)]


def _compare(
    case: Case, candidate_id: str, looked_at: Sequence[tuple[_Opposed, int]]
) -> tuple[list[Neighbour], bool]:
    """Those looked at, the most like it first, and whether anything was recorded of the one."""
    if not looked_at:
        return [], True
    others = {
        case.flow.ledger(one.step).table.candidate_ids[at]: (one, at) for one, at in looked_at
    }
    last = max((one.step for one, _ in looked_at), key=lambda step: step.ordinal)
    profiles = gather_profiles(case, [candidate_id, *others], last)
    own = profiles.pop(candidate_id)
    if not own:
        return [], False
    likeness = Likeness([own, *profiles.values()])
    compared = [(likeness.compare(own, profiles[name]), name) for name in others]
    compared.sort(key=lambda one: (-one[0].likeness, one[1]))
    return [
        _describe(case, candidate_id, name, comparison, *others[name])
        for comparison, name in compared[:MAX_NEIGHBOURS]
    ], True


def _describe(
    case: Case,
    candidate_id: str,
    name: str,
    comparison: Comparison,
    opposed: _Opposed,
    at: int,
) -> Neighbour:
    row = case.flow.ledger(opposed.step).row(at)
    rejected = opposed.own if opposed.own.decision == "rejected" else row
    checks = [check for check in rejected.checks if not check.passed]
    differing = [*_compare_scores(opposed.own, row), *_put_decisive_first(comparison, checks)]
    assert row.decision is not None
    return Neighbour(
        candidate_id=name,
        step_id=opposed.step.step_id,
        step_name=opposed.step.name,
        decision=row.decision,
        reason=row.reason,
        likeness=round(comparison.likeness, 4),
        alike=comparison.alike,
        differing=differing,
        checks=checks,
        text=_word_neighbour(candidate_id, name, opposed.step, row, comparison.alike, differing),
    )


def _compare_scores(own: Decision, other: Decision) -> list[Change]:
    """What the two scored at the step, where that is known and differs."""
    scores = score_value(own.score), score_value(other.score)
    if None in scores or scores[0] == scores[1]:
        return []
    return [Change(path="score", a=scores[0], b=scores[1])]


def _put_decisive_first(comparison: Comparison, checks: Sequence[Check]) -> list[Change]:
    """What differs: what a failed check looked at, then what is least alike."""
    fields = {check.field or check.name for check in checks}
    order = sorted(comparison.differing, key=lambda one: (one[1].path not in fields, one[0]))
    return [change for _, change in order]


def _explain_doubt(
    case: Case,
    candidate_id: str,
    opposed: Sequence[_Opposed],
    looked_at: int,
    *,
    has_profile: bool,
) -> str:
    if not opposed:
        return "" if case.has_candidate(candidate_id) else "no step of this run recorded it"
    doubts = []
    if not has_profile:
        doubts.append("neither attributes nor checks of it were recorded")
    total = sum(len(one.places) for one in opposed)
    if looked_at < total:
        doubts.append(f"{looked_at:,} of {total:,} candidates with detail were looked at")
    doubts += [
        explain_blindness(case.flow, one.step)
        for one in opposed
        if not _has_all(case.flow.ledger(one.step), one)
    ]
    return "; ".join(filter(None, doubts))


def _has_all(ledger: Ledger, opposed: _Opposed) -> bool:
    survives: Verdict = "selected" if opposed.step.counts.selected else "accepted"
    return ledger.is_detailed(survives if opposed.own.decision == "rejected" else "rejected")


def _word_answer(
    case: Case, candidate_id: str, neighbours: Sequence[Neighbour], *, has_profile: bool
) -> str:
    shown = show_candidate(candidate_id)
    if not case.has_candidate(candidate_id):
        return f"No step of this run recorded {shown}."
    if not has_profile:
        return f"Nothing was recorded of {shown} by which another could be said to be like it."
    if not neighbours:
        return f"No candidate with detail was decided otherwise than {shown}."
    return f"Of those decided otherwise the one most like {shown}: {neighbours[0].text}"


def _word_neighbour(
    candidate_id: str,
    name: str,
    step: Step,
    row: Decision,
    alike: Sequence[str],
    differing: Sequence[Change],
) -> str:
    if row.decision == "rejected":
        told = f"{step.name} rejected {show_candidate(name)}"
        if row.reason:
            told += f" for {row.reason}"
    else:
        told = f"{step.name} {name_kept(step)} {show_candidate(name)}"
    said = [_word_change(candidate_id, change) for change in differing[:_SHOWN]]
    if not differing:
        said = ["it is alike in all that was recorded"]
    elif len(differing) > _SHOWN:
        said.append(f"{len(differing) - _SHOWN:,} more differ")
    if alike and differing:
        same = ["what brought them" if name == CAME_FROM else name for name in alike]
        said.append(f"alike in {list_items(same)}")
    return end_sentence(f"{told}: {'; '.join(said)}")


def _word_change(candidate_id: str, change: Change) -> str:
    if change.only_in == "a":
        return f"without {change.path} ({show_value(change.a)})"
    shown = show_value(change.b)
    if change.only_in == "b":
        return f"{change.path} {shown}, which {show_candidate(candidate_id)} lacks"
    if change.path == CAME_FROM:
        return f"it came from {shown}, not {show_value(change.a)}"
    return f"{change.path} {shown}, not {show_value(change.a)}"
