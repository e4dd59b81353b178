"""How well the steps of a pipeline keep what is good, from the labels of its candidates."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from xray.model.notebook import Shown
from xray.model.vocabulary import Certainty, StepType

Side = Literal["was", "would_be"]
"""As recorded, or with other limits."""


class Measure(Struct, frozen=True, kw_only=True):
    """A share or a mean from labelled candidates, and the bounds that hold whatever is unknown.

    Unknown are the labels of the others (for precision and ranks) and what became of labelled ones
    that were not recorded (for recall).

    Args:
        value: over the labelled ones whose fate is known.
        least: at least so much, whatever is unknown; None where no bound is known.
        most: at most so much.
        n: how many labelled candidates it rests on; for a mean over lists, how many lists.
    """

    value: float
    least: float | None = None
    most: float | None = None
    n: int


class Miss(Struct, frozen=True, kw_only=True):
    """A candidate that a step treated against its label.

    Args:
        run_id: the run.
        step_id: the step.
        candidate_id: the candidate.
        reason: why it was dropped.
        note: what the label says.
    """

    run_id: str
    step_id: str
    candidate_id: str
    reason: str | None = None
    note: str | None = None


class LabelCounts(Struct, frozen=True, kw_only=True):
    """Labelled candidates of one label by what became of them at a step, in all runs together.

    Args:
        kept: went on from there.
        dropped: came there and did not go on.
        absent: never came there.
        unknown: of which that cannot be told.
    """

    kept: int = 0
    dropped: int = 0
    absent: int = 0
    unknown: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.kept + self.dropped + self.absent + self.unknown


class StepQuality(Struct, frozen=True, kw_only=True):
    """How well one step keeps the good and drops the bad.

    Args:
        pipeline: its pipeline.
        name: its name.
        step_type: its type.
        runs: in how many of the runs it is.
        good: the candidates labelled good.
        bad: those labelled bad.
        precision: of the labelled it kept, the share that is good.
        recall: of the good that came there (in a step that finds candidates, of all good of the
            run), the share it kept.
        recall_so_far: of all good of the run, the share still there behind it.
        precision_at_k: of the labelled on its first *k* ranks, the share that is good.
        reciprocal_rank: one over the place of the first good among the labelled, mean over lists.
        ndcg: how near the order of the labelled is to all good before all bad, mean over lists.
        lost_good: good ones it dropped, up to 10.
        kept_bad: bad ones it kept, up to 10.
        certainty: `known`, or `unknown` where of some labelled candidates it cannot be told.
        because: why.
    """

    pipeline: str
    name: str
    step_type: StepType
    runs: int
    good: LabelCounts
    bad: LabelCounts
    precision: Measure | None = None
    recall: Measure | None = None
    recall_so_far: Measure | None = None
    precision_at_k: Measure | None = None
    reciprocal_rank: Measure | None = None
    ndcg: Measure | None = None
    lost_good: list[Miss] = []
    kept_bad: list[Miss] = []
    certainty: Certainty = "known"
    because: str = ""


class Quality(Shown, Struct, frozen=True, kw_only=True):
    """How well pipelines keep what is good, step by step.

    Args:
        answer: one plain sentence.
        k: how many first ranks `precision_at_k` is about.
        runs: how many runs with labelled candidates were looked at.
        good: how many of their candidates are labelled good.
        bad: how many are labelled bad.
        steps: the steps, in order, pipeline by pipeline.
        complete: false where more runs meet the query than were looked at.
    """

    answer: str
    k: int
    runs: int
    good: int
    bad: int
    steps: list[StepQuality] = []
    complete: bool = True


class LimitQuality(Struct, frozen=True, kw_only=True):
    """What another limit does to labelled candidates at one step.

    Args:
        side: `was` as recorded, `would_be` with the other limit.
        precision: of the labelled it keeps, the share that is good; None where it keeps none.
        recall: of the good that came there, the share it keeps; None where none came.
        good_kept: how many good it keeps.
        bad_kept: how many bad it keeps.
        good_dropped: how many good it drops.
        bad_dropped: how many bad it drops.
        unknown: of how many labelled that came there it cannot be told.
    """

    side: Side
    precision: float | None = None
    recall: float | None = None
    good_kept: int = 0
    bad_kept: int = 0
    good_dropped: int = 0
    bad_dropped: int = 0
    unknown: int = 0
