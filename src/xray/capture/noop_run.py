"""Runs that record nothing, with the same verbs."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from xray.capture.noop import NoopStep
from xray.capture.run import Run, Self
from xray.capture.settings import CaptureSettings
from xray.capture.sink import AnsweringSink, Sink
from xray.capture.step import Step
from xray.errors import NotFoundError


class NoopRun(Run):
    """Records nothing: the run of a client that is off, or of one that could make no other.

    Args:
        pipeline: the pipeline's name.
        sink: takes nothing.
        settings: counts for nothing.
        renew: makes the run of each call, where it decorates a function.
    """

    def __init__(
        self,
        pipeline: str,
        sink: Sink,
        settings: CaptureSettings,
        *,
        renew: Callable[[], Run] | None = None,
    ) -> None:
        # Nothing that a run is made with: it must be there even where that fails.
        self._renew = renew
        self.pipeline = pipeline
        self.sink = sink
        self.settings = settings
        self.key = None
        self.attempt = 1
        self.run_id = str(uuid4())
        self.full_bytes_left = 0
        self._outside = []
        self._left_to = None

    def _answers(self) -> AnsweringSink:
        raise NotFoundError(
            "The run was not recorded: X-Ray is off here.",
            hint="See `enabled=`, XRAY_DISABLED, and the log of `xray`.",
            code="run_not_recorded",
        )

    def start(self: Self) -> Self:
        """Begin nothing."""
        return self

    def finish(
        self,
        status: str | None = None,
        output: object = None,
        error: BaseException | None = None,
    ) -> None:
        """End nothing."""

    def keep(self, reason: str | None = None) -> None:
        """Keep nothing."""

    def add_tags(self, *tags: str) -> None:
        """Record nothing."""

    def find_step(self, step: object) -> str | None:
        """No step: none is recorded."""
        return None

    def give_input(self, value: object) -> None:
        """Record nothing."""

    def give_output(self, value: object) -> None:
        """Record nothing."""

    def set_output(self, value: object) -> None:
        """Record nothing."""

    def set_metadata(self, metadata: object = None, /, **named: object) -> None:
        """Record nothing."""

    def headers(self) -> dict[str, str]:
        """No headers: there is no run to add to."""
        return {}

    def step(
        self,
        name: str,
        step_type: str | None = None,
        *,
        capture: str | None = None,
        takes: object = None,
        params: object = None,
        input: object = None,  # noqa: A002
        parent: object = None,
    ) -> Step:
        """A step that records nothing."""
        return NoopStep(self, "off", "custom")
