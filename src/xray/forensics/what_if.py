"""What a run would have decided with other limits, from the checks it recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from xray.errors import InvalidQueryError
from xray.forensics.case import Case
from xray.forensics.evidence import RunEvidence
from xray.forensics.gaps import explain_blindness
from xray.forensics.redeciding import Limits, Redecided, StepEvidence, is_number
from xray.forensics.wording import count_things, list_items, list_names, show_candidate, show_value
from xray.model.operators import ORDERINGS
from xray.model.records import Step
from xray.model.what_if import CurvePoint, LimitChange, StepWhatIf, WhatIf

_MAX_POINTS: Final = 11


def try_limits(evidence: RunEvidence, limits: Mapping[str, Any]) -> WhatIf:
    """Say what a run would have decided with other limits.

    Args:
        evidence: the run.
        limits: other limits by the name of a check, or by its field where only one check reads it.

    Raises:
        InvalidQueryError: no step of the run recorded such a check, or several read that field.
    """
    case = Case.of(evidence)
    known = {
        step.step_id: StepEvidence(case.flow.ledger(step), evidence.sketches(step))
        for step in case.flow.deciding_steps
    }
    named = {_recognize(name, known.values()): limit for name, limit in limits.items()}
    steps: list[StepWhatIf] = []
    dropped: set[str] = set()
    for step in case.flow.deciding_steps:
        evidence_there = known[step.step_id]
        own = {name: one for name, one in named.items() if name in evidence_there.checks}
        if own:
            redecided = evidence_there.redecide(own)
            dropped |= redecided.dropped_ids
            steps.append(_describe(case, step, evidence_there, own, redecided))
    lost = [one for one in case.origins.answer if one in dropped]
    rescored = _find_rescored(case, steps)
    because = "; ".join(dict.fromkeys(step.because for step in steps if step.because))
    told = [step.text for step in steps]
    if lost:
        told.append(_word_lost(case, lost))
    if rescored:
        told.append(
            f"What {list_names(rescored)} would make of the candidates kept besides, only a rerun "
            "can tell."
        )
    return WhatIf(
        run_id=case.run.run_id,
        pipeline=case.run.pipeline,
        answer=" ".join(told),
        steps=steps,
        lost_answers=lost,
        rescored=[step.name for step in rescored],
        certainty="unknown" if because else "known",
        because=because,
    )


def _recognize(name: str, steps: Iterable[StepEvidence]) -> str:
    checks = {one.name: one for step in steps for one in step.checks.values()}
    if name in checks:
        return name
    readers = sorted(one.name for one in checks.values() if one.field == name)
    if len(readers) == 1:
        return readers[0]
    if readers:
        raise InvalidQueryError(
            f"Several checks read {name!r}: {list_items(readers)}.",
            hint="Name the check.",
            code="ambiguous_check",
        )
    listed = list_items(sorted(checks)) or "none"
    raise InvalidQueryError(
        f"No step of this run recorded a check {name!r}.",
        hint=f"The checks it recorded: {listed}.",
        code="no_such_check",
    )


def _describe(
    case: Case, step: Step, known: StepEvidence, limits: Limits, redecided: Redecided
) -> StepWhatIf:
    kept = step.counts.accepted + step.counts.selected
    newly_kept, newly_dropped = redecided.newly_kept, redecided.newly_dropped
    least = kept + newly_kept.least - newly_dropped.most
    most = kept + newly_kept.most - newly_dropped.least
    changes = [_describe_change(known, name, limit) for name, limit in limits.items()]
    because = _explain(case, step, redecided)
    return StepWhatIf(
        step_id=step.step_id,
        name=step.name,
        step_type=step.step_type,
        changes=changes,
        kept=kept,
        least=least,
        most=most,
        newly_kept=newly_kept,
        newly_dropped=newly_dropped,
        curve=_draw_curve(known, kept, limits),
        certainty="unknown" if because else "known",
        because=because,
        text=_word_step(step, changes, kept, least, most),
    )


def _describe_change(known: StepEvidence, name: str, limit: Any) -> LimitChange:
    check, before = known.checks[name], known.limits_of(name)
    return LimitChange(
        check=name,
        field=check.field,
        op=check.op or "",
        was=before[0] if len(before) == 1 else None,
        now=limit,
    )


def _explain(case: Case, step: Step, redecided: Redecided) -> str:
    reasons = []
    if redecided.is_overruled:
        reasons.append(f"{step.name} kept candidates that failed the check")
    if redecided.has_skipped:
        reasons.append(f"{step.name} did not put every candidate to every check")
    if redecided.has_hidden:
        ledger = case.flow.ledger(step)
        if ledger.is_complete():
            reasons.append(
                f"{step.name} kept the checks of {ledger.detailed_count:,} of its "
                f"{ledger.decided_count:,} decisions"
            )
        else:
            reasons.append(explain_blindness(case.flow, step))
    return "; ".join(reasons)


def _draw_curve(known: StepEvidence, kept: int, limits: Limits) -> list[CurvePoint]:
    """How many candidates are kept at limits between what was observed."""
    if len(limits) != 1:
        return []
    ((name, limit),) = limits.items()
    if known.checks[name].op not in ORDERINGS:
        return []
    observed = [
        check.observed
        for row in known.rows
        for check in row.checks
        if check.name == name and is_number(check.observed)
    ]
    tried = sorted({*observed, *filter(is_number, [limit, *known.limits_of(name)])})
    if len(tried) > _MAX_POINTS:
        last = len(tried) - 1
        tried = [tried[last * place // (_MAX_POINTS - 1)] for place in range(_MAX_POINTS)]
    points = []
    for one in tried:
        redecided = known.redecide({name: one})
        points.append(
            CurvePoint(
                limit=one,
                least=kept + redecided.newly_kept.least - redecided.newly_dropped.most,
                most=kept + redecided.newly_kept.most - redecided.newly_dropped.least,
            )
        )
    return points


def _find_rescored(case: Case, steps: Iterable[StepWhatIf]) -> list[Step]:
    """The later steps that candidates kept besides would reach."""
    reached = {step.step_id for step in steps if step.newly_kept.most}
    after = []
    for step in case.flow.deciding_steps:
        if any(edge.source.step_id in reached for edge in case.flow.edges(step)):
            reached.add(step.step_id)
            after.append(step)
    return after


def _word_step(step: Step, changes: Iterable[LimitChange], kept: int, least: int, most: int) -> str:
    limits = list_items([_word_change(one) for one in changes])
    if least == most == kept:
        return f"With {limits} {step.name} would have kept the same {count_things(kept)}."
    number = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    return f"With {limits} {step.name} would have kept {number} instead of {count_things(kept)}."


def _word_change(change: LimitChange) -> str:
    was = "" if change.was is None else f" instead of {show_value(change.was)}"
    return f"{change.field} {change.op} {show_value(change.now)}{was}"


def _word_lost(case: Case, lost: list[str]) -> str:
    names = list_items([show_candidate(one) for one in lost])
    verb = "was" if len(lost) == 1 else "were"
    if len(lost) == len(case.origins.answer):
        return f"{names}, which {verb} the answer, would not have got so far."
    return f"{names}, which {verb} in the answer, would not have got so far."
