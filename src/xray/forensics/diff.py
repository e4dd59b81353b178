"""Two runs compared, decision by decision: how they differ, and where that began."""

from __future__ import annotations

from typing import Final

from xray.forensics.aligning import align_steps
from xray.forensics.case import Case
from xray.forensics.changes import list_changes
from xray.forensics.evidence import RunEvidence
from xray.forensics.outcomes import Names
from xray.forensics.step_diff import compare_steps, word_change
from xray.forensics.wording import list_items, show_candidate
from xray.model.differences import Change, RunDiff, RunSide, StepDiff
from xray.model.records import Run

_FIELDS: Final = (
    "pipeline",
    "status",
    "version",
    "repository",
    "environment",
    "tags",
    "metadata",
    "params",
    "input",
    "output",
)
_GIVEN: Final = ("pipeline", "version", "repository", "environment", "params", "input")
_SHOWN: Final = 3


def compare_runs(a: RunEvidence, b: RunEvidence) -> RunDiff:
    """Say how run *b* differs from run *a*, and where they first part.

    Ids of runs and steps, times and durations are not compared; they differ in any two runs.
    """
    own, other = Case.of(a), Case.of(b)
    pairs = align_steps(own.flow.steps, other.flow.steps)
    names = Names(a, b)
    steps = [compare_steps(own, other, pair, names) for pair in pairs]
    changes = _list_run_changes(own.run, other.run)
    first = next((place for place, step in enumerate(steps) if not step.is_same), None)
    because = "; ".join(dict.fromkeys(step.because for step in steps if step.because))
    return RunDiff(
        a=_describe_side(own),
        b=_describe_side(other),
        answer=_word_answer(own, other, changes, None if first is None else steps[first], because),
        changes=changes,
        steps=steps,
        first_divergence=first,
        certainty="unknown" if because else "known",
        because=because,
    )


def _describe_side(case: Case) -> RunSide:
    return RunSide(run_id=case.run.run_id, pipeline=case.run.pipeline, answers=case.origins.answer)


def _list_run_changes(a: Run, b: Run) -> list[Change]:
    changes = [
        change
        for name in _FIELDS
        for change in list_changes(name, getattr(a, name), getattr(b, name))
    ]
    told = [f"{run.error.type}: {run.error.message}" if run.error else None for run in (a, b)]
    return [*changes, *list_changes("error", *told)]


def _word_answer(
    a: Case, b: Case, changes: list[Change], first: StepDiff | None, because: str
) -> str:
    given = [one for one in changes if one.path.split(".")[0].split("[")[0] in _GIVEN]
    told = []
    if first is not None:
        told.append(f"They first differ at {first.text}" if first.a and first.b else first.text)
    if given:
        shown = "; ".join(word_change(one) for one in given[:_SHOWN])
        more = f"; {len(given) - _SHOWN:,} more" if len(given) > _SHOWN else ""
        told.insert(0, f"They were not given the same: {shown}{more}.")
    answers = [[show_candidate(one) for one in case.origins.answer] for case in (a, b)]
    if answers[0] != answers[1]:
        before, after = (list_items(one) or "nothing" for one in answers)
        told.append(f"The answer changed from {before} to {after}.")
    rest = [one for one in changes if one not in given]
    if not told and rest:
        told.append(f"No step differs, but {'; '.join(map(word_change, rest[:_SHOWN]))}.")
    if told:
        return " ".join(told)
    return f"Nothing differs as far as was recorded: {because}." if because else "Nothing differs."
