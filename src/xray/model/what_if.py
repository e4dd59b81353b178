"""What a run would have decided with other limits, from the evidence it recorded."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from xray.model.notebook import Shown
from xray.model.quality import LimitQuality
from xray.model.vocabulary import Certainty, StepType


class LimitChange(Struct, frozen=True, kw_only=True):
    """One check with another limit.

    Args:
        check: the check's name.
        field: what it observes.
        op: how that is compared.
        was: the limit that was recorded; None where candidates had limits of their own.
        now: the limit that is tried.
    """

    check: str
    field: str
    op: str
    was: Any = None
    now: Any = None


class Flip(Struct, frozen=True, kw_only=True):
    """One candidate that would fare otherwise.

    Args:
        candidate_id: the candidate.
        by: the query or left record the decision belongs to.
        check: the check that decides.
        observed: what it observed.
        certainty: `known`; or `unknown` where later checks were not evaluated, so that one of them
            may drop the candidate all the same.
    """

    candidate_id: str
    by: str | None = None
    check: str
    observed: Any = None
    certainty: Certainty = "known"


class Flips(Struct, frozen=True, kw_only=True):
    """Candidates that would fare otherwise in the same way.

    Args:
        kind: `newly_kept` or `newly_dropped`.
        least: how many there are at least.
        most: how many there are at most.
        examples: some of them, those nearest to the limit first.
    """

    kind: Literal["newly_kept", "newly_dropped"]
    least: int
    most: int
    examples: list[Flip] = []


class CurvePoint(Struct, frozen=True):
    """How many candidates a step would keep at one limit, at least and at most."""

    limit: float
    least: int
    most: int


class StepWhatIf(Struct, frozen=True, kw_only=True):
    """What one step would have decided.

    Args:
        step_id: the step.
        name: its name.
        step_type: its type.
        changes: the checks whose limits are changed.
        kept: how many candidates it kept.
        least: how many it would keep at least.
        most: how many it would keep at most.
        newly_kept: those it would keep besides.
        newly_dropped: those it would drop besides.
        curve: how many it would keep at other limits; empty where several limits are changed.
        certainty: `known` where the numbers are exact, else `unknown`.
        because: why they are not.
        text: the same in one plain sentence.
        quality: what it does to labelled candidates, before and after; empty without any.
    """

    step_id: str
    name: str
    step_type: StepType
    changes: list[LimitChange]
    kept: int
    least: int
    most: int
    newly_kept: Flips
    newly_dropped: Flips
    curve: list[CurvePoint] = []
    certainty: Certainty = "known"
    because: str = ""
    text: str = ""
    quality: list[LimitQuality] = []


class WhatIf(Shown, Struct, frozen=True, kw_only=True):
    """What a run would have decided with other limits.

    Args:
        run_id: the run.
        pipeline: its pipeline.
        answer: one plain sentence.
        steps: the steps whose checks have other limits, in order.
        lost_answers: candidates of the run's answer that would not have reached it.
        rescored: the later steps that would get candidates they never saw; what they would make of
            those only a rerun can tell.
        certainty: `known` where all numbers are exact, else `unknown`.
        because: why they are not.
    """

    run_id: str
    pipeline: str
    answer: str
    steps: list[StepWhatIf] = []
    lost_answers: list[str] = []
    rescored: list[str] = []
    certainty: Certainty = "known"
    because: str = ""
