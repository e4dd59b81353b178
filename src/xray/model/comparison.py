"""How two groups of runs differ, beyond what chance explains."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from xray.model.vocabulary import Certainty, StepType

DifferenceKind = Literal[
    "duration", "rejection_rate", "reason", "new_reason", "vanished_reason", "input_count",
    "output_count", "empty", "score", "unscored", "stat", "failure", "error", "lost", "repeats",
    "new_step", "vanished_step", "precision", "recall",
]  # fmt: skip
Measure = Literal["median", "mean", "share"]


class Example(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One run that shows a difference.

    Args:
        run_id: the run.
        step_id: its step; None where the figure is the run's own.
        value: the figure there.
    """

    run_id: str
    step_id: str | None = None
    value: float | None = None


class Difference(Struct, frozen=True, kw_only=True):
    """One figure that differs between two groups.

    Args:
        kind: which figure.
        pipeline: whose runs.
        step: the step's name; None for a figure of the whole run.
        step_type: its type.
        name: of a reason, an error or a number the pipeline logged.
        text: the same in one plain sentence.
        measure: how `a` and `b` sum up a group: the median run, the mean of runs, or the share of
            runs.
        a: the figure in A.
        b: the figure in B.
        scale: whether `change` and its bounds say how many times as much B is, or how much more.
        change: from A to B.
        least: the change is at least that, by 99 in 100.
        most: the change is at most that, by 99 in 100.
        effect: how far apart the groups are, from -1 (every run of A above every run of B) over 0
            to 1 (every run of B above every run of A): Cliff's delta.
        effect_least: how far apart they are at least, by 99 in 100.
        p: the chance of such a difference in any of the figures looked at, were the groups alike.
        test: the test it rests on.
        a_runs: how many runs of A have the figure.
        b_runs: how many runs of B have it.
        a_examples: runs of A that show it.
        b_examples: runs of B that show it.
        follows: another difference, of the step or of one before it, may be all there is to it.
    """

    kind: DifferenceKind
    pipeline: str
    step: str | None = None
    step_type: StepType | None = None
    name: str = ""
    text: str = ""
    measure: Measure
    a: float
    b: float
    scale: Literal["times", "more"]
    change: float | None = None
    least: float | None = None
    most: float | None = None
    effect: float
    effect_least: float
    p: float
    test: Literal["fisher", "mann_whitney", "weighted_ranks"]
    a_runs: int
    b_runs: int
    a_examples: list[Example] = []
    b_examples: list[Example] = []
    follows: bool = False


class SettingShare(Struct, frozen=True, kw_only=True):
    """A value, as JSON, and the share of the runs that were told it; None for no value."""

    value: str | None
    share: float


class SettingDifference(Struct, frozen=True, kw_only=True):
    """Something the runs of two groups were told otherwise: a version, a parameter.

    Args:
        path: `version`, `environment`, `repository`, `pipeline`, or a path into the parameters.
        pipeline: whose runs; None where pipelines themselves are counted.
        step: the step whose parameter it is; None for the run's.
        text: the same in one plain sentence.
        a: the commonest values in A.
        b: the commonest values in B.
        p: as of a `Difference`.
        a_examples: runs of A.
        b_examples: runs of B.
    """

    path: str
    pipeline: str | None = None
    step: str | None = None
    text: str = ""
    a: list[SettingShare] = []
    b: list[SettingShare] = []
    p: float
    a_examples: list[Example] = []
    b_examples: list[Example] = []


class ComparedGroup(Struct, frozen=True, kw_only=True):
    """One of two groups.

    Args:
        query: which runs they are.
        runs: how many were compared.
        stands_for: how many runs those are, where whole runs are sampled.
        unfinished: how many more have no end yet, which are not compared.
        first: when the oldest began.
        last: when the newest began.
    """

    query: str
    runs: int
    stands_for: float
    unfinished: int = 0
    first: datetime | None = None
    last: datetime | None = None


class Comparison(Struct, frozen=True, kw_only=True):
    """How two groups of runs differ, beyond what chance explains.

    Args:
        answer: one plain sentence.
        certainty: `inferred`, from figures of many runs; `unknown` where there are too few.
        because: what it rests on.
        a: one group.
        b: the other, which is said to differ from it.
        differences: what differs, the most telling first.
        settings: what the runs were told otherwise.
        tests: how many figures were looked at that could have told anything.
        level: the chance that any of the differences is none, were the groups alike.
        overlap: how many runs meet both queries; they are in neither group.
        is_cut: there were more steps, reasons, errors or statistics than are kept apart.
        complete: false while runs are left; these figures are of the newest.
        next_cursor: pass it to go on.
    """

    answer: str
    certainty: Certainty = "inferred"
    because: str = ""
    a: ComparedGroup
    b: ComparedGroup
    differences: list[Difference] = []
    settings: list[SettingDifference] = []
    tests: int = 0
    level: float = 0.01
    overlap: int = 0
    is_cut: bool = False
    complete: bool = True
    next_cursor: str | None = None
