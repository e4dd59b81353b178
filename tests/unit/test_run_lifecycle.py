"""A run from start to end: how it ends, what is current meanwhile, and what it leaves alone."""

from __future__ import annotations

import asyncio
import sys
import traceback
from itertools import pairwise
from typing import TypeVar

import pytest

from xray import Run, XRay, xray_run, xray_step
from xray.capture import guard
from xray.capture.current import current_run
from xray.capture.settings import CaptureSettings
from xray.capture.step import current_step
from xray.model.values import open_value
from xray.testing import FakeClock, MemorySink

Read = TypeVar("Read", int, float)


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def x(sink: MemorySink) -> XRay:
    return XRay("p", sink=sink)


def test_a_run_is_known_from_its_start_and_ends_once(x: XRay, sink: MemorySink) -> None:
    run = x.start(input={"q": 1}, tags=["a", "a", "b"], params={"k": 2}, metadata={"user": "u"})
    assert [started.run_id for started in sink.runs] == [run.run_id]
    assert sink.runs[0].tags == ["a", "b"]
    assert open_value(sink.runs[0].input) == {"q": 1}
    assert open_value(sink.runs[0].params) == {"k": 2}
    run.finish(output=3)
    run.finish("failed", output=4)
    [ended] = sink.finished_runs
    assert (ended.status, open_value(ended.output)) == ("completed", 3)
    assert sink.settled_runs == [run.run_id]


class HeldClock(FakeClock):
    """A clock one of whose readers has to wait for the processor, once it has read.

    Args:
        place: which reader, in the order they come.
    """

    def __init__(self, place: int) -> None:
        super().__init__()
        self._left = place

    def wall_us(self) -> int:
        return self._hold(super().wall_us())

    def monotonic_s(self) -> float:
        return self._hold(super().monotonic_s())

    def _hold(self, read: Read) -> Read:
        if not self._left:
            self.advance(0.05)
        self._left -= 1
        return read


@pytest.mark.parametrize("place", range(12))
def test_a_step_never_seems_to_end_after_the_next_began(sink: MemorySink, place: int) -> None:
    with Run("p", sink, CaptureSettings(clock=HeldClock(place))) as run:
        for name in ("first", "second", "third"):
            with run.step(name):
                pass
    spans = [(step.started_at_us, (step.duration_ms or 0) * 1_000) for step in sink.steps]
    for (start_us, took_us), (next_us, _) in pairwise(spans):
        assert start_us + took_us <= next_us


def test_a_run_that_only_finishes_has_begun_too(x: XRay, sink: MemorySink) -> None:
    run = x.run(input=1)
    assert sink.facts == []
    run.finish()
    assert len(sink.runs) == len(sink.finished_runs) == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("no"), "failed"),
        (StopIteration(7), "failed"),
        (TimeoutError(), "failed"),
        (KeyboardInterrupt(), "cancelled"),
        (GeneratorExit(), "cancelled"),
        (asyncio.CancelledError(), "cancelled"),
        (SystemExit(0), "completed"),
        (SystemExit(None), "completed"),
        (SystemExit(3), "failed"),
        (SystemExit("usage"), "failed"),
    ],
    ids=lambda one: repr(one) if isinstance(one, BaseException) else one,
)
def test_what_leaves_a_run_tells_how_it_and_its_step_ended(
    x: XRay, sink: MemorySink, error: BaseException, status: str
) -> None:
    with pytest.raises(type(error)) as caught, x.run() as run, run.step("s", "filter"):
        raise error
    assert caught.value is error
    assert sink.finished_runs[0].status == sink.steps[0].status == status
    said = sink.finished_runs[0].error
    assert (said is None) == (status == "completed")
    assert said is None or said.type == type(error).__name__


def test_an_exception_leaves_a_run_as_it_came(x: XRay) -> None:
    def fail(*scopes: Run) -> BaseException:
        try:
            for scope in scopes:
                with scope:
                    raise ValueError("no")
            raise ValueError("no")
        except ValueError as error:
            return error

    bare, recorded = fail(), fail(x.run())
    for error in (bare, recorded):
        assert error.__context__ is None
        assert error.__cause__ is None
        assert [frame.name for frame in traceback.extract_tb(error.__traceback__)] == ["fail"]


def test_no_exception_is_kept_alive_by_the_run_it_left(x: XRay) -> None:
    run = x.run()
    error = ValueError("no")
    before = sys.getrefcount(error)
    with pytest.raises(ValueError, match="no") as caught, run, run.step("s", "filter"):
        raise error
    del caught
    error.__traceback__ = None
    assert sys.getrefcount(error) == before


@pytest.mark.parametrize("word", ["FAILURE", "failed", "Failed"])
def test_a_status_is_read_in_every_accepted_spelling(x: XRay, sink: MemorySink, word: str) -> None:
    x.start().finish(status=word)
    assert sink.finished_runs[0].status == "failed"


@pytest.mark.parametrize("word", ["running", "abandoned", "great", 7])
def test_a_status_nobody_may_set_is_warned_about(
    x: XRay,
    sink: MemorySink,
    word: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "_last_said_s", {})
    x.start().finish(status=word)
    assert sink.finished_runs[0].status == "completed"
    assert "finish(status=" in caplog.text


