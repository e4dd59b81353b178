"""The gate that keeps forks away from imports opens again whatever interrupts its hooks."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Any

import pytest

from xray.delivery.forks import _ForkGate
from xray.model.forking import _mute


def fork_and_be_interrupted(gate: _ForkGate, line: int) -> bool:
    """Run the hooks of a fork, with Ctrl-C before their *line*th line; whether there is one."""
    seen = [0]

    def step(frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            seen[0] += 1
            if seen[0] == line:
                raise KeyboardInterrupt
        return step

    def enter(frame: FrameType, event: str, argument: object) -> Any:
        names = ("after_fork_in_parent", "_open")
        return step if frame.f_code.co_name in names else None

    gate.before_fork()
    before = sys.gettrace()
    sys.settrace(enter)
    try:
        gate.after_fork_in_parent()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def is_open(gate: _ForkGate) -> bool:
    found: list[bool] = []

    def look() -> None:
        found.append(gate.lock.acquire(timeout=0))
        if found[0]:
            gate.lock.release()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return found[0]


# The first is that of the `try` itself.
@pytest.mark.parametrize("line", range(2, 6))
def test_a_fork_that_is_interrupted_leaves_the_gate_open(line: int) -> None:
    gate = _ForkGate()
    assert fork_and_be_interrupted(gate, line)
    assert is_open(gate)
    gate.before_fork()
    assert not is_open(gate)
    gate.after_fork_in_parent()
    assert is_open(gate)


def test_what_a_signal_handler_raises_in_a_hook_of_a_fork_is_said_by_the_interpreter() -> None:
    def limit(*_: object) -> None:
        raise TimeoutError

    previous = signal.signal(signal.SIGUSR2, limit)
    hook = _mute(lambda: signal.raise_signal(signal.SIGUSR2))
    try:
        with pytest.raises(TimeoutError):
            hook()
    finally:
        signal.signal(signal.SIGUSR2, previous)
