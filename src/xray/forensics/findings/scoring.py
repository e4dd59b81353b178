"""Scores and ranks that cannot have decided what they seem to: no numbers, all alike, upside down.

A rank step is judged by the one number its scores are compared by. Where only a part of its rows
was kept, what some of them show is told; what would have to hold for all of them is estimated from
their weights, and marked so.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from xray.forensics.case import Case
from xray.forensics.findings.noticing import notice, show_examples
from xray.forensics.wording import count_things, list_items, show_candidate, show_number
from xray.model.answers import Finding
from xray.model.counts import OVERALL_SCORE_NAMES
from xray.model.decisions import Outline
from xray.model.facts import Score
from xray.model.records import Step
from xray.model.vocabulary import BELOW_CUT, RANKING_STEP_TYPES

_MIN_SCORED: Final = 8
"""Fewer scores may well be alike."""
_SATURATED_SHARE: Final = 0.5
_MIN_ORDERED: Final = 4
"""Fewer candidates stand in some order or other too easily."""
_SUMS: Final = frozenset({"total", "overall"})
"""Names of scores that nothing but the order can be made of."""
_AT_LEAST: Final = (">", ">=")
_AT_MOST: Final = ("<", "<=")


class Scored(Struct, frozen=True, gc=False):
    """One candidate with the number it is compared by."""

    row: Outline
    score: float


def find_in_scores(case: Case, step: Step) -> Iterator[Finding]:
    """What is wrong with the scores and ranks of *step*."""
    is_ranking = step.step_type in RANKING_STEP_TYPES or step.step_type == "generate"
    if not is_ranking or case.flow.role(step) != "keeps" or step.status != "completed":
        return
    rows = [one for one in case.flow.ledger(step).outlines if one.verdict is not None]
    yield from _find_out_of_rank(step, rows)
    names = _count_names([one.score for one in rows if one.score is not None])
    if not names:
        return
    what = next((name for name in OVERALL_SCORE_NAMES if name in names), names.most_common(1)[0][0])
    scored = [
        Scored(one, score)
        for one in rows
        if (score := _read_as(what, one.score)) is not None and math.isfinite(score)
    ]
    if len(scored) < names.total():
        yield from _find_strange(step, what, rows, scored)
    yield from _find_unscored(step, rows)
    yield from _find_saturated(case, step, scored)
    yield from _find_disorder(case, step, scored)


def _count_names(scores: Sequence[Score]) -> Counter[str | None]:
    """How many of *scores* are compared by a number of which name."""
    if dict in set(map(type, scores)):
        return Counter(map(name_of, scores))
    return Counter({None: len(scores)} if scores else {})


def _read_as(what: str | None, score: Score | None) -> float | None:
    """The number *score* is compared by, if that has the name *what*."""
    if what is None and type(score) is float:
        return score
    return read_score(score) if name_of(score) == what else None


def read_score(score: Score | None) -> float | None:
    """The one number *score* is compared by, also where it is not finite."""
    if isinstance(score, dict):
        name = name_of(score)
        return None if name is None else float(score[name])
    return None if score is None else float(score)


def name_of(score: Score | None) -> str | None:
    """The name of the number that *score* is compared by; None where it has none."""
    if not isinstance(score, dict):
        return None
    return next((name for name in OVERALL_SCORE_NAMES if name in score), next(iter(score), None))


def _find_strange(
    step: Step, what: str | None, rows: Iterable[Outline], scored: Sequence[Scored]
) -> Iterator[Finding]:
    """Candidates whose score is no finite number.

    The SDK keeps finite numbers only: of named scores, one that is NaN is simply not there.
    """
    strange = [
        one.candidate_id
        for one in rows
        if one.score is not None
        and not (what is None and type(one.score) is float and math.isfinite(one.score))
        and (
            math.isnan(read_score(one.score) or 0.0)
            or (what in OVERALL_SCORE_NAMES and name_of(one.score) != what)
        )
    ]
    if not strange or len(scored) < 2:
        return
    told = what or "score"
    text = (
        f"{step.name} has no finite {told} for {count_things(len(strange))} that it scored (NaN, "
        f"infinite or left out), so an order by {told} means nothing for them"
        f"{show_examples(strange, len(strange))}."
    )
    yield notice(step, "not_a_number", text, count=len(strange), examples=strange)


def _find_unscored(step: Step, rows: Iterable[Outline]) -> Iterator[Finding]:
    """Candidates without a score among others of the same verdict that have one.

    That a step scores only those it keeps, or only the one it chooses, is its way to record.
    """
    unscored = [one for one in rows if one.score is None]
    if not unscored:
        return
    scored = Counter([one.verdict for one in rows if one.score is not None])
    missing = Counter(one.verdict for one in unscored)
    is_choice_blank = missing["selected"] and not missing["rejected"] and scored["rejected"] > 1
    odd = [
        one.candidate_id
        for one in unscored
        if scored[one.verdict] >= max(2, missing[one.verdict])
        or (one.verdict == "selected" and is_choice_blank)
    ]
    if not odd:
        return
    others = sum(scored.values())
    text = (
        f"{step.name} decided {count_things(len(odd))} without a finite score beside {others:,} "
        f"that it scored{show_examples(odd, len(odd))}."
    )
    yield notice(step, "no_score", text, count=len(odd), examples=odd)


def _find_saturated(case: Case, step: Step, scored: Sequence[Scored]) -> Iterator[Finding]:
    """Most scores are the best one, so that they cannot have told the kept from the others."""
    counted = [one for one in scored if one.row.weight > 0]
    everybody = sum([one.row.weight for one in counted])
    if len(counted) < _MIN_SCORED:
        return
    best = _best_score(counted)
    alike = [one for one in counted if one.score == best]
    number = sum([one.row.weight for one in alike])
    kept = step.counts.selected or step.counts.accepted
    has_cut = bool(step.counts.rejected)
    if number < _SATURATED_SHARE * everybody or (has_cut and number <= kept):
        return
    is_whole = case.flow.ledger(step).is_detailed() or counted[0].row.is_logged
    what = name_of(counted[0].row.score) or "score"
    share = f"all {len(alike):,}" if number == everybody else _say_share(number, everybody)
    text = f"{step.name} gave {share} candidates the same {what} of {show_number(best)}"
    if has_cut:
        text += f", more than the {kept:,} it kept: which of them were kept, the scores do not say."
    else:
        text += ": the scores do not tell them apart."
    yield notice(
        step,
        "saturated",
        text,
        "known" if is_whole else "inferred",
        count=round(number),
        examples=[one.row.candidate_id for one in alike],
        because="" if is_whole else f"the detail of {len(counted):,} candidates was kept",
    )


def _say_share(number: float, everybody: float) -> str:
    return f"{round(number):,} of {round(everybody):,}"


def _best_score(scored: Sequence[Scored]) -> float:
    """The score of the first in rank; where none has a rank, the highest."""
    ranked = [one for one in scored if one.row.rank is not None]
    if ranked:
        return min(ranked, key=lambda one: one.row.rank or 0).score
    return max(one.score for one in scored)


def _find_out_of_rank(step: Step, rows: Iterable[Outline]) -> Iterator[Finding]:
    """Candidates fell below the cut though others with a worse rank did not."""
    worst_kept: dict[str | None, Outline] = {}
    fallen: list[Outline] = []
    for one in rows:
        if one.rank is None:
            continue
        if one.verdict == "rejected":
            if one.reason == BELOW_CUT:
                fallen.append(one)
        elif one.by not in worst_kept or one.rank > (worst_kept[one.by].rank or 0):
            worst_kept[one.by] = one
    wronged = [
        one
        for one in fallen
        if one.by in worst_kept and (one.rank or 0) < (worst_kept[one.by].rank or 0)
    ]
    if not wronged:
        return
    wronged.sort(key=lambda one: one.rank or 0)
    first = wronged[0]
    other = worst_kept[first.by]
    text = (
        f"{step.name} put {show_candidate(first.candidate_id)}, rank {first.rank:,}, below its cut "
        f"and kept {show_candidate(other.candidate_id)}, rank {other.rank:,}"
    )
    more = len(wronged) - 1
    text += f"; {more:,} more were cut before a worse rank." if more else "."
    names = [one.candidate_id for one in wronged]
    yield notice(step, "cut_out_of_rank", text, count=len(names), examples=names)


def _find_disorder(case: Case, step: Step, scored: Sequence[Scored]) -> Iterator[Finding]:
    """The order of a step contradicts the scores it is said to follow."""
    partitions: dict[str | None, list[Scored]] = {}
    for one in scored:
        partitions.setdefault(one.row.by, []).append(one)
    for group in partitions.values():
        ranked = [one for one in group if one.row.rank is not None]
        ranked.sort(key=lambda one: one.row.rank or 0)
        found = _find_flipped(case, step, ranked) or _find_unsorted(step, ranked)
        found = found or _find_lowest_kept(case, step, group)
        if found is not None:
            yield found
            return


def _find_flipped(case: Case, step: Step, ranked: Sequence[Scored]) -> Finding | None:
    """The first rank has the lowest score, and so on to the last."""
    scores = [one.score for one in ranked]
    if len(scores) < _MIN_ORDERED or scores[0] == scores[-1]:
        return None
    if any(one > other for one, other in pairwise(scores)):
        return None
    because = _why_higher_is_better(case, step, ranked)
    if not because:
        return None
    what = name_of(ranked[0].row.score) or "score"
    text = (
        f"{step.name} ranked the lowest {what} first: {_say_place(ranked[0])}, "
        f"{_say_place(ranked[-1])}."
    )
    names = [one.row.candidate_id for one in ranked]
    return notice(
        step, "order_flipped", text, "inferred", count=len(names), examples=names, because=because
    )


def _say_place(one: Scored) -> str:
    name = show_candidate(one.row.candidate_id)
    return f"{name} is rank {one.row.rank:,} with {show_number(one.score)}"


def _find_unsorted(step: Step, ranked: Sequence[Scored]) -> Finding | None:
    """Ranks do not follow the total they are made of; perhaps they follow one of its parts."""
    if len(ranked) < _MIN_ORDERED or name_of(ranked[0].row.score) not in _SUMS:
        return None
    scores = [one.score for one in ranked]
    names = {name_of(one.row.score) for one in ranked}
    if len(names) != 1:
        return None
    falls = [place for place, (one, other) in enumerate(pairwise(scores)) if one < other]
    if not falls or scores == sorted(scores):
        return None
    (what,) = names
    part = _find_part_followed(ranked)
    better = max(ranked, key=lambda one: one.score)
    text = f"{step.name} did not rank by {what}: {_say_place(ranked[0])}"
    if better is not ranked[0]:
        text += f", {_say_place(better)}"
    else:
        text += f", {_say_place(ranked[falls[0]])}, {_say_place(ranked[falls[0] + 1])}"
    text += f". The order follows {part}." if part else "."
    return notice(
        step,
        "out_of_order",
        text,
        "inferred",
        count=len(ranked),
        examples=[ranked[place + 1].row.candidate_id for place in falls],
        because=f"{what} is what scores named so are ranked by",
    )


def _find_part_followed(ranked: Sequence[Scored]) -> str:
    """The one part of the scores that falls from rank to rank; empty where there is none."""
    first = ranked[0].row.score
    for name in first if isinstance(first, dict) else ():
        parts = [
            one.row.score[name]
            for one in ranked
            if isinstance(one.row.score, dict) and name in one.row.score
        ]
        is_whole = len(parts) == len(ranked) and not any(map(math.isnan, parts))
        if is_whole and parts == sorted(parts, reverse=True) and parts[0] > parts[-1]:
            return name
    return ""


def _find_lowest_kept(case: Case, step: Step, scored: Sequence[Scored]) -> Finding | None:
    """Without ranks: every candidate it kept scores lower than every one it cut."""
    if any(one.row.rank is not None for one in scored) or len(scored) < _MIN_ORDERED:
        return None
    chosen = "selected" if step.counts.selected else "accepted"
    if scored[0].row.is_logged and any(one.row.verdict == "selected" for one in scored):
        chosen = "selected"
    kept = [one for one in scored if one.row.verdict == chosen]
    cut = [one for one in scored if one.row.verdict != chosen]
    if not kept or len(cut) < _MIN_ORDERED - 1:
        return None
    if max(one.score for one in kept) >= min(one.score for one in cut):
        return None
    because = _why_higher_is_better(case, step, scored)
    if not because:
        return None
    best = max(cut, key=lambda one: one.score)
    names = [one.row.candidate_id for one in kept]
    what = name_of(kept[0].row.score) or "score"
    text = (
        f"{step.name} kept {list_items([show_candidate(one) for one in names])}, lowest in {what} "
        f"({show_number(kept[0].score)}), and not {show_candidate(best.row.candidate_id)} "
        f"({show_number(best.score)})."
    )
    return notice(
        step, "order_flipped", text, "inferred", count=len(names), examples=names, because=because
    )


def _why_higher_is_better(case: Case, step: Step, scored: Sequence[Scored]) -> str:
    """What says that a higher score is the better one; empty where nothing does.

    A bare number may as well be a distance or a price, of which the lowest comes first.
    """
    names = {name_of(one.row.score) for one in scored}
    if len(names) == 1 and names <= set(OVERALL_SCORE_NAMES):
        return f"the higher {names.pop()} is taken to be the better"
    for one in scored:
        for check in one.row.checks:
            if check.observed == one.score:
                if check.op in _AT_LEAST:
                    return f"{check.name} asks for a score that is high enough"
                if check.op in _AT_MOST:
                    return ""
    return _why_by_earlier_order(case, step, scored)


def _why_by_earlier_order(case: Case, step: Step, scored: Sequence[Scored]) -> str:
    """An earlier step gave the same candidates the same numbers under a name that says it."""
    own = {one.row.candidate_id: one.score for one in scored}
    for edge in case.flow.edges(step):
        same = [
            one
            for one in case.flow.ledger(edge.source).outlines
            if one.candidate_id in own and read_score(one.score) == own[one.candidate_id]
        ]
        names = {name_of(one.score) for one in same}
        if len(same) == len(own) and len(names) == 1 and names <= set(OVERALL_SCORE_NAMES):
            return f"it is the {names.pop()} of {edge.source.name}"
    return ""
