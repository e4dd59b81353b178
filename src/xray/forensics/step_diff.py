"""How one step differs between two runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from xray.forensics.aligning import Pair
from xray.forensics.case import Case
from xray.forensics.changes import list_changes
from xray.forensics.gaps import explain_blindness
from xray.forensics.moves import MAX_EXAMPLES, Comparison, compare_outcomes
from xray.forensics.outcomes import Names, read_outcomes
from xray.forensics.wording import count_things, list_items, show_candidate, show_value
from xray.model.differences import Change, Moves, ReasonShift, StepDiff, StepSide
from xray.model.records import Step
from xray.model.vocabulary import Verdict

_SHOWN: Final = 3
_WORDED: Final = {
    "newly_rejected": "{count} that A kept {verb} dropped",
    "newly_kept": "{count} that A dropped {verb} kept",
    "reason_changed": "{count} {verb} dropped for another reason",
    "only_in_a": "{count} {verb} in A only",
    "only_in_b": "{count} {verb} in B only",
    "rank_moved": "{count} {verb} ranked elsewhere",
    "score_changed": "{count} {verb} scored otherwise",
}


def compare_steps(
    a: Case, b: Case, pair: Pair, names: Names, max_examples: int = MAX_EXAMPLES
) -> StepDiff:
    """Compare what a step was given and what it decided in two runs.

    Args:
        a: one run.
        b: the other.
        pair: the step in both.
        names: the candidates that the two know by id.
        max_examples: how many candidates are named of those that fared otherwise in one way.
    """
    own, other = pair.a, pair.b
    if own is None or other is None:
        only = "A" if other is None else "B"
        return StepDiff(
            name=pair.step.name,
            step_type=pair.step.step_type,
            a=None if own is None else _describe_side(own),
            b=None if other is None else _describe_side(other),
            text=f"Only {only} has {pair.step.name} ({pair.step.step_type}).",
        )
    comparison = compare_outcomes(
        read_outcomes(a.flow.ledger(own), names),
        read_outcomes(b.flow.ledger(other), names),
        _survives(own),
        _survives(other),
        max_examples,
    )
    changes, reasons = _list_step_changes(own, other), _shift_reasons(own, other)
    if not comparison.moves:  # else these say how the counts came to differ
        changes += _list_count_changes(own, other)
    because = "; ".join(
        f"in {name} {explain_blindness(case.flow, step)}"
        for name, case, step in (("A", a, own), ("B", b, other))
        if case.flow.ledger(step).decided_count and not case.flow.ledger(step).is_complete()
    )
    return StepDiff(
        name=own.name,
        step_type=own.step_type,
        a=_describe_side(own),
        b=_describe_side(other),
        changes=changes,
        reasons=reasons,
        moves=comparison.moves,
        jaccard=comparison.jaccard,
        rank_overlap=comparison.rank_overlap,
        kendall_tau=comparison.kendall_tau,
        certainty="unknown" if because else "known",
        because=because,
        text=_word_step(other.name, changes, reasons, comparison),
    )


def _survives(step: Step) -> Verdict:
    return "selected" if step.counts.selected else "accepted"


def _describe_side(step: Step) -> StepSide:
    return StepSide(
        step_id=step.step_id,
        ordinal=step.ordinal,
        status=step.status,
        duration_ms=step.duration_ms,
        input_count=step.input_count,
        output_count=step.output_count,
        counts=step.counts,
        rejection_rate=step.rejection_rate,
    )


def _list_step_changes(a: Step, b: Step) -> list[Change]:
    changes = list_changes("status", a.status, b.status)
    if (a.error is None) != (b.error is None) or (a.error and b.error and a.error != b.error):
        told = [
            None if error is None else f"{error.type}: {error.message}"
            for error in (a.error, b.error)
        ]
        changes.append(Change(path="error", a=told[0], b=told[1]))
    changes += list_changes("params", a.params, b.params)
    changes += list_changes("input", a.input, b.input)
    changes += list_changes("output", a.output, b.output)
    return changes


def _list_count_changes(a: Step, b: Step) -> list[Change]:
    return [
        change
        for name in ("input_count", "output_count")
        for change in list_changes(name, getattr(a, name), getattr(b, name))
    ]


def _shift_reasons(a: Step, b: Step) -> list[ReasonShift]:
    own = {reason: one.count for reason, one in a.rejections.items()}
    other = {reason: one.count for reason, one in b.rejections.items()}
    shifts = [
        ReasonShift(reason=reason, a=own.get(reason, 0), b=other.get(reason, 0))
        for reason in {*own, *other}
        if own.get(reason, 0) != other.get(reason, 0)
    ]
    return sorted(shifts, key=lambda shift: (-abs(shift.a - shift.b), shift.reason))


def _word_step(
    name: str,
    changes: Sequence[Change],
    reasons: Sequence[ReasonShift],
    comparison: Comparison,
) -> str:
    told = [_word_moves(moves) for moves in comparison.moves]
    if not told and reasons:
        shifts = [f"{one.reason} {one.a:,} → {one.b:,}" for one in reasons[:_SHOWN]]
        told.append(f"reasons: {', '.join(shifts)}")
    causes = [one for one in changes if one.path.startswith(("status", "error", "params"))]
    told += [word_change(one) for one in causes[:_SHOWN]]
    if not told:
        told += [word_change(one) for one in changes[:_SHOWN]]
    return f"{name}: {'; '.join(told)}." if told else ""


def _word_moves(moves: Moves) -> str:
    verb = "was" if moves.count == 1 else "were"
    text = _WORDED[moves.kind].format(count=count_things(moves.count), verb=verb)
    examples = [show_candidate(move.candidate_id) for move in moves.examples[:_SHOWN]]
    if not examples:
        return text
    more = moves.count - len(examples)
    return f"{text} ({list_items([*examples, f'{more:,} more']) if more else list_items(examples)})"


def word_change(change: Change) -> str:
    """A value that differs: `params.max_price 100 → 80`."""
    if change.only_in == "a":
        return f"{change.path} was {show_value(change.a)} and is absent"
    if change.only_in == "b":
        return f"{change.path} is new: {show_value(change.b)}"
    return f"{change.path} {show_value(change.a)} → {show_value(change.b)}"
