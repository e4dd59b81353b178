"""Runs that another process started."""

from __future__ import annotations

from typing import TypeVar

from xray.capture.guard import guarded, warn
from xray.capture.headers import Handover
from xray.capture.naming import read_attempt, read_name
from xray.capture.run import Run
from xray.capture.sequence import StepSequence
from xray.capture.settings import CaptureSettings
from xray.capture.sink import Sink
from xray.errors import XRayDeliveryError
from xray.model.facts import RunPatched
from xray.model.ids import run_id_for_key

Self = TypeVar("Self", bound="AttachedRun")


class AttachedRun(Run):
    """A run that another process started: steps are added to it, and it is never finished here.

    Args:
        handover: which run it is, and where in it this process goes on.
        sink: where facts go.
        settings: how they are captured.
    """

    _must_end = False

    def __init__(self, handover: Handover, sink: Sink, settings: CaptureSettings) -> None:
        super().__init__(handover.pipeline, sink, settings)
        self.run_id = handover.run_id
        self._root_step_id = handover.step_id
        first, room = handover.ordinals or (None, None)
        self._steps = StepSequence(settings.clock, first, room)

    def start(self: Self) -> Self:
        """Begin nothing: the process that started the run did."""
        return self

    def finish(
        self,
        status: str | None = None,  # noqa: ARG002  (the verb of every run)
        output: object = None,
        error: BaseException | None = None,
    ) -> None:
        """Deliver the steps; the run goes on in the process that started it."""
        with guarded("AttachedRun.finish"):
            if output is not None:
                self.set_output(output)
            try:
                self.sink.settle_run(self.run_id)
            except XRayDeliveryError:
                if error is None:
                    raise

    def give_input(self, value: object) -> None:
        """Leave the run's input to the process that started it."""

    def give_output(self, value: object) -> None:
        """Leave the run's output to the process that finishes it."""

    def set_output(self, value: object) -> None:
        """Record what the pipeline produced, in place of what the starting process records."""
        with guarded("AttachedRun.set_output"):
            self.sink.put(RunPatched(run_id=self.run_id, output=self._freeze(value, "output")))

    def set_metadata(self, metadata: object = None, /, **named: object) -> None:
        """Add metadata to the run."""
        with guarded("AttachedRun.set_metadata"):
            super().set_metadata(metadata, **named)
            self.sink.put(RunPatched(run_id=self.run_id, metadata=self._pack_metadata()))

    def add_tags(self, *tags: str) -> None:  # noqa: ARG002
        """Add nothing: tags are given by the process that starts or finishes the run."""
        warn("attached-tags", "An attached run takes no tags; give them where the run starts.")


def hand_over_by_key(pipeline: object, key: object, attempt: object) -> Handover:
    """The run of *pipeline* that is started with *key* at that attempt, in whichever process."""
    name = read_name(pipeline, "unnamed")
    return Handover(run_id_for_key(name, read_name(key, ""), read_attempt(attempt)), name)
