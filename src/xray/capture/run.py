"""One execution of a pipeline, as the pipeline sees it: started, told what happened, finished."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, unquote

import msgspec

from xray.capture.correlation import correlate, read_active_span
from xray.capture.failures import describe_error, status_after
from xray.capture.guard import caught, guarded, warn
from xray.capture.levels import STEP_CLASSES
from xray.capture.noop import NoopStep
from xray.capture.settings import FULL_BYTES_PER_RUN, CaptureSettings
from xray.capture.snapshot import bounded_text, read_list, snapshot, well_formed
from xray.capture.step import VALUE_LIMITS, Place, Step, current_step
from xray.capture.wrapping import record_calls
from xray.errors import XRayDeliveryError
from xray.model.facts import NIL, RunFinished, RunStarted
from xray.model.ids import new_uuid7, parse_uuid, run_id_for_key
from xray.model.kinds import is_a
from xray.model.vocabulary import (
    DECLARABLE_STEP_TYPES,
    CaptureLevel,
    RunStatus,
    StepType,
    parse_capture_level,
    parse_run_status,
    parse_step_type,
)

if TYPE_CHECKING:
    from xray.capture.sink import Sink

Self = TypeVar("Self", bound="Run")
F = TypeVar("F", bound=Callable[..., Any])

RUN_HEADER: Final = "x-xray-run"
PIPELINE_HEADER: Final = "x-xray-pipeline"
STEP_HEADER: Final = "x-xray-step"
ORDINAL_HEADER: Final = "x-xray-ordinal"
_MAX_NAME_LENGTH: Final = 256
_MAX_TAGS: Final = 64

current_run: Final[ContextVar[Run | None]] = ContextVar("xray_run", default=None)
"""The run the running code is in, per thread and per task."""


class Run:
    """A run of a pipeline; `XRay(...).run(...)` makes one.

    Use it as a context manager, plain or async, or with `start()` and `finish()`.
    """

    def __init__(
        self,
        pipeline: str,
        sink: Sink,
        settings: CaptureSettings,
        *,
        input: object = None,  # noqa: A002  (the pipeline author's word)
        metadata: object = None,
        tags: object = None,
        params: object = None,
        correlation: object = None,
        key: str | None = None,
        attempt: int = 1,
        renew: Callable[[], Run] | None = None,
    ) -> None:
        self._renew = renew
        self.pipeline = read_name(pipeline, "unnamed")
        self.sink = sink
        self.settings = settings
        self.key = None if key is None else read_name(key, "")
        self.attempt = attempt if type(attempt) is int and 0 < attempt < 1 << 31 else 1
        self.run_id = (
            new_uuid7(settings.clock.wall_us())
            if self.key is None
            else run_id_for_key(self.pipeline, self.key, self.attempt)
        )
        self.full_bytes_left = FULL_BYTES_PER_RUN
        self._omissions: dict[str, int] = {}
        self._input = NIL if input is None else self._freeze(input)
        self._metadata = self._freeze_map(metadata)
        self._params = NIL if params is None else self._freeze(params)
        self._tags = _read_tags(tags)
        self._correlation = correlate(correlation)
        self._output = NIL
        self._added_metadata: dict[str, Any] = {}
        self._added_tags: list[str] = []
        self._ordinals = itertools.count()
        self._steps_by_name: dict[str, str] = {}
        self._attempts: dict[Place, tuple[int, bool]] = {}
        self._lock = threading.Lock()
        self._previous: tuple[Run | None, Step | None] = (None, None)
        self._root_step_id: str | None = None
        self._is_started = False
        self._is_finished = False
        self._started_s = 0.0

    # Starting and finishing

    def start(self: Self) -> Self:
        """Begin the run; entering it as a context manager does the same."""
        with guarded("Run.start"):
            if not self._is_started:
                self._is_started = True
                clock = self.settings.clock
                self._started_s = clock.monotonic_s()
                with guarded("Run.correlate"):
                    self._correlation = read_active_span(self.run_id) | self._correlation
                self.sink.put(
                    RunStarted(
                        run_id=self.run_id,
                        pipeline=self.pipeline,
                        started_at_us=clock.wall_us(),
                        input=self._input,
                        metadata=self._metadata,
                        params=self._params,
                        tags=self._tags,
                        correlation=self._correlation,
                        repository=self.settings.repository,
                        version=self.settings.version,
                        environment=self.settings.environment,
                        key=self.key,
                        attempt=self.attempt,
                    )
                )
        return self

    def finish(
        self,
        status: str | None = None,
        output: object = None,
        error: BaseException | None = None,
    ) -> None:
        """End the run; a second call changes nothing.

        Args:
            status: `completed`, `failed` or `cancelled`; told by *error* when absent.
            output: what the pipeline produced, unless `set_output` said it.
            error: the exception that ended the run, if one did.

        Raises:
            XRayDeliveryError: in `offline_mode="fail"`, when the run could not be delivered.
        """
        if self._is_finished:
            return
        self.start()
        self._is_finished = True
        try:
            if output is not None:
                self._output = self._freeze(output)
            self._put_end(self._read_status(status, error), error)
        except Exception as failure:  # noqa: BLE001
            self.sink.count_loss("capture_failed")
            caught("Run.finish", failure)
        try:
            self.sink.settle_run(self.run_id)
        except XRayDeliveryError:
            if error is None:
                raise
        except Exception as failure:  # noqa: BLE001
            caught("Run.settle", failure)

    def _put_end(self, status: RunStatus, error: BaseException | None) -> None:
        duration_s = self.settings.clock.monotonic_s() - self._started_s
        self.sink.put(
            RunFinished(
                run_id=self.run_id,
                status=status,
                duration_ms=max(0.0, duration_s * 1000.0),
                output=self._output,
                error=describe_error(error) if status in ("failed", "cancelled") else None,
                metadata=self._freeze_map(self._added_metadata),
                tags=self._added_tags,
                omissions=self._omissions,
            )
        )

    def _read_status(self, status: object, error: BaseException | None) -> RunStatus:
        if status is None:
            return status_after(error)
        known = parse_run_status(str.__str__(status)) if is_a(status, str) else None
        if known is None or known in ("running", "abandoned"):
            warn("status", "finish(status=…) takes completed, failed or cancelled.")
            return status_after(error)
        return known

    def __enter__(self: Self) -> Self:
        self.start()
        self.activate()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.deactivate()
        self.finish(error=error)

    async def __aenter__(self: Self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """Record every call of *function* as a run of its own, started as this one would be."""
        return record_calls(self._renew or (lambda: self), function)

    def begin(self) -> None:
        """Start the run, without making it the current one."""
        self.start()

    def end(self, error: BaseException | None) -> None:
        """Finish the run; *error* is what left it, if something did."""
        self.finish(error=error)

    def give_output(self, value: object) -> None:
        """Take *value* as output unless the pipeline set one."""
        if self._output is NIL and value is not None:
            self.set_output(value)

    def give_input(self, value: object) -> None:
        """Take *value* as input unless the pipeline gave one."""
        with guarded("Run.give_input"):
            if self._input is NIL:
                self._input = self._freeze(value)

    def activate(self) -> None:
        """Make this the run that `xray_step` adds to, in this thread or task."""
        with guarded("Run.activate"):
            self._previous = (current_run.get(), current_step.get())
            current_run.set(self)
            current_step.set(None)

    def deactivate(self) -> None:
        """Give the place back to the run that had it before, unless another took it since."""
        with guarded("Run.deactivate"):
            if current_run.get() is self:
                current_run.set(self._previous[0])
                current_step.set(self._previous[1])
            self._previous = (None, None)

    # What the run is about

    def set_output(self, value: object) -> None:
        """Record what the pipeline produced."""
        with guarded("Run.set_output"):
            self._output = self._freeze(value)

    def set_metadata(self, metadata: object = None, /, **named: object) -> None:
        """Add metadata to the run."""
        with guarded("Run.set_metadata"):
            given = dict(dict.items(metadata)) if is_a(metadata, dict) else {}
            frozen = self._freeze(given | named)
            self._added_metadata.update(msgspec.msgpack.decode(frozen))

    def add_tags(self, *tags: str) -> None:
        """Add tags to the run."""
        with guarded("Run.add_tags"):
            self._added_tags.extend(_read_tags(list(tags)))

    # Steps

    def step(
        self,
        name: str,
        step_type: str | None = None,
        *,
        capture: str | None = None,
        takes: object = None,
        params: object = None,
        input: object = None,  # noqa: A002  (the pipeline author's word)
        parent: object = None,
    ) -> Step:
        """A step of this run, opened by `with`.

        Args:
            name: what the pipeline calls it.
            step_type: `generate`, `retrieve`, `filter`, `rank`, `select`, `transform` or `group`.
            capture: `minimal`, `sample` or `full`; the client's level when absent.
            takes: the steps, or their names, whose survivors it works on.
            params: the settings it runs with.
            input: what it is given.
            parent: the step that contains it; the one that is open when absent.
        """
        try:
            kind, declared = _read_step_type(step_type)
            active = current_step.get()
            parent_id = self.find_step(parent)
            if parent_id is None and active is not None and active.run is self:
                parent_id = active.step_id
            return STEP_CLASSES[self._read_level(capture)](
                self,
                read_name(name, "unnamed"),
                kind,
                declared_type=declared,
                parent_step_id=parent_id or self._root_step_id,
                takes=self._read_takes(takes),
                params=params,
                input=input,
            )
        except Exception as error:  # noqa: BLE001
            caught("Run.step", error)
            return NoopStep(self, "unnamed", "custom")

    def _read_level(self, capture: object) -> CaptureLevel:
        if capture is None:
            return self.settings.level
        level = parse_capture_level(str.__str__(capture)) if is_a(capture, str) else None
        if level is None:
            warn("capture", "capture= takes minimal, sample or full; the client's level is used.")
        return level or self.settings.level

    def _read_takes(self, takes: object) -> list[str] | None:
        if takes is None:
            return None
        given = read_list(takes)
        if given is None:
            given = [takes]
        found = [step_id for one in given if (step_id := self.find_step(one)) is not None]
        if len(found) < len(given):
            warn("takes", "takes= names a step this run has not opened; it is left out.")
        return found or None

    def find_step(self, step: object) -> str | None:
        """The id of *step*: a step of this run, the name of its latest so called, or an id."""
        if is_a(step, Step):
            return step.step_id
        if not is_a(step, str):
            return None
        name = str.__str__(step)
        return self._steps_by_name.get(name) or parse_uuid(name)

    def next_ordinal(self) -> int:
        """The position of the next step that opens."""
        return next(self._ordinals)

    def begin_attempt(self, step_id: str, place: Place) -> int:
        """Note that a step opened; which attempt it is after a failed step at its place."""
        with self._lock:
            number, has_failed = self._attempts.get(place, (0, False))
            attempt = number + 1 if has_failed else 1
            self._attempts[place] = (attempt, False)
            self._steps_by_name[place[1]] = step_id
        return attempt

    def end_attempt(self, place: Place, *, failed: bool) -> None:
        """Note how the last step at *place* ended."""
        with self._lock:
            self._attempts[place] = (self._attempts.get(place, (1, False))[0], failed)

    # Other processes

    def headers(self) -> dict[str, str]:
        """Headers that let another process add steps to this run with `xray.attach(headers)`."""
        active = current_step.get()
        headers = {
            RUN_HEADER: self.run_id,
            PIPELINE_HEADER: quote(self.pipeline, safe=""),
            ORDINAL_HEADER: str(self.next_ordinal()),
        }
        if active is not None and active.run is self:
            headers[STEP_HEADER] = active.step_id
        return headers

    def _freeze(self, value: object) -> msgspec.Raw:
        return snapshot(value, self.settings.redactor, self._omissions, VALUE_LIMITS)

    def _freeze_map(self, value: object) -> msgspec.Raw:
        if value is None or (is_a(value, dict) and not dict.__len__(value)):
            return NIL
        return self._freeze(value if is_a(value, dict) else {"value": value})


class AttachedRun(Run):
    """A run that another process started: steps are added to it, and it is never finished here."""

    def start(self: Self) -> Self:
        """Begin nothing: the process that started the run did."""
        return self

    def finish(
        self,
        status: str | None = None,
        output: object = None,
        error: BaseException | None = None,
    ) -> None:
        """Deliver the steps; the run goes on in the process that started it."""
        try:
            self.sink.settle_run(self.run_id)
        except XRayDeliveryError:
            if error is None:
                raise

    def follow(self, headers: Mapping[str, str]) -> bool:
        """Take the run's id and place from *headers*; False when they name no run."""
        found = {str(name).lower(): str(value) for name, value in dict(headers).items()}
        run_id = parse_uuid(found.get(RUN_HEADER, ""))
        if run_id is None:
            return False
        self.run_id = run_id
        self.pipeline = read_name(unquote(found.get(PIPELINE_HEADER, "")), self.pipeline)
        self._root_step_id = parse_uuid(found.get(STEP_HEADER, ""))
        ordinal = found.get(ORDINAL_HEADER, "")
        if ordinal.isdecimal() and len(ordinal) < 10:
            self._ordinals = itertools.count(int(ordinal))
        return True


