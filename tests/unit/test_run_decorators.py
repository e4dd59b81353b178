"""Decorated functions: each call is a run or a step, and nothing else about them changes."""

from __future__ import annotations

import asyncio
import functools
import inspect
import pickle
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from xray import XRay, xray_run, xray_step
from xray.capture.current import current_run
from xray.model.values import open_value
from xray.testing import MemorySink

SINK = MemorySink()


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def x(sink: MemorySink) -> XRay:
    return XRay("p", sink=sink)


@XRay("pickled", sink=SINK).run()
def doubled(number: int) -> int:
    """Twice as much."""
    return 2 * number


@XRay("pickled", sink=SINK).run()
def counted(number: int) -> Iterator[int]:
    yield from range(number)


def inputs(sink: MemorySink) -> list[Any]:
    return [open_value(run.input) for run in sink.runs]


def outputs(sink: MemorySink) -> list[Any]:
    return [open_value(run.output) for run in sink.finished_runs]


def test_each_call_is_a_run_with_its_arguments_and_result(x: XRay, sink: MemorySink) -> None:
    @x.run(tags=["t"], metadata={"m": 1})
    def scale(number: int, by: int = 2, *rest: int, **named: int) -> int:
        assert current_run.get() is not None
        return number * by

    assert [scale(1), scale(3, by=4), scale(1, 2, 3, extra=5)] == [2, 12, 2]
    assert len({run.run_id for run in sink.runs}) == 3
    assert [run.tags for run in sink.runs] == [["t"]] * 3
    assert inputs(sink) == [
        {"number": 1},
        {"number": 3, "by": 4},
        {"number": 1, "by": 2, "rest": [3], "named": {"extra": 5}},
    ]
    assert outputs(sink) == [2, 12, 2]
    assert current_run.get() is None


def test_what_the_pipeline_says_wins_over_arguments_and_result(x: XRay, sink: MemorySink) -> None:
    @x.run(input="said")
    def work(number: int) -> int:
        run = current_run.get()
        assert run is not None
        run.set_output("said too")  # type: ignore[attr-defined]
        return number

    assert work(1) == 1
    assert (inputs(sink), outputs(sink)) == (["said"], ["said too"])


def test_both_faces_decorate(sink: MemorySink) -> None:
    @xray_step("drop", "filter")
    def drop(items: list[int]) -> list[int]:
        return items[1:]

    @xray_run("p", sink=sink)
    def pipeline(items: list[int]) -> list[int]:
        return drop(drop(items))

    assert pipeline([1, 2, 3]) == [3]
    assert pipeline([]) == []
    assert len(sink.finished_runs) == 2
    assert [open_value(step.input) for step in sink.steps[:2]] == [
        {"items": [1, 2, 3]},
        {"items": [2, 3]},
    ]
    assert [open_value(step.output) for step in sink.steps[:2]] == [[2, 3], [3]]
    assert drop([1, 2]) == [2], "outside any run it only works"
    assert len(sink.steps) == 4


def test_a_method_of_any_kind_can_be_decorated(x: XRay, sink: MemorySink) -> None:
    class Ranker:
        factor = 3

        @x.run()
        def of_object(self, number: int) -> int:
            return self.factor * number

        @classmethod
        @x.run()
        def of_class(cls, number: int) -> int:
            return cls.factor * number

        @x.run()
        @classmethod
        def outside_of_class(cls, number: int) -> int:
            return cls.factor * number

        @staticmethod
        @x.run()
        def of_none(number: int) -> int:
            return number

        @x.run()
        @staticmethod
        def outside_of_none(number: int) -> int:
            return number

        @property
        @x.run()
        def read(self) -> int:
            return self.factor

    one = Ranker()
    assert [one.of_object(1), Ranker.of_object(one, 2)] == [3, 6]
    assert [one.of_class(1), Ranker.of_class(2), one.outside_of_class(1)] == [3, 6, 3]
    assert [one.of_none(1), Ranker.outside_of_none(2), one.read] == [1, 2, 3]
    assert inputs(sink) == [{"number": n} for n in (1, 2, 1, 2, 1, 1, 2)] + [{}]


class PlainCallable:
    def __call__(self, number: int) -> int:
        return number


class AsyncCallable:
    async def __call__(self, number: int) -> int:
        await asyncio.sleep(0)
        assert current_run.get() is not None
        return number


