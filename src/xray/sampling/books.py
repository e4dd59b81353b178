"""What became of runs that were not kept: added up by the minute, and sent."""

from __future__ import annotations

import atexit
import importlib
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

from xray.capture.guard import caught, guarded
from xray.capture.sink import Sink
from xray.destinations import call_before_flush
from xray.model.counts import StepSummary, summarize_step
from xray.model.facts import RunFinished, RunStarted, StepFinished
from xray.model.forking import call_at_fork
from xray.model.ids import new_uuid7
from xray.model.tallies import MINUTE_US, MinuteSum, Tallied
from xray.model.vocabulary import RunStatus
from xray.sampling.holding import Held, find_chunks, join_rows, open_counted

SEND_AFTER_S: Final = 60.0
MAX_STEPS_IN_FACT: Final = 200
_MAX_KINDS: Final = 2_000
_LOCK_PATIENCE_S: Final = 1.0
# Before delivery, which has 100, says its own last words.
_WORKER_EXIT_PRIORITY: Final = 110


class Place(NamedTuple):
    """Where runs are recorded, and to.

    Args:
        sink: where their tallies go.
        environment: where the pipeline runs.
        version: the version of its code.
    """

    sink: Sink
    environment: str | None = None
    version: str | None = None


class Undecided(Protocol):
    """A run of which it is not known yet whether it is kept."""

    def give_up(self) -> None:
        """The process ends, and the run has not."""
        ...


class _Key(NamedTuple):
    sink_id: int
    pipeline: str
    environment: str | None
    version: str | None
    minute_us: int


class _Counted(NamedTuple):
    """Runs or steps that were read and only have to be added."""

    place: Place
    pipeline: str
    minute_us: int
    step: tuple[StepFinished, StepSummary] | None = None
    status: RunStatus = "running"
    duration_ms: float | None = None


class Books:
    """Adds up the runs of this process that were not kept, and sends what it has every minute.

    Nobody waits here: whoever finds the books in use leaves his entry to the one who has them.

    Args:
        send_after_s: how long an entry waits at most.
    """

    def __init__(self, send_after_s: float = SEND_AFTER_S) -> None:
        self._send_after_s = send_after_s
        self._has_ended = False
        self._begin()

    def _begin(self) -> None:
        self._turn = threading.Lock()
        self._entries: deque[_Counted] = deque()
        self._lost_runs: deque[tuple[Place, Sequence[Held]]] = deque()
        self._minutes: dict[_Key, tuple[Place, MinuteSum]] = {}
        self._undecided: dict[int, weakref.ref[Undecided]] = {}
        self._thread: threading.Thread | None = None
        self._is_due = threading.Event()

    def leave_parent_behind(self) -> None:
        """Begin empty, in a process that was just forked: what was added up is the parent's."""
        self._has_ended = False
        self._begin()

    def watch_over(self, run: Undecided) -> None:
        """Remember *run* as undecided, as long as anybody holds it."""
        self._undecided[id(run)] = weakref.ref(run)
        _attend_worker_exit(self)

    def release(self, run: Undecided) -> None:
        """*run* is decided."""
        self._undecided.pop(id(run), None)

    def forget_run(self, run: Undecided, place: Place, held: Sequence[Held]) -> None:
        """Take what an undecided run held that nobody holds any more; called by a finaliser."""
        self._undecided.pop(id(run), None)
        self._lost_runs.append((place, held))

    def add(self, place: Place, held: Sequence[Held]) -> None:
        """Count the run and the steps that *held* tells of.

        The run counts where its start is among them.
        """
        self._entries.extend(_read(place, held))
        self._enter_waiting()
        if self._has_ended:
            self.send()

    def _enter_waiting(self) -> None:
        # After the release somebody may have left an entry that was not seen any more.
        while self._entries and self._turn.acquire(blocking=False):
            try:
                self._enter_all()
                self._ensure_thread()
            finally:
                self._turn.release()

    def _enter_all(self) -> None:
        while self._entries:
            self._enter(self._entries.popleft())

    def _enter(self, counted: _Counted) -> None:
        place = counted.place
        key = _Key(
            id(place.sink), counted.pipeline, place.environment, place.version, counted.minute_us
        )
        found = self._minutes.get(key)
        if found is None:
            found = self._minutes[key] = (place, MinuteSum())
        minute = found[1]
        if counted.step is None:
            minute.runs.add(counted.status, counted.duration_ms)
            return
        step, summary = counted.step
        counts = summary.counts
        minute.step(step.name, step.step_type).add(
            step.status,
            duration_ms=step.duration_ms,
            verdicts=(counts.rejected, counts.accepted, counts.selected),
            reasons=summary.reasons,
            input_count=summary.input_count,
            output_count=summary.output_count,
            rejection_rate=summary.rejection_rate,
        )
        if minute.size > _MAX_KINDS:
            # A pipeline that names each step anew must not fill the memory.
            self._is_due.set()

    def send(self) -> bool:
        """Put what was added up into its sinks; whether there was anything."""
        while self._lost_runs:
            place, held = self._lost_runs.popleft()
            self._entries.extend(_read(place, held))
        # Whoever is interrupted inside by a handler that gets here cannot be waited for.
        if not self._turn.acquire(timeout=_LOCK_PATIENCE_S):
            return True
        try:
            self._enter_all()
            minutes, self._minutes = self._minutes, {}
        finally:
            self._turn.release()
        for key, (place, minute) in minutes.items():
            for fact in _make_facts(key, minute):
                place.sink.put(fact)
        return bool(minutes)

    def _ensure_thread(self) -> None:
        if self._thread is not None or self._has_ended:
            return
        thread = threading.Thread(target=self._live, name="xray-tallies", daemon=True)
        # At the end of the interpreter none can be started; what is added then is sent at once.
        with suppress(RuntimeError):
            thread.start()
            self._thread = thread

    def _live(self) -> None:
        with guarded("Books.run"):
            self._run()
            return
        # Whoever adds something next starts another.
        self._thread = None

    def _run(self) -> None:
        while True:
            self._is_due.wait(self._send_after_s)
            self._is_due.clear()
            try:
                has_sent = self.send()
            except Exception as error:  # noqa: BLE001  (the thread must go on)
                caught("Books.send", error)
                has_sent = True
            if has_sent:
                continue
            with self._turn:
                if not self._minutes and not self._entries:
                    self._thread = None
                    return

    def end(self) -> None:
        """The process ends: count the runs that have not, and send everything."""
        with guarded("Books.end"):
            for known in list(self._undecided.values()):
                run = known()
                if run is not None:
                    run.give_up()
            self._has_ended = True
            self.send()


