"""A server without sockets: a body in, an answer out, everything kept in a store in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from xray.delivery.exchange.transport import Answer
from xray.errors import InvalidRecordError, LimitExceededError
from xray.model.clock import Clock
from xray.model.facts import Fact, Receipt, Refusal, fact_id
from xray.store.memory import MemoryStore
from xray.wire.codec import MSGPACK, decode_batch
from xray.wire.limits import inflate


class MemoryServer:
    """Takes batches as a server does, and keeps them in `store`.

    `refused` are ids of facts for which a whole batch is answered 422, `rejected` those that are
    rejected alone, with their codes; bodies of more than `max_bytes` are answered 413.

    Args:
        clock: the server's.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.store = MemoryStore(clock)
        self.refused: set[str] = set()
        self.rejected: dict[str, str] = {}
        self.max_bytes = 1 << 40
        self.stored: set[str] = set()
        self.accepted = 0

    def answer(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """What a server says to *body*."""
        try:
            plain = inflate(body, headers.get("Content-Encoding"))
            batch = decode_batch(plain, headers.get("Content-Type", MSGPACK))
        except LimitExceededError as error:
            return _refuse(413, error.code)
        except InvalidRecordError as error:
            return _refuse(400, error.code)
        if len(plain) > self.max_bytes:
            return _refuse(413, LimitExceededError.default_code)
        if any(fact_id(fact) in self.refused for fact in batch.facts):
            return _refuse(422, InvalidRecordError.default_code)
        receipt = self._store(batch.batch_id, batch.facts)
        rejected = [*batch.refused, *receipt.rejected]
        return Answer(200, msgspec.json.encode(msgspec.structs.replace(receipt, rejected=rejected)))

    def _store(self, batch_id: str, facts: Sequence[Fact]) -> Receipt:
        taken = [fact for fact in facts if fact_id(fact) not in self.rejected]
        receipt = self.store.submit(batch_id, taken).result()
        refusals = [
            Refusal(name, self.rejected[name], "Rejected on purpose.")
            for name in map(fact_id, facts)
            if name in self.rejected
        ]
        self.accepted += receipt.accepted
        self.stored |= {fact_id(fact) for fact in taken}
        self.stored -= {refusal.id for refusal in receipt.rejected}
        return msgspec.structs.replace(receipt, rejected=[*refusals, *receipt.rejected])


def _refuse(status: int, code: str) -> Answer:
    return Answer(status, msgspec.json.encode({"code": code, "title": code}))