async def test_callables_of_every_kind_can_be_decorated(x: XRay, sink: MemorySink) -> None:
    async def coroutine(number: int) -> int:
        return number

    def plain(number: int, other: int) -> int:
        return number

    decorate: Callable[[Any], Any] = x.run()
    assert decorate(PlainCallable())(1) == 1
    assert decorate(functools.partial(plain, other=5))(2) == 2
    assert decorate(PlainCallable().__call__)(3) == 3
    assert decorate(lambda: 4)() == 4
    assert decorate(abs)(-5) == 5
    assert decorate(int)("6") == 6
    assert await decorate(AsyncCallable())(7) == 7
    assert await decorate(functools.partial(coroutine, 8))() == 8
    assert await decorate(AsyncCallable().__call__)(9) == 9
    assert outputs(sink) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert inputs(sink)[1] == {"number": 2}


async def test_a_coroutine_function_is_recorded_while_it_is_awaited(
    x: XRay, sink: MemorySink
) -> None:
    @x.run()
    async def work(number: int) -> int:
        async with xray_step("s", "filter"):
            await asyncio.sleep(0)
        return number

    waiting = work(1)
    assert sink.facts == []
    assert await waiting == 1
    assert await asyncio.gather(work(2), work(3)) == [2, 3]
    assert sorted(outputs(sink)) == [1, 2, 3]
    assert {step.run_id for step in sink.steps} == {run.run_id for run in sink.runs}


def test_what_inspect_says_of_a_function_stays_true(x: XRay) -> None:
    def function(a: int, *, b: str = "x") -> int:
        """What it does."""
        return a

    async def coroutine() -> None: ...

    def generator() -> Iterator[int]:
        yield 1

    async def async_generator() -> AsyncIterator[int]:
        yield 1

    asked = (
        inspect.isfunction,
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
        inspect.signature,
        inspect.getdoc,
        lambda one: one.__name__,
        lambda one: one.__qualname__,
        lambda one: one.__module__,
        lambda one: one.__annotations__,
    )
    for plain in (function, coroutine, generator, async_generator):
        for decorated in (x.run()(plain), xray_step("s", "filter")(plain)):
            assert [ask(decorated) for ask in asked] == [ask(plain) for ask in asked]
            assert decorated.__wrapped__ is plain


def test_decorated_functions_can_be_pickled() -> None:
    for function in (doubled, counted):
        assert pickle.loads(pickle.dumps(function)) is function


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), StopIteration(4)])
def test_an_exception_leaves_a_decorated_function_as_it_came(
    x: XRay, sink: MemorySink, error: BaseException
) -> None:
    @x.run()
    def fail() -> None:
        raise error

    error.__traceback__ = None
    with pytest.raises(type(error)) as caught:
        fail()
    assert caught.value is error
    assert (error.__context__, error.__cause__) == (None, None)
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert names[-1] == "fail"
    assert len(names) == 3, "the test, the decorator's call, the function"
    assert sink.finished_runs[0].status == (
        "cancelled" if isinstance(error, KeyboardInterrupt) else "failed"
    )


async def test_a_cancelled_coroutine_is_a_cancelled_run(x: XRay, sink: MemorySink) -> None:
    begun = asyncio.Event()

    @x.run()
    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sink.finished_runs[0].status == "cancelled"


def test_wrong_arguments_fail_in_the_words_of_the_function(x: XRay) -> None:
    def work(number: int) -> int:
        return number

    with pytest.raises(TypeError) as plain:
        work()  # type: ignore[call-arg]
    with pytest.raises(TypeError) as decorated:
        x.run()(work)()  # type: ignore[call-arg]
    assert str(decorated.value) == str(plain.value)


def test_recursion_nests(sink: MemorySink) -> None:
    @xray_step("down", "transform")
    def down(depth: int) -> int:
        return depth if depth == 0 else down(depth - 1)

    with xray_run("p", sink=sink):
        down(3)
    by_id = {step.step_id: step for step in sink.steps}
    outer, depth = sink.steps[0], 1
    while outer.parent_step_id is not None:
        outer, depth = by_id[outer.parent_step_id], depth + 1
    assert depth == len(sink.steps) == 4


def test_a_decorator_of_a_client_that_is_off_passes_everything_through(
    sink: MemorySink,
) -> None:
    off = XRay("p", sink=sink, enabled=False)

    @off.run()
    def work(number: int) -> int:
        with xray_step("s", "filter") as step:
            return number if step.check("a", "n", number, ">", 0) else -number

    @off.run()
    def count(number: int) -> Iterator[int]:
        yield from range(number)

    assert (work(2), work(-2), list(count(3))) == (2, 2, [0, 1, 2])
    assert sink.facts == []
    assert current_run.get() is None
