"""The guard: X-Ray's own failures never reach the pipeline, and never go unseen."""

from __future__ import annotations

import asyncio
import functools
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from xray.capture import guard
from xray.errors import XRayDeliveryError

pytestmark = pytest.mark.usefixtures("swallowing")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_last_said_s", {})
    monkeypatch.setattr(guard, "_swallowed", {})


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    times = [1000.0]
    # The module itself stays as it is: servers of other tests read the clock in their threads.
    monkeypatch.setattr(guard, "time", SimpleNamespace(monotonic=lambda: times[0]))
    return times


def fail(where: str, error: BaseException) -> None:
    with guard.guarded(where):
        raise error


def test_an_error_of_ours_is_swallowed_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    fail("Step.accept", ValueError("a value of the pipeline's"))
    assert guard.swallowed() == {"Step.accept": 1}
    assert caplog.messages == [
        "X-Ray failed inside Step.accept (ValueError); the pipeline goes on."
    ]


def test_each_kind_is_said_once_a_minute(
    caplog: pytest.LogCaptureFixture, now: list[float]
) -> None:
    for _ in range(50):
        fail("Step.accept", ValueError())
        fail("Step.reject", ValueError())
    assert len(caplog.messages) == 2
    now[0] += 59.9
    fail("Step.accept", ValueError())
    assert len(caplog.messages) == 2
    now[0] += 0.2
    fail("Step.accept", ValueError())
    fail("Step.accept", ValueError())
    assert len(caplog.messages) == 3
    assert guard.swallowed() == {"Step.accept": 53, "Step.reject": 50}


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit(), asyncio.CancelledError()],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_what_ends_the_program_or_a_task_passes(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        fail("Run.start", error)
    assert caught.value is error
    assert guard.swallowed() == {}


def test_in_tests_the_error_is_raised_again_and_counted() -> None:
    error = ValueError("ours")
    with guard.raising(), pytest.raises(ValueError, match="ours") as caught:
        fail("Run.start", error)
    assert caught.value is error
    assert guard.swallowed() == {"Run.start": 1}
    fail("Run.start", error)


def test_raising_ends_with_its_block_even_when_the_block_fails() -> None:
    with pytest.raises(LookupError), guard.raising(), guard.raising():
        raise LookupError
    fail("Run.start", ValueError())


class BrokenHandler(logging.Handler):
    """A handler of the host's that fails."""

    def __init__(self, error: Callable[[], BaseException]) -> None:
        super().__init__()
        self.error = error

    def handle(self, record: logging.LogRecord) -> bool:
        raise self.error()


@pytest.fixture
def broken() -> Iterator[Callable[[Callable[[], BaseException]], None]]:
    handlers: list[logging.Handler] = []

    def install(error: Callable[[], BaseException]) -> None:
        handlers.append(BrokenHandler(error))
        guard.logger.addHandler(handlers[-1])

    yield install
    for handler in handlers:
        guard.logger.removeHandler(handler)


def test_logging_that_fails_changes_nothing(
    broken: Callable[[Callable[[], BaseException]], None],
) -> None:
    broken(lambda: OSError("no space left"))
    fail("Step.accept", ValueError())
    assert guard.swallowed() == {"Step.accept": 1}


def test_a_handler_that_records_with_xray_comes_to_an_end(
    broken: Callable[[Callable[[], BaseException]], None],
) -> None:
    def record_again() -> BaseException:
        fail("Step.accept", ValueError())
        return OSError()

    broken(record_again)
    fail("Step.accept", ValueError())
    assert guard.swallowed() == {"Step.accept": 2}


def test_an_error_whose_class_fights_back_is_named_without_asking_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class HostileError(ValueError):
        """An error that cannot be shown."""

        def __str__(self) -> str:
            raise AssertionError("run")

        __repr__ = __str__

    fail("Step.accept", HostileError())
    assert "(test_an_error_whose_class_fights_back" in caplog.text


def test_threads_that_fail_at_once_are_all_counted_and_heard_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    threads, times = 8, 2_000
    gate = threading.Barrier(threads)

    def fail_often() -> None:
        gate.wait()
        for _ in range(times):
            fail("Step.accept", ValueError())

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        workers = [threading.Thread(target=fail_often) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(before)
    assert guard.swallowed() == {"Step.accept": threads * times}
    assert len(caplog.messages) == 1


class LimitError(Exception):
    """What a handler of the pipeline's raises when its time is over."""


@pytest.fixture
def limit() -> Iterator[Callable[[], None]]:
    def end(*_: object) -> None:
        raise LimitError

    before = signal.signal(signal.SIGUSR2, end)
    yield lambda: signal.raise_signal(signal.SIGUSR2)
    signal.signal(signal.SIGUSR2, before)


def test_what_a_signal_handler_raises_inside_passes(limit: Callable[[], None]) -> None:
    with pytest.raises(LimitError), guard.guarded("Step.accept"):
        limit()
    assert guard.swallowed() == {}


@pytest.mark.parametrize("kind", ["method", "callable", "partial"])
def test_a_handler_of_any_kind_is_known(kind: str) -> None:
    class Handler:
        """Handles."""

        def __call__(self, number: int, frame: object) -> None:
            raise LimitError

    handler = Handler()
    kinds = {
        "method": handler.__call__,
        "callable": handler,
        "partial": functools.partial(functools.partial(handler)),
    }
    before = signal.signal(signal.SIGUSR2, kinds[kind])
    try:
        with pytest.raises(LimitError), guard.guarded("Step.accept"):
            signal.raise_signal(signal.SIGUSR2)
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_an_error_of_ours_is_swallowed_beside_a_handler(limit: Callable[[], None]) -> None:
    fail("Step.accept", LimitError())
    assert guard.swallowed() == {"Step.accept": 1}


def test_a_delivery_that_was_to_raise_passes() -> None:
    with pytest.raises(XRayDeliveryError), guard.guarded("Run.finish"):
        raise XRayDeliveryError("not delivered")


def test_what_cannot_even_be_told_stays_swallowed(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def name_nothing(_: object) -> str:
        raise RuntimeError

    monkeypatch.setattr(guard, "name_kind", name_nothing)
    fail("Step.accept", ValueError())
    assert guard.swallowed() == {"Step.accept": 1}
    assert caplog.messages == []
