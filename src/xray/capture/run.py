"""One execution of a pipeline, as the pipeline sees it: started, told what happened, finished."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from xray.capture.correlation import correlate, read_active_span
from xray.capture.current import Standing, current_run, read_standing, restore_standing
from xray.capture.failures import describe_error
from xray.capture.guard import caught, guarded, warn
from xray.capture.headers import Handover, write_headers
from xray.capture.levels import STEP_CLASSES
from xray.capture.naming import (
    read_attempt,
    read_level,
    read_name,
    read_status,
    read_step_type,
    read_tags,
)
from xray.capture.noop import NoopStep
from xray.capture.sequence import Place, StepSequence
from xray.capture.settings import FULL_BYTES_PER_RUN, CaptureSettings
from xray.capture.sink import AnsweringSink, SelectiveSink, Sink, require_answers
from xray.capture.snapshot import merge_fields, pack_frozen, read_list, snapshot
from xray.capture.step import FULL_INPUT_LIMITS, VALUE_LIMITS, Step, current_step
from xray.capture.wrapping import record_calls
from xray.errors import InvalidQueryError, NotFoundError, XRayDeliveryError
from xray.model.facts import NIL, RunFinished, RunStarted
from xray.model.ids import identify, new_uuid7, parse_uuid, run_id_for_key
from xray.model.kinds import is_a
from xray.model.vocabulary import RunStatus

if TYPE_CHECKING:
    from xray.model.answers import Why
    from xray.model.summary import RunSummary

Self = TypeVar("Self", bound="Run")
F = TypeVar("F", bound=Callable[..., Any])


class Run:
    """A run of a pipeline; `XRay(...).run(...)` makes one.

    Use it as a context manager, plain or async, as a decorator, or with `start()` and `finish()`.
    It has failed when an exception leaves it, and is cancelled when Ctrl-C, the cancellation of
    its task or the closing of its generator does; the exception goes on as it was.
    """

    _must_end = True
    """Whether questions have to wait for the end."""

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
        self.attempt = read_attempt(attempt)
        self.run_id = (
            new_uuid7(settings.clock.wall_us())
            if self.key is None
            else run_id_for_key(self.pipeline, self.key, self.attempt)
        )
        self.full_bytes_left = FULL_BYTES_PER_RUN
        self._omissions: dict[str, int] = {}
        self._input = NIL if input is None else self._freeze(input, "input")
        self._metadata = self._freeze_map(metadata)
        self._params = NIL if params is None else self._freeze(params)
        self._tags = read_tags(tags)
        self._correlation = correlate(correlation, self._omissions)
        self._output = NIL
        self._code: str | None = None
        self._added_metadata: dict[str, Any] = {}
        self._added_tags: list[str] = []
        self._steps = StepSequence(settings.clock)
        # Where the code stood that entered the run, innermost last; and where it stood when it
        # left the run while another was current, which will want to go back there.
        self._outside: list[Standing] = []
        self._left_to: Standing | None = None
        self._unopened: dict[str, Step] = {}
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
                        code=self._code,
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
        with guarded("Run.finish"):
            self.start()
            self._is_finished = True
            try:
                self._close_unopened()
                if output is not None:
                    self._output = self._freeze(output, "output")
                self._put_end(read_status(status, error), error)
            except Exception:
                self.sink.count_loss("capture_failed")
                raise
        with guarded("Run.settle"):
            try:
                self.sink.settle_run(self.run_id)
            except XRayDeliveryError:
                if error is None:
                    raise

    def _put_end(self, status: RunStatus, error: BaseException | None) -> None:
        duration_s = self.settings.clock.monotonic_s() - self._started_s
        self.sink.put(
            RunFinished(
                run_id=self.run_id,
                status=status,
                duration_ms=max(0.0, duration_s * 1000.0),
                output=self._output,
                error=describe_error(error, self.settings.redactor)
                if status in ("failed", "cancelled")
                else None,
                metadata=self._pack_metadata(),
                tags=self._added_tags,
                omissions=self._omissions,
            )
        )

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
        with guarded("Run.exit"):
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
        with guarded("Run.give_output"):
            if self._output is NIL and value is not None:
                self.set_output(value)

    def give_input(self, value: object) -> None:
        """Take *value* as input unless the pipeline gave one."""
        with guarded("Run.give_input"):
            if self._input is NIL:
                self._input = self._freeze(value, "input")

    def give_code(self, code: str) -> None:
        """Take the name of the function whose call the run is."""
        self._code = code

    def activate(self) -> None:
        """Make this the run that `xray_step` adds to, in this thread or task."""
        with guarded("Run.activate"):
            self._left_to = None
            self._outside.append(read_standing())
            restore_standing(Standing(self, None))

    def deactivate(self) -> None:
        """Give the place back to the run that had it before, unless another took it since."""
        with guarded("Run.deactivate"):
            outside = self._outside.pop() if self._outside else None
            if outside is None:
                return
            if current_run.get() is not self:
                self._left_to = outside
                return
            # A run that was left before the ones inside it is not what to go back to.
            while isinstance(outside.run, Run) and outside.run._left_to is not None:
                outside = outside.run._left_to
            restore_standing(outside)

    # What the run is about

    def set_output(self, value: object) -> None:
        """Record what the pipeline produced."""
        with guarded("Run.set_output"):
            self._output = self._freeze(value, "output")

    def set_metadata(self, metadata: object = None, /, **named: object) -> None:
        """Add metadata to the run."""
        with guarded("Run.set_metadata"):
            frozen = self._freeze(merge_fields(metadata, named))
            self._added_metadata.update(msgspec.msgpack.decode(frozen))

    def add_tags(self, *tags: str) -> None:
        """Add tags to the run."""
        with guarded("Run.add_tags"):
            self._added_tags.extend(read_tags(list(tags)))

    def keep(self, reason: str | None = None) -> None:
        """Keep the run where only some are (`sample=`), whatever becomes of it.

            if answer.is_odd:
                run.keep("odd answer")

        Call it before the run ends. A run that is kept anyway is told apart by its reason.

        Args:
            reason: why; the run shows it as `kept_for`.
        """
        with guarded("Run.keep"):
            sink: object = self.sink
            if isinstance(sink, SelectiveSink):
                sink.keep(read_name(reason, "run.keep()"))

    # Asking, once the run has ended

    def summary(self) -> RunSummary:
        """How the run went: its status, what each step let through, what deserves a look.

            print(run.summary())

        It waits, for some seconds at most, until the run is stored.

        Raises:
            NotFoundError: the run has not ended, was not recorded, or is not delivered yet.
            XRayError: whatever else there is no answer for.
        """
        return self._answers().summarize(self.run_id)

    def why(self, candidate: object) -> Why:
        """Why *candidate*, an id or what has one, was chosen, dropped, or never there.

            print(run.why("p17"))

        A candidate nobody recorded has an answer too. It waits as `summary` does.

        Raises:
            InvalidQueryError: *candidate* has no id.
            NotFoundError: the run has not ended, was not recorded, or is not delivered yet.
            XRayError: whatever else there is no answer for.
        """
        candidate_id = identify(candidate)
        if candidate_id is None:
            raise InvalidQueryError(
                "The candidate has no id.", hint="Give its id.", code="missing_parameter"
            )
        return self._answers().explain(self.run_id, candidate_id)

    def _answers(self) -> AnsweringSink:
        if not self._is_finished and self._must_end:
            raise NotFoundError(
                f"The run {self.run_id} has not ended.",
                hint="Ask after its `with` block, or after `finish()`.",
                code="run_not_ended",
            )
        return require_answers(self.sink)

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
            kind, declared = read_step_type(step_type)
            step = STEP_CLASSES[read_level(capture, self.settings.level)](
                self,
                read_name(name, "unnamed"),
                kind,
                declared_type=declared,
                parent_step_id=self._find_parent(parent),
                takes=self._read_takes(takes),
                params=params,
                input=input,
            )
            self._unopened[step.step_id] = step
            return step
        except Exception as error:  # noqa: BLE001
            caught("Run.step", error)
            return NoopStep(self, "unnamed", "custom")

    def _close_unopened(self) -> None:
        """Hand over what was recorded in steps that no `with` opened, or closed."""
        for step in [*self._unopened.values()]:
            if step.has_recorded:
                warn("unopened", "A step was used without `with`; it ends with its run.")
                step.close()

    def _find_parent(self, parent: object) -> str | None:
        found = None if parent is None else self.find_step(parent)
        if found is None and parent is not None:
            warn("parent", "parent= names no step this run has opened; the open step is taken.")
        return found or self._open_step_id()

    def _open_step_id(self) -> str | None:
        """The step of this run that is open here; in an attached run else the one it hangs on."""
        active = current_step.get()
        if active is None or active.run is not self or isinstance(active, NoopStep):
            return self._root_step_id
        return active.step_id

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
            is_ours = step.run.run_id == self.run_id and not isinstance(step, NoopStep)
            return step.step_id if is_ours else None
        if not is_a(step, str):
            return None
        name = str.__str__(step)
        return self._steps.find(name) or parse_uuid(name)

    def next_ordinal(self) -> int:
        """The position of the next step that opens."""
        return self._steps.take_ordinal()

    def begin_attempt(self, step_id: str, place: Place) -> int:
        """Note that a step opened; which attempt it is after a failed step at its place."""
        self._unopened.pop(step_id, None)
        return self._steps.begin_attempt(step_id, place)

    def end_attempt(self, place: Place, *, failed: bool) -> None:
        """Note how the last step at *place* ended."""
        self._steps.end_attempt(place, failed=failed)

    def headers(self) -> dict[str, str]:
        """Headers for another process, which adds steps to this run with `xray.attach(headers)`.

        Its steps come after those opened here so far and before those opened here later, inside
        the step that is open now. Ask again for each request: each call keeps places in the order
        of steps for one process.
        """
        try:
            sink: object = self.sink
            return write_headers(
                Handover(
                    self.run_id,
                    self.pipeline,
                    self._open_step_id(),
                    self._steps.lend_ordinals(),
                    sink.hand_over() if isinstance(sink, SelectiveSink) else None,
                )
            )
        except Exception as error:  # noqa: BLE001
            caught("Run.headers", error)
            return {}

    def _freeze(self, value: object, key: str = "") -> msgspec.Raw:
        is_whole = key == "input" and self.settings.level == "full"
        limits = FULL_INPUT_LIMITS if is_whole else VALUE_LIMITS
        return snapshot(value, self.settings.redactor, self._omissions, limits, key)

    def _pack_metadata(self) -> msgspec.Raw:
        """The metadata added so far, which was frozen when it was given."""
        if not self._added_metadata:
            return NIL
        return pack_frozen(self._added_metadata, self._omissions, VALUE_LIMITS)

    def _freeze_map(self, value: object) -> msgspec.Raw:
        if value is None or (is_a(value, dict) and not dict.__len__(value)):
            return NIL
        return self._freeze(value if is_a(value, dict) else {"value": value})
