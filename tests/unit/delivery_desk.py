"""A sender with everything around it, in one thread and on a clock that a test moves."""

from collections.abc import Mapping

import msgspec

from xray.delivery.backlog import MemoryBacklog
from xray.delivery.exchange.transport import Answer, TransportError
from xray.delivery.losses import DeliveryStats, Ledger, Volume
from xray.delivery.queue import Parcel
from xray.delivery.sender import Sender
from xray.delivery.settings import DeliverySettings, OfflineMode
from xray.model.facts import Receipt, Refusal, RunStarted, fact_id
from xray.testing import FakeClock
from xray.wire.codec import decode_batch, encode_fact
from xray.wire.limits import inflate


class LostAnswerError(TransportError):
    """The server stored the batch, and the connection broke before it could say so."""


class ScriptedServer:
    """A transport that answers from a script, then as a good server would."""

    def __init__(self) -> None:
        self.script: list[Answer | TransportError] = []
        self.poison: set[str] = set()
        self.rejected: dict[str, str] = {}
        self.max_bytes = 1 << 30
        self.stored: list[str] = []
        self.unanswered: set[str] = set()
        self.posts: list[Mapping[str, str]] = []
        self.sizes: list[int] = []

    def post(self, body: bytes, headers: Mapping[str, str], deadline_s: float) -> Answer:
        self.posts.append(headers)
        plain = inflate(body, headers.get("Content-Encoding"))
        batch = decode_batch(plain)
        names = [fact_id(fact) for fact in batch.facts]
        if self.script:
            step = self.script.pop(0)
            if isinstance(step, LostAnswerError):
                self.unanswered |= set(names)
            if isinstance(step, TransportError):
                raise step
            return step
        self.sizes.append(len(names))
        if len(plain) > self.max_bytes:
            return Answer(413, b'{"code": "too_large"}')
        if self.poison & set(names):
            return Answer(422, b'{"code": "invalid_record"}')
        good = [name for name in names if name not in self.rejected]
        self.stored += good
        receipt = Receipt(
            batch_id=batch.batch_id,
            accepted=len(good),
            duplicate=0,
            rejected=[Refusal(n, self.rejected[n], "no") for n in names if n in self.rejected],
        )
        return Answer(200, msgspec.json.encode(receipt))

    def close(self) -> None:
        pass


class Desk:
    """A sender with everything around it, driven by hand."""

    def __init__(self, mode: OfflineMode = "buffer", **settings: object) -> None:
        self.clock = FakeClock()
        self.server = ScriptedServer()
        self.ledger = Ledger()
        self.backlog = MemoryBacklog()
        self.settings = DeliverySettings(
            offline_mode=mode,
            clock=self.clock,
            draw=lambda: 1.0,
            **settings,  # type: ignore[arg-type]
        )
        self.sender = Sender(
            self.settings, self.backlog, self.ledger, lambda: self.server, lambda: "test/1"
        )
        self.count = 0

    def offer(self, count: int = 1, name_length: int = 10) -> list[str]:
        names = []
        for _ in range(count):
            self.count += 1
            fact = RunStarted(
                run_id=f"01929a3c-4f00-7a10-8000-{self.count:012x}",
                pipeline="p" * name_length,
                started_at_us=1,
            )
            self.ledger.accept(3)
            self.backlog.append([Parcel(self.count, encode_fact(fact), 3)])
            names.append(fact_id(fact))
        return names

    def drain(self, rounds: int = 60) -> None:
        """Let the sender work until it wants to wait."""
        for _ in range(rounds):
            if self.sender.run_once() > 0:
                return
        raise AssertionError("The sender never comes to rest.")

    def stats(self) -> DeliveryStats:
        stats = self.ledger.read()
        assert stats.offered == stats.acknowledged + stats.pending + stats.total_lost
        assert (stats.pending == Volume()) is (self.backlog.oldest_number is None)
        return stats
