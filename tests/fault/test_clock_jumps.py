"""A wall clock that is set back or forward by hours changes what is stamped, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.delivery_desk import Desk
from xray.capture.run import Run
from xray.capture.settings import CaptureSettings
from xray.delivery.exchange.transport import Answer, TransportError
from xray.model.facts import RunFinished, RunStarted, StepFinished
from xray.testing import FakeClock, FaultServer, MemorySink

HOUR_US = 3_600_000_000
hours = pytest.mark.parametrize("hours", [-30, -1, 1, 30])


@hours
@pytest.mark.parametrize(
    ("trouble", "pause_s"),
    [
        (TransportError("refused"), 1.0),
        (Answer(503, retry_after="40"), 40.0),
        (Answer(401), 300.0),
    ],
    ids=["away", "told to wait", "parked"],
)
def test_a_pause_is_as_long_as_it_was_meant_to_be(
    hours: int, trouble: Answer | TransportError, pause_s: float
) -> None:
    desk = Desk()
    desk.server.script = [trouble]
    [name] = desk.offer()
    desk.drain()
    wall_us = desk.clock.wall_us()
    desk.clock.set_wall(wall_us + hours * HOUR_US)
    desk.clock.advance(pause_s - 0.1)
    desk.drain()
    assert desk.server.stored == []
    desk.clock.advance(30)
    desk.drain()
    assert desk.server.stored == [name]


@hours
def test_a_duration_is_what_passed_meanwhile(hours: int) -> None:
    clock, sink = FakeClock(), MemorySink()
    began_us = clock.wall_us()
    with Run("p", sink, CaptureSettings(clock=clock)) as run:
        clock.advance(1)
        with run.step("work", "filter"):
            clock.set_wall(began_us + hours * HOUR_US)
            clock.advance(2)
    facts = {type(fact): fact for fact in sink.facts}
    started, step, finished = facts[RunStarted], facts[StepFinished], facts[RunFinished]
    assert isinstance(started, RunStarted)
    assert isinstance(step, StepFinished)
    assert isinstance(finished, RunFinished)
    assert (started.started_at_us, step.started_at_us) == (began_us, began_us + 1_000_000)
    assert (step.duration_ms, finished.duration_ms) == (2_000.0, 3_000.0)


PROGRAM = """
import sys, time

now_s, now_ns, offset_s = time.time, time.time_ns, [0.0]
time.time = lambda: now_s() + offset_s[0]
time.time_ns = lambda: now_ns() + round(offset_s[0] * 1e9)

import xray

x = xray.XRay("p", url=sys.argv[1], spool_dir=sys.argv[2])
for jump_s in (0, -7_200, 36_000, -180_000, 90_000):
    with x.run() as run, run.step("work", "filter") as step:
        offset_s[0] += jump_s
        step.reject("a", "dear")
    assert xray.flush(60).is_complete
print(xray.stats().acknowledged.records)
"""


def test_a_process_delivers_whatever_its_clock_says(tmp_path: Path) -> None:
    with FaultServer() as server:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, server.url, str(tmp_path)],
            capture_output=True, text=True, timeout=400, check=False,
        )  # fmt: skip
        facts = list(server.facts.values())
    assert (done.stdout, done.stderr, done.returncode) == ("15\n", "", 0)
    ended = [fact for fact in facts if isinstance(fact, (RunFinished, StepFinished))]
    assert len(ended) == 10
    assert all(fact.duration_ms is not None and 0 <= fact.duration_ms < 60_000 for fact in ended)
