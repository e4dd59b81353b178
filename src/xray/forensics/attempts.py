"""Which steps of a run are retries of one another: answers use the last attempt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from xray.model.vocabulary import StepStatus


class Attempted(Protocol):
    """A step as far as it tells which others it retries."""

    @property
    def step_id(self) -> str:
        """Its id."""
        ...

    @property
    def parent_step_id(self) -> str | None:
        """The step that contains it."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def status(self) -> StepStatus:
        """Its status."""
        ...

    @property
    def attempt(self) -> int:
        """Which attempt it says it is."""
        ...


AnyStep = TypeVar("AnyStep", bound=Attempted)


class Attempts(Struct, Generic[AnyStep], frozen=True):
    """The steps of a run, told apart into last attempts and those a later one replaced.

    Args:
        current: the steps that count, by ordinal.
        replaced_by: for every other step, the step whose attempt counts in its place.
        numbers: which attempt each step is, by step id, from 1.
    """

    current: list[AnyStep]
    replaced_by: dict[str, AnyStep]
    numbers: dict[str, int]

    def last_attempt(self, step: AnyStep) -> AnyStep:
        """The step that counts in the place of *step*: itself, or the last retry of it."""
        while step.step_id in self.replaced_by:
            step = self.replaced_by[step.step_id]
        return step


def number_attempts(steps: Iterable[AnyStep]) -> Attempts[AnyStep]:
    """Find the retries among *steps*, which come by ordinal.

    A step is attempt n+1 when the step of the same name and parent before it failed, or when it
    says so itself. What a replaced step contains is replaced with it.
    """
    ordered = list(steps)
    latest: dict[tuple[str | None, str], AnyStep] = {}
    replaced_by: dict[str, AnyStep] = {}
    numbers: dict[str, int] = {}
    for step in ordered:
        place = (step.parent_step_id, step.name)
        before = latest.get(place)
        number = step.attempt
        if before is not None and (before.status == "failed" or step.attempt > before.attempt):
            replaced_by[before.step_id] = step
            number = max(step.attempt, numbers[before.step_id] + 1)
        numbers[step.step_id] = number
        latest[place] = step
    for step in ordered:
        container = replaced_by.get(step.parent_step_id or "")
        if container is not None and step.step_id not in replaced_by:
            replaced_by[step.step_id] = container
    current = [step for step in ordered if step.step_id not in replaced_by]
    return Attempts(current, replaced_by, numbers)
