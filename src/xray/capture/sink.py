"""Where capture puts finished facts; delivery and the in-memory test sink satisfy it."""

from __future__ import annotations

from typing import Protocol

from xray.model.facts import Fact


class Sink(Protocol):
    """Takes facts and never raises, never blocks, never calls back into the pipeline."""

    def put(self, fact: Fact) -> None:
        """Take *fact*; a fact that cannot be taken is counted as a loss."""
        ...

    def settle_run(self, run_id: str) -> None:
        """The run's last fact was put; a sink that was told to fail loudly does so here.

        Raises:
            XRayDeliveryError: only in `offline_mode="fail"`.
        """
        ...

    def count_loss(self, cause: str, records: int = 1, decisions: int = 0) -> None:
        """Count what was lost before it could become a fact."""
        ...
