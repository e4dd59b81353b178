"""What became of one candidate at one step, as far as recorded."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from xray.model.answers import Cut, RunnerUp, StopKind
from xray.model.records import Decision, Step
from xray.model.vocabulary import Certainty

Fate = Literal["in", "out", "maybe", "absent"]
"""Whether the candidate left a step alive: it did, it did not, nobody knows, it never was there."""


class Passage(Struct, frozen=True, kw_only=True):
    """What became of a candidate at one step.

    Args:
        step: the step.
        attempt: which attempt it was.
        kind: what happened.
        fate: whether the candidate went on.
        certainty: whether that is known, inferred or unknown.
        because: what it was inferred from, or why it is unknown.
        decision: the decision that says so; None where the step recorded none.
        decisions: every decision of the step about the candidate, one a `by`.
        cut: for an outranked candidate, how far it was from surviving.
        runner_up: for a selected candidate, the best that was not chosen.
        offered_count: for a vanished candidate, how many were offered together with it.
        first_decided: where exactly the first of those were decided, how many; else 0.
        detailed: where the decision is known from the roster alone: how many decisions of the step
            with the same verdict have a row.
        is_stranger: the step decided it though nobody offered it.
        is_replaced: a later attempt of this step counts instead.
    """

    step: Step
    attempt: int = 1
    kind: StopKind
    fate: Fate
    certainty: Certainty = "known"
    because: str = ""
    decision: Decision | None = None
    decisions: tuple[Decision, ...] = ()
    cut: Cut | None = None
    runner_up: RunnerUp | None = None
    offered_count: int = 0
    first_decided: int = 0
    detailed: int = 0
    is_stranger: bool = False
    is_replaced: bool = False

    @property
    def is_without_detail(self) -> bool:
        """Whether the roster alone knows the decision: its verdict, reason, origin and `by`."""
        return self.decision is not None and not self.decision.has_detail

    @property
    def is_present(self) -> bool:
        """Whether the candidate was there, as far as is known."""
        return self.fate != "absent" or bool(self.decisions)
