"""One process of a simulated world: everything delivery has but its threads, stepped by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random

from xray.delivery.backlog import Backlog, MemoryBacklog
from xray.delivery.exchange.transport import Answer
from xray.delivery.losses import DeliveryStats, Ledger, Volume
from xray.delivery.queue import count_decisions
from xray.delivery.road import Road
from xray.delivery.settings import DeliverySettings
from xray.delivery.spool.files import attempt
from xray.delivery.spool.spool import Spool
from xray.model.facts import Fact, fact_id
from xray.testing import FakeFiles, FakeTransport, ProcessDiedError
from xray.wire.codec import encode_fact

PLACE = Path("/state/xray")
MAX_REQUESTS_AT_ONCE = 40
# In the time of one step of the world the two threads take many turns.
MAX_TURNS_AT_ONCE = 10
ENDLESS_S = 1e9


class MortalTransport:
    """Posts, unless its process is to die just before or just after."""

    def __init__(self, inner: FakeTransport, files: FakeFiles) -> None:
        self._inner = inner
        self._files = files
        self.dies: str | None = None

    def post(self, body: bytes, headers: Mapping[str, str], deadline_s: float) -> Answer:
        if self.dies == "before":
            self._die()
        answer = self._inner.post(body, headers, deadline_s)
        if self.dies == "after":
            self._die()
        return answer

    def _die(self) -> None:
        self._files.kill()
        raise ProcessDiedError

    def close(self) -> None:
        self._inner.close()


class SimulatedProcess:
    """A process that records, writes and sends when it is told to."""

    def __init__(
        self,
        settings: DeliverySettings,
        files: FakeFiles,
        transport: FakeTransport,
        chance: Random,
    ) -> None:
        self.settings = settings
        self.files = files
        self.transport = MortalTransport(transport, files)
        self.inherited: list[int] = []
        self.ledger = Ledger()
        backlog: Backlog = MemoryBacklog()
        if settings.offline_mode == "buffer":
            backlog = Spool(settings, self.ledger, files)
        self.road = Road(
            settings, lambda: self.transport, backlog, self.ledger, lambda: "simulated/1"
        )
        self._chance = chance
        self._puts = Volume()
        self.offered: dict[str, int] = {}
        self.open_runs: list[str] = []
        self.safe_at_s: dict[str, float] = {}
        self.tended_at_s = 0.0
        self.had_disk_fault = False

    def record(self, fact: Fact) -> None:
        """Offer *fact*, as the pipeline does."""
        decisions = count_decisions(fact)
        self.offered[fact_id(fact)] = decisions
        self._puts += Volume(1, decisions)
        self.road.put(encode_fact(fact), decisions, may_wait=False)

    def work(self) -> None:
        """What the two threads do meanwhile; the process may die of it."""
        for handle in self.inherited:
            attempt(self.files.close, handle)
        self.inherited.clear()
        for _ in range(MAX_TURNS_AT_ONCE):
            waiting = len(self.road.queue)
            has_sent = self._take_turn()
            is_stuck = not has_sent and len(self.road.queue) == waiting
            # Where neither thread got anywhere, only time can help.
            if is_stuck or not len(self.road.queue):
                break

    def _take_turn(self) -> bool:
        """One turn of each thread; whether anything was sent."""
        self.road.write_once()
        self.tended_at_s = self.settings.clock.monotonic_s()
        self._note_safe()
        has_sent = False
        for _ in range(MAX_REQUESTS_AT_ONCE):
            if self.road.send_once(ENDLESS_S) > 0:
                break
            has_sent = True
        if has_sent:
            self._note_safe()
        return has_sent

    def _note_safe(self) -> None:
        if len(self.safe_at_s) == len(self.offered):
            return
        backlog = self.road.backlog
        is_all_kept = not len(self.road.queue) and not backlog.volume
        if is_all_kept and self.settings.offline_mode == "buffer" and not self.files.is_dead:
            now_s = self.settings.clock.monotonic_s()
            for name in list(self.offered)[len(self.safe_at_s) :]:
                self.safe_at_s[name] = now_s

    def flush(self) -> None:
        """Somebody waits: send what there is, once, despite a pause."""
        self.road.sender.hurry(is_hurried=True)
        self.work()
        self.road.sender.hurry(is_hurried=False)

    def end(self) -> None:
        """The process ends in order."""
        self.road.write_through(ENDLESS_S)
        self._note_safe()
        self.road.stop()
        self.check()
        self.kill()

    def kill(self) -> None:
        """Nothing this process does has any effect any more."""
        self.files.kill()

    def fork(self, transport: FakeTransport) -> SimulatedProcess:
        """A child; what it inherited is closed when it first works."""
        files = self.files.fork()
        child = SimulatedProcess(self.settings, files, transport, self._chance)
        child.inherited = files.handles
        return child

    def stats(self) -> DeliveryStats:
        return self.ledger.read()

    def check(self) -> None:
        """The books hold at any moment."""
        stats = self.stats()
        assert stats.offered == stats.acknowledged + stats.pending + stats.total_lost, stats
        assert stats.offered == self._puts + stats.adopted + Volume(stats.reports, 0), stats
        assert min(stats.pending.records, stats.pending.decisions) >= 0, stats
