"""What a store gives of a run so that another store can take it: facts, rosters by hash.

Everything but rosters is kept as the facts that were sent. Of a roster a store keeps hashes, so
what it hands on are facts of kinds that only stores exchange: they do not travel on the wire.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from xray.model.facts import Fact, StepFinished, StepRoster, StepRows, fact_id
from xray.model.fates import Fate
from xray.model.holdings import HashedEntries, hash_entries

_COUNT_BYTES: Final = 4
_PART_COUNT: Final = slice(1, 4)


class HashedRoster(Struct, tag="hashed_roster", tag_field="fact", kw_only=True, frozen=True):
    """A chunk of a roster that waits for the others, its candidates by their whole hashes.

    Args:
        chunk: the chunk of the `StepRoster` it was.
        total: how many candidates stand in all chunks of this step together.
        fates: what the codes of its entries stand for.
        entries: what `HashedEntries.encode` wrote.
    """

    run_id: str
    step_id: str
    chunk: int
    total: int
    fates: list[Fate]
    entries: bytes

    @property
    def size(self) -> int:
        """How many candidates this chunk names."""
        return int.from_bytes(self.entries[:_COUNT_BYTES], "little")

    def open(self) -> HashedEntries:
        """Its candidates."""
        return HashedEntries.decode(self.fates, self.entries)

    @classmethod
    def of(cls, chunk: StepRoster) -> HashedRoster:
        """What a store keeps of *chunk*."""
        holding = hash_entries(chunk)
        return cls(
            run_id=chunk.run_id,
            step_id=chunk.step_id,
            chunk=chunk.chunk,
            total=chunk.total,
            fates=list(holding.fates),
            entries=holding.encode(),
        )


class PackedRoster(Struct, tag="packed_roster", tag_field="fact", kw_only=True, frozen=True):
    """A whole roster at rest: a compact set (`model.compact`).

    Args:
        total: how many candidates it holds.
        chunks: the chunks it was made of, a bit each, little-endian.
        fates: what the codes of its entries stand for.
        parts: the bytes of each part that has an entry.
    """

    run_id: str
    step_id: str
    total: int
    chunks: bytes
    fates: list[Fate]
    parts: dict[int, bytes]

    @property
    def size(self) -> int:
        """How many candidates its parts hold."""
        return sum(int.from_bytes(data[_PART_COUNT], "little") for data in self.parts.values())

    def has_chunk(self, chunk: int) -> bool:
        """Whether that chunk is in it."""
        return bool(int.from_bytes(self.chunks, "little") >> chunk & 1)


StoredFact = Fact | HashedRoster | PackedRoster
"""What stores take and give."""

AboutStep = (StepFinished, StepRows, StepRoster, HashedRoster, PackedRoster)
"""The facts that name a step."""

encode_stored: Final = msgspec.msgpack.Encoder().encode


def stored_fact_id(fact: StoredFact) -> str:
    """The id under which *fact* is stored once, however often it comes."""
    if isinstance(fact, HashedRoster):
        return f"step:{fact.step_id}:roster:{fact.chunk}"
    if isinstance(fact, PackedRoster):
        return f"step:{fact.step_id}:roster"
    return fact_id(fact)
