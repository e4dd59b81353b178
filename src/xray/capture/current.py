"""Which run and step the running code is in, per thread and per task."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, NamedTuple, Protocol

from xray.capture.step import Step, current_step


class StepOpener(Protocol):
    """A run, as far as the code inside it opens steps."""

    @property
    def step(self) -> Callable[..., Step]:
        """Opens a step of the run."""
        ...


current_run: Final[ContextVar[StepOpener | None]] = ContextVar("xray_run", default=None)
"""The run the running code is in, per thread and per task."""


class Standing(NamedTuple):
    """The run and the step that are current somewhere."""

    run: StepOpener | None
    step: Step | None


NOWHERE: Final = Standing(None, None)


def read_standing() -> Standing:
    """The run and the step that are current here."""
    return Standing(current_run.get(), current_step.get())


def restore_standing(standing: Standing) -> None:
    """Make these the current run and step again."""
    current_run.set(standing.run)
    current_step.set(standing.step)
