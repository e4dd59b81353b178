"""Prints of records: what tells whether two places hold the same, without holding either.

A record is a fact; of a roster, which one store keeps in chunks where another merged them, it is
the candidates that it knows, whatever form they have.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, repeat
from typing import Final

import msgspec

from xray.model.compact import Part
from xray.model.facts import RunFinished, RunPatched, RunStarted, StepFinished, StepRows
from xray.model.labels import Labelled
from xray.model.stored_facts import HashedRoster, PackedRoster, StoredFact, encode_stored
from xray.model.tallies import Tallied
from xray.model.transfer import Amounts, Difference
from xray.model.universe import HASH_BITS, Universe
from xray.store.folding import RunFold

_DIGEST_BYTES: Final = 16
_ENTRIES_AT_ONCE: Final = 4_096
_encode: Final = msgspec.msgpack.Encoder().encode
_RUN_FACTS: Final = (
    (RunStarted, "the start"),
    (RunFinished, "the end"),
    (RunPatched, "what was set later"),
)
_Roster = HashedRoster | PackedRoster


class Prints:
    """The prints of the records of some runs.

    Attributes:
        by_run: of each run, by what a record is called.
        pipelines: the pipelines of its steps.
    """

    def __init__(self) -> None:
        self.by_run: dict[str | None, dict[str, bytes]] = {}
        self.pipelines: set[str] = set()
        self._counts: Counter[str] = Counter()
        self._roster: list[_Roster] = []

    @classmethod
    def of(cls, facts: Iterable[StoredFact]) -> Prints:
        """The prints of *facts*, which come as a store gives them."""
        prints = cls()
        for fact in facts:
            prints.add(fact)
        return prints

    def add(self, fact: StoredFact) -> None:
        """Take in the next fact."""
        if self._roster and not (
            isinstance(fact, _Roster) and fact.step_id == self._roster[0].step_id
        ):
            self._end_roster()
        if isinstance(fact, _Roster):
            self._roster.append(fact)
            return
        if isinstance(fact, RunPatched):
            fact = _merge(fact)
        run_id = None if isinstance(fact, Tallied) else fact.run_id
        self._count(fact)
        self._put(run_id, name_record(fact), encode_stored(fact))

    def _put(self, run_id: str | None, record: str, told: bytes) -> None:
        digest = hashlib.blake2b(told, digest_size=_DIGEST_BYTES).digest()
        self.by_run.setdefault(run_id, {})[record] = digest

    def _count(self, fact: StoredFact) -> None:
        counts = self._counts
        if isinstance(fact, (RunStarted, RunFinished, RunPatched)):
            # What is known of a run itself comes first.
            counts["runs"] += fact.run_id not in self.by_run
        elif isinstance(fact, StepFinished):
            drawn = sum(len(reservoir.rows) for reservoir in fact.reservoirs)
            counts["steps"] += 1
            self.pipelines.add(fact.pipeline)
            counts["decisions"] += len(fact.rows) + drawn + len(fact.logged)
        elif isinstance(fact, StepRows):
            counts["decisions"] += len(fact.rows)
        elif isinstance(fact, Labelled):
            counts["labels"] += 1
        elif isinstance(fact, Tallied):
            counts["tallies"] += 1

    def _end_roster(self) -> None:
        roster, self._roster = self._roster, []
        if roster:
            first = roster[0]
            self._put(first.run_id, name_record(first), print_roster(roster))
            self._counts["candidates"] += sum(chunk.size for chunk in roster)

    @property
    def amounts(self) -> Amounts:
        """How many records there are."""
        self._end_roster()
        return Amounts(**self._counts)

    def differences(self, others: Prints, run_ids: Sequence[str | None]) -> Iterator[Difference]:
        """Where *others*, those of the target, are not the same for *run_ids*."""
        self._end_roster()
        others._end_roster()
        for run_id in run_ids:
            ours, theirs = self.by_run.get(run_id, {}), others.by_run.get(run_id, {})
            if ours == theirs:
                continue
            for record in dict.fromkeys((*ours, *theirs)):
                detail = "it is not the same"
                if record not in theirs:
                    detail = "it is missing where the run went"
                elif record not in ours:
                    detail = "it is only where the run went"
                if ours.get(record) != theirs.get(record):
                    yield Difference(run_id=run_id, record=record, detail=detail)


def name_record(fact: StoredFact) -> str:
    """What *fact* is called among the records of its run."""
    if isinstance(fact, StepFinished):
        return f"step {fact.step_id}"
    if isinstance(fact, StepRows):
        return f"rows {fact.chunk} of step {fact.step_id}"
    if isinstance(fact, Labelled):
        about = "the run" if fact.candidate_id is None else f"candidate {fact.candidate_id!r}"
        return f"the label of {about}"
    if isinstance(fact, Tallied):
        return f"tally {fact.tally_id}"
    for kind, name in _RUN_FACTS:
        if isinstance(fact, kind):
            return name
    return f"the roster of step {fact.step_id}"  # type: ignore[union-attr]


def _merge(patch: RunPatched) -> RunPatched:
    """*patch* as a store spells it that merged it with others."""
    fold = RunFold()
    fold.add(patch)
    return fold.patch or patch


def print_roster(roster: Sequence[_Roster]) -> bytes:
    """What the candidates of a step come to: the same for its chunks and for what they merge to."""
    entries = _list_entries(roster)
    digest = hashlib.blake2b(str(roster[0].total).encode(), digest_size=_DIGEST_BYTES)
    while some := list(islice(entries, _ENTRIES_AT_ONCE)):
        digest.update(_encode(some))
    return digest.digest()


def _list_entries(roster: Sequence[_Roster]) -> Iterator[tuple[int, bytes, int]]:
    """The number in the roster's universe, the fate and the place of each candidate, ascending."""
    hashed: list[tuple[int, bytes, int]] = []
    for held in roster:
        if isinstance(held, PackedRoster):
            yield from _list_packed(held)
        else:
            hashed += _list_hashed(held)
    yield from sorted(hashed)


def _list_packed(roster: PackedRoster) -> Iterator[tuple[int, bytes, int]]:
    universe = Universe(roster.total)
    fates = [_encode(fate) for fate in roster.fates]
    for number, data in sorted(roster.parts.items()):
        part = Part(universe, number, data)
        places = [place for _, place in part.places()] or repeat(0)
        yield from sorted(
            (first * universe.size >> HASH_BITS, fates[code], place)
            for (first, _, code), place in zip(part.spans(), places, strict=False)
        )


def _list_hashed(roster: HashedRoster) -> Iterator[tuple[int, bytes, int]]:
    size = Universe(roster.total).size
    fates = [_encode(fate) for fate in roster.fates]
    held = roster.open()
    placings = held.placings or repeat(0)
    for hashed, code, place in zip(held.hashes, held.codes, placings, strict=False):
        yield hashed * size >> HASH_BITS, fates[code], place
