"""A call made again, recorded into memory and nowhere else."""

from __future__ import annotations

import asyncio
import inspect
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from msgspec import Struct

from xray.errors import ConfigurationError, NotReplayableError
from xray.forensics.evidence import RunEvidence
from xray.forensics.replay import narrow_steps
from xray.model.facts import Fact, RunStarted
from xray.model.ids import new_uuid7
from xray.model.records import Step
from xray.replaying.arguments import Call
from xray.replaying.memory import MemorySink
from xray.replaying.recorded import Recorded
from xray.session import XRay, recording_into
from xray.store.memory import MemoryStore


class Rerun(Struct, frozen=True):
    """What was recorded when a call was made again.

    Args:
        evidence: the step and those inside it, or all steps of the run.
        facts: everything, as it would have been sent.
    """

    evidence: RunEvidence
    facts: list[Fact]


class _TimedOutError(BaseException):
    """A replay took too long; code that catches every `Exception` does not catch it."""


def make_call(call: Call, recorded: Recorded, timeout_s: float | None) -> Rerun:
    """Make a call again; an exception that leaves it is part of what it decides.

    Args:
        call: the function with its arguments.
        recorded: what is replayed.
        timeout_s: how long it may take.

    Raises:
        NotReplayableError: it recorded nothing to compare, or took too long.
    """
    sink = MemorySink()
    failure: BaseException | None = None
    with recording_into(sink):
        try:
            with _limit_time(timeout_s):
                if recorded.step is None:
                    _finish(call.code.function(*call.args, **call.named))
                else:
                    _call_in_run(call, recorded, recorded.step)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (how today's code ends is asked)
            failure = error
        except _TimedOutError:
            raise NotReplayableError(
                f"The replay of {recorded.name} did not end within {timeout_s:g} s.",
                hint="Give it longer: --timeout SECONDS.",
                code="replay_timeout",
            ) from None
    return Rerun(_read_evidence(sink.facts, recorded, call, failure), sink.facts)


def _call_in_run(call: Call, recorded: Recorded, step: Step) -> None:
    level = "minimal" if step.capture == "minimal" else "full"
    x = XRay(recorded.run.pipeline, capture=level, disabled=False, sample=1.0)
    with x.run(params=recorded.run.params, metadata=recorded.run.metadata) as run:
        named: dict[str, Any] = dict(call.named)
        if call.wants_run is not None:
            named[call.wants_run] = run
        _finish(call.code.function(*call.args, **named))


def _finish(result: object) -> None:
    """Run what was called to its end: await it, or take all it yields."""
    if inspect.isawaitable(result) or inspect.isasyncgen(result):
        _refuse_in_event_loop(result)
        asyncio.run(_exhaust(result) if inspect.isasyncgen(result) else _wait_for(result))
    elif inspect.isgenerator(result):
        for _ in result:
            pass


def _refuse_in_event_loop(result: object) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    if inspect.iscoroutine(result):
        result.close()
    raise NotReplayableError(
        "Async code cannot be replayed from within a running event loop.",
        hint="Call it in a thread: await asyncio.to_thread(xray.replay, run, step, function).",
    )


async def _wait_for(result: Awaitable[object]) -> None:
    await result


async def _exhaust(items: AsyncIterator[object]) -> None:
    async for _ in items:
        pass


@contextmanager
def _limit_time(timeout_s: float | None) -> Iterator[None]:
    if timeout_s is None:
        yield
        return
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "setitimer"):
        raise ConfigurationError(
            "A time limit needs a POSIX system and the main thread.", hint="Leave it out."
        )

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _TimedOutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _read_evidence(
    facts: list[Fact], recorded: Recorded, call: Call, failure: BaseException | None
) -> RunEvidence:
    if isinstance(failure, (NotReplayableError, ConfigurationError)):
        raise failure
    store = MemoryStore()
    store.submit(new_uuid7(), facts).result()
    runs = [fact.run_id for fact in facts if isinstance(fact, RunStarted)]
    ended = f"It ended with {type(failure).__name__}: {failure}." if failure else ""
    run = store.run(runs[0]) if runs else None
    if run is None:
        raise NotReplayableError(
            f"{call.code.name} recorded no run.",
            hint=ended or "It must be decorated, @x.run(), or record a run itself.",
        )
    steps = store.steps_of_run(run.run_id, is_sampled=False)
    root = None if recorded.step is None else _find_root(steps, recorded.step.name)
    if recorded.step is not None and root is None:
        names = ", ".join(sorted({step.name for step in steps}))
        raise NotReplayableError(
            f"{call.code.name} recorded no step called {recorded.name!r}.",
            hint=ended or (f"It recorded {names}." if names else "Is it decorated, @xray_step?"),
        )
    return RunEvidence(
        run,
        narrow_steps(steps, root),
        store.decisions_of_step,
        store.roster_of_step,
        store.sketches_of_step,
    )


def _find_root(steps: list[Step], name: str) -> Step | None:
    """The outermost step called *name* of a replay, by its last attempt."""
    called = [step for step in steps if step.name == name]
    return max(called, key=lambda step: (step.parent_step_id is None, step.attempt), default=None)
