"""What a client lost of a run is told to the server with what it sends next, and readers see it."""

from contextlib import closing
from itertools import permutations
from pathlib import Path

import pytest

from xray.delivery.losses import Ledger, Volume
from xray.delivery.queue import count_decisions
from xray.delivery.road import Road
from xray.delivery.settings import DeliverySettings
from xray.delivery.spool.spool import Spool
from xray.model.facts import ACCEPTED, DecisionRow, Fact, RunPatched, RunStarted, StepFinished
from xray.model.ids import new_uuid7
from xray.store.folding import RunFold
from xray.store.opening import open_store
from xray.testing import FakeClock, FakeDisk, FakeNetwork, MemoryServer, Refuse
from xray.wire.codec import encode_fact


class Client:
    """Everything between a pipeline and a server's store, on a fake clock, disk and network."""

    def __init__(self, **settings: object) -> None:
        self.clock = FakeClock()
        self.server = MemoryServer(self.clock)
        self.network = FakeNetwork(self.clock, self.server.answer)
        self.ledger = Ledger()
        self.settings = DeliverySettings(
            spool_places=(Path("/spool"),),
            clock=self.clock,
            **settings,  # type: ignore[arg-type]
        )
        spool = Spool(self.settings, self.ledger, FakeDisk().process())
        self.road = Road(
            self.settings, self.network.transport, spool, self.ledger, lambda: "test/1"
        )

    def put(self, fact: Fact) -> None:
        self.road.put(encode_fact(fact), count_decisions(fact), may_wait=False)

    def work(self, seconds: int = 3) -> None:
        for _ in range(seconds):
            self.clock.advance(1)
            self.road.write_once()
            while self.road.send_once() <= 0:
                pass

    def omissions(self, run_id: str) -> dict[str, int]:
        run = self.server.store.run(run_id)
        assert run is not None
        return run.omissions


def run_started(run_id: str | None = None) -> RunStarted:
    return RunStarted(run_id=run_id or new_uuid7(), pipeline="p", started_at_us=1)


def step(run_id: str, padding: int = 0) -> StepFinished:
    return StepFinished(
        run_id=run_id, step_id=new_uuid7(), pipeline="p", name="n", step_type="filter", ordinal=0,
        started_at_us=1, rows=[DecisionRow(ACCEPTED, "c", "r" * padding)],
    )  # fmt: skip


def test_a_record_the_server_rejects_is_told_to_the_readers_of_its_run() -> None:
    client = Client()
    run = run_started()
    bad = step(run.run_id)
    client.server.rejected[f"step:{bad.step_id}"] = "too_deep"
    client.put(run)
    client.put(bad)
    client.work()
    assert client.omissions(run.run_id) == {"lost:rejected:too_deep": 1}
    stats = client.road.stats()
    assert stats.reports == 1
    assert stats.offered == Volume(3, 1)
    assert stats.acknowledged == Volume(2, 0)


def test_a_record_that_is_too_large_is_told_too() -> None:
    client = Client()
    run = run_started()
    client.put(run)
    client.work()
    client.server.max_bytes = 1_000
    client.put(step(run.run_id, padding=3_000))
    client.put(step(run.run_id, padding=3_000))
    client.work()
    assert client.omissions(run.run_id) == {"lost:too_large": 2}


def test_what_did_not_fit_is_told_once_the_server_listens() -> None:
    client = Client(max_queue_bytes=2_000)
    run = run_started()
    client.put(run)
    client.work()
    client.network.always(Refuse())
    for _ in range(20):
        client.put(step(run.run_id, padding=500))
    client.work()
    assert client.omissions(run.run_id) == {}
    lost = client.road.stats().lost["queue_full"].records
    assert lost > 10
    client.network.recover()
    client.work(60)
    assert client.omissions(run.run_id) == {"lost:queue_full": lost}


def test_what_a_full_spool_dropped_is_told() -> None:
    client = Client(max_spool_bytes=6_000, segment_bytes=1_000)
    client.put(run_started())
    client.work()
    client.network.always(Refuse())
    runs = [run_started() for _ in range(200)]
    for run in runs:
        client.put(run)
        client.work(1)
    client.network.recover()
    client.work(120)
    shown = [client.server.store.run(run.run_id) for run in runs]
    told = [run for run in shown if run and run.omissions == {"lost:spool_full": 1}]
    delivered = [run for run in shown if run and run.pipeline == "p"]
    assert len(told) > 50
    assert len(told) + len(delivered) == len(runs)


def test_counts_of_one_process_grow_and_those_of_several_add_up_in_any_order() -> None:
    run_id = new_uuid7()
    reports = [
        RunPatched(run_id=run_id, lost={"a": {"queue_full": 1}}),
        RunPatched(run_id=run_id, lost={"a": {"queue_full": 3, "too_large": 1}}),
        RunPatched(run_id=run_id, lost={"b": {"queue_full": 4}}),
        RunPatched(run_id=run_id, status="abandoned"),
    ]
    for order in permutations(reports):
        fold = RunFold()
        for report in (*order, *order):
            fold.add(report)
        shown = fold.open(run_id, 0)
        assert shown.omissions == {"lost:queue_full": 7, "lost:too_large": 1}
        assert shown.status == "abandoned"


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_store_shows_and_finds_what_a_client_lost(kind: str, tmp_path: Path) -> None:
    address = "memory:" if kind == "memory" else f"sqlite:///{tmp_path}/xray.db"
    run = run_started()
    with closing(open_store(address)) as store:
        store.submit("1", [run]).result()
        report = RunPatched(run_id=run.run_id, lost={"a": {"queue_full": 2}})
        store.submit("2", [report]).result()
        store.submit("3", [report]).result()
        found = store.run(run.run_id)
        assert found is not None
        assert found.omissions == {"lost:queue_full": 2}


@pytest.mark.parametrize("times", [1, 3])
def test_a_report_that_says_nothing_more_changes_nothing(times: int) -> None:
    fold = RunFold()
    report = RunPatched(run_id=new_uuid7(), lost={"a": {"queue_full": 1}})
    assert fold.add(report)
    for _ in range(times):
        assert not fold.add(report)


def test_a_process_that_loses_records_of_ever_more_runs_does_not_grow_for_it() -> None:
    ledger = Ledger()
    for _ in range(5_000):
        ledger.note_run(new_uuid7(), "queue_full")
    told = 0
    while ledger.has_untold:
        told += len(ledger.take_untold(300))
    assert told == 1_000
