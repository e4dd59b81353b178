"""Bombs, floods and bodies that never end: the server answers `/health`, and its memory is bounded.

How fast it answers meanwhile is printed by `make prove NAME=siege`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest

from tests.e2e.uvicorn_process import UvicornProcess
from tests.fault.attacks import (
    NO_ANSWER,
    Attack,
    Siege,
    ask_health,
    make_attacks,
    peak_memory_bytes,
)

MAX_MEMORY_BYTES = 512 << 20
QUICK_CLIENTS = 6
PROVEN_CLIENTS = 64
SLOW_CLIENTS = 30
_PAUSE_S = 0.05
GOOD = {"large batch", "large batch in zstd"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says peak memory")


@pytest.fixture(scope="module")
def attacks() -> list[Attack]:
    return make_attacks()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UvicornProcess]:
    command = ["python3", "-m", "uvicorn", "xray.server.app:app", "--port", "0"]
    folder = tmp_path_factory.mktemp("siege")
    process = UvicornProcess(command, folder, XRAY_BODY_DEADLINE_S="20")
    try:
        yield process
    finally:
        process.stop()


@pytest.mark.parametrize(
    "clients", [QUICK_CLIENTS, pytest.param(PROVEN_CLIENTS, marks=pytest.mark.prove)]
)
def test_a_siege_neither_ends_the_server_nor_takes_all_memory(
    server: UvicornProcess, attacks: list[Attack], clients: int
) -> None:
    siege = Siege(f"http://127.0.0.1:{server.port}")
    siege.open_slow(SLOW_CLIENTS)
    siege.attack(attacks, clients, rounds=1)
    waits_s: list[float] = []
    try:
        while not siege.is_over or not waits_s:
            begun_s = time.perf_counter()
            assert ask_health(siege.url) == 200
            waits_s.append(time.perf_counter() - begun_s)
            time.sleep(_PAUSE_S)
    finally:
        siege.lift()
    statuses = {status for _, status in siege.answers}
    assert statuses <= {NO_ANSWER, 200, 400, 408, 413, 415, 422, 503}, siege.answers
    taken = {name for name, status in siege.answers if status == 200}
    assert taken <= GOOD, siege.answers
    assert peak_memory_bytes(server.pid) < MAX_MEMORY_BYTES
    assert not [line for line in server.log if "Traceback" in line]
    waits_s.sort()
    print(
        f"{clients} clients, /health {len(waits_s)} times: p50 {waits_s[len(waits_s) // 2]:.3f} s, "
        f"p99 {waits_s[len(waits_s) * 99 // 100]:.3f} s, "
        f"{peak_memory_bytes(server.pid) >> 20} MiB at most, {dict(siege.answers)}"
    )


def test_each_attack_alone_is_refused_with_a_reason(
    server: UvicornProcess, attacks: list[Attack]
) -> None:
    for attack in attacks:
        siege = Siege(f"http://127.0.0.1:{server.port}")
        siege.attack([attack], clients=1, rounds=1)
        siege.lift()
        ((name, status),) = siege.answers
        assert status in ((200,) if name in GOOD else (400, 413, 415)), siege.answers
        assert ask_health(siege.url) == 200
