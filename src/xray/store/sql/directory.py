"""What is known of runs and steps under their numbers, and who gives these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from xray.store.folding import RunFold


class KnownRun(Struct):
    """What is known of a run.

    Args:
        seq: its number.
        known: a bit for each kind of fact that arrived.
        weight: its weight as it is stored; None where it is not stored yet.
        fold: what its facts say, once it was asked for.
        changed: a bit for each kind of fact that is news.
        is_new: whether it has no row yet.
    """

    seq: int
    known: int
    weight: float | None = None
    fold: RunFold | None = None
    changed: int = 0
    is_new: bool = False


class Known(Struct, frozen=True):
    """What is known of some runs and steps.

    Args:
        runs: the runs that have rows.
        steps: the numbers of the steps that have rows.
        early: the numbers of steps of which only decisions came.
    """

    runs: dict[str, KnownRun]
    steps: dict[str, int]
    early: dict[str, int]


class Directory(Protocol):
    """Gives runs and steps their numbers."""

    def forget(self) -> None:
        """Start again from what the database says; for when a transaction was taken back."""
        ...

    def find(self, run_ids: Mapping[str, bytes], step_ids: Mapping[str, bytes]) -> Known:
        """What is known of these runs and steps, which nobody else changes until the commit."""
        ...

    def number_run(self, run_id: str) -> int:
        """A number for a run that has none."""
        ...

    def number_step(self, step_id: str, early_run: int | None = None) -> int:
        """A number for a step that has none.

        Args:
            step_id: the step.
            early_run: the run that its decisions named, where only they came.
        """
        ...

    def arrive(self, step_id: str) -> None:
        """Note that a step came whose decisions came before it."""
        ...

    def write(self) -> None:
        """Write what it noted."""
        ...

    def remove_run(self, raw_run_id: bytes) -> None:
        """A run is about to be deleted: hold it until the commit, and let go of its id."""
        ...

    def remove_steps(self, run: int) -> list[int]:
        """Let go of the ids of the steps of run number *run*; the numbers it had noted."""
        ...
