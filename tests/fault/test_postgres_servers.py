"""Several servers on one PostgreSQL database, some of them killed: nothing lost, none twice."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.fault.killed_server import KilledServer, ServerFork
from tests.fault.test_outage import check_stored
from tests.fault.test_server_kill import (
    CLIENTS,
    Client,
    all_runs,
    check_stored_once,
    ingest_until_killed,
)
from tests.postgres_server import create_database, drop_database, locate
from xray.store.opening import open_store

QUICK_KILLS = 6
PROVEN_KILLS = 100
DEADLINE_S = 120
PER_S = 20

PROGRAM = """
import sys, threading, time
import xray

x = xray.XRay("p", url=sys.argv[1])
stopped = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
number, name, period_s = 0, sys.argv[2], 1 / float(sys.argv[3])
while not stopped.is_set():
    with x.run(input=f"{name} {number}") as run, run.step("filter", step_type="filter") as step:
        step.reject(f"c-{number}", "why")
    number += 1
    stopped.wait(period_s)
while xray.stats().pending.records:
    time.sleep(0.01)
books = xray.stats()
print(number, books.offered.records, books.acknowledged.records, books.total_lost.records)
"""

pytestmark = pytest.mark.xdist_group("server_kill")


@pytest.fixture
def place() -> Iterator[str]:
    name = create_database(is_prepared=False)
    yield locate(name)
    drop_database(name)


@pytest.mark.parametrize(
    "kills", [QUICK_KILLS, pytest.param(PROVEN_KILLS, marks=pytest.mark.prove)]
)
def test_one_of_two_servers_is_killed_again_and_again(place: str, kills: int) -> None:
    chance = random.Random(20_260_102)
    clients = [Client() for _ in range(CLIENTS)]
    steady = Client()
    with closing(ServerFork()) as fork:
        staying = fork.start(place)
        posting = threading.Thread(target=steady.post_until_it_fails, args=(staying.url,))
        posting.start()
        for _ in range(kills):
            ingest_until_killed(
                clients,
                fork.start(place),
                alive_s=chance.uniform(0, 0.1),
                has_answered=chance.random() < 0.8,
            )
        staying.kill()
        posting.join(timeout=DEADLINE_S)
        assert not posting.is_alive()
        last: KilledServer = fork.start(place)
        for client in (*clients, steady):
            client.finish(last.url)
        last.kill()
    acknowledged = [run_id for client in (*clients, steady) for run_id in client.acknowledged]
    assert len(acknowledged) > kills / 2
    assert steady.acknowledged
    with closing(open_store(place)) as store:
        for run_id in acknowledged:
            check_stored_once(store, run_id)
        stored = [run.run_id for run in all_runs(store)]
        assert sorted(stored) == sorted(acknowledged)


@pytest.mark.parametrize(
    ("clients", "lasting_s", "kill_every_s"),
    [(2, 2.5, 1.0), pytest.param(16, 600, 30, marks=pytest.mark.prove)],
)
def test_programs_lose_and_double_nothing_while_a_server_dies_now_and_then(
    place: str,
    clients: int,
    lasting_s: float,
    kill_every_s: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XRAY_SPOOL_DIR", str(tmp_path / "spool"))
    with closing(ServerFork()) as fork:
        servers = [fork.start(place), fork.start(place)]
        port = int(servers[0].url.rpartition(":")[2])
        programs = [
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, servers[number % 2].url, f"{number}", str(PER_S)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for number in range(clients)
        ]  # fmt: skip
        inputs: list[str] = []
        try:
            ends_s = time.monotonic() + lasting_s
            while time.monotonic() + kill_every_s < ends_s:
                time.sleep(kill_every_s)
                servers[0].kill()
                servers[0] = fork.start(place, port)
            for number, program in enumerate(programs):
                said, _ = program.communicate(timeout=DEADLINE_S)
                assert program.returncode == 0
                runs, offered, acknowledged, lost = map(int, said.split())
                assert (offered, acknowledged, lost) == (runs * 3, runs * 3, 0)
                inputs += [f"{number} {run}" for run in range(runs)]
        finally:
            for program in programs:
                program.kill()
            for server in servers:
                server.kill()
    assert len(inputs) > lasting_s
    with closing(open_store(place)) as store:
        check_stored(store, inputs)
