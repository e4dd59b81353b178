"""How a candidate stood among the others of a step: its cut when it lost, its rival when it won."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from xray.forensics.flow import Flow
from xray.model.answers import Cut, RunnerUp
from xray.model.counts import score_value
from xray.model.records import Decision, Step
from xray.model.vocabulary import Verdict


class Mark(Struct, frozen=True):
    """Where one candidate stands.

    Args:
        rank: its rank.
        score: the one number it is compared by.
        score_error: by how much that may be off; None where it is as it was given.
    """

    rank: int | None = None
    score: float | None = None
    score_error: float | None = None


def measure_cut(flow: Flow, step: Step, candidate_id: str, by: str | None) -> Cut | None:
    """How far the candidate was from surviving *step*, by the numbers of that step.

    Where the step recorded no rank and score of it, those of the step before it are used.
    """
    kept = _kept_rows(flow, step, by)
    own = _own_row(flow, step, candidate_id, by)
    last = _find_last(map(_mark, kept)) if kept else _last_of_roster(flow, step, by)
    cut = _cut_between(own, last, None)
    if cut is not None and own is not None and not own.has_detail and cut.rank is not None:
        cut = replace(cut, ranked_count=None if own.by else flow.ledger(step).decided_count)
    if cut is not None and (cut.gap is not None or cut.last_kept_rank is not None):
        return cut
    for edge in flow.edges(step):
        before = edge.source
        kept_before = [
            row for one in kept if (row := _own_row(flow, before, one.candidate_id, by)) is not None
        ]
        own_before = _own_row(flow, before, candidate_id, by)
        borrowed = _cut_between(own_before, _find_last(map(_mark, kept_before)), before.name)
        if borrowed is not None and (
            borrowed.gap is not None or borrowed.last_kept_rank is not None
        ):
            return borrowed
    return cut


def find_runner_up(flow: Flow, step: Step, chosen: Decision) -> RunnerUp | None:
    """The best scored candidate that *step* could have chosen in place of *chosen*."""
    selected = {candidate_id for _, candidate_id in flow.ledger(step).detailed["selected"]}
    selected.add(chosen.candidate_id)
    found = _best_other(flow, step, chosen, ("accepted", "rejected"), selected, None)
    if found is not None:
        return found
    for edge in flow.edges(step):
        own = _own_row(flow, edge.source, chosen.candidate_id, chosen.by)
        if own is not None:
            verdicts: tuple[Verdict, ...] = ("accepted", "selected")
            found = _best_other(flow, edge.source, own, verdicts, selected, edge.source.name)
            if found is not None:
                return found
    return None


def _best_other(
    flow: Flow,
    step: Step,
    own: Decision,
    verdicts: Sequence[Verdict],
    selected: set[str],
    measured_at: str | None,
) -> RunnerUp | None:
    own_score = score_value(own.score)
    ledger = flow.ledger(step)
    if own_score is None or not ledger.is_detailed(*verdicts):
        return None
    rivals = [
        (score, row)
        for row in ledger.rows(verdicts)
        if row.candidate_id not in selected
        and row.by == own.by
        and not row.is_logged
        and (score := score_value(row.score)) is not None
    ]
    if not rivals:
        return None
    sign = -1.0 if _is_lower_better([own, *(row for _, row in rivals)]) else 1.0
    score, best = max(rivals, key=lambda rival: sign * rival[0])
    return RunnerUp(
        candidate_id=best.candidate_id,
        score=score,
        gap=_rounded(own_score - score),
        measured_at=measured_at,
    )


def _kept_rows(flow: Flow, step: Step, by: str | None) -> list[Decision]:
    ledger = flow.ledger(step)
    verdict = _kept_verdict(step)
    if not ledger.is_detailed(verdict):
        return []  # of a sample nobody knows which was the last
    return [row for row in ledger.rows((verdict,)) if row.by == by and not row.is_logged]


def _kept_verdict(step: Step) -> Verdict:
    return "selected" if step.counts.selected else "accepted"


def _last_of_roster(flow: Flow, step: Step, by: str | None) -> Mark | None:
    """The last that *step* kept, where its census and its roster together know everybody."""
    ledger = flow.ledger(step)
    if not ledger.is_named or ledger.roster is None:
        return None
    verdict = _kept_verdict(step)
    found = ledger.roster.find_last(verdict, by)
    marks = [] if found is None else [Mark(found.rank, found.score, found.score_error)]
    rows = ledger.rows((verdict,))
    return _find_last([*(_mark(row) for row in rows if row.by == by and not row.is_logged), *marks])


def _own_row(flow: Flow, step: Step, candidate_id: str, by: str | None) -> Decision | None:
    rows = [row for row in flow.ledger(step).find(candidate_id) if row.decision is not None]
    return next((row for row in rows if row.by == by), rows[0] if len(rows) == 1 else None)


def _mark(row: Decision) -> Mark:
    return Mark(row.rank, score_value(row.score), row.score_error)


def _find_last(marks: Iterable[Mark]) -> Mark | None:
    """The last in rank; where none has a rank, the one with the lowest score."""
    marks = list(marks)
    ranked = [mark for mark in marks if mark.rank is not None]
    if ranked:
        return max(ranked, key=lambda mark: mark.rank or 0)
    scored = [mark for mark in marks if mark.score is not None]
    return min(scored, key=lambda mark: mark.score or 0.0) if scored else None


def _cut_between(row: Decision | None, last: Mark | None, measured_at: str | None) -> Cut | None:
    own = Mark() if row is None else _mark(row)
    if own.rank is None and own.score is None:
        return None
    gap = gap_error = None
    if last is not None and own.score is not None and last.score is not None:
        gap = _rounded(last.score - own.score)
        errors = (own.score_error, last.score_error)
        gap_error = sum(filter(None, errors)) if errors != (None, None) else None
    return Cut(
        rank=own.rank,
        last_kept_rank=None if last is None or own.rank is None else last.rank,
        score=own.score,
        last_kept_score=None if last is None else last.score,
        gap=gap,
        measured_at=measured_at,
        score_error=own.score_error,
        gap_error=gap_error,
    )


def _is_lower_better(rows: Iterable[Decision]) -> bool:
    """Whether ranks say that a lower score is the better one, as distances are."""
    ranked = sorted(
        (row.rank, score)
        for row in rows
        if row.rank is not None and (score := score_value(row.score)) is not None
    )
    scores = [score for _, score in ranked]
    return len(scores) > 1 and scores == sorted(scores) and scores[0] < scores[-1]


def _rounded(difference: float) -> float:
    """*difference* without the dust of binary fractions."""
    return round(difference, 9)
