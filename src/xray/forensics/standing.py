"""How a candidate stood among the others of a step: its cut when it lost, its rival when it won."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from xray.forensics.flow import Flow
from xray.model.answers import Cut, RunnerUp
from xray.model.counts import score_value
from xray.model.decisions import DecisionTable
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
    table = flow.ledger(step).table
    kept = _list_kept(flow, step, by)
    own = _own_row(flow, step, candidate_id, by)
    marks = [_mark_at(table, at) for at in kept]
    last = _find_last(marks) if kept else _last_of_roster(flow, step, by)
    cut = _cut_between(own, last, None)
    if cut is not None and own is not None and not own.has_detail and cut.rank is not None:
        cut = replace(cut, ranked_count=None if own.by else flow.ledger(step).decided_count)
    if cut is not None and (cut.gap is not None or cut.last_kept_rank is not None):
        return cut
    for edge in flow.edges(step):
        before = edge.source
        own_before = _own_row(flow, before, candidate_id, by)
        if own_before is None or not _is_placed(own_before):
            continue
        names = [table.candidate_ids[at] for at in kept]
        kept_before = [
            row for name in names if (row := _own_row(flow, before, name, by)) is not None
        ]
        borrowed = _cut_between(own_before, _find_last(map(_mark, kept_before)), before.name)
        if borrowed is not None and (
            borrowed.gap is not None or borrowed.last_kept_rank is not None
        ):
            return borrowed
    return cut


def find_runner_up(flow: Flow, step: Step, chosen: Decision) -> RunnerUp | None:
    """The best scored candidate that *step* could have chosen in place of *chosen*."""
    selected = flow.ledger(step).detailed["selected"].ids | {chosen.candidate_id}
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
    selected: frozenset[str],
    measured_at: str | None,
) -> RunnerUp | None:
    own_score = score_value(own.score)
    ledger = flow.ledger(step)
    if own_score is None or not ledger.is_detailed(*verdicts):
        return None
    table = ledger.table
    ids, partitions, scores = table.candidate_ids, table.partitions, table.scores
    rivals = [
        (score, at)
        for at in ledger.counting_positions(*verdicts)
        if (score := score_value(scores[at])) is not None
        and partitions[at] == own.by
        and ids[at] not in selected
    ]
    if not rivals:
        return None
    ranked = [(own.rank, own_score), *((table.ranks[at], score) for score, at in rivals)]
    sign = -1.0 if _is_lower_better(ranked) else 1.0
    score, best = max(rivals, key=lambda rival: sign * rival[0])
    return RunnerUp(
        candidate_id=ids[best],
        score=score,
        gap=_rounded(own_score - score),
        measured_at=measured_at,
    )


def _list_kept(flow: Flow, step: Step, by: str | None) -> list[int]:
    """Where the decisions stand that let candidates through *step*, where all of them are known."""
    ledger = flow.ledger(step)
    verdict = _kept_verdict(step)
    if not ledger.is_detailed(verdict):
        return []  # of a sample nobody knows which was the last
    partitions = ledger.table.partitions
    return [at for at in ledger.counting_positions(verdict) if partitions[at] == by]


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
    table = ledger.table
    rows = [at for at in ledger.counting_positions(verdict) if table.partitions[at] == by]
    return _find_last([*(_mark_at(table, at) for at in rows), *marks])


def _own_row(flow: Flow, step: Step, candidate_id: str, by: str | None) -> Decision | None:
    rows = [row for row in flow.ledger(step).find(candidate_id) if row.decision is not None]
    return next((row for row in rows if row.by == by), rows[0] if len(rows) == 1 else None)


def _is_placed(row: Decision) -> bool:
    return row.rank is not None or score_value(row.score) is not None


def _mark_at(table: DecisionTable, at: int) -> Mark:
    return Mark(table.ranks[at], score_value(table.scores[at]))


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


def _is_lower_better(placed: Iterable[tuple[int | None, float]]) -> bool:
    """Whether ranks say that a lower score is the better one, as distances are."""
    ranked = sorted((rank, score) for rank, score in placed if rank is not None)
    scores = [score for _, score in ranked]
    return len(scores) > 1 and scores == sorted(scores) and scores[0] < scores[-1]


def _rounded(difference: float) -> float:
    """*difference* without the dust of binary fractions."""
    return round(difference, 9)
