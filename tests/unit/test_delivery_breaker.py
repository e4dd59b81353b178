"""While a server is away one request at a time asks whether it is back, however many wait."""

import threading
from collections.abc import Mapping

from tests.unit.delivery_desk import Desk
from xray.delivery.delivery import Delivery
from xray.delivery.exchange.transport import Answer, TransportError
from xray.delivery.settings import DeliverySettings
from xray.model.facts import RunStarted
from xray.model.ids import new_uuid7

CALLERS = 20
REQUESTS = 30


def test_one_batch_asks_and_the_others_follow_only_once_it_was_taken() -> None:
    desk = Desk(max_batch_facts=5)
    desk.offer(20)
    desk.server.script += [Answer(503)] * 6
    for failures in range(1, 7):
        desk.drain()
        assert len(desk.server.posts) == failures
        assert desk.server.stored == []
        desk.clock.advance(60)
    desk.drain()
    assert len(desk.server.posts) == 6 + 4
    assert desk.server.sizes == [5, 5, 5, 5]


class AbsentServer:
    """Never answers, and notes how many ask at once."""

    def __init__(self) -> None:
        self.requests = 0
        self.most_at_once = 0
        self._under_way = 0
        self._may_end = threading.Event()

    def post(self, body: bytes, headers: Mapping[str, str], deadline_s: float) -> Answer:
        self._under_way += 1
        self.requests += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        self._may_end.wait(0.002)
        self._under_way -= 1
        raise TransportError("away")

    def close(self) -> None:
        pass


def test_however_many_wait_one_request_is_under_way() -> None:
    server = AbsentServer()
    delivery = Delivery(DeliverySettings(first_backoff_s=0.001), lambda _: server)

    def record_and_flush() -> None:
        while server.requests < REQUESTS:
            delivery.put(RunStarted(run_id=new_uuid7(), pipeline="p", started_at_us=1))
            delivery.flush(0.05)

    callers = [threading.Thread(target=record_and_flush) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(30)
        assert not caller.is_alive()
    delivery.close(0)
    assert server.most_at_once == 1
