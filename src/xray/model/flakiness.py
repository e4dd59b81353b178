"""How far runs on the same input decide alike, and where they begin not to."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from xray.model.notebook import Shown
from xray.model.vocabulary import Certainty, StepType


class Flip(Struct, frozen=True, kw_only=True):
    """A candidate that a step kept in some runs and not in others.

    Args:
        candidate_id: the candidate.
        by: the query or left record it was decided for.
        kept: in how many runs the step kept it.
        dropped: in how many it dropped it.
        absent: in how many it never came there.
        reasons: why it was dropped, each reason once.
        kept_in: a run that kept it.
        missed_in: a run that did not; None where the others lack the step.
    """

    candidate_id: str
    by: str | None = None
    kept: int
    dropped: int
    absent: int
    reasons: list[str] = []
    kept_in: str
    missed_in: str | None = None


class StepFlakiness(Struct, frozen=True, kw_only=True):
    """How far one step decided alike.

    Args:
        name: the step's name.
        step_type: its type.
        runs: how many of the runs have it.
        candidates: how many candidates any run decided there.
        flips: how many of them were not kept by all runs or by none.
        own_flips: how many of those came there in every run, so that the step itself decided
            differently; for a step that finds candidates, all of them.
        flip_rate: the chance that two of the runs disagree about a candidate, on average.
        examples: those that flip most, the step's own first; up to 10.
        step_ids: the step in each run.
    """

    name: str
    step_type: StepType
    runs: int
    candidates: int
    flips: int
    own_flips: int
    flip_rate: float
    examples: list[Flip] = []
    step_ids: list[str] = []


class Flakiness(Struct, frozen=True, kw_only=True):
    """How far some runs on one input decide alike.

    Args:
        pipeline: their pipeline.
        input: what they all were given.
        run_ids: the runs, newest first.
        answer: one plain sentence.
        answers: how many different answers they gave.
        source: the name of the first step that decided differently about the same candidates, or
            found others; None where none did.
        steps: every step, in order.
        certainty: `known`, or `unknown` where some decisions could not be compared.
        because: which.
    """

    pipeline: str
    input: Any
    run_ids: list[str]
    answer: str
    answers: int
    source: str | None = None
    steps: list[StepFlakiness] = []
    certainty: Certainty = "known"
    because: str = ""


class FlakinessReport(Shown, Struct, frozen=True, kw_only=True):
    """How far runs of the same input decide alike, input by input.

    Args:
        answer: one plain sentence.
        inputs: the inputs that were given more than once, the flakiest first.
        runs: how many runs were looked at.
        alone: how many of them had an input that no other had.
    """

    answer: str
    inputs: list[Flakiness]
    runs: int
    alone: int