def test_finish_keeps_the_error_it_is_given(x: XRay, sink: MemorySink) -> None:
    x.start().finish(error=ValueError("no"))
    [ended] = sink.finished_runs
    assert ended.status == "failed"
    assert ended.error is not None
    assert ended.error.message == "no"


def test_metadata_tags_and_output_can_be_told_on_the_way(x: XRay, sink: MemorySink) -> None:
    with x.run(metadata={"a": 1}) as run:
        run.set_metadata({"b": 2}, c=3)
        run.add_tags("late", "late")
        run.set_output("first")
        run.set_output("last")
    [ended] = sink.finished_runs
    assert open_value(ended.metadata) == {"b": 2, "c": 3}
    assert ended.tags == ["late"]
    assert open_value(ended.output) == "last"


def test_a_run_lasts_as_long_as_its_block(sink: MemorySink) -> None:
    clock = FakeClock()
    run = Run("p", sink, CaptureSettings(clock=clock))
    with run:
        clock.advance(1.5)
    assert sink.finished_runs[0].duration_ms == 1_500


async def test_a_run_and_its_steps_are_async_context_managers(x: XRay, sink: MemorySink) -> None:
    async with x.run() as run:
        async with run.step("a", "filter") as step, xray_step("b", "rank") as inner:
            assert current_step.get() is inner
        assert step.run is run
    assert current_run.get() is None
    assert [one.name for one in sink.steps] == ["b", "a"]
    assert sink.steps[0].parent_step_id == sink.steps[1].step_id
    async with xray_run("q", sink=sink) as other:
        assert current_run.get() is other
    assert sink.runs[-1].pipeline == "q"


async def test_a_cancelled_task_cancels_its_run_and_stays_cancelled(
    x: XRay, sink: MemorySink
) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        async with x.run() as run, run.step("s", "filter"):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert sink.finished_runs[0].status == sink.steps[0].status == "cancelled"


def test_inner_runs_give_the_place_back_to_outer_ones(x: XRay) -> None:
    with x.run() as outer, outer.step("s", "group") as step:
        with x.run() as inner:
            assert current_run.get() is inner
            assert current_step.get() is None
        assert current_run.get() is outer
        assert current_step.get() is step
    assert current_run.get() is None
    assert current_step.get() is None


def test_runs_left_in_the_order_they_were_entered_leave_nothing_current(x: XRay) -> None:
    with x.run() as ground:
        first, second, third = x.run(), x.run(), x.run()
        for run in (first, second, third):
            run.__enter__()
        first.__exit__(None, None, None)
        assert current_run.get() is third
        second.__exit__(None, None, None)
        third.__exit__(None, None, None)
        assert current_run.get() is ground
    assert current_run.get() is None


def test_a_run_entered_twice_is_left_twice(x: XRay, sink: MemorySink) -> None:
    with x.run() as ground:
        run = x.run()
        with run:
            with run:
                pass
            assert current_run.get() is run
        assert current_run.get() is ground
    assert len(sink.runs) == len(sink.finished_runs) == 2


def test_started_runs_are_not_current(x: XRay, sink: MemorySink) -> None:
    run = x.start()
    assert current_run.get() is None
    with run.step("s", "filter"):
        pass
    run.finish()
    assert sink.steps[0].run_id == run.run_id


def test_outside_any_run_a_step_records_nothing_and_compares_all_the_same(
    sink: MemorySink,
) -> None:
    with xray_step("s", "filter") as step:
        step.reject("a", "r")
        assert step.check("a", "price", 5, "<=", 10) is True
        assert step.check("a", "price", 15, "<=", 10) is False
    assert current_step.get() is None
    assert sink.facts == []


def test_a_client_that_is_off_keeps_every_verb(sink: MemorySink) -> None:
    off = XRay("p", sink=sink, enabled=False)
    with off.run(input=1, key="k") as run:
        assert current_run.get() is run
        run.set_output(1)
        run.set_metadata(a=1)
        run.add_tags("t")
        assert run.headers() == {}
        with run.step("s", "filter", takes=["x"], parent="y") as step, xray_step("t") as inner:
            step.accept("a")
            inner.select("b")
            assert step.check("a", "price", 5, "<=", 10) is True
    off.attach(key="k").finish()
    off.start().finish(output=1)
    assert sink.facts == []
    assert current_run.get() is None


def test_the_same_key_gives_the_same_run_and_another_attempt_another(
    x: XRay, sink: MemorySink
) -> None:
    first, again = x.run(key="order-7"), x.run(key="order-7")
    assert first.run_id == again.run_id != x.run(key="order-7", attempt=2).run_id
    assert first.run_id != XRay("q", sink=sink).run(key="order-7").run_id
    assert x.run().run_id != x.run().run_id
    with x.run(key="order-7", attempt=2):
        pass
    assert (sink.runs[0].key, sink.runs[0].attempt) == ("order-7", 2)


@pytest.mark.parametrize("attempt", [0, -1, True, "2", 2**31, None])
def test_an_attempt_that_is_no_number_from_one_is_the_first(x: XRay, attempt: int) -> None:
    assert x.run(key="k", attempt=attempt).attempt == 1
