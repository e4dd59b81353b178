"""A writer that has nothing to do dozes, and is woken by whatever is put."""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Any

import pytest

from tests.unit.delivery_desk import ScriptedServer
from xray.delivery import road as roads
from xray.delivery.backlog import MemoryBacklog
from xray.delivery.bells import Bell
from xray.delivery.delivery import Delivery
from xray.delivery.road import Road
from xray.delivery.settings import DeliverySettings
from xray.model.facts import RunStarted
from xray.model.ids import new_uuid7
from xray.wire.codec import encode_fact

ENDLESS_S = 3_600.0
BOUND_S = 60.0


def start_fact() -> RunStarted:
    return RunStarted(run_id=new_uuid7(), pipeline="p", started_at_us=1)


def make_road(**settings: Any) -> Road:
    delivery = Delivery(
        DeliverySettings(offline_mode="silent", **settings),
        make_transport=lambda _: ScriptedServer(),
        make_backlog=lambda *_: MemoryBacklog(),
    )
    return delivery._road()


def test_a_bell_that_rang_before_anybody_waits_wakes_the_next_wait_and_no_other() -> None:
    bell = Bell()
    for _ in range(3):
        bell.ring()
    bell.wait(ENDLESS_S)
    thread = threading.Thread(target=bell.wait, args=(ENDLESS_S,), daemon=True)
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    bell.ring()
    thread.join(BOUND_S)
    assert not thread.is_alive()


class WatchedBell(Bell):
    """Notes how long somebody would have waited though there is something to do."""

    def __init__(self, road: Road) -> None:
        super().__init__()
        self._road = road
        self.has_rung = False
        self.slept_s: list[float] = []

    def ring(self) -> None:
        self.has_rung = True

    def wait(self, seconds: float) -> None:
        if len(self._road.queue) and not self.has_rung:
            self.slept_s.append(seconds)


@pytest.mark.parametrize("line", range(1, 6))
def test_what_is_put_at_any_moment_of_going_to_doze_wakes_the_writer(line: int) -> None:
    road = make_road()
    bell = road._writer_bell = WatchedBell(road)
    lines = [0]

    def step(frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            lines[0] += 1
            if lines[0] == line:
                road.put(encode_fact(start_fact()), 0)
        return step

    before = sys.gettrace()
    sys.settrace(lambda frame, *_: step if frame.f_code is Road._doze.__code__ else None)
    try:
        road._doze()
    finally:
        sys.settrace(before)
    assert lines[0] >= 4
    assert len(road.queue) == (line <= lines[0])
    assert all(slept_s <= road.settings.poll_interval_s for slept_s in bell.slept_s)


def test_nothing_that_threads_put_is_slept_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roads, "_DOZE_S", ENDLESS_S)
    road = make_road(sync_interval_s=0.0)
    road.start()
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    empty = threading.Event()
    try:
        for _ in range(2_000):
            road.put(encode_fact(start_fact()), 0)
            for _ in range(round(BOUND_S / 0.001)):
                if not len(road.queue):
                    break
                empty.wait(0.001)
            assert not len(road.queue)
    finally:
        sys.setswitchinterval(interval_s)
        road.stop()
