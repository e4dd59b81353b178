"""What a run would have decided with other limits, from the checks it recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from xray.errors import InvalidQueryError
from xray.forensics.case import Case
from xray.forensics.evidence import Ledger, RunEvidence
from xray.forensics.gaps import explain_blindness
from xray.forensics.labelled_limits import weigh_labels
from xray.forensics.limits import Evidence, Limits, is_number, operator_of, read_limit
from xray.forensics.redeciding import Redecided, StepEvidence
from xray.forensics.wording import (
    count_things,
    list_items,
    list_names,
    shorten_text,
    show_candidate,
    show_value,
)
from xray.model.checked import count_step
from xray.model.label_totals import LabelTotals
from xray.model.operators import ORDERINGS
from xray.model.records import Step
from xray.model.vocabulary import LabelWord
from xray.model.what_if import CurvePoint, LimitChange, StepWhatIf, WhatIf
from xray.query.spelling import find_nearest

_MAX_POINTS: Final = 11
_MAX_LISTED_CHECKS: Final = 20


def try_limits(
    evidence: RunEvidence,
    limits: Mapping[str, Any],
    labels: Mapping[str, LabelWord] = MappingProxyType({}),
) -> WhatIf:
    """Say what a run would have decided with other limits.

    Args:
        evidence: the run.
        limits: other limits by the name of a check, or by its field where only one check reads it.
        labels: those of the run's candidates, for what the limits do to them.

    Raises:
        InvalidQueryError: no step of the run recorded such a check, or several read that field.
    """
    case = Case.of(evidence)
    known = {
        step.step_id: StepEvidence(
            count_step(step), case.flow.ledger(step).outlines, evidence.sketches(step)
        )
        for step in case.flow.deciding_steps
    }
    checks = {one.name: one for step in known.values() for one in step.checks.values()}
    named = {_recognize(name, checks): limit for name, limit in limits.items()}
    steps: list[StepWhatIf] = []
    dropped: dict[str, frozenset[str]] = {}
    for step in case.flow.deciding_steps:
        there = known[step.step_id]
        own = {
            name: _fit_limit(there.checks[name], limit)
            for name, limit in named.items()
            if name in there.checks
        }
        if own:
            redecided = there.redecide(own)
            dropped[step.step_id] = redecided.dropped_ids
            totals = _weigh(case, step, there, own, labels)
            steps.append(_describe(case, step, there, own, redecided, totals))
    lost = [one for one in case.origins.answer if _is_lost(case, one, dropped)]
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


def find_readers(name: str, checks: Mapping[str, Evidence]) -> list[str]:
    """The check that *name* means: its own, or whatever reads the field of that name."""
    if name in checks:
        return [name]
    return sorted(one.name for one in checks.values() if one.field == name)


def refuse_ambiguous(name: str, readers: list[str]) -> InvalidQueryError:
    """The error that says which checks read the field *name*."""
    return InvalidQueryError(
        f"Several checks read {name!r}: {list_items(readers)}.",
        hint="Name the check.",
        code="ambiguous_check",
    )


def _recognize(name: str, checks: Mapping[str, Evidence]) -> str:
    readers = find_readers(name, checks)
    if len(readers) == 1:
        return readers[0]
    if readers:
        raise refuse_ambiguous(name, readers)
    fields = {one.field for one in checks.values() if one.field}
    near = find_nearest(name, sorted({*checks, *fields}))
    meant = f"Did you mean {near!r}? " if near else ""
    listed = list_items(sorted(checks), limit=_MAX_LISTED_CHECKS) or "none"
    raise InvalidQueryError(
        f"No step of this run recorded a check {shorten_text(name)!r}.",
        hint=f"{meant}The checks it recorded: {listed}.",
        code="no_such_check",
    )


def _fit_limit(check: Evidence, limit: Any) -> Any:
    try:
        return read_limit(check, limit)
    except ValueError as error:
        was = f", as {show_value(check.limit)}" if operator_of(check) else ""
        raise InvalidQueryError(
            f"{show_value(limit)} is no limit for {check.name}: {error}{was}.",
            hint="Give a limit of the kind the check was recorded with.",
            code="invalid_limit",
        ) from error


def _is_lost(case: Case, candidate_id: str, dropped: Mapping[str, frozenset[str]]) -> bool:
    """Whether no way is left on which a candidate of the answer got there."""
    if not any(candidate_id in ids for ids in dropped.values()):
        return False
    flow = case.flow
    arrives: dict[str, bool] = {}
    for step in flow.deciding_steps:
        sources = [
            edge.source.step_id for edge in flow.edges(step) if edge.source.step_id in arrives
        ]
        is_offered = not sources or any(arrives[one] for one in sources)
        if _keeps(flow.ledger(step), candidate_id):
            arrives[step.step_id] = is_offered and candidate_id not in dropped.get(step.step_id, ())
    last = case.origins.answering_step
    return last is not None and not arrives.get(last.step_id, True)


def _keeps(ledger: Ledger, candidate_id: str) -> bool:
    return any(ledger.keys_about(candidate_id, verdict) for verdict in ("accepted", "selected"))


def _weigh(
    case: Case, step: Step, known: StepEvidence, limits: Limits, labels: Mapping[str, LabelWord]
) -> LabelTotals:
    """What the limits do to labelled candidates."""
    if not labels:
        return LabelTotals()
    rows = {row.candidate_id for row in known.rows}
    ledger = case.flow.ledger(step)
    hidden = [one for one in labels if one not in rows and ledger.has(one)]
    return weigh_labels(known, limits, labels, hidden)


def _describe(
    case: Case,
    step: Step,
    known: StepEvidence,
    limits: Limits,
    redecided: Redecided,
    labelled: LabelTotals,
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
        curve=_draw_curve(known, limits),
        certainty="unknown" if because else "known",
        because=because,
        text=" ".join(
            filter(None, (_word_step(step, changes, kept, least, most), labelled.word()))
        ),
        quality=labelled.describe(),
    )


def _describe_change(known: StepEvidence, name: str, limit: Any) -> LimitChange:
    check, before = known.checks[name], known.limits_of(name)
    return LimitChange(
        check=name,
        field=check.field or name,
        op=operator_of(check) or check.op or "",
        was=before[0] if len(before) == 1 else None,
        now=limit,
    )


def _explain(case: Case, step: Step, redecided: Redecided) -> str:
    reasons = []
    if redecided.is_overruled:
        reasons.append(f"{step.name} kept candidates that failed the check")
    if redecided.has_silent:
        reasons.append(f"{step.name} recorded checks only of candidates that it rejected")
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


def _draw_curve(known: StepEvidence, limits: Limits) -> list[CurvePoint]:
    """How many candidates are kept at limits between what was observed."""
    if len(limits) != 1:
        return []
    ((name, limit),) = limits.items()
    if operator_of(known.checks[name]) not in ORDERINGS or not is_number(limit):
        return []
    observed = known.observed_by(name)
    tried = sorted({*observed, *filter(is_number, [limit, *known.limits_of(name)])})
    if len(tried) > _MAX_POINTS:
        last = len(tried) - 1
        tried = [tried[last * place // (_MAX_POINTS - 1)] for place in range(_MAX_POINTS)]
    return [CurvePoint(one, *known.count_kept({name: one})) for one in tried]


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