class NoopRun(Run):
    """Records nothing: the run of a client that is off."""

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

    def give_input(self, value: object) -> None:
        """Record nothing."""

    def set_output(self, value: object) -> None:
        """Record nothing."""

    def set_metadata(self, metadata: object = None, /, **named: object) -> None:
        """Record nothing."""

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


def read_name(name: object, default: str) -> str:
    """A name of the pipeline's as short text."""
    text = bounded_text(name, {}, _MAX_NAME_LENGTH)
    return text or default


def _read_tags(tags: object) -> list[str]:
    given = [tags] if is_a(tags, str) else read_list(tags, _MAX_TAGS) or []
    kept = [well_formed(str.__str__(tag)[:_MAX_NAME_LENGTH]) for tag in given if is_a(tag, str)]
    return list(dict.fromkeys(kept))


def _read_step_type(word: object) -> tuple[StepType, str | None]:
    """The step type for the declared *word*, and the word itself where it is none of ours."""
    known = parse_step_type(str.__str__(word)) if is_a(word, str) else None
    if known is not None and known != "custom":
        return known, None
    warn(
        "step_type",
        "A step has no known step_type and is kept as custom; the types are %s.",
        ", ".join(DECLARABLE_STEP_TYPES),
    )
    return "custom", None if word is None else bounded_text(word, {}, _MAX_NAME_LENGTH)
