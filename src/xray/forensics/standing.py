"""How a candidate stood among the others of a step: its cut when it lost, its rival when it won."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from xray.forensics.flow import Flow
from xray.model.answers import Cut, RunnerUp
from xray.model.counts import score_value
from xray.model.records import Decision, Step
from xray.model.vocabulary import Verdict


def measure_cut(flow: Flow, step: Step, candidate_id: str, by: str | None) -> Cut | None:
    """How far the candidate was from surviving *step*, by the numbers of that step.

    Where the step recorded no rank and score of it, those of the step before it are used.
    """
    kept = _kept_rows(flow, step, by)
    own = _own_row(flow, step, candidate_id, by)
    cut = _cut_between(own, kept, None)
    if cut is not None and (cut.gap is not None or cut.last_kept_rank is not None):
        return cut
    for edge in flow.edges(step):
        before = edge.source
        kept_before = [
            row for one in kept if (row := _own_row(flow, before, one.candidate_id, by)) is not None
        ]
        borrowed = _cut_between(_own_row(flow, before, candidate_id, by), kept_before, before.name)
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
    verdict: Verdict = "selected" if step.counts.selected else "accepted"
    if not ledger.is_detailed(verdict):
        return []  # of a sample nobody knows which was the last
    return [row for row in ledger.rows((verdict,)) if row.by == by and not row.is_logged]


def _own_row(flow: Flow, step: Step, candidate_id: str, by: str | None) -> Decision | None:
    found = flow.ledger(step).find_rows(candidate_id)
    rows = sorted((row for row in found if row.decision is not None), key=lambda row: row.is_logged)
    return next((row for row in rows if row.by == by), rows[0] if len(rows) == 1 else None)


def _cut_between(
    own: Decision | None, kept: Sequence[Decision], measured_at: str | None
) -> Cut | None:
    if own is None:
        return None
    own_score = score_value(own.score)
    ranked = [row for row in kept if row.rank is not None]
    scored = [row for row in kept if score_value(row.score) is not None]
    last: Decision | None = None
    if ranked:
        last = max(ranked, key=lambda row: row.rank or 0)
    elif scored:
        last = min(scored, key=lambda row: score_value(row.score) or 0.0)
    last_score = None if last is None else score_value(last.score)
    gap = None if own_score is None or last_score is None else _rounded(last_score - own_score)
    if own.rank is None and own_score is None:
        return None
    return Cut(
        rank=own.rank,
        last_kept_rank=None if last is None or own.rank is None else last.rank,
        score=own_score,
        last_kept_score=last_score,
        gap=gap,
        measured_at=measured_at,
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
