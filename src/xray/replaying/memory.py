"""A sink that keeps facts in memory, as a server would have read them."""

from __future__ import annotations

from xray.model.facts import Fact
from xray.wire.codec import decode_fact, encode_fact


class MemorySink:
    """Takes what a replay records, and sends it nowhere."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def put(self, fact: Fact) -> None:
        """Keep *fact*."""
        self.facts.append(decode_fact(encode_fact(fact)))

    def settle_run(self, run_id: str) -> None:
        """Nothing waits."""

    def count_loss(self, cause: str, records: int = 1, decisions: int = 0) -> None:
        """Nothing is lost but what capture itself could not record, which it says."""
