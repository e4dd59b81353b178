"""One stage of a run, as the pipeline sees it: opened, told what happened, closed."""

from __future__ import annotations

from contextvars import ContextVar
from itertools import islice
from types import TracebackType
from typing import Any, Final, Protocol, TypeVar

import msgspec
from msgspec import Raw

from xray.capture.chunks import split_roster, split_rows
from xray.capture.evidence import read_number, read_rank
from xray.capture.failures import describe_error, status_after
from xray.capture.guard import caught, guarded
from xray.capture.rows import RowMaker
from xray.capture.sequence import Place
from xray.capture.sets.acting import ActingVerbs
from xray.capture.sets.recording import RecordingVerbs
from xray.capture.settings import CaptureSettings
from xray.capture.settlement import NamedColumn, NamedGroup, SealedRows
from xray.capture.sink import Sink
from xray.capture.snapshot import SnapshotLimits, merge_fields, snapshot
from xray.capture.spelling import count_omission, spell_key
from xray.capture.verbs import CandidateVerbs
from xray.model.facts import NIL, DecisionRow, StepFinished, StepRoster, StepRows
from xray.model.ids import new_uuid7
from xray.model.values import pack_value
from xray.model.vocabulary import CaptureLevel, StepType

Self = TypeVar("Self", bound="Step")

VALUE_LIMITS: Final = SnapshotLimits()
FULL_INPUT_LIMITS: Final = SnapshotLimits(
    max_nodes=100_000, max_items=50_000, max_text_length=500_000, max_bytes=1_000_000
)
"""At the level `full` an input is kept as far as a server takes it, so that it can be replayed."""

current_step: Final[ContextVar[Step | None]] = ContextVar("xray_step", default=None)
"""The step the running code is in, per thread and per task."""


class Owner(Protocol):
    """What a step needs of the run it belongs to."""

    run_id: str
    pipeline: str
    sink: Sink
    settings: CaptureSettings
    full_bytes_left: int

    def find_step(self, step: object) -> str | None:
        """The id of the step that *step* is, names or identifies."""
        ...

    def next_ordinal(self) -> int:
        """The position of the next step that opens."""
        ...

    def begin_attempt(self, step_id: str, place: Place) -> int:
        """Note that a step opened; which attempt it is after a failed step at its place."""
        ...

    def end_attempt(self, place: Place, *, failed: bool) -> None:
        """Note how the last step at *place* ended."""
        ...


