"""What many runs would have decided with other limits, summed up."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from xray.model.quality import LimitQuality
from xray.model.records import Scan
from xray.model.vocabulary import Certainty, StepType
from xray.model.what_if import CurvePoint, Flip

Blindness = Literal["no_such_check", "not_kept", "no_evidence", "not_comparable"]
"""Why a run could not be judged: no step recorded such a check, steps kept counts only, candidates
were rejected for it without saying what was observed, or it compares with something else."""

Doubt = Literal["skipped", "hidden", "silent", "overruled"]
"""Why the numbers of a run are bounds: not every candidate was put to every check, rows were
sampled, checks were recorded of rejections alone, or candidates were kept that failed one."""


class RunBounds(Struct, frozen=True, kw_only=True):
    """In how many runs something holds, at least and at most.

    Args:
        least: of the stored runs, at least.
        most: of the stored runs, at most.
        estimated_least: of all runs, by the weights of those that were kept.
        estimated_most: the same, at most.
    """

    least: int
    most: int
    estimated_least: float
    estimated_most: float


class Changed(Struct, frozen=True, kw_only=True):
    """How many candidates would fare otherwise in the same way, and in how many runs.

    Args:
        least: candidates of the stored runs, at least.
        most: at most.
        estimated_least: candidates of all runs, by the weights of those that were kept.
        estimated_most: the same, at most.
        runs: the runs in which there is one.
    """

    least: int
    most: int
    estimated_least: float
    estimated_most: float
    runs: RunBounds


class LimitsTried(Struct, frozen=True, kw_only=True):
    """One check with another limit, over the runs that recorded it.

    Args:
        check: the check's name.
        field: what it observes.
        op: how that is compared.
        was: the limits that were recorded, a few of them where there are many.
        is_was_whole: whether those are all.
        now: the limit that is tried.
    """

    check: str
    field: str
    op: str
    was: list[Any]
    is_was_whole: bool
    now: Any


class StepOfRuns(Struct, frozen=True, kw_only=True):
    """What the steps of one name would have decided.

    Args:
        pipeline: their pipeline.
        name: their name.
        step_type: their type.
        changes: the checks whose limits are changed.
        steps: how many steps they are.
        kept: how many candidates they kept.
        least: how many they would keep at least.
        most: how many they would keep at most.
        newly_kept_least: how many they would keep besides, at least.
        newly_kept_most: at most.
        newly_dropped_least: how many they would drop besides, at least.
        newly_dropped_most: at most.
        curve: how many they would keep at other limits; empty where several limits are changed.
        text: the same in one plain sentence.
        quality: what it does to labelled candidates, before and after; empty without any.
    """

    pipeline: str
    name: str
    step_type: StepType
    changes: list[LimitsTried]
    steps: int
    kept: int
    least: int
    most: int
    newly_kept_least: int
    newly_kept_most: int
    newly_dropped_least: int
    newly_dropped_most: int
    curve: list[CurvePoint] = []
    text: str = ""
    quality: list[LimitQuality] = []


class RunChange(Struct, frozen=True, kw_only=True):
    """One run that would have decided otherwise.

    Args:
        run_id: the run.
        pipeline: its pipeline.
        started_at: when it began.
        kept: how many candidates the steps concerned kept.
        newly_kept_least: how many they would keep besides, at least.
        newly_kept_most: at most.
        newly_dropped_least: how many they would drop besides, at least.
        newly_dropped_most: at most.
        lost_answers: candidates it selected in the end that one of the steps would drop.
        flips: some candidates that would fare otherwise, the surest and nearest first.
    """

    run_id: str
    pipeline: str
    started_at: datetime
    kept: int
    newly_kept_least: int
    newly_kept_most: int
    newly_dropped_least: int
    newly_dropped_most: int
    lost_answers: list[str] = []
    flips: list[Flip] = []


class Unjudged(Struct, frozen=True, kw_only=True):
    """Runs that could not be judged, all for the same reason."""

    why: Blindness
    runs: int
    estimated_runs: float


class WhatIfOfRuns(Struct, frozen=True, kw_only=True):
    """What many runs would have decided with other limits.

    Numbers are of the runs that are stored, exact or within bounds that hold. Where runs were
    sampled, estimates beside them are for all there were.

    Args:
        limits: the limits that are tried, by check or field.
        answer: a few plain sentences.
        runs: how many runs were looked at.
        estimated_runs: for how many they stand.
        is_estimated: whether some of them stand for others.
        judged: how many of them recorded such a check.
        exact: of how many of those the numbers are exact.
        unjudged: the others, by why.
        doubts: why the numbers of how many runs are bounds; a run may have several.
        kept: how many candidates the steps concerned kept.
        newly_kept: those they would keep besides.
        newly_dropped: those they would drop besides.
        touched: the runs of whose answer a step would drop a candidate.
        steps: the steps concerned, those with most candidates first.
        has_more_steps: whether there are others, which all other numbers count.
        examples: the runs in which most would change.
        checks: where no run was judged, checks that the newest of them recorded.
        certainty: `known` where all numbers are exact, else `unknown`.
        because: why they are not.
        complete: false when the search stopped at its budget: all is of what it looked at.
        next_cursor: goes on where it stopped; the answer is about the rest alone.
        scan: how far it came.
        state: of an answer that is one of several parts, what parts are added up from.
    """

    limits: dict[str, Any]
    answer: str
    runs: int
    estimated_runs: float
    is_estimated: bool = False
    judged: int
    exact: int
    unjudged: list[Unjudged] = []
    doubts: dict[Doubt, int] = {}
    kept: int
    newly_kept: Changed
    newly_dropped: Changed
    touched: RunBounds
    steps: list[StepOfRuns] = []
    has_more_steps: bool = False
    examples: list[RunChange] = []
    checks: list[str] = []
    certainty: Certainty = "known"
    because: str = ""
    complete: bool = True
    next_cursor: str | None = None
    scan: Scan | None = None
    state: str | msgspec.UnsetType = msgspec.UNSET
