"""Runs as far as their checks go: what is read of very many of them to try other limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from xray.model.decisions import Outline
from xray.model.records import Step
from xray.model.sketch import CheckSketch
from xray.model.vocabulary import StepStatus, StepType


class StepCounts(Struct, frozen=True):
    """How many candidates a step decided.

    Args:
        kept: how many it kept.
        reasons: how many it rejected, by reason.
        has_repeated: whether it decided about some candidate more than once.
    """

    kept: int
    reasons: Mapping[str, int]
    has_repeated: bool = False


def count_step(step: Step) -> StepCounts:
    """How many candidates *step* decided, sampled out or not."""
    counts = step.counts
    return StepCounts(
        kept=counts.accepted + counts.selected,
        reasons={reason: one.count for reason, one in step.rejections.items() if one.count},
        has_repeated=counts.redecided > 0,
    )


class StepChecks(Struct, frozen=True):
    """What a step recorded of the checks that are asked for, and of all others beside them.

    Args:
        counts: how many candidates it decided.
        rows: its decisions.
        sketches: what its checks observed over all rows, where rows were sampled.
    """

    counts: StepCounts
    rows: Sequence[Outline]
    sketches: Sequence[CheckSketch]

    def names_one_of(self, words: frozenset[str] | None) -> bool:
        """Whether one of *words* is a check, what one observes, or a reason of a rejection.

        Args:
            words: the words; None for any.
        """
        if words is None:
            is_deciding = self.counts.kept > 0 or bool(self.counts.reasons)
            return is_deciding and (
                bool(self.counts.reasons) or any(row.checks for row in self.rows)
            )
        return (
            not words.isdisjoint(self.counts.reasons)
            or any(one.name in words for one in self.sketches)
            or any(
                check.name in words or check.field in words
                for row in self.rows
                for check in row.checks
            )
        )


class CheckedStep(Struct, frozen=True, kw_only=True):
    """A step, and what it recorded of the checks that are asked for.

    Args:
        step_id: the step.
        name: its name.
        step_type: its type.
        status: its status.
        attempt: which attempt it says it is.
        parent_step_id: the step that contains it.
        is_bare: it decided about candidates and kept no row of any.
        checks: what it recorded; None where nothing that it kept names such a check; where all
            are asked for, None where it neither rejected nor checked anybody.
    """

    step_id: str
    name: str
    step_type: StepType
    status: StepStatus
    attempt: int
    parent_step_id: str | None
    is_bare: bool
    checks: StepChecks | None


class CheckedRun(Struct, frozen=True, kw_only=True):
    """A run, and what its steps recorded of the checks that are asked for.

    Args:
        run_id: the run.
        pipeline: its pipeline.
        started_at_us: when it began, in µs since 1970.
        weight: how many runs it stands for.
        version: of the program.
        steps: its steps by ordinal, retries included.
        find_selected: gives what one of them chose, by its id; to be asked at once.
    """

    run_id: str
    pipeline: str
    started_at_us: int
    weight: float
    version: str | None = None
    steps: Sequence[CheckedStep]
    find_selected: Callable[[str], Sequence[str]]

    @property
    def row_count(self) -> int:
        """How many rows of decisions it shows."""
        return sum(len(step.checks.rows) for step in self.steps if step.checks is not None)


def list_selected(step: Step) -> Sequence[str]:
    """What *step* chose."""
    chosen = None if step.decision is None else step.decision.selected
    return [chosen] if isinstance(chosen, str) else chosen or []
