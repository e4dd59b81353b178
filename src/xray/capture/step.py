"""One stage of a run, as the pipeline sees it: opened, told what happened, closed."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from itertools import islice
from types import TracebackType
from typing import Any, Final, Protocol, TypeVar

import msgspec
from msgspec import Raw

from xray.capture.chunks import split_roster, split_rows
from xray.capture.comparison import meets
from xray.capture.evidence import (
    read_number,
    read_rank,
)
from xray.capture.failures import describe_error, status_after
from xray.capture.guard import caught, guarded, warn
from xray.capture.rows import MAX_LOGGED_ROWS, RowMaker
from xray.capture.sets.acting import ActingVerbs
from xray.capture.sets.recording import RecordingVerbs
from xray.capture.settings import CaptureSettings
from xray.capture.settlement import NamedColumn, NamedGroup, SealedRows
from xray.capture.sink import Sink
from xray.capture.snapshot import (
    SnapshotLimits,
    merge_fields,
    read_list,
    snapshot,
)
from xray.capture.spelling import spell_key
from xray.model.facts import (
    ACCEPTED,
    NIL,
    REJECTED,
    SELECTED,
    DecisionRow,
    StepFinished,
    StepRoster,
    StepRows,
)
from xray.model.ids import new_uuid7
from xray.model.kinds import is_a
from xray.model.values import pack_value
from xray.model.vocabulary import CaptureLevel, StepType

Self = TypeVar("Self", bound="Step")

Place = tuple[str | None, str]
"""Where a step is tried again: its parent's id and its name."""

VALUE_LIMITS: Final = SnapshotLimits()

_encode: Final = msgspec.msgpack.Encoder().encode

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


class Step(ActingVerbs, RecordingVerbs):
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
        self._started_s = clock.monotonic_s()
        self._started_at_us = clock.wall_us()
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
                self._omit("truncated")
            numbers = {
                spell_key(name): value if (number := read_number(value)) is None else number
                for name, value in islice(dict.items(fields), VALUE_LIMITS.max_items)
            }
            self._stats.update(msgspec.msgpack.decode(self._freeze(numbers)))

    # Verdicts

    def reject(
        self,
        candidate_id: object,
        reason: str | None = None,
        attributes: object = None,
        reasoning: str | None = None,
        score: object = None,
        observed: object = None,
        limit: object = None,
        op: str | None = None,
        origin: object = None,
        rank: int | None = None,
        by: object = None,
        part_of: object = None,
    ) -> None:
        """Record that a candidate goes no further.

        Args:
            candidate_id: its id, or an object or mapping that holds one.
            reason: a short code to group by; without one the first failed check names it.
            attributes: what to keep about the candidate.
            reasoning: free text.
            score: a number, or named numbers.
            observed: the value that broke the rule.
            limit: what it was compared with.
            op: the comparison that should have held, e.g. `<=`.
            origin: what brought the candidate: an id, `(step, id)`, or a list of them.
            rank: its position, from 1.
            by: the query or left record it belongs to.
            part_of: the whole it is a part of.
        """
        raise NotImplementedError

    def accept(
        self,
        candidate_id: object,
        score: object = None,
        attributes: object = None,
        reasoning: str | None = None,
        observed: object = None,
        limit: object = None,
        op: str | None = None,
        origin: object = None,
        rank: int | None = None,
        by: object = None,
        part_of: object = None,
        reason: str | None = None,
    ) -> None:
        """Record that a candidate survives this step; arguments as for `reject`."""
        raise NotImplementedError

    def select(
        self,
        candidate_id: object,
        score: object = None,
        attributes: object = None,
        reasoning: str | None = None,
        observed: object = None,
        limit: object = None,
        op: str | None = None,
        origin: object = None,
        rank: int | None = None,
        by: object = None,
        part_of: object = None,
        reason: str | None = None,
    ) -> None:
        """Record that a candidate is in the answer; arguments as for `reject`."""
        raise NotImplementedError

    def reason(self, reason: str) -> Callable[..., None]:
        """`reject` with its *reason* bound, for a loop that rejects many for the same one.

            too_dear = step.reason("too_dear")
            too_dear("prod_1", {"price": 150})

        Args:
            reason: the code to group by.

        Returns:
            a callable with the arguments of `reject`, without the reason.
        """

        def reject_for_reason(
            candidate_id: object, attributes: object = None, **details: Any
        ) -> None:
            self.reject(candidate_id, reason, attributes, **details)

        return reject_for_reason

    def check(
        self,
        candidate_id: object,
        name: str,
        observed: Any,
        op: str,
        limit: Any,
        field: str | None = None,
    ) -> bool:
        """Compare, record the evidence, and decide nothing.

        Args:
            candidate_id: the candidate.
            name: the check's name; the reason of a rejection that gives none.
            observed: the candidate's value.
            op: one of `<`, `<=`, `>`, `>=`, `==`, `!=`, `in`, `not in`.
            limit: what it is compared with.
            field: what was observed; the name when absent.

        Returns:
            Whether `observed op limit` holds; False when the value is missing.
        """
        passed = meets(observed, op, limit)
        try:
            self._rows.add_check(candidate_id, name, field, observed, op, limit, passed=passed)
        except Exception as error:  # noqa: BLE001
            caught("Step.check", error)
        return passed

    def log_sampled_candidates(
        self, accepted: object = None, rejected: object = None, selected: object = None
    ) -> None:
        """Keep some candidates for illustration; counts and rates stay as they are.

        Each candidate stands alone or in a tuple: `(candidate, reasoning)`, `(candidate, score)`
        or `(candidate, score, reasoning)`.
        """
        with guarded("Step.log_sampled_candidates"):
            for verdict, given in (
                (ACCEPTED, accepted),
                (REJECTED, rejected),
                (SELECTED, selected),
            ):
                if given is None:
                    continue
                items = read_list(given, MAX_LOGGED_ROWS + 1)
                if items is None or is_a(given, (set, frozenset)):
                    self._omit("unread_iterable")
                    warn(
                        "unread",
                        "log_sampled_candidates wants lists; other iterables are not read.",
                    )
                    continue
                for item in items:
                    self._rows.log(verdict, item)

    def _freeze(self, value: object, key: str = "") -> Raw:
        return snapshot(value, self._redactor, self._omissions, VALUE_LIMITS, key)

    def _omit(self, kind: str, by: int = 1) -> None:
        self._omissions[kind] = self._omissions.get(kind, 0) + by
