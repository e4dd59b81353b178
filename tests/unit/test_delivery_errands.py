"""Whoever leaves a thread behind whose exchange hangs goes on without it, and the books hold."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

import pytest

from tests.unit.delivery_desk import Desk, ScriptedServer
from xray.delivery.exchange.errand import LeftBehindError
from xray.delivery.exchange.transport import Answer
from xray.delivery.losses import Volume

BOUND_S = 60.0


class HangingServer(ScriptedServer):
    """Takes what is posted, and keeps who posted it until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs = True
        self.may_answer = threading.Event()
        self.has_begun = threading.Semaphore(0)
        self.closed = 0

    def post(self, body: bytes, headers: Mapping[str, str], deadline_s: float) -> Answer:
        is_kept = self.hangs
        answer = super().post(body, headers, deadline_s)
        if is_kept:
            self.has_begun.release()
            assert self.may_answer.wait(BOUND_S)
        return answer

    def close(self) -> None:
        self.closed += 1


class Case:
    """A desk whose server hangs, with threads that are out to it."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.server = self.desk.server = HangingServer()
        self.desk.sender.transport = self.server
        self.relieved = 0
        self._threads: list[threading.Thread] = []

    def send_off(self) -> None:
        """Let a thread take a batch to the server, and hang there."""
        thread = threading.Thread(target=self._run, daemon=True)
        self._threads.append(thread)
        thread.start()
        assert self.server.has_begun.acquire(timeout=BOUND_S)

    def _run(self) -> None:
        try:
            self.desk.sender.run_once()
        except LeftBehindError:
            self.relieved += 1

    def let_go(self) -> None:
        self.server.may_answer.set()
        for thread in self._threads:
            thread.join(BOUND_S)
            assert not thread.is_alive()


@pytest.fixture
def case() -> Iterator[Case]:
    case = Case()
    yield case
    case.let_go()


def wait_until_stuck(case: Case) -> float:
    """Let time pass until the exchange counts as hanging; how many seconds that took."""
    for seconds in range(100_000):
        if case.desk.sender.is_stuck:
            return seconds
        case.desk.clock.advance(1)
    raise AssertionError("It never counts as hanging.")


def test_what_hangs_is_left_and_its_answer_counts_for_nothing(case: Case) -> None:
    case.desk.offer(3)
    case.send_off()
    assert not case.desk.sender.is_stuck
    wait_until_stuck(case)
    assert case.desk.sender.leave()
    assert not case.desk.sender.is_about_to_probe
    assert case.desk.stats().pending == Volume(3, 9)
    assert case.desk.sender.last_problem == "the exchange did not end"
    case.server.hangs = False
    case.desk.clock.advance(60)
    case.desk.drain()
    assert case.desk.stats().acknowledged == Volume(3, 9)
    case.let_go()
    assert case.relieved == 1
    assert case.server.closed == 1
    assert case.desk.stats().acknowledged == Volume(3, 9)
    assert case.desk.sender.batches == 1
    assert case.desk.sender.failed_attempts == 1


def test_an_answer_that_comes_while_its_thread_is_being_left_is_not_heard_twice(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread comes back at the worst moment: it is left, and nobody went on yet."""
    case.desk.offer(3)
    case.send_off()
    wait_until_stuck(case)
    make: Callable[[], object] = case.desk.sender._make_transport

    def make_while_it_comes_back() -> object:
        case.let_go()
        return make()

    monkeypatch.setattr(case.desk.sender, "_make_transport", make_while_it_comes_back)
    assert case.desk.sender.leave()
    assert case.relieved == 1
    assert case.desk.stats().pending == Volume(3, 9)
    case.server.hangs = False
    case.desk.clock.advance(60)
    case.desk.drain()
    assert case.desk.stats().acknowledged == Volume(3, 9)


def test_who_has_come_back_is_not_left(case: Case) -> None:
    case.desk.offer(3)
    case.send_off()
    wait_until_stuck(case)
    case.let_go()
    assert not case.desk.sender.leave()
    assert case.relieved == 0
    assert case.desk.stats().acknowledged == Volume(3, 9)


def test_the_more_threads_hang_the_longer_the_next_is_waited_for_and_there_is_a_last(
    case: Case,
) -> None:
    case.desk.offer(1)
    waited_s = []
    for _ in range(8):
        case.send_off()
        waited_s.append(wait_until_stuck(case))
        assert case.desk.sender.leave()
        case.desk.clock.advance(60)
    assert all(later > 1.4 * sooner for sooner, later in pairwise(waited_s))
    case.send_off()
    case.desk.clock.advance(1e6)
    assert not case.desk.sender.is_stuck
    case.let_go()
    assert case.relieved == 8
    assert case.desk.stats().acknowledged == Volume(1, 3)
