"""kill -9 of the server while records come in: what it acknowledged is there, and there once."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import urllib3

from tests.fault.killed_server import KilledServer, ServerFork
from xray.model.facts import DecisionRow, Fact, Receipt, RunFinished, RunStarted, StepFinished
from xray.model.ids import new_uuid7
from xray.model.records import Run
from xray.query.cursor import decode_cursor
from xray.query.plan import MAX_LIMIT, Plan
from xray.store.opening import open_store
from xray.store.protocol import Store
from xray.wire.codec import encode_fact, frame_batch

QUICK_KILLS = 20
PROVEN_KILLS = 200
CLIENTS = 3
ROWS = 40
STEPS = 2
FACTS = STEPS + 2
DEADLINE_S = 120
STARTED_US = 1_767_225_600_000_000

pytestmark = pytest.mark.xdist_group("server_kill")


class Client:
    """Posts one whole run after another; what was not acknowledged is sent again, unchanged."""

    def __init__(self) -> None:
        self.acknowledged: list[str] = []
        self.answered = threading.Event()
        self._pending: tuple[str, bytes] | None = None

    def post_until_it_fails(self, url: str) -> None:
        pool = urllib3.PoolManager(retries=False, timeout=DEADLINE_S)
        try:
            while True:
                self.post(pool, url)
        except urllib3.exceptions.HTTPError:
            pass
        finally:
            pool.clear()

    def post(self, pool: urllib3.PoolManager, url: str) -> None:
        if self._pending is None:
            self._pending = make_batch()
        run_id, body = self._pending
        answer = pool.request(
            "POST",
            f"{url}/v1/batches",
            body=body,
            headers={"Content-Type": "application/msgpack"},
        )
        assert answer.status == 200, answer.data
        receipt = msgspec.json.decode(answer.data, type=Receipt)
        assert receipt.accepted + receipt.duplicate == FACTS
        self.acknowledged.append(run_id)
        self.answered.set()
        self._pending = None

    def finish(self, url: str) -> None:
        """Send again what was under way when the last server died."""
        pool = urllib3.PoolManager(retries=False, timeout=DEADLINE_S)
        if self._pending is not None:
            self.post(pool, url)
        pool.clear()


def make_batch() -> tuple[str, bytes]:
    run_id = new_uuid7()
    steps: list[Fact] = [
        StepFinished(
            run_id=run_id,
            step_id=new_uuid7(),
            pipeline="p",
            name=f"filter {ordinal}",
            step_type="filter",
            ordinal=ordinal,
            started_at_us=STARTED_US,
            rows=[DecisionRow(number % 2, f"{run_id} {number}", "even") for number in range(ROWS)],
        )
        for ordinal in range(STEPS)
    ]
    facts: list[Fact] = [
        RunStarted(run_id=run_id, pipeline="p", started_at_us=STARTED_US),
        *steps,
        RunFinished(run_id=run_id, status="completed"),
    ]
    return run_id, frame_batch(new_uuid7(), "test", [encode_fact(fact) for fact in facts])


def ingest_until_killed(
    clients: list[Client], server: KilledServer, alive_s: float, *, has_answered: bool
) -> None:
    """Let *clients* post; kill the server *alive_s* later, or after its first answer."""
    for client in clients:
        client.answered.clear()
    threads = [
        threading.Thread(target=client.post_until_it_fails, args=(server.url,))
        for client in clients
    ]
    for thread in threads:
        thread.start()
    if has_answered:
        assert clients[0].answered.wait(timeout=DEADLINE_S), "nothing was acknowledged"
    time.sleep(alive_s)
    server.kill()
    for thread in threads:
        thread.join(timeout=DEADLINE_S)
        assert not thread.is_alive()


def all_runs(store: Store) -> Iterator[Run]:
    plan = Plan(scope="run", limit=MAX_LIMIT)
    page = store.runs(plan)
    yield from page.items
    while page.next_cursor is not None:
        after = decode_cursor(page.next_cursor, plan)
        page = store.runs(msgspec.structs.replace(plan, after=after))
        yield from page.items


def check_stored_once(store: Store, run_id: str) -> None:
    run = store.run(run_id)
    assert run is not None, f"{run_id} was acknowledged and is lost"
    assert run.status == "completed"
    steps = store.steps_of_run(run_id)
    assert [step.ordinal for step in steps] == list(range(STEPS))
    for step in steps:
        assert (step.counts.rejected, step.counts.accepted) == (ROWS // 2, ROWS // 2)
        kept = store.decisions_of_step(step.step_id).candidate_ids
        assert sorted(kept) == sorted(f"{run_id} {number}" for number in range(ROWS))


@pytest.mark.parametrize(
    "kills", [QUICK_KILLS, pytest.param(PROVEN_KILLS, marks=pytest.mark.prove)]
)
def test_what_a_killed_server_acknowledged_is_there_and_nothing_is_doubled(
    tmp_path: Path, kills: int
) -> None:
    chance = random.Random(20_260_101)
    path = tmp_path / "xray.db"
    clients = [Client() for _ in range(CLIENTS)]
    with closing(ServerFork()) as fork:
        for _ in range(kills):
            # Now and then while it starts, else while it works, however slow the machine is.
            ingest_until_killed(
                clients,
                fork.start(f"sqlite:///{path}"),
                alive_s=chance.uniform(0, 0.1),
                has_answered=chance.random() < 0.8,
            )
        last = fork.start(f"sqlite:///{path}")
        for client in clients:
            client.finish(last.url)
        last.kill()
    acknowledged = [run_id for client in clients for run_id in client.acknowledged]
    assert len(acknowledged) > kills / 2
    with closing(open_store(f"sqlite:///{path}")) as store:
        for run_id in acknowledged:
            check_stored_once(store, run_id)
        stored = [run.run_id for run in all_runs(store)]
        assert sorted(stored) == sorted(acknowledged)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
