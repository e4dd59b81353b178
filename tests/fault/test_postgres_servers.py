"""Several servers on one PostgreSQL database, some of them killed: nothing lost, none twice."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.fault.killed_server import KilledServer, ServerFork
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
