"""The choices of one run: what each was offered, in which order, and what it took."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from xray.forensics.audits.reasonings import Reasonings, read_reasonings
from xray.forensics.case import Case
from xray.forensics.evidence import RunEvidence
from xray.forensics.findings.choices import find_invented
from xray.forensics.findings.scoring import read_score
from xray.forensics.orders import kendall_tau
from xray.model.records import Step
from xray.model.vocabulary import VERDICTS, StepType

_CHOOSING: Final = frozenset({"select", "generate", "rank"})
_MAX_OFFERED: Final = 500
_SHUFFLES: Final = ("shuffl", "random_order", "randomize")


class Choice(Struct, frozen=True):
    """What one step of one run chose.

    Args:
        pipeline: the run's pipeline.
        name: the step's name.
        step_type: its type.
        run_id: the run.
        step_id: the step.
        weight: how many runs the run stands for.
        offered: the candidates in the order in which they were offered; empty where not known.
        chosen: those it chose, whether they were offered or not.
        is_offer_known: whether all that it was offered is known, in whichever order.
        invented: the chosen that were not offered.
        is_shuffled: whether the pipeline says that the order is chance.
        is_ranked: whether the order is that of the ranks a step before gave.
        tau: how far the order follows the scores, from -1 to 1; None where they are not known.
        is_best: whether it took the best scores; None where they are not known.
        reasonings: what its reasoning says against the record.
    """

    pipeline: str
    name: str
    step_type: StepType
    run_id: str
    step_id: str
    weight: float
    offered: tuple[str, ...]
    chosen: tuple[str, ...]
    is_offer_known: bool
    invented: tuple[str, ...]
    is_shuffled: bool
    is_ranked: bool
    tau: float | None
    is_best: bool | None
    reasonings: Reasonings


def gather_choices(evidence: RunEvidence) -> list[Choice]:
    """The choices of a run: of steps of one name the first, as they are of one mind."""
    case = Case.of(evidence)
    found: dict[tuple[str, str], Choice] = {}
    for step in case.flow.deciding_steps:
        key = (step.name, step.step_type)
        is_choosing = step.step_type in _CHOOSING and case.flow.role(step) == "keeps"
        if is_choosing and step.status == "completed" and key not in found:
            choice = _read_choice(case, step)
            if choice is not None:
                found[key] = choice
    return list(found.values())


def _read_choice(case: Case, step: Step) -> Choice | None:
    ledger = case.flow.ledger(step)
    verdict = "selected" if step.counts.selected else "accepted"
    if step.step_type == "rank" and not step.counts.selected:
        return None  # a ranking orders by its scores; who merely survives was not picked
    if not ledger.is_detailed("selected" if verdict == "selected" else "accepted"):
        return None
    places = ledger.counting_positions("selected" if verdict == "selected" else "accepted")
    chosen = tuple(dict.fromkeys(ledger.table.candidate_ids[at] for at in places))
    if not chosen or step.counts.anonymous:
        return None
    sources = [edge.source for edge in case.flow.edges(step)]
    offered = _list_offered(case, step, sources)
    is_known = bool(sources) and case.flow.offered(step).is_complete
    balance = case.conservation.balance(step)
    guessed = [one for finding in find_invented(case, step) for one in finding.examples]
    strangers = balance.not_offered.ids.union(guessed)
    scores = _list_scores(case, sources, offered)
    is_ranked = len(sources) == 1 and sources[0].step_type == "rank"
    return Choice(
        pipeline=step.pipeline,
        name=step.name,
        step_type=step.step_type,
        run_id=step.run_id,
        step_id=step.step_id,
        weight=case.run.weight,
        offered=offered,
        chosen=chosen,
        is_offer_known=bool(guessed) or (is_known and not balance.unknown),
        invented=tuple(one for one in chosen if one in strangers),
        is_shuffled=_says_shuffled(step.params) or _says_shuffled(case.run.params),
        is_ranked=is_ranked,
        tau=_follow(scores),
        is_best=_took_best(scores, offered, chosen),
        reasonings=read_reasonings(case, step),
    )


def _list_offered(case: Case, step: Step, sources: Sequence[Step]) -> tuple[str, ...]:
    """The candidates in the order in which they were offered; empty where that is not known."""
    own = _list_by_earlier_rank(case, step)
    if own:
        return own
    if len(sources) != 1 or not case.flow.offered(step).is_complete:
        return ()
    ledger = case.flow.ledger(sources[0])
    passed = case.flow.everyone.let_through(sources[0]).ids
    if not ledger.is_detailed() or not 2 <= len(passed) <= _MAX_OFFERED:
        return ()
    table = ledger.table
    rows = {one: at for at, one in enumerate(table.candidate_ids) if one in passed}
    ranks = [table.ranks[at] for at in rows.values()]
    if all(rank is not None for rank in ranks) and len(set(ranks)) == len(ranks):
        ordered = sorted(zip(ranks, rows, strict=True), key=lambda pair: pair[0] or 0)
        return tuple(one for _, one in ordered)
    return tuple(rows)


def _list_by_earlier_rank(case: Case, step: Step) -> tuple[str, ...]:
    """The order that the step itself recorded, as `rank_before`."""
    ledger = case.flow.ledger(step)
    if not 2 <= ledger.detailed_count <= _MAX_OFFERED or not ledger.is_detailed():
        return ()
    if next(ledger.rows(VERDICTS)).rank_before is None:
        return ()
    rows = list(ledger.rows(VERDICTS))
    places = {row.rank_before: row.candidate_id for row in rows if row.rank_before is not None}
    if len(places) != len(rows):
        return ()
    return tuple(places[place] for place in sorted(places))


def _list_scores(case: Case, sources: Sequence[Step], offered: Sequence[str]) -> list[float]:
    """The scores of what was offered, in that order; nothing unless all are known.

    What a step before gave counts; what the choosing step gives may follow from its choice.
    """
    if len(sources) != 1 or not offered:
        return []
    by_id: Mapping[str, Any] = {
        one.candidate_id: read_score(one.score)
        for one in case.flow.ledger(sources[0]).outlines
        if one.score is not None
    }
    scores = [by_id.get(one) for one in offered]
    return (
        [score for score in scores if score is not None and math.isfinite(score)]
        if all(score is not None and math.isfinite(score) for score in scores)
        else []
    )


def _follow(scores: Sequence[float]) -> float | None:
    """How far candidates stand in descending order of their scores."""
    if not scores:
        return None
    return kendall_tau([-place for place in range(len(scores))], scores)


def _took_best(
    scores: Sequence[float], offered: Sequence[str], chosen: Sequence[str]
) -> bool | None:
    taken = [score for score, one in zip(scores, offered, strict=False) if one in chosen]
    left = [score for score, one in zip(scores, offered, strict=False) if one not in chosen]
    if not taken or not left or len(set(scores)) == 1:
        return None
    return min(taken) >= max(left)


def _says_shuffled(params: Any) -> bool:
    return isinstance(params, dict) and any(_is_shuffle(str(one), params[one]) for one in params)


def _is_shuffle(name: str, value: Any) -> bool:
    folded = name.lower()
    if any(word in folded for word in _SHUFFLES):
        return value is not False and value is not None  # a seed of 0 is a seed
    return "order" in folded and value in ("random", "shuffled")


def list_draws(choices: Sequence[Choice]) -> Iterator[tuple[Choice, tuple[int, ...]]]:
    """The choices whose places are known, with those places; those from one list once."""
    seen: set[tuple[str, ...]] = set()
    for choice in choices:
        places = tuple(
            place for place, one in enumerate(choice.offered, start=1) if one in choice.chosen
        )
        if places and len(places) < len(choice.offered) and choice.offered not in seen:
            seen.add(choice.offered)
            yield choice, places
