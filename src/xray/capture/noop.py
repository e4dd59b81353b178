"""Steps that record nothing, with the same verbs."""

from __future__ import annotations

from typing import Any

from xray.capture.comparison import meets
from xray.capture.step import Step


class NoopStep(Step):
    """Records nothing: the step of a client that is off, or outside any run."""

    records = False

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
