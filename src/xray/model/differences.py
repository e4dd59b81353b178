"""How two runs differ: what they were given, what each step decided, and where that began."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from xray.model.notebook import Shown
from xray.model.records import Counts
from xray.model.vocabulary import Certainty, StepStatus, StepType, Verdict

MoveKind = Literal[
    "newly_rejected",
    "newly_kept",
    "reason_changed",
    "only_in_a",
    "only_in_b",
    "rank_moved",
    "score_changed",
]
"""What became of one candidate at the same step of two runs:

newly_rejected: A let it through and B did not. newly_kept: the other way round. reason_changed:
both dropped it, for other reasons. only_in_a, only_in_b: only one of the two decided it.
rank_moved, score_changed: both let it through, or both dropped it, with another rank or score.
"""


class Change(Struct, frozen=True, kw_only=True):
    """One value that differs.

    Args:
        path: where it is: `version`, `params.max_price`, `input.query[0]`.
        a: the value in A; absent values are None.
        b: the value in B.
        only_in: `a` or `b` where the other has no such value.
    """

    path: str
    a: Any = None
    b: Any = None
    only_in: Literal["a", "b"] | None = None


class Standing(Struct, frozen=True, gc=False):
    """How one candidate stood at one step.

    Args:
        decision: its verdict.
        reason: the reason, where it was rejected.
        rank: its rank.
        score: its one number.
        score_error: by how much the score may be off; None where it is as it was given.
    """

    decision: Verdict
    reason: str | None = None
    rank: int | None = None
    score: float | None = None
    score_error: float | None = None


class Move(Struct, frozen=True, kw_only=True):
    """One candidate that fared otherwise at the same step of the two runs."""

    candidate_id: str
    by: str | None = None
    a: Standing | None = None
    b: Standing | None = None


class Moves(Struct, frozen=True, kw_only=True):
    """Candidates that fared otherwise in the same way.

    Args:
        kind: in which way.
        count: how many there are.
        examples: some of them, where their ids are known; the furthest moved first.
    """

    kind: MoveKind
    count: int
    examples: list[Move] = []


class ReasonShift(Struct, frozen=True, kw_only=True):
    """How many candidates were rejected for one reason, in A and in B."""

    reason: str
    a: int
    b: int


class StepSide(Struct, frozen=True, kw_only=True):
    """A step as one of the two runs recorded it."""

    step_id: str
    ordinal: int
    status: StepStatus
    duration_ms: float | None = None
    input_count: int | None = None
    output_count: int | None = None
    counts: Counts = Counts()
    rejection_rate: float | None = None


class StepDiff(Struct, frozen=True, kw_only=True):
    """How one step of A differs from the same step of B.

    Args:
        name: its name.
        step_type: its type.
        a: the step in A; None where only B has it.
        b: the step in B; None where only A has it.
        changes: values that differ: params, status, error, input, output.
        reasons: reasons whose numbers differ.
        moves: candidates that fared otherwise.
        jaccard: the survivors of both, as a share of the survivors of either.
        rank_overlap: rank-biased overlap (p = 0.9) of the ranked survivors.
        kendall_tau: how far the candidates that both ranked stand in the same order, -1 to 1.
        certainty: `known`, or `unknown` where one of the two kept too little to compare them whole.
        because: what was not kept.
        text: how they differ in one plain sentence; empty where nothing does.
    """

    name: str
    step_type: StepType
    a: StepSide | None = None
    b: StepSide | None = None
    changes: list[Change] = []
    reasons: list[ReasonShift] = []
    moves: list[Moves] = []
    jaccard: float | None = None
    rank_overlap: float | None = None
    kendall_tau: float | None = None
    certainty: Certainty = "known"
    because: str = ""
    text: str = ""

    @property
    def is_same(self) -> bool:
        """Whether nothing that was recorded differs."""
        is_in_both = self.a is not None and self.b is not None
        return is_in_both and not (self.changes or self.reasons or self.moves)


class RunSide(Struct, frozen=True, kw_only=True):
    """One of two runs that are compared."""

    run_id: str
    pipeline: str
    answers: list[str] = []


class RunDiff(Shown, Struct, frozen=True, kw_only=True):
    """How run B differs from run A.

    Args:
        a: the run that is compared with.
        b: the run that is compared.
        answer: one plain sentence.
        changes: what the runs were given and gave: input, params, version, output, …
        steps: every step of either, in order, each with how it differs.
        first_divergence: the place in `steps` of the first that differs; None where none does.
        certainty: `known`, or `unknown` where something could not be compared.
        because: what could not.
    """

    a: RunSide
    b: RunSide
    answer: str
    changes: list[Change] = []
    steps: list[StepDiff] = []
    first_divergence: int | None = None
    certainty: Certainty = "known"
    because: str = ""

    @property
    def is_same(self) -> bool:
        """Whether nothing that was recorded differs."""
        return not self.changes and self.first_divergence is None
