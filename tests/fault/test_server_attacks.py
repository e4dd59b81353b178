"""Bombs, floods and bodies that never end: the server answers `/health`, and its memory is bounded.

How fast it answers meanwhile is printed by `make prove NAME=siege`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.uvicorn_process import UvicornProcess
from tests.fault.attacks import (
    NO_ANSWER,
    Attack,
    Siege,
    ask_health,
    cpu_seconds,
    make_attacks,
    peak_memory_bytes,
    send,
)

MAX_MEMORY_BYTES = 512 << 20
QUICK_CLIENTS = 6
PROVEN_CLIENTS = 64
SLOW_CLIENTS = 30
_PAUSE_S = 0.05
GOOD = {"large batch", "large batch in zstd", "large run"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says peak memory")


@pytest.fixture(scope="module")
def attacks() -> list[Attack]:
    return make_attacks()


def serve_at(folder: Path) -> Iterator[UvicornProcess]:
    folder.mkdir()
    command = ["python3", "-m", "uvicorn", "xray.server.app:app", "--port", "0"]
    process = UvicornProcess(command, folder, XRAY_BODY_DEADLINE_S="20")
    try:
        yield process
    finally:
        process.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[UvicornProcess]:
    yield from serve_at(tmp_path / "besieged")


@pytest.fixture
def idle_server(tmp_path: Path) -> Iterator[UvicornProcess]:
    """Nobody attacks it: how long it takes to answer is what the machine's load makes of it."""
    yield from serve_at(tmp_path / "idle")


class Waits:
    """How long a server takes to answer `/health`, and how much it computes meanwhile."""

    def __init__(self, server: UvicornProcess) -> None:
        self._server = server
        self.elapsed_s: list[float] = []
        self.computed_s: list[float] = []

    def note(self) -> None:
        begun_s, computed_s = time.perf_counter(), cpu_seconds(self._server.pid)
        assert ask_health(f"http://127.0.0.1:{self._server.port}") == 200
        self.computed_s.append(cpu_seconds(self._server.pid) - computed_s)
        self.elapsed_s.append(time.perf_counter() - begun_s)

    def __str__(self) -> str:
        return f"after {_describe(self.elapsed_s)} (computing {_describe(self.computed_s)})"


def _describe(waits_s: list[float]) -> str:
    waits_s = sorted(waits_s)
    p50_s, p99_s = waits_s[len(waits_s) // 2], waits_s[len(waits_s) * 99 // 100]
    return f"p50 {p50_s * 1e3:.0f} ms, p99 {p99_s * 1e3:.0f} ms"


@pytest.mark.parametrize(
    "clients", [QUICK_CLIENTS, pytest.param(PROVEN_CLIENTS, marks=pytest.mark.prove)]
)
def test_a_siege_neither_ends_the_server_nor_takes_all_memory(
    server: UvicornProcess, idle_server: UvicornProcess, clients: int
) -> None:
    siege = Siege(f"http://127.0.0.1:{server.port}", clients, SLOW_CLIENTS)
    waits, idle_waits = Waits(server), Waits(idle_server)
    while not siege.is_over or not waits.elapsed_s:
        waits.note()
        idle_waits.note()
        time.sleep(_PAUSE_S)
    answers = siege.wait()
    statuses = {status for _, status in answers}
    assert statuses <= {NO_ANSWER, 200, 201, 400, 408, 413, 415, 422, 503}, answers
    taken = {name for name, status in answers if status in (200, 201)}
    assert taken <= GOOD, answers
    assert peak_memory_bytes(server.pid) < MAX_MEMORY_BYTES
    assert not [line for line in server.log if "Traceback" in line]
    print(
        f"{clients} clients: /health answered {len(waits.elapsed_s)} times {waits}; of a server "
        f"nobody attacks {idle_waits}; {peak_memory_bytes(server.pid) >> 20} MiB at most; {answers}"
    )


def test_each_attack_alone_is_refused_with_a_reason(
    server: UvicornProcess, attacks: list[Attack]
) -> None:
    url = f"http://127.0.0.1:{server.port}"
    for attack in attacks:
        status = send(url, attack)
        assert status in ((200, 201) if attack.name in GOOD else (400, 413, 415)), attack.name
        assert ask_health(url) == 200
