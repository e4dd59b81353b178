"""Counts, rates and reasons of a step: defined here and nowhere else."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Raw, Struct
from msgspec.structs import replace

from xray.model.facts import (
    ACCEPTED,
    EVIDENCE,
    NIL,
    REJECTED,
    SELECTED,
    DecisionRow,
    OriginCount,
    OriginRef,
    Score,
    StepFinished,
    Tally,
)
from xray.model.records import Counts, Coverage, OriginTotal, StepDecision
from xray.model.values import open_map
from xray.model.vocabulary import (
    CREATING_STEP_TYPES,
    RATELESS_STEP_TYPES,
    UNNAMED_REASON,
    RateBasis,
)

MAX_ORIGINS: Final = 4096
MAX_REASONS: Final = 256
OTHER_REASON: Final = "other"
OVERALL_SCORE_NAMES: Final = ("score", "total", "overall")
_MAX_DERIVED_REASON_LENGTH: Final = 120
_ABSENT: Final = (NIL, Raw(b""))
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")


class StepSummary(Struct, frozen=True, kw_only=True):
    """What follows from a step's fact without looking at any other step.

    Args:
        counts: distinct candidates by verdict.
        reasons: rejected candidates by reason.
        selected: ids of the selected, in rank order.
        census: how many candidates were decided by a row that counts one by one.
        declared_input_count: set by hand or by `stats.input_count`.
        declared_output_count: set by hand or by `stats.output_count`.
    """

    counts: Counts
    reasons: dict[str, int]
    origins: list[OriginTotal]
    selected: list[str]
    score: float | None
    input_count: int | None
    output_count: int | None
    declared_input_count: int | None
    declared_output_count: int | None
    rejection_rate: float | None
    rate_basis: RateBasis | None
    coverage: Coverage
    census: int
    incomplete: list[str]
    stats: dict[str, Any]

    @property
    def decision(self) -> StepDecision | None:
        """What the step chose; None when nothing was selected."""
        if not self.selected:
            return None
        chosen = self.selected[0] if len(self.selected) == 1 else self.selected
        return StepDecision(selected=chosen, score=self.score)


def reason_of(row: DecisionRow) -> str:
    """The reason a rejected *row* is grouped under.

    The one it names; else its first failed check; else its free text with numbers replaced by
    `#`; else `unspecified`.
    """
    if row.reason:
        return row.reason
    for check in row.checks or ():
        if not check.passed:
            return check.name
    if row.reasoning:
        return derive_reason(row.reasoning)
    return UNNAMED_REASON


def is_reason_inferred(row: DecisionRow) -> bool:
    """Whether `reason_of` had to derive the reason of *row* from its free text."""
    has_failed_check = any(not check.passed for check in row.checks or ())
    return bool(row.reasoning) and not row.reason and not has_failed_check


def derive_reason(reasoning: str) -> str:
    """A reason to group free text by: its numbers become `#`, its white space single."""
    return _NUMBER.sub("#", " ".join(reasoning.split()))[:_MAX_DERIVED_REASON_LENGTH]


def score_value(score: Score | None) -> float | None:
    """The one number a score is compared by: itself, its `score`, `total`, `overall`, or first."""
    if isinstance(score, dict):
        for name in OVERALL_SCORE_NAMES:
            if name in score:
                return _finite(score[name])
        return next((_finite(value) for value in score.values()), None)
    return None if score is None else _finite(score)


def _finite(value: float) -> float | None:
    # Zero has no sign here: not every store keeps it.
    return float(value) + 0.0 if math.isfinite(value) else None


def resolve_rows(rows: Iterable[DecisionRow]) -> tuple[list[DecisionRow], int]:
    """One row a candidate (and `by`): the last verdict wins, origins and checks accumulate.

    Attributes, score, ranks and `part_of` that the last row does not give are taken from the one
    before; reason, reasoning and `merged_into` belong to the verdict they came with.

    Returns:
        the rows in the order the candidates were first seen, and how many verdicts were replaced.
    """
    rows = rows if isinstance(rows, list) else list(rows)
    if len({row.candidate_id for row in rows}) == len(rows):
        return rows, 0
    resolved: dict[tuple[str | None, str], DecisionRow] = {}
    redecided = 0
    for row in rows:
        key = (row.by, row.candidate_id)
        earlier = resolved.get(key)
        if earlier is None:
            resolved[key] = row
            continue
        if earlier.verdict != EVIDENCE and row.verdict != EVIDENCE:
            redecided += 1
        resolved[key] = _merge_rows(earlier, row)
    return list(resolved.values()), redecided


def _merge_rows(earlier: DecisionRow, later: DecisionRow) -> DecisionRow:
    checks = [*(earlier.checks or ()), *(later.checks or ())] or None
    origin = union_origins(earlier.origin, later.origin)
    if later.verdict == EVIDENCE:
        return replace(earlier, checks=checks, origin=origin)
    return replace(
        later,
        attributes=earlier.attributes if later.attributes == NIL else later.attributes,
        score=earlier.score if later.score is None else later.score,
        rank=earlier.rank if later.rank is None else later.rank,
        rank_before=earlier.rank_before if later.rank_before is None else later.rank_before,
        part_of=later.part_of or earlier.part_of,
        origin=origin,
        checks=checks,
    )


def union_origins(
    earlier: list[OriginRef] | None, later: list[OriginRef] | None
) -> list[OriginRef] | None:
    """What brought a candidate by either account, each origin once."""
    if not later:
        return earlier
    if not earlier and len(later) == 1:
        return later
    distinct = {(ref.step_id, ref.candidate_id): ref for ref in earlier or ()}
    for ref in later:
        distinct.setdefault((ref.step_id, ref.candidate_id), ref)
    return list(distinct.values())


def tally_rows(rows: Sequence[DecisionRow], redecided: int = 0) -> Tally:
    """Count resolved rows, one a candidate.

    Args:
        rows: what `resolve_rows` returned.
        redecided: how many verdicts were replaced on the way.
    """
    verdicts = bytes([row.verdict for row in rows])
    reasons: dict[str, int] = {}
    for reason in [row.reason or reason_of(row) for row in rows if row.verdict == REJECTED]:
        reasons[reason] = reasons.get(reason, 0) + 1
    origins: dict[tuple[str, str | None], list[int]] = {}
    for row in [row for row in rows if row.origin]:
        if row.verdict != EVIDENCE:
            for ref in union_origins(None, row.origin) or ():
                add_origin(origins, ref, row.verdict)
    return Tally(
        rejected=verdicts.count(REJECTED),
        accepted=verdicts.count(ACCEPTED),
        selected=verdicts.count(SELECTED),
        reasons=reasons if len(reasons) <= MAX_REASONS else _fold_reasons(reasons),
        origins=[OriginCount(name, step, *n) for (name, step), n in origins.items()],
        redecided=redecided,
        anonymous=sum([row.is_anonymous for row in rows]),
    )


def _fold_reasons(reasons: dict[str, int]) -> dict[str, int]:
    folded: dict[str, int] = {}
    for reason, count in reasons.items():
        add_reason(folded, reason, count)
    return folded


def add_reason(reasons: dict[str, int], reason: str, by: int = 1) -> None:
    """Count *reason*; beyond `MAX_REASONS` different ones under `other`."""
    if reason not in reasons and len(reasons) >= MAX_REASONS:
        reason = OTHER_REASON
    reasons[reason] = reasons.get(reason, 0) + by


def add_origin(
    origins: dict[tuple[str, str | None], list[int]], ref: OriginRef, verdict: int, by: int = 1
) -> None:
    """Count *ref* under *verdict*; origins beyond `MAX_ORIGINS` are not told apart."""
    key = (ref.candidate_id, ref.step_id)
    counts = origins.get(key)
    if counts is None:
        if len(origins) >= MAX_ORIGINS:
            key = (OTHER_REASON, None)
        counts = origins.setdefault(key, [0, 0, 0])
    counts[verdict] += by


def rejection_rate(
    fact: StepFinished,
    tally: Tally,
    declared: tuple[int | None, int | None],
    stats: dict[str, Any],
) -> tuple[float | None, RateBasis | None]:
    """The share of a step's candidates it rejected, and what that figure rests on.

    Args:
        fact: the step.
        tally: its counted decisions.
        declared: input and output count as set by hand.
        stats: its opened statistics.
    """
    if fact.step_type in RATELESS_STEP_TYPES:
        return None, None
    declared_rate = _declared_rate(*declared)
    kept = tally.accepted + tally.selected
    if tally.rejected and not kept:
        return (1.0, "inferred") if declared_rate is None else (declared_rate, "declared")
    if tally.selected and not tally.rejected and not tally.accepted:
        return (None, None) if declared_rate is None else (declared_rate, "declared")
    if tally.decided:
        return tally.rejected / tally.decided, "counted"
    if declared_rate is not None:
        return declared_rate, "declared"
    for name in ("rejection_rate", "filter_rate"):
        given = stats.get(name)
        if isinstance(given, (int, float)) and not isinstance(given, bool) and 0 <= given <= 1:
            return float(given), "given"
    logged = [row for row in resolve_rows(fact.logged)[0] if row.verdict != EVIDENCE]
    if logged:
        return sum(row.verdict == REJECTED for row in logged) / len(logged), "sampled"
    return None, None


def _declared_rate(input_count: int | None, output_count: int | None) -> float | None:
    if not input_count or output_count is None or output_count > input_count:
        return None
    return (input_count - output_count) / input_count


def missing_requirements(fact: StepFinished, tally: Tally, has_counts: bool) -> list[str]:
    """What the step's type asks for and *fact* does not record; empty for a step that failed.

    Args:
        fact: the step.
        tally: its counted decisions.
        has_counts: whether input and output count were set by hand.
    """
    if fact.status != "completed":
        return []
    has_output = fact.output not in _ABSENT
    logged_verdicts = {row.verdict for row in fact.logged}
    has_survivor = bool(tally.accepted or tally.selected or logged_verdicts & {ACCEPTED, SELECTED})
    if fact.step_type in ("filter", "rank"):
        is_met = has_counts or tally.decided > 0 or bool(logged_verdicts)
        return [] if is_met else ["counts or decisions"]
    if fact.step_type == "select":
        is_met = tally.selected > 0 or SELECTED in logged_verdicts or has_output
        return [] if is_met else ["a selected candidate or an output"]
    if fact.step_type in CREATING_STEP_TYPES:
        return [] if has_output or has_survivor else ["an output or a surviving candidate"]
    return []


def summarize_step(fact: StepFinished) -> StepSummary:
    """Counts, rate, choice and gaps of one step."""
    if fact.tally is None:
        rows, redecided = resolve_rows(fact.rows)
        tally = tally_rows(rows, redecided)
        census = tally.decided
    else:
        rows, tally = fact.rows, fact.tally
        census = _count_decided(rows)
    stats = open_map(fact.stats)
    declared_in = _declared(fact.input_count, stats.get("input_count"))
    declared_out = _declared(fact.output_count, stats.get("output_count"))
    rate, basis = rejection_rate(fact, tally, (declared_in, declared_out), stats)
    chosen = _choose(fact, rows)
    scores = [value for row in chosen if (value := score_value(row.score)) is not None]
    has_counts = declared_in is not None and declared_out is not None
    counted_in, counted_out = _counted(fact, tally)
    return StepSummary(
        counts=Counts(
            rejected=tally.rejected,
            accepted=tally.accepted,
            selected=tally.selected,
            redecided=tally.redecided,
            anonymous=tally.anonymous,
        ),
        reasons=tally.reasons,
        origins=[
            OriginTotal(
                candidate_id=origin.candidate_id,
                step_id=origin.step_id,
                rejected=origin.rejected,
                accepted=origin.accepted,
                selected=origin.selected,
            )
            for origin in tally.origins
        ],
        selected=[row.candidate_id for row in chosen],
        score=min(scores, default=None),
        input_count=counted_in if declared_in is None else declared_in,
        output_count=counted_out if declared_out is None else declared_out,
        declared_input_count=declared_in,
        declared_output_count=declared_out,
        rejection_rate=rate,
        rate_basis=basis,
        coverage=_coverage(fact, census, tally),
        census=census,
        incomplete=missing_requirements(fact, tally, has_counts),
        stats=stats,
    )


def _count_decided(rows: Sequence[DecisionRow]) -> int:
    return len({(row.by, row.candidate_id) for row in rows if row.verdict != EVIDENCE})


def _choose(fact: StepFinished, rows: Sequence[DecisionRow]) -> list[DecisionRow]:
    """The selected of a step: its own, else those that only illustrate."""
    chosen = select_rows(rows)
    if chosen and rows is fact.rows:
        chosen = select_rows(resolve_rows(rows)[0])
    for taken in fact.reservoirs:
        if taken.verdict == SELECTED:
            chosen = select_rows([*chosen, *taken.rows])
    return chosen or (select_rows(resolve_rows(fact.logged)[0]) if fact.logged else [])


def select_rows(rows: Iterable[DecisionRow]) -> list[DecisionRow]:
    """The selected among *rows*: by rank where they have one, then as recorded."""
    chosen = [row for row in rows if row.verdict == SELECTED]
    if len(chosen) > 1:
        chosen.sort(key=lambda row: math.inf if row.rank is None else row.rank)
    return chosen


def _declared(by_hand: int | None, in_stats: object) -> int | None:
    if by_hand is not None:
        return by_hand
    return in_stats if type(in_stats) is int and in_stats >= 0 else None


def _counted(fact: StepFinished, tally: Tally) -> tuple[int | None, int | None]:
    if not tally.decided:
        return None, None
    survivors = tally.selected or tally.accepted
    is_input_known = tally.rejected or tally.accepted
    if fact.step_type in CREATING_STEP_TYPES or not is_input_known:
        return None, survivors
    return tally.decided, survivors


def _coverage(fact: StepFinished, census: int, tally: Tally) -> Coverage:
    if tally.decided and census == tally.decided and not fact.reservoirs:
        return "all"
    if census or fact.reservoirs:
        return "sampled"
    return "logged" if fact.logged else "none"


def cover_with_roster(summary: StepSummary, named: int | None) -> Coverage:
    """Which of a step's decided candidates are known, given its roster.

    Args:
        summary: what follows from the step without it.
        named: how many candidates the roster names; None when it is not there or not complete.
    """
    counts = summary.counts
    decided = counts.rejected + counts.accepted + counts.selected
    is_named = bool(named) and summary.census + (named or 0) == decided
    return "named" if is_named and summary.coverage != "all" else summary.coverage
