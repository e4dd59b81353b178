"""Whatever a server does, offered = acknowledged + pending + lost, and nothing is ever doubled."""

import logging
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.unit.delivery_desk import Desk, LostAnswerError
from xray.delivery.exchange.transport import Answer, TransportError
from xray.delivery.losses import Volume

FAILURES = st.sampled_from(
    [
        Answer(503),
        Answer(429, retry_after="7"),
        Answer(413),
        Answer(401),
        Answer(301),
        Answer(200, b"<html>"),
        Answer(200, b'{"batch_id":"another","accepted":1,"duplicate":0}'),
        TransportError("refused"),
        LostAnswerError("reset"),
        TransportError("certificate", is_lasting=True),
    ]
)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("xray"), "disabled", True)


class DeliveryUnderFaults(RuleBasedStateMachine):
    @initialize(mode=st.sampled_from(["buffer", "silent", "fail"]), limit=st.integers(1, 6))
    def open(self, mode: str, limit: int) -> None:
        self.desk = Desk(mode, max_batch_facts=limit)  # type: ignore[arg-type]
        self.offered: list[str] = []

    @rule(count=st.integers(1, 8), length=st.integers(1, 300))
    def offer(self, count: int, length: int) -> None:
        self.offered += self.desk.offer(count, length)

    @rule(failures=st.lists(FAILURES, min_size=1, max_size=4))
    def misbehave(self, failures: list[Answer | TransportError]) -> None:
        self.desk.server.script += failures

    @rule(data=st.data())
    def poison(self, data: st.DataObject) -> None:
        if self.offered:
            self.desk.server.poison.add(data.draw(st.sampled_from(self.offered)))

    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        if self.offered:
            self.desk.server.rejected[data.draw(st.sampled_from(self.offered))] = "too_deep"

    @rule(max_bytes=st.integers(150, 3000))
    def shrink(self, max_bytes: int) -> None:
        self.desk.server.max_bytes = max_bytes

    @rule(seconds=st.sampled_from([0.0, 0.3, 2.0, 40.0, 400.0]))
    def work(self, seconds: float) -> None:
        self.desk.clock.advance(seconds)
        self.desk.drain(rounds=400)

    @rule()
    def hurry(self) -> None:
        self.desk.sender.hurry(is_hurried=True)
        self.desk.drain(rounds=400)
        self.desk.sender.hurry(is_hurried=False)

    @invariant()
    def books_balance(self) -> None:
        stats = self.desk.ledger.read()
        assert stats.offered == Volume(len(self.offered), 3 * len(self.offered))
        assert stats.offered == stats.acknowledged + stats.pending + stats.total_lost
        assert min(stats.pending.records, stats.pending.decisions) >= 0
        assert stats.acknowledged.records == len(self.desk.server.stored)
        assert max(Counter(self.desk.server.stored).values(), default=1) == 1

    def teardown(self) -> None:
        if not hasattr(self, "desk"):
            return
        self.desk.server.script.clear()
        for _ in range(4):
            self.work(400.0)
        stats = self.desk.ledger.read()
        assert stats.pending == Volume()
        assert self.desk.backlog.held_bytes == 0
        lost = set(self.offered) - set(self.desk.server.stored)
        assert stats.total_lost.records == len(lost)
        if self.desk.settings.offline_mode != "silent":
            assert set(stats.lost) <= {"rejected:invalid_record", "rejected:too_deep", "too_large"}


TestDeliveryUnderFaults = DeliveryUnderFaults.TestCase
TestDeliveryUnderFaults.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