class Step(CandidateVerbs, ActingVerbs, RecordingVerbs):
    """A step of a run; `run.step(...)` makes one.

    Use it as a context manager, plain or async. What it records is decided by its capture level;
    the subclasses in `capture.levels` differ only in that.
    """

    level: CaptureLevel = "sample"
    ordinal: int = 0

    # What most steps leave as it is: setting it in each takes longer than finding it here.
    _params: Raw = NIL
    _input: Raw = NIL
    _output: Raw = NIL
    _code: str | None = None
    _input_count: int | None = None
    _output_count: int | None = None
    _previous: Step | None = None
    _is_left: bool = False
    _is_finished: bool = False
    _started_at_us: int = 0
    _started_s: float = 0.0
    _attempt: int = 1

    def __init__(
        self,
        run: Owner,
        name: str,
        step_type: StepType,
        *,
        declared_type: str | None = None,
        parent_step_id: str | None = None,
        takes: list[str] | None = None,
        params: object = None,
        input: object = None,  # noqa: A002  (the pipeline author's word)
    ) -> None:
        self.run = run
        self.name = name
        self.step_type = step_type
        self.step_id = new_uuid7()
        self._declared_type = declared_type
        self._parent_step_id = parent_step_id
        self._place = (parent_step_id, name)
        self._takes = takes
        self._redactor = run.settings.redactor
        self._harmless_keys = self._redactor.harmless
        self._omissions: dict[str, int] = {}
        if params is not None:
            self._params = self._freeze(params)
        if input is not None:
            self._input = self._freeze(input, "input")
        self._stats: dict[str, Any] = {}
        self._rows = RowMaker(
            self._redactor,
            self._omissions,
            run.find_step,
            keeps_evidence=self.level != "minimal",
        )
        self._pending_checks = self._rows.pending

    # Opening and closing

    def __enter__(self: Self) -> Self:
        self.begin()
        self.activate()
        return self

    def begin(self) -> None:
        """Open the step, without making it the current one."""
        with guarded("Step.begin"):
            self._open()

    def activate(self) -> None:
        """Make this the step that later ones are opened in, in this thread or task."""
        with guarded("Step.activate"):
            self._is_left = False
            self._previous = current_step.get()
            current_step.set(self)

    def deactivate(self) -> None:
        """Give the place back to the step that had it before, unless another took it since."""
        with guarded("Step.deactivate"):
            # By comparison: a generator may be closed in another context than it began in.
            self._is_left = True
            if current_step.get() is self:
                outer = self._previous
                # A step that was left before the ones inside it is not what to go back to.
                while outer is not None and outer._is_left:
                    outer = outer._previous
                current_step.set(outer)

    def end(self, error: BaseException | None) -> None:
        """Close the step; *error* is what left it, if something did."""
        with guarded("Step.end"):
            self.close(error)

    def give_output(self, value: object) -> None:
        """Take *value* as output unless the pipeline set one."""
        with guarded("Step.give_output"):
            if self._output is NIL and value is not None:
                self.set_output(value)

    def give_input(self, value: object) -> None:
        """Take *value* as input unless the pipeline gave one."""
        with guarded("Step.give_input"):
            if self._input is NIL:
                self.set_input(value)

    def give_code(self, code: str) -> None:
        """Take the name of the function whose call the step is."""
        self._code = code

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with guarded("Step.exit"):
            self.deactivate()
            self.end(error)

    async def __aenter__(self: Self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _open(self) -> None:
        clock = self.run.settings.clock
        # In this order: a thread that has to wait between the two seems to end early, never after
        # the next step began.
        self._started_at_us = clock.wall_us()
        self._started_s = clock.monotonic_s()
        self.ordinal = self.run.next_ordinal()
        self._attempt = self.run.begin_attempt(self.step_id, self._place)

    def close(self, error: BaseException | None = None) -> None:
        """End the step and hand over what it recorded; a second call changes nothing.

        Args:
            error: the exception that left the step, if one did.
        """
        if self._is_finished:
            return
        self._is_finished = True
        try:
            if not self._started_at_us:
                self._open()
            status = status_after(error)
            self.run.end_attempt(self._place, failed=status == "failed")
            duration_s = self.run.settings.clock.monotonic_s() - self._started_s
            sealed = self._seal()
            chunks = split_rows(sealed.rows)
            roster_chunks = self._put_more(chunks[1:], sealed.roster)
            self.run.sink.put(
                StepFinished(
                    run_id=self.run.run_id,
                    step_id=self.step_id,
                    pipeline=self.run.pipeline,
                    name=self.name,
                    step_type=self.step_type,
                    declared_type=self._declared_type,
                    parent_step_id=self._parent_step_id,
                    ordinal=self.ordinal,
                    attempt=self._attempt,
                    takes=self._takes,
                    started_at_us=self._started_at_us,
                    duration_ms=max(0.0, duration_s * 1000.0),
                    status=status,
                    error=describe_error(error, self._redactor)
                    if status in ("failed", "cancelled")
                    else None,
                    params=self._params,
                    input=self._input,
                    output=self._output,
                    input_count=self._input_count,
                    output_count=self._output_count,
                    stats=pack_value(self._stats) if self._stats else NIL,
                    capture=self.level,
                    rows=chunks[0],
                    reservoirs=sealed.reservoirs,
                    logged=self._rows.logged,
                    tally=sealed.tally,
                    chunks=len(chunks) - 1,
                    roster_chunks=roster_chunks,
                    omissions=self._omissions,
                    sketches=sealed.sketches,
                    code=self._code,
                )
            )
        except Exception as failure:  # noqa: BLE001
            self.run.sink.count_loss("capture_failed")
            caught("Step.close", failure)

    def _put_more(
        self, chunks: list[list[DecisionRow]], roster: list[NamedGroup | NamedColumn]
    ) -> int:
        """Hand over what does not fit the step's own fact; how many chunks the roster took."""
        run_id, step_id, put = self.run.run_id, self.step_id, self.run.sink.put
        for number, rows in enumerate(chunks, start=1):
            put(StepRows(run_id=run_id, step_id=step_id, chunk=number, rows=rows))
        total, number = sum(len(part.ids) for part in roster), 0
        for number, (groups, columns) in enumerate(split_roster(roster), start=1):
            put(
                StepRoster(
                    run_id=run_id,
                    step_id=step_id,
                    chunk=number,
                    total=total,
                    groups=groups,
                    columns=columns,
                )
            )
        return number

    @property
    def has_recorded(self) -> bool:
        """Whether anything was recorded in the step."""
        return bool(
            self._rows.logged
            or self._rows.pending
            or self._stats
            or self._output is not NIL
            or self._input_count is not None
            or self._output_count is not None
        )

    def _seal(self) -> SealedRows:
        """What the step recorded about its candidates."""
        raise NotImplementedError

    # What the step worked on

    def set_input(self, value: object) -> None:
        """Record what the step was given."""
        with guarded("Step.set_input"):
            self._input = self._freeze(value, "input")

    def set_output(self, value: object) -> None:
        """Record what the step produced."""
        with guarded("Step.set_output"):
            self._output = self._freeze(value, "output")

    def set_params(self, params: object = None, /, **named: object) -> None:
        """Record the settings the step ran with."""
        with guarded("Step.set_params"):
            self._params = self._freeze(merge_fields(params, named))

    def set_input_count(self, count: int) -> None:
        """Say how many candidates came in, where they are not decided one by one."""
        with guarded("Step.set_input_count"):
            self._input_count = read_rank(count)

    def set_output_count(self, count: int) -> None:
        """Say how many candidates went on, where they are not decided one by one."""
        with guarded("Step.set_output_count"):
            self._output_count = read_rank(count)

    def log_stats(self, stats: object = None, /, **named: object) -> None:
        """Record numbers about the step; `input_count` and `output_count` set its counts."""
        with guarded("Step.log_stats"):
            fields = merge_fields(stats, named)
            if dict.__len__(fields) > VALUE_LIMITS.max_items:
                count_omission(self._omissions, "truncated")
            numbers = {
                spell_key(name): value if (number := read_number(value)) is None else number
                for name, value in islice(dict.items(fields), VALUE_LIMITS.max_items)
            }
            self._stats.update(msgspec.msgpack.decode(self._freeze(numbers)))

    def _freeze(self, value: object, key: str = "") -> Raw:
        return snapshot(value, self._redactor, self._omissions, VALUE_LIMITS, key)
