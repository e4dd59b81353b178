"""One run over several processes: headers, keys, and what an attached run may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import pytest

import xray
from xray import XRay, xray_step
from xray.capture import guard
from xray.capture.attaching import AttachedRun, hand_over_by_key
from xray.capture.current import current_run
from xray.capture.headers import Handover, names_run, read_headers
from xray.capture.noop_run import NoopRun
from xray.capture.settings import CaptureSettings
from xray.model.facts import RunPatched
from xray.model.values import open_value
from xray.testing import FakeClock, MemorySink

RUN_ID = "018f0000-0000-7000-8000-000000000001"
STEP_ID = "018f0000-0000-7000-8000-000000000002"
HEADERS = {
    "x-xray-run": RUN_ID,
    "x-xray-pipeline": "search%20%C3%A9",
    "x-xray-step": STEP_ID,
    "x-xray-ordinals": "7+1000",
}
HANDOVER = Handover(RUN_ID, "search é", STEP_ID, (7, 1000))


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def x(sink: MemorySink, monkeypatch: pytest.MonkeyPatch) -> XRay:
    monkeypatch.setattr(guard, "_last_said_s", {})
    return XRay("p", sink=sink)


def ordinals(sink: MemorySink) -> dict[str, int]:
    return {step.name: step.ordinal for step in sink.steps}


def in_order(sink: MemorySink) -> list[str]:
    return [step.name for step in sorted(sink.steps, key=lambda step: step.ordinal)]


class FrameworkHeaders(Mapping[str, str]):
    """Headers that know no case, as web frameworks have them."""

    def __init__(self, held: Mapping[str, str]) -> None:
        self._held = {name.title(): value for name, value in held.items()}

    def __getitem__(self, name: str) -> str:
        return self._held[name.title()]

    def __iter__(self) -> Any:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


@pytest.mark.parametrize(
    "given",
    [
        HEADERS,
        {name.upper(): value for name, value in HEADERS.items()},
        {name.title(): value for name, value in HEADERS.items()} | {"Host": "h"},
        list(HEADERS.items()),
        [(name.encode(), value.encode()) for name, value in HEADERS.items()],
        {f"HTTP_{name.upper().replace('-', '_')}": v for name, v in HEADERS.items()}
        | {"wsgi.version": (1, 0), "SERVER_PORT": "80"},
        {name: [value, "another"] for name, value in HEADERS.items()},
        FrameworkHeaders(HEADERS),
        iter([*HEADERS.items(), ("x-xray-run", str(uuid4()))]),
        {name: f" {value} " for name, value in HEADERS.items()},
    ],
    ids=["plain", "upper", "title", "pairs", "asgi", "wsgi", "lists", "mapping", "twice", "spaces"],
)
def test_headers_are_read_as_every_framework_gives_them(given: Any) -> None:
    assert read_headers(given) == HANDOVER


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("x-xray-run", RUN_ID.upper(), HANDOVER),
        ("x-xray-pipeline", "", Handover(RUN_ID, "unnamed", STEP_ID, (7, 1000))),
        ("x-xray-pipeline", "%FF%", Handover(RUN_ID, "\ufffd%", STEP_ID, (7, 1000))),
        ("x-xray-step", "step", Handover(RUN_ID, "search é", None, (7, 1000))),
        *(
            ("x-xray-ordinals", text, Handover(RUN_ID, "search é", STEP_ID, None))
            for text in ("", "7", "-7+1", "7+", "+7", "seven+7", "²+1", "7+1+1", "9" * 16 + "+1")
        ),
    ],
)
def test_a_header_that_cannot_be_read_is_left_out_alone(
    name: str, value: str, expected: Handover
) -> None:
    assert read_headers({**HEADERS, name: value}) == expected


@pytest.mark.parametrize("run_id", ["", "run_abc123", "018f", RUN_ID + "0", "\x00", RUN_ID[:-1]])
def test_headers_with_a_malformed_run_attach_to_nothing_with_one_warning(
    x: XRay, sink: MemorySink, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        run = xray.attach({**HEADERS, "x-xray-run": run_id}, sink=sink)
        assert isinstance(run, NoopRun)
        with run, run.step("s", "filter") as step:
            step.reject("a", "r")
    assert sink.facts == []
    assert len(caplog.records) == (1 if run_id else 0)


def test_a_request_without_headers_of_ours_attaches_to_nothing_in_silence(
    x: XRay, sink: MemorySink, caplog: pytest.LogCaptureFixture
) -> None:
    for headers in ({}, [], {"Host": "h", "Accept": "*/*"}):
        assert not names_run(headers)
        with xray.attach(headers, sink=sink), xray_step("s", "filter"):
            pass
    assert sink.facts == []
    assert not caplog.records


def test_headers_that_are_none_break_nothing(swallowing: None, x: XRay, sink: MemorySink) -> None:
    for given in (None, 7, [1, 2], [("a",)], object()):
        with xray.attach(given, sink=sink) as run:  # type: ignore[arg-type]
            assert isinstance(run, NoopRun)


def test_headers_carry_the_run_its_open_step_and_a_range(x: XRay) -> None:
    with XRay("a b/ä", sink=MemorySink()).run() as run:
        outside = run.headers()
        with run.step("call", "retrieve") as step:
            inside = run.headers()
    assert outside["x-xray-run"] == run.run_id
    assert unquote(outside["x-xray-pipeline"]) == "a b/ä"
    assert outside["x-xray-pipeline"].isascii()
    assert "x-xray-step" not in outside
    assert inside["x-xray-step"] == step.step_id
    assert read_headers(inside) == Handover(run.run_id, "a b/ä", step.step_id, (1001, 1000))
    assert all(isinstance(value, str) for value in inside.values())


def test_an_attached_run_adds_steps_and_neither_starts_nor_ends(x: XRay, sink: MemorySink) -> None:
    with x.run() as run, run.step("call", "retrieve") as call:
        with xray.attach(run.headers(), sink=sink) as attached:
            assert current_run.get() is attached
            assert (attached.run_id, attached.pipeline) == (run.run_id, "p")
            with attached.step("there", "filter") as step:
                step.reject("a", "r")
            with xray_step("there too", "rank"), xray_step("inner", "transform"):
                pass
            attached.finish("failed", error=ValueError())
        assert sink.finished_runs == []
        assert current_run.get() is run
    assert len(sink.runs) == len(sink.finished_runs) == 1
    assert sink.finished_runs[0].status == "completed"
    steps = {step.name: step for step in sink.steps}
    assert {step.run_id for step in sink.steps} == {run.run_id}
    assert steps["there"].parent_step_id == steps["there too"].parent_step_id == call.step_id
    assert steps["inner"].parent_step_id == steps["there too"].step_id
    assert sink.settled_runs.count(run.run_id) >= 2


def test_an_exception_in_an_attached_run_is_its_own_and_ends_nothing(
    x: XRay, sink: MemorySink
) -> None:
    with (
        x.run() as run,
        pytest.raises(ValueError, match="no"),
        xray.attach(run.headers(), sink=sink) as attached,
        attached.step("there", "filter"),
    ):
        raise ValueError("no")
    assert [step.status for step in sink.steps] == ["failed"]
    assert sink.finished_runs[0].status == "completed"


def test_steps_elsewhere_stand_between_those_before_and_after_the_call(
    x: XRay, sink: MemorySink
) -> None:
    with x.run() as run:
        with run.step("before", "retrieve"):
            pass
        first, second = run.headers(), run.headers()
        with run.step("after", "select"):
            pass
        for headers, names in ((second, "cd"), (first, "ab")):
            with xray.attach(headers, sink=sink) as attached:
                for name in names:
                    with attached.step(name, "filter"):
                        pass
    assert in_order(sink) == ["before", "a", "b", "c", "d", "after"]
    assert len(set(ordinals(sink).values())) == 6


def test_a_chain_of_processes_keeps_its_order(x: XRay, sink: MemorySink) -> None:
    def record(run: Any, depth: int) -> None:
        with run.step(f"{depth} before", "retrieve"):
            pass
        if depth < 4:
            with xray.attach(run.headers(), sink=sink) as attached:
                record(attached, depth + 1)
        with run.step(f"{depth} after", "filter"):
            pass

    with x.run() as run:
        record(run, 0)
    assert in_order(sink) == [
        *(f"{depth} before" for depth in range(5)),
        *(f"{depth} after" for depth in (4, 3, 2, 1, 0)),
    ]


def test_headers_of_an_attached_run_name_the_step_it_hangs_on(x: XRay, sink: MemorySink) -> None:
    with xray.attach(HEADERS, sink=sink) as attached:
        assert read_headers(attached.headers()) == Handover(RUN_ID, "search é", STEP_ID, (7, 100))


def test_by_key_a_run_is_found_and_its_steps_come_after_those_counted(
    x: XRay, sink: MemorySink
) -> None:
    clock = FakeClock()
    with x.run(key="order-7", attempt=2) as run:
        for name in ("first", "second"):
            with run.step(name, "filter"):
                pass
    for name in ("third", "fourth"):
        clock.advance(0.01)
        handover = hand_over_by_key("p", "order-7", 2)
        attached = AttachedRun(handover, sink, CaptureSettings(clock=clock))
        with attached:
            for part in ("a", "b"):
                with attached.step(f"{name} {part}", "filter"):
                    pass
            assert "x-xray-ordinals" not in attached.headers()
    assert {step.run_id for step in sink.steps} == {run.run_id}
    assert in_order(sink) == ["first", "second", "third a", "third b", "fourth a", "fourth b"]


def test_both_ways_to_attach_by_key_mean_the_same_run(x: XRay, sink: MemorySink) -> None:
    run_id = x.run(key="k", attempt=3).run_id
    assert x.attach(key="k", attempt=3).run_id == run_id
    assert xray.attach("p", key="k", attempt=3, sink=sink).run_id == run_id


def test_a_pipeline_without_a_key_attaches_to_nothing(
    x: XRay, sink: MemorySink, caplog: pytest.LogCaptureFixture
) -> None:
    with xray.attach("p", sink=sink) as run, run.step("s", "filter"):
        pass
    with x.attach() as run, run.step("s", "filter"):
        pass
    assert sink.facts == []
    assert len(caplog.records) == 1


def test_what_an_attached_run_says_about_the_run_is_a_patch(
    x: XRay, sink: MemorySink, caplog: pytest.LogCaptureFixture
) -> None:
    with xray.attach(HEADERS, sink=sink) as run:
        run.set_metadata(worker="w1")
        run.set_output({"best": "a"})
        run.add_tags("late")
    first, second = [fact for fact in sink.facts if isinstance(fact, RunPatched)]
    assert open_value(first.metadata) == {"worker": "w1"}
    assert open_value(second.output) == {"best": "a"}
    assert first.status is second.status is None
    assert "no tags" in caplog.text


def test_an_attached_run_as_decorator_leaves_input_and_output_alone(sink: MemorySink) -> None:
    @xray.attach(HEADERS, sink=sink)
    def work(number: int) -> int:
        with xray_step("s", "filter"):
            return number

    assert [work(1), work(2)] == [1, 2]
    assert [step.run_id for step in sink.steps] == [RUN_ID] * 2
    assert [step.ordinal for step in sink.steps] == [7, 8]
    assert len(sink.facts) == 2
