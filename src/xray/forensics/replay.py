"""What a step decided as it was recorded, compared with what it decides when it is run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from xray.forensics.aligning import align_steps
from xray.forensics.case import Case
from xray.forensics.changes import list_changes
from xray.forensics.evidence import RunEvidence
from xray.forensics.outcomes import Names
from xray.forensics.step_diff import compare_steps, word_change
from xray.forensics.wording import (
    count_things,
    end_sentence,
    list_items,
    show_candidate,
    show_value,
)
from xray.model.differences import Change, MoveKind, Moves, StepDiff
from xray.model.records import Run, Step

MAX_NAMED: Final = 100_000
"""How many candidates are named of those that fare otherwise in one way."""

_SHOWN: Final = 3
_WORDED: Final[dict[MoveKind, str]] = {
    "newly_rejected": "{count} {verb} newly dropped",
    "newly_kept": "{count} {verb} newly kept",
    "reason_changed": "{count} {verb} dropped for another reason",
    "only_in_a": "{count} {verb} no longer decided",
    "only_in_b": "{count} {verb} decided that had not been",
    "rank_moved": "{count} {verb} ranked elsewhere",
    "score_changed": "{count} {verb} scored otherwise",
}


def narrow_steps(steps: Sequence[Step], root: Step | None) -> list[Step]:
    """*root* and the steps inside it, as if they were all; every step where there is no root."""
    if root is None:
        return list(steps)
    inside = {root.step_id}
    kept = [replace(root, parent_step_id=None, takes=None)]
    for step in sorted(steps, key=lambda one: one.ordinal):
        if step.parent_step_id in inside:
            inside.add(step.step_id)
            kept.append(step)
    return kept


def compare_replay(recorded: RunEvidence, replayed: RunEvidence) -> list[StepDiff]:
    """How each step of a replay differs from what was recorded, its arguments aside.

    Args:
        recorded: the steps as they were recorded.
        replayed: the steps of the replay.
    """
    own, other = Case.of(recorded), Case.of(replayed)
    names = Names(recorded, replayed)
    return [
        _word_step(compare_steps(own, other, pair, names, MAX_NAMED))
        for pair in align_steps(own.flow.steps, other.flow.steps)
    ]


def _word_step(diff: StepDiff) -> StepDiff:
    if diff.a is None or diff.b is None:
        what = "has no such step" if diff.b is None else "has a step that was not recorded"
        return replace(diff, text=f"{diff.name} ({diff.step_type}): today's code {what}.")
    # What it was given is what was asked for; whether that was as recorded is said apart.
    changes = [one for one in diff.changes if not _is_under("input", one.path)]
    told = [_word_moves(moves) for moves in diff.moves]
    if not told:
        told += [f"{one.reason} {one.a:,} → {one.b:,}" for one in diff.reasons[:_SHOWN]]
    ended = [one for one in changes if _is_under("status", one.path) or one.path == "error"]
    if ended:
        told.insert(0, "; ".join(map(word_change, ended)))
    elif not told:
        told += [word_change(one) for one in changes[:_SHOWN]]
    else:
        told += [word_change(one) for one in changes if _is_under("params", one.path)][:_SHOWN]
    because = diff.because.replace("in A ", "as recorded, ").replace("in B ", "as replayed, ")
    text = f"{diff.name}: {'; '.join(told)}." if told else ""
    return replace(diff, changes=changes, because=because, text=text)


def _is_under(name: str, path: str) -> bool:
    return path == name or path.startswith((f"{name}.", f"{name}["))


def _word_moves(moves: Moves) -> str:
    verb = "is" if moves.count == 1 else "are"
    text = _WORDED[moves.kind].format(count=count_things(moves.count), verb=verb)
    shown = [show_candidate(move.candidate_id) for move in moves.examples[:_SHOWN]]
    if not shown:
        return text
    more = moves.count - len(shown)
    return f"{text} ({list_items([*shown, f'{more:,} more'] if more else shown)})"


def compare_ends(recorded: Run, replayed: Run) -> list[Change]:
    """How a run that was replayed whole ended otherwise: its status, error and output."""
    changes = list_changes("status", recorded.status, replayed.status)
    told = [
        f"{run.error.type}: {run.error.message}" if run.error else None
        for run in (recorded, replayed)
    ]
    changes += list_changes("error", *told)
    return [*changes, *list_changes("output", recorded.output, replayed.output)]


def word_replay(
    what: str,
    changes: Sequence[Change],
    steps: Sequence[StepDiff],
    unsettled: Sequence[StepDiff],
    changed: Mapping[str, Any],
    times: int,
) -> str:
    """The sentence of a replay.

    Args:
        what: the step's name, or the pipeline's.
        changes: how the run ended otherwise.
        steps: how its steps differ.
        unsettled: how replays differ from one another.
        changed: arguments that were not given as recorded.
        times: how often it was replayed.
    """
    given = "; ".join(f"{name} = {show_value(value)}" for name, value in changed.items())
    lead = f"With {given}, " if given else ""
    differing = [one for one in steps if not one.is_same]
    if differing:
        told = f"{lead}{what} decides otherwise: {_join_texts(differing, what)}"
    elif changes:
        said = "; ".join(map(word_change, changes[:_SHOWN]))
        told = f"{lead}{what} decides as it did and ends otherwise: {said}"
    else:
        told = f"{lead}{what} decides as it did: {_count_same(steps)}"
    if not unsettled:
        return end_sentence(told)
    doubt = (
        f"Today's code does not decide alike each time: of {times} replays, later ones differ from "
        f"the first ({_join_texts(unsettled, what)})"
    )
    return f"{end_sentence(told)} {end_sentence(doubt)}"


def _join_texts(steps: Sequence[StepDiff], what: str) -> str:
    texts = [one.text.removesuffix(".") for one in steps[:_SHOWN]]
    return "; ".join(text.removeprefix(f"{what}: ") for text in texts)


def _count_same(steps: Sequence[StepDiff]) -> str:
    counts = [one.a.counts for one in steps if one.a is not None]
    decided = sum(one.rejected + one.accepted + one.selected for one in counts)
    where = f" in {count_things(len(steps), 'step')}" if len(steps) > 1 else ""
    if not decided:
        return f"nothing differs{where}; no decisions were recorded"
    if decided == 1:
        return f"its decision{where} is the same"
    return f"none of its {decided:,} decisions{where} differs"
