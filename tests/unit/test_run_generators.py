"""Generators that are runs or steps: open to the end, current only while their own code runs."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from xray import Run, XRay, xray_run, xray_step
from xray.capture.current import Standing, current_run, read_standing
from xray.model.values import open_value
from xray.testing import MemorySink

NOWHERE = Standing(None, None)


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def x(sink: MemorySink) -> XRay:
    return XRay("p", sink=sink)


def parents(sink: MemorySink) -> dict[str, str | None]:
    names: dict[str | None, str | None] = {step.step_id: step.name for step in sink.steps}
    return {step.name: names.get(step.parent_step_id) for step in sink.steps}


def statuses(sink: MemorySink) -> list[str]:
    return [run.status for run in sink.finished_runs]


def test_a_generator_is_a_run_from_its_first_item_to_its_end(x: XRay, sink: MemorySink) -> None:
    @x.run()
    def count(number: int) -> Iterator[int]:
        run = current_run.get()
        for item in range(number):
            assert current_run.get() is run is not None
            yield item

    waiting = count(2)
    assert sink.facts == []
    assert next(waiting) == 0
    assert len(sink.runs) == 1
    assert sink.finished_runs == []
    assert list(waiting) == [1]
    assert statuses(sink) == ["completed"]
    assert open_value(sink.runs[0].input) == {"number": 2}


def test_what_a_generator_returns_is_its_output_and_its_value(x: XRay, sink: MemorySink) -> None:
    @x.run()
    def work() -> Iterator[int]:
        yield 1
        return "result"

    def consume() -> Iterator[int]:
        value = yield from work()
        assert value == "result"

    assert list(consume()) == [1]
    assert open_value(sink.finished_runs[0].output) == "result"


def test_between_items_the_consumer_stands_where_it_stood(x: XRay, sink: MemorySink) -> None:
    @xray_step("read", "retrieve")
    def read() -> Iterator[int]:
        with xray_step("inner", "transform"):
            yield 1
            with xray_step("innermost", "transform"):
                yield 2
        yield 3

    assert [read_standing() for _ in read()] == [NOWHERE] * 3
    with x.run() as run:
        stood = read_standing()
        for number in read():
            assert read_standing() == stood
            with run.step(f"consumed {number}", "filter"):
                pass
        assert read_standing() == stood
    assert parents(sink) == {
        "consumed 1": None,
        "consumed 2": None,
        "consumed 3": None,
        "innermost": "inner",
        "inner": "read",
        "read": None,
    }


@pytest.mark.parametrize("leave", [next, lambda items: items.close()], ids=["next", "close"])
def test_a_generator_that_is_left_early_is_cancelled(
    x: XRay, sink: MemorySink, leave: Callable[[Any], object]
) -> None:
    cleaned: list[object] = []

    @x.run()
    def work() -> Iterator[int]:
        try:
            with xray_step("s", "retrieve") as step:
                step.accept("a")
                yield 1
                yield 2
        finally:
            cleaned.append(current_run.get())

    items = work()
    next(items)
    leave(items)
    del items
    gc.collect()
    [run] = cleaned
    assert isinstance(run, Run), "the clean-up runs inside the run"
    assert statuses(sink) == ["cancelled"]
    assert [step.status for step in sink.steps] == ["cancelled"]
    assert read_standing() == NOWHERE


def test_a_break_ends_run_and_step_at_once(x: XRay, sink: MemorySink) -> None:
    for item in x.stream(range(100), input="all"):
        if item == 3:
            break
    assert statuses(sink) == ["cancelled"]
    assert open_value(sink.runs[0].input) == "all"


def test_a_generator_that_fails_is_a_failed_run(x: XRay, sink: MemorySink) -> None:
    @x.run()
    def work() -> Iterator[int]:
        yield 1
        raise ValueError("no")

    items = work()
    next(items)
    with pytest.raises(ValueError, match="no") as caught:
        next(items)
    assert caught.value.__context__ is None
    assert statuses(sink) == ["failed"]
    assert list(items) == []


def test_an_exception_that_went_through_a_generator_is_freed_with_it(x: XRay) -> None:
    class FreedError(Exception):
        pass

    @x.run()
    def work() -> Iterator[int]:
        yield 1

    gc.disable()
    try:
        items = work()
        next(items)
        error = FreedError()
        watch = weakref.ref(error)
        try:
            items.throw(error)  # type: ignore[attr-defined]
        except FreedError:
            pass
        del error, items
        assert watch() is None, "no cycle keeps it"
    finally:
        gc.enable()


def test_wrong_arguments_record_nothing(x: XRay, sink: MemorySink) -> None:
    @x.run()
    def work(number: int) -> Iterator[int]:
        yield number

    with pytest.raises(TypeError, match="number"):
        next(work())  # type: ignore[call-arg]
    assert sink.facts == []


def test_stream_takes_any_iterable_and_refuses_others_at_once(x: XRay, sink: MemorySink) -> None:
    assert list(x.stream({"a": 1, "b": 2}, input="dict", tags=["t"])) == ["a", "b"]
    assert list(x.stream(iter("ab"))) == ["a", "b"]
    assert list(x.stream([])) == []
    with pytest.raises(TypeError):
        x.stream(5)  # type: ignore[call-overload]
    assert statuses(sink) == ["completed"] * 3
    assert sink.runs[0].tags == ["t"]


def test_steps_opened_by_a_streamed_generator_belong_to_its_run(x: XRay, sink: MemorySink) -> None:
    def produce() -> Iterator[int]:
        with xray_step("make", "generate"):
            yield 1

    list(x.stream(produce()))
    assert sink.steps[0].run_id == sink.runs[0].run_id


def test_two_generators_in_turn_keep_their_own_runs(sink: MemorySink) -> None:
    @xray_step("deep", "transform")
    def deep() -> None:
        pass

    def work() -> Iterator[None]:
        while True:
            deep()
            yield

    first, second = (XRay(name, sink=sink).stream(work()) for name in "ab")
    for _ in range(3):
        next(first)
        next(second)
    assert [step.pipeline for step in sink.steps] == ["a", "b"] * 3


async def test_an_async_generator_is_a_run_to_its_end(x: XRay, sink: MemorySink) -> None:
    @x.run()
    async def count(number: int) -> AsyncIterator[int]:
        async with xray_step("s", "retrieve"):
            for item in range(number):
                await asyncio.sleep(0)
                assert isinstance(current_run.get(), Run)
                yield item

    stood = []
    async for _ in count(3):
        stood.append(read_standing())
    assert stood == [NOWHERE] * 3
    assert statuses(sink) == ["completed"]
    assert sink.steps[0].run_id == sink.runs[0].run_id


async def test_a_streamed_async_iterator_is_a_run(x: XRay, sink: MemorySink) -> None:
    async def produce() -> AsyncIterator[int]:
        yield 1
        yield 2

    assert [item async for item in x.stream(produce(), input="q")] == [1, 2]
    assert open_value(sink.runs[0].input) == "q"
    assert statuses(sink) == ["completed"]


async def test_an_async_generator_cleans_up_inside_its_run(x: XRay, sink: MemorySink) -> None:
    cleaned: list[object] = []

    @x.run()
    async def work() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            cleaned.append(current_run.get())
            async with xray_step("clean", "transform"):
                pass

    items = work()
    async for _ in items:
        break
    await items.aclose()  # type: ignore[attr-defined]
    assert isinstance(cleaned[0], Run)
    assert sink.steps[0].run_id == sink.runs[0].run_id
    assert statuses(sink) == ["cancelled"]
    assert read_standing() == NOWHERE


def test_an_event_loop_that_ends_closes_what_was_left_open(
    x: XRay, sink: MemorySink, caplog: pytest.LogCaptureFixture
) -> None:
    cleaned: list[object] = []
    kept: list[object] = []

    async def work() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            cleaned.append(current_run.get())

    async def main() -> None:
        for items in (x.run()(work)(), x.stream(work())):
            kept.append(items)
            async for _ in items:
                break

    with caplog.at_level(logging.DEBUG):
        asyncio.run(main())
    assert [type(run) for run in cleaned] == [Run, Run]
    assert statuses(sink) == ["cancelled"] * 2
    assert not [entry for entry in caplog.records if entry.name == "asyncio" and entry.exc_info]


async def test_a_dropped_async_generator_is_closed_by_the_loop(x: XRay, sink: MemorySink) -> None:
    @x.run()
    async def work() -> AsyncIterator[int]:
        yield 1
        yield 2

    async for _ in work():
        break
    gc.collect()
    for _ in range(100):
        if sink.finished_runs:
            break
        await asyncio.sleep(0)
    assert statuses(sink) == ["cancelled"]


async def test_a_cancelled_consumer_cancels_the_run(x: XRay, sink: MemorySink) -> None:
    begun = asyncio.Event()

    @x.run()
    async def work() -> AsyncIterator[int]:
        begun.set()
        await asyncio.Event().wait()
        yield 1

    async def consume() -> None:
        async for _ in work():
            pass

    task = asyncio.create_task(consume())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert statuses(sink) == ["cancelled"]


def test_a_generator_step_of_a_run_that_ended_is_recorded(sink: MemorySink) -> None:
    @xray_step("read", "retrieve")
    def read() -> Iterator[int]:
        yield 1
        yield 2

    with xray_run("p", sink=sink):
        items = read()
        next(items)
    assert list(items) == [2]
    assert [step.name for step in sink.steps] == ["read"]
    assert read_standing() == NOWHERE


def test_a_generator_step_made_inside_a_run_and_begun_after_it_belongs_to_none(
    sink: MemorySink,
) -> None:
    @xray_step("read", "retrieve")
    def read() -> Iterator[int]:
        yield 1

    with xray_run("p", sink=sink):
        items = read()
    assert list(items) == [1]
    assert sink.steps == []
