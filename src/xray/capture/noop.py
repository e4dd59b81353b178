"""Steps that record nothing, with the same verbs."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from xray.capture.comparison import meets
from xray.capture.step import Owner, Step
from xray.model.vocabulary import StepType


class NoopStep(Step):
    """Records nothing: the step of a client that is off, outside any run, or that failed to open.

    Args:
        run: the run it is a step of.
        name: its name.
        step_type: its type.
    """

    records = False

    def __init__(self, run: Owner, name: str, step_type: StepType) -> None:
        # Nothing that a step is made with: it must be there even where that fails.
        self.run = run
        self.name = name
        self.step_type = step_type
        self.step_id = str(uuid4())
        self.ordinal = 0
        self._previous = None
        self._is_left = False

    def _open(self) -> None:
        pass

    def close(self, error: BaseException | None = None) -> None:
        """End nothing."""

    def reject(
        self,
        candidate_id: object,
        reason: str | None = None,
        attributes: object = None,
        reasoning: str | None = None,
        score: object = None,
        observed: object = None,
        limit: object = None,
        op: str | None = None,
        origin: object = None,
        rank: int | None = None,
        by: object = None,
        part_of: object = None,
    ) -> None:
        """Record nothing."""

    def accept(
        self,
        candidate_id: object,
        score: object = None,
        attributes: object = None,
        reasoning: str | None = None,
        observed: object = None,
        limit: object = None,
        op: str | None = None,
        origin: object = None,
        rank: int | None = None,
        by: object = None,
        part_of: object = None,
        reason: str | None = None,
    ) -> None:
        """Record nothing."""

    def select(
        self,
        candidate_id: object,
        score: object = None,
        attributes: object = None,
        reasoning: str | None = None,
        observed: object = None,
        limit: object = None,
        op: str | None = None,
        origin: object = None,
        rank: int | None = None,
        by: object = None,
        part_of: object = None,
        reason: str | None = None,
    ) -> None:
        """Record nothing."""

    def check(
        self,
        candidate_id: object,
        name: str,
        observed: Any,
        op: str,
        limit: Any,
        field: str | None = None,
    ) -> bool:
        """Compare and record nothing."""
        return meets(observed, op, limit)

    def give_input(self, value: object) -> None:
        """Record nothing."""

    def give_output(self, value: object) -> None:
        """Record nothing."""

    def set_input_count(self, count: int) -> None:
        """Record nothing."""

    def set_output_count(self, count: int) -> None:
        """Record nothing."""

    def log_sampled_candidates(
        self, accepted: object = None, rejected: object = None, selected: object = None
    ) -> None:
        """Record nothing."""

    def log_stats(self, stats: object = None, /, **named: object) -> None:
        """Record nothing."""

    def set_params(self, params: object = None, /, **named: object) -> None:
        """Record nothing."""

    def set_input(self, value: object) -> None:
        """Record nothing."""

    def set_output(self, value: object) -> None:
        """Record nothing."""
