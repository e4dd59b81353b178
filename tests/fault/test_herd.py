"""Five hundred clients whose server was away for a minute do not come back as one."""

import heapq
import logging
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest

from tests.e2e.uvicorn_process import UvicornProcess
from xray.delivery.backlog import MemoryBacklog
from xray.delivery.delivery import Delivery
from xray.delivery.exchange.transport import Answer, TransportError
from xray.delivery.losses import Ledger, Volume
from xray.delivery.queue import Parcel
from xray.delivery.sender import Sender
from xray.delivery.settings import DeliverySettings
from xray.model.facts import RunStarted
from xray.model.ids import new_uuid7
from xray.testing import FakeClock, FaultProxy, MemoryServer
from xray.wire.codec import encode_fact

CLIENTS = 500
EVERY_S = 5.0
AWAY_FROM_S, AWAY_UNTIL_S = 20.0, 80.0
END_S = 180.0
QUICK_CLIENTS = 15
OUTAGE_S = 3.0
DRAINED_S = 300.0


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("xray"), "disabled", True)


class BusyServer:
    """Away for a minute, in one of two ways, and counts who asks in each second."""

    def __init__(self, clock: FakeClock, names_the_moment: bool) -> None:
        self._clock = clock
        self._names_the_moment = names_the_moment
        self._server = MemoryServer(clock)
        self.requests: Counter[int] = Counter()

    def post(self, body: bytes, headers: Mapping[str, str], deadline_s: float) -> Answer:
        now_s = self._clock.monotonic_s()
        self.requests[int(now_s)] += 1
        if not AWAY_FROM_S <= now_s < AWAY_UNTIL_S:
            return self._server.answer(body, headers)
        if self._names_the_moment:
            return Answer(503, retry_after=str(int(AWAY_UNTIL_S - now_s) + 1))
        raise TransportError("refused")

    def close(self) -> None:
        pass


class SimulatedClient:
    """Records something every few seconds, and sends it."""

    def __init__(self, clock: FakeClock, server: BusyServer, chance: Random) -> None:
        self._clock = clock
        self._ledger = Ledger()
        self._backlog = MemoryBacklog()
        settings = DeliverySettings(clock=clock, draw=chance.random, fast_batches=0)
        self._sender = Sender(
            settings, self._backlog, self._ledger, lambda: server, lambda: "test/1"
        )
        self._offered = 0
        # Whole milliseconds, which the clock can show.
        self._next_offer_s = chance.randrange(int(EVERY_S * 1000)) / 1000

    @property
    def pending(self) -> Volume:
        return self._ledger.read().pending

    def work(self) -> float:
        """Do what is due; the moment when more will be."""
        now_s = self._clock.monotonic_s()
        if now_s > self._next_offer_s - 0.0005:
            self._offered += 1
            fact = RunStarted(run_id=new_uuid7(), pipeline="p", started_at_us=1)
            self._ledger.accept(0)
            self._backlog.append([Parcel(self._offered, encode_fact(fact), 0)])
            self._next_offer_s += EVERY_S
        return min(self._next_offer_s, now_s + max(self._sender.run_once(), 0.01))


@pytest.mark.parametrize("names_the_moment", [False, True], ids=["refuses", "Retry-After"])
def test_clients_come_back_spread_out_and_everything_drains(names_the_moment: bool) -> None:
    clock, chance = FakeClock(), Random(7)
    server = BusyServer(clock, names_the_moment)
    clients = [SimulatedClient(clock, server, chance) for _ in range(CLIENTS)]
    due = [(0.0, number) for number in range(CLIENTS)]
    while due[0][0] < END_S:
        at_s, number = due[0]
        clock.advance(max(0.0, at_s - clock.monotonic_s()))
        heapq.heapreplace(due, (clients[number].work(), number))
    steady = CLIENTS / EVERY_S
    after = [server.requests[second] for second in range(int(AWAY_UNTIL_S), int(END_S))]
    assert max(after) <= 2 * steady
    # The longer it is away the less it is asked.
    during = [server.requests[second] for second in range(int(AWAY_FROM_S), int(AWAY_UNTIL_S))]
    assert max(during[30:]) <= steady
    # What is pending was recorded within the last moments.
    assert sum(client.pending.records for client in clients) <= 3 * steady
    late = server.requests[int(END_S) - 30]
    assert late <= 1.5 * steady


@pytest.mark.parametrize(
    "count", [QUICK_CLIENTS, pytest.param(CLIENTS, marks=pytest.mark.prove)], ids=str
)
def test_a_real_server_takes_a_herd_that_comes_back(count: int, tmp_path: Path) -> None:
    server = UvicornProcess(
        ["python3", "-m", "uvicorn", "xray.server.app:app", "--port", "0"], tmp_path
    )
    try:
        with FaultProxy(server.port) as proxy:
            proxy.refuse()
            clients = [Delivery(DeliverySettings(url=proxy.url)) for _ in range(count)]
            until_s = time.monotonic() + OUTAGE_S
            while time.monotonic() < until_s:
                for client in clients:
                    client.put(RunStarted(run_id=new_uuid7(), pipeline="p", started_at_us=1))
            proxy.recover()
            deadline_s = time.monotonic() + DRAINED_S
            while time.monotonic() < deadline_s:
                if not any(client.stats().pending for client in clients):
                    break
                time.sleep(0.05)
            books = [client.stats() for client in clients]
            for client in clients:
                client.close(0)
        assert sum(each.pending.records for each in books) == 0
        assert sum(each.total_lost.records for each in books) == 0
    finally:
        server.stop()