def _read(place: Place, held: Sequence[Held]) -> list[_Counted]:
    """What *held* tells of a run and its steps; what cannot be read is counted as lost."""
    found: list[_Counted] = []
    try:
        started: RunStarted | None = None
        finished: RunFinished | None = None
        for one in held:
            if one.kind is StepFinished:
                found.append(_read_step(place, one, held))
            elif one.kind in (RunStarted, RunFinished):
                fact = one.open()
                started = fact if isinstance(fact, RunStarted) else started
                finished = fact if isinstance(fact, RunFinished) else finished
        if started is not None:
            found.append(
                _Counted(
                    place,
                    started.pipeline,
                    _minute_of(started.started_at_us),
                    status="running" if finished is None else finished.status,
                    duration_ms=None if finished is None else finished.duration_ms,
                )
            )
    except Exception as error:  # noqa: BLE001  (the pipeline must not fail for what it records)
        place.sink.count_loss("capture_failed")
        caught("Books.add", error)
    return found


def _read_step(place: Place, one: Held, held: Sequence[Held]) -> _Counted:
    step = open_counted(one, needs_choice=False)
    if step.chunks and step.tally is None:
        step = join_rows(step, find_chunks(held, step))
    counted = step, summarize_step(step)
    return _Counted(place, step.pipeline, _minute_of(step.started_at_us), counted)


def _minute_of(wall_us: int) -> int:
    return wall_us // MINUTE_US * MINUTE_US


def _make_facts(key: _Key, minute: MinuteSum) -> list[Tallied]:
    steps = minute.steps()
    whole = Tallied(
        tally_id=new_uuid7(),
        pipeline=key.pipeline,
        minute_us=key.minute_us,
        environment=key.environment,
        version=key.version,
        runs=minute.runs.seal(),
        steps=steps[:MAX_STEPS_IN_FACT],
    )
    more = [
        Tallied(
            tally_id=new_uuid7(),
            pipeline=key.pipeline,
            minute_us=key.minute_us,
            environment=key.environment,
            version=key.version,
            steps=steps[start : start + MAX_STEPS_IN_FACT],
        )
        for start in range(MAX_STEPS_IN_FACT, len(steps), MAX_STEPS_IN_FACT)
    ]
    return [whole, *more]


def _attend_worker_exit(kept: Books) -> None:
    """Processes of `multiprocessing` end without the exit hooks of the interpreter."""
    processes = sys.modules.get("multiprocessing.process")
    endings = sys.modules.get("multiprocessing.util")
    if processes is None or endings is None or processes.parent_process() is None:
        return
    if os.getpid() not in _attended:
        _attended.add(os.getpid())
        endings.Finalize(None, kept.end, exitpriority=_WORKER_EXIT_PRIORITY)


_attended: Final[set[int]] = set()
books: Final = Books()
"""The books of this process."""

call_before_flush(books.send)
# Exit hooks run in the reverse order of their registration: what is sent last must find delivery's
# hook still to come, so its module is loaded before.
importlib.import_module("xray.delivery.delivery")
atexit.register(books.end)
call_at_fork(after_in_child=books.leave_parent_behind)
