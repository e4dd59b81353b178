"""The steps of a run: their order, what contains and what feeds them, and what is tried again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import xray
from xray import Run, Step, XRay, xray_step
from xray.capture import guard
from xray.capture.current import current_run
from xray.capture.step import current_step
from xray.model.facts import StepFinished
from xray.testing import MemorySink


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def x(sink: MemorySink, monkeypatch: pytest.MonkeyPatch) -> XRay:
    monkeypatch.setattr(guard, "_last_said_s", {})
    return XRay("p", sink=sink)


def by_name(sink: MemorySink) -> dict[str, StepFinished]:
    return {step.name: step for step in sink.steps}


def parents(sink: MemorySink) -> dict[str, str | None]:
    names = {step.step_id: step.name for step in sink.steps}
    return {
        step.name: None if step.parent_step_id is None else names[step.parent_step_id]
        for step in sink.steps
    }


def attempts(sink: MemorySink) -> list[tuple[str, int, str]]:
    return [(step.name, step.attempt, step.status) for step in sink.steps]


def fail_in(step: Step) -> None:
    with pytest.raises(ValueError, match="no"), step:
        raise ValueError("no")


def test_steps_are_numbered_by_their_start(x: XRay, sink: MemorySink) -> None:
    with x.run() as run:
        never_opened = run.step("never", "filter")
        with run.step("a", "group"):
            with run.step("b", "retrieve"):
                pass
            with xray_step("c", "filter"):
                pass
        with run.step("d", "select"):
            pass
    assert never_opened.step_id not in {step.step_id for step in sink.steps}
    assert {name: step.ordinal for name, step in by_name(sink).items()} == {
        "a": 0,
        "b": 1,
        "c": 2,
        "d": 3,
    }


def test_a_step_is_contained_by_the_one_that_is_open(x: XRay, sink: MemorySink) -> None:
    with x.run() as run, run.step("all", "group"):
        with run.step("find", "retrieve"), xray_step("inner", "transform"):
            pass
        with run.step("drop", "filter"):
            pass
    assert parents(sink) == {"inner": "find", "find": "all", "drop": "all", "all": None}
    assert by_name(sink)["all"].step_type == "group"


@pytest.mark.parametrize(
    "name_it", [lambda step: step, lambda step: step.name, lambda step: step.step_id]
)
def test_a_parent_can_be_named(
    x: XRay, sink: MemorySink, name_it: Callable[[Step], object]
) -> None:
    with x.run() as run:
        with run.step("all", "group") as group:
            pass
        with run.step("open", "group"), run.step("s", "filter", parent=name_it(group)):
            pass
    assert parents(sink)["s"] == "all"


def test_a_parent_nobody_opened_is_warned_about(
    x: XRay, sink: MemorySink, caplog: pytest.LogCaptureFixture
) -> None:
    with x.run() as run, run.step("open", "group"), run.step("s", "filter", parent="nowhere"):
        pass
    assert parents(sink)["s"] == "open"
    assert "parent=" in caplog.text


def test_takes_names_steps_by_step_name_and_id(x: XRay, sink: MemorySink) -> None:
    with x.run() as run:
        with run.step("a", "retrieve") as a, run.step("b", "retrieve") as b:
            pass
        with run.step("c", "retrieve") as c:
            pass
        with run.step("one", "filter", takes=a):
            pass
        with run.step("many", "filter", takes=[a, "b", c.step_id]):
            pass
        with run.step("tuple", "filter", takes=(a, b)):
            pass
        with run.step("default", "filter"):
            pass
    assert by_name(sink)["one"].takes == [a.step_id]
    assert by_name(sink)["many"].takes == [a.step_id, b.step_id, c.step_id]
    assert by_name(sink)["tuple"].takes == [a.step_id, b.step_id]
    assert by_name(sink)["default"].takes is None


def test_takes_by_name_means_the_latest_of_that_name(x: XRay, sink: MemorySink) -> None:
    with x.run() as run:
        for _ in range(2):
            with run.step("a", "retrieve") as latest:
                pass
        with run.step("f", "filter", takes="a"):
            pass
    assert by_name(sink)["f"].takes == [latest.step_id]


def test_takes_of_what_this_run_did_not_open_is_warned_about(
    x: XRay, sink: MemorySink, caplog: pytest.LogCaptureFixture
) -> None:
    with x.run() as other, other.step("elsewhere", "retrieve") as elsewhere:
        pass
    with x.run() as run:
        with run.step("a", "retrieve") as a:
            pass
        with run.step("some", "filter", takes=["a", "nowhere", 7, None]):
            pass
        with run.step("none", "filter", takes=elsewhere):
            pass
    assert by_name(sink)["some"].takes == [a.step_id]
    assert by_name(sink)["none"].takes is None
    assert "takes=" in caplog.text


def test_after_a_failure_the_same_step_is_the_next_attempt(x: XRay, sink: MemorySink) -> None:
    with x.run() as run:
        fail_in(run.step("call", "generate"))
        fail_in(run.step("call", "generate"))
        with run.step("call", "generate"):
            pass
        with run.step("call", "generate"):
            pass
    assert attempts(sink) == [
        ("call", 1, "failed"),
        ("call", 2, "failed"),
        ("call", 3, "completed"),
        ("call", 1, "completed"),
    ]


def test_another_name_or_another_parent_is_no_attempt(x: XRay, sink: MemorySink) -> None:
    with x.run() as run:
        fail_in(run.step("call", "generate"))
        with run.step("other", "generate"):
            pass
        with run.step("all", "group"), run.step("call", "generate"):
            pass
    assert {number for _, number, _ in attempts(sink)} == {1}


def test_a_cancelled_step_is_not_tried_again(x: XRay, sink: MemorySink) -> None:
    with x.run() as run:
        with pytest.raises(KeyboardInterrupt), run.step("call", "generate"):
            raise KeyboardInterrupt
        with run.step("call", "generate"):
            pass
    assert attempts(sink) == [("call", 1, "cancelled"), ("call", 1, "completed")]


def test_a_step_that_ends_after_its_run_is_recorded(x: XRay, sink: MemorySink) -> None:
    with x.run() as run:
        step = run.step("late", "filter").__enter__()
    step.reject("a", "r")
    step.__exit__(None, None, None)
    assert by_name(sink)["late"].run_id == run.run_id
    assert [row.candidate_id for row in by_name(sink)["late"].rows] == ["a"]
    assert current_step.get() is None
    assert current_run.get() is None


@pytest.mark.parametrize("level", ["minimal", "sample", "full"])
def test_a_step_used_without_with_ends_with_its_run(x: XRay, sink: MemorySink, level: str) -> None:
    with x.run() as run:
        run.step("forgotten", "filter", capture=level).reject("a", "r")
        run.step("untouched", "filter")
        with run.step("s", "filter"):
            pass
    assert [step.name for step in sink.steps] == ["s", "forgotten"]
    assert sink.summary("forgotten").counts.rejected == 1
    assert sink.finished_runs[0].status == "completed"


def test_steps_left_in_any_order_leave_none_current(x: XRay, sink: MemorySink) -> None:
    with x.run() as run:
        outer = run.step("outer", "group").__enter__()
        inner = run.step("inner", "filter").__enter__()
        outer.__exit__(None, None, None)
        assert current_step.get() is inner
        inner.__exit__(None, None, None)
        assert current_step.get() is None
        with run.step("next", "filter"):
            pass
    assert by_name(sink)["next"].parent_step_id is None


def test_a_step_can_be_closed_by_hand_once(x: XRay, sink: MemorySink) -> None:
    with x.run() as run:
        step = run.step("s", "filter")
        step.reject("a", "r")
        step.close()
        step.close()
    assert len(sink.steps) == 1


def in_pool(run: Run, work: Callable[[int], Any], count: int) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(xray.wrap(work), range(count)))


def test_threads_join_the_run_and_step_they_are_wrapped_in(x: XRay, sink: MemorySink) -> None:
    barrier = threading.Barrier(4, timeout=10)

    def work(number: int) -> None:
        with xray_step(f"part {number}", "filter") as step:
            barrier.wait()
            step.accept(f"c{number}")
            with xray_step(f"inner {number}", "transform"):
                pass

    with x.run() as run, run.step("all", "group"):
        in_pool(run, work, 4)
    held = parents(sink)
    for number in range(4):
        assert held[f"part {number}"] == "all"
        assert held[f"inner {number}"] == f"part {number}"
        assert [row.candidate_id for row in by_name(sink)[f"part {number}"].rows] == [f"c{number}"]
    assert len({step.ordinal for step in sink.steps}) == 9


def test_a_thread_that_is_not_wrapped_joins_nothing(x: XRay, sink: MemorySink) -> None:
    with x.run(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(current_run.get).result() is None
        assert pool.submit(xray.wrap(current_run.get)).result() is not None
        assert pool.submit(current_run.get).result() is None


def test_what_is_wrapped_outside_any_run_runs_in_none(x: XRay) -> None:
    wrapped = xray.wrap(current_run.get)
    with x.run():
        assert wrapped() is None


def test_many_threads_never_share_an_ordinal(x: XRay, sink: MemorySink) -> None:
    def work(number: int) -> None:
        for _ in range(50):
            with xray_step("s", "filter"):
                pass

    with x.run() as run:
        in_pool(run, work, 8)
    assert sorted(step.ordinal for step in sink.steps) == list(range(400))


async def test_gathered_tasks_keep_their_own_steps(x: XRay, sink: MemorySink) -> None:
    async def work(number: int) -> None:
        async with xray_step(f"part {number}", "retrieve"):
            await asyncio.sleep(0)
            async with xray_step(f"inner {number}", "transform"):
                await asyncio.sleep(0)

    async with x.run() as run, run.step("all", "group") as group:
        await asyncio.gather(*(work(number) for number in range(5)))
        assert current_step.get() is group
    held = parents(sink)
    assert all(held[f"part {number}"] == "all" for number in range(5))
    assert all(held[f"inner {number}"] == f"part {number}" for number in range(5))


async def test_tasks_record_their_own_runs_side_by_side(x: XRay, sink: MemorySink) -> None:
    async def work(number: int) -> str:
        async with x.run(input=number) as run:
            await asyncio.sleep(0)
            async with xray_step(f"s{number}", "filter"):
                await asyncio.sleep(0)
            return run.run_id

    ids = await asyncio.gather(*(work(number) for number in range(5)))
    assert [by_name(sink)[f"s{number}"].run_id for number in range(5)] == list(ids)
    assert current_run.get() is None


async def test_a_thread_of_asyncio_joins_by_itself(x: XRay, sink: MemorySink) -> None:
    def work() -> None:
        with xray_step("in a thread", "filter"):
            pass

    async with x.run() as run:
        await asyncio.to_thread(work)
    assert by_name(sink)["in a thread"].run_id == run.run_id


def test_one_step_face_serves_many_threads_at_once(x: XRay, sink: MemorySink) -> None:
    face = xray_step("s", "filter")
    barrier = threading.Barrier(4, timeout=10)

    def work(number: int) -> None:
        with face as step:
            barrier.wait()
            step.accept(f"c{number}")

    with x.run() as run:
        in_pool(run, work, 4)
        with face, face:
            pass
    assert sorted(row.candidate_id for step in sink.steps for row in step.rows) == [
        "c0",
        "c1",
        "c2",
        "c3",
    ]
    assert len(sink.steps) == 6
    assert sink.steps[4].parent_step_id == sink.steps[5].step_id


def test_steps_of_two_runs_at_once_do_not_mix(x: XRay, sink: MemorySink) -> None:
    with x.run() as one, x.run() as two, two.step("of two", "group"):
        with one.step("of one", "filter"):
            pass
        with xray_step("inner", "filter"):
            pass
    held = by_name(sink)
    assert held["of one"].run_id == one.run_id
    assert held["of one"].parent_step_id is None
    assert held["inner"].run_id == two.run_id
