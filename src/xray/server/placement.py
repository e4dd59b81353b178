"""Where a step stands in its run: its ordinal, its attempt, and the steps it may name."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from xray.model.records import Run
from xray.model.vocabulary import StepStatus
from xray.query.plan import MAX_LIMIT, Comparison, FieldRef, Plan
from xray.store.protocol import Store

_MAX_RUNS: Final = 10_000


@dataclass(frozen=True)
class StepPlace:
    """Where a step stands in its run.

    Args:
        run_id: the run.
        pipeline: the run's pipeline.
        ordinal: the step's position, unless its body says another.
        attempt: which attempt it is, unless its body says.
        known_steps: ids of earlier steps by name, for bodies that name steps.
    """

    run_id: str
    pipeline: str
    ordinal: int
    attempt: int = 1
    known_steps: Mapping[str, str] = field(default_factory=dict)


class Attempted(Protocol):
    """A step as far as counting its attempts goes."""

    @property
    def name(self) -> str:
        """The step's name."""
        ...

    @property
    def parent_step_id(self) -> str | None:
        """The step that contains it."""
        ...

    @property
    def attempt(self) -> int:
        """Which attempt it was."""
        ...

    @property
    def status(self) -> StepStatus:
        """How it ended."""
        ...


def next_attempt(name: str, parent_step_id: str | None, earlier: Sequence[Attempted]) -> int:
    """One more than the attempt of the last step of that name and parent, if it failed; else 1."""
    for step in reversed(earlier):
        if (step.name, step.parent_step_id) == (name, parent_step_id):
            return step.attempt + 1 if step.status == "failed" else 1
    return 1


class StepPlacement:
    """Gives each step of a run the next ordinal, also while earlier ones are being written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._last: OrderedDict[str, int] = OrderedDict()

    def place(self, run: Run, name: str, parent_step_id: str | None) -> StepPlace:
        """The place of a step that is about to be recorded; reads the store."""
        is_of_run = Comparison(FieldRef("step", "run_id"), "=", run.run_id)
        steps = self._store.steps(Plan(scope="step", where=is_of_run, limit=MAX_LIMIT)).items
        steps = sorted(steps, key=lambda step: (step.ordinal, step.attempt))
        stored = max((step.ordinal for step in steps), default=-1)
        with self._lock:
            ordinal = max(stored, self._last.pop(run.run_id, -1)) + 1
            self._last[run.run_id] = ordinal
            if len(self._last) > _MAX_RUNS:
                self._last.popitem(last=False)
        return StepPlace(
            run_id=run.run_id,
            pipeline=run.pipeline,
            ordinal=ordinal,
            attempt=next_attempt(name, parent_step_id, steps),
            known_steps={step.name: step.step_id for step in steps},
        )
