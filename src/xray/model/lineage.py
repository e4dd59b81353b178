"""What an item of a run came from and what it brought, generation after generation."""

from __future__ import annotations

from msgspec import Struct

from xray.model.answers import Provenance
from xray.model.notebook import Shown
from xray.model.vocabulary import Certainty, StepType


class Yield(Struct, frozen=True, kw_only=True):
    """How the candidates of one generation fared at one step.

    Args:
        step_id: the step.
        name: its name.
        step_type: its type.
        ordinal: its position in the run.
        decided: how many of them it decided.
        rejected: how many of these it rejected.
        accepted: how many it accepted.
        selected: how many it selected.
        reasons: the rejected by reason, most frequent first.
        examples: up to 10 of those it let through, where their ids are known.
        certainty: `known`, or `unknown` where the step did not keep every candidate: then the
            numbers are the least there can be.
        because: why they are no more than that.
    """

    step_id: str
    name: str
    step_type: StepType
    ordinal: int
    decided: int
    rejected: int = 0
    accepted: int = 0
    selected: int = 0
    reasons: dict[str, int] = {}
    examples: list[str] = []
    certainty: Certainty = "known"
    because: str = ""

    @property
    def kept(self) -> int:
        """How many survived the step: the selected if it selected any, else the accepted."""
        return self.selected or self.accepted


class Generation(Struct, frozen=True, kw_only=True):
    """Candidates that one step received through the item, or through the generation before.

    Args:
        depth: 1 for what the item itself brought, 2 for what that brought, …
        brought_to: the name of the step where they name what brought them.
        step_id: that step's id.
        sources: up to 10 of what brought them.
        source_count: how many those are.
        count: how many candidates there are.
        fared: what became of them, step by step, that step included.
        answers: those of them that are in the run's answer.
        text: the same in one plain sentence.
        certainty: `known`, or `unknown` where not every candidate was kept.
        because: why they are no more than that.
    """

    depth: int
    brought_to: str
    step_id: str
    sources: list[str]
    source_count: int
    count: int
    fared: list[Yield] = []
    answers: list[str] = []
    text: str = ""
    certainty: Certainty = "known"
    because: str = ""


class Lineage(Shown, Struct, frozen=True, kw_only=True):
    """What one item of a run came from and what it brought.

    Args:
        run_id: the run.
        pipeline: its pipeline.
        candidate_id: the item.
        answer: one plain sentence.
        is_recorded: whether some step recorded it, or some candidate names it as its origin.
        certainty: whether all of it is known.
        because: why it is not.
        came_from: the chain back to what brought it, nearest first.
        brought: what it brought, generation by generation.
        answers: the candidates of the run's answer that descend from it, or are it.
        similar: recorded ids close to the one asked for, when no step recorded that.
    """

    run_id: str
    pipeline: str
    candidate_id: str
    answer: str
    is_recorded: bool = True
    certainty: Certainty
    because: str = ""
    came_from: list[Provenance] = []
    brought: list[Generation] = []
    answers: list[str] = []
    similar: list[str] = []
