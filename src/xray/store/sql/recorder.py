"""Facts into rows: one group of batches at a time, inside the writer's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from msgspec import Struct

from xray.errors import InvalidRecordError
from xray.model.baseline import Summary
from xray.model.counts import StepSummary, summarize_step
from xray.model.facts import (
    DecisionRow,
    Receipt,
    Refusal,
    RunFinished,
    RunPatched,
    RunStarted,
    StepFinished,
    StepRoster,
    StepRows,
)
from xray.model.forgetting import refuse_forgotten
from xray.model.hashing import hash_all
from xray.model.labels import Labelled
from xray.model.stored_facts import (
    AboutStep,
    HashedRoster,
    PackedRoster,
    StoredFact,
    stored_fact_id,
)
from xray.model.tallies import Tallied
from xray.store.blocks import (
    BLOCK_BITS,
    EXTRAS_CHUNK,
    MAX_ROWS,
    BlockDraft,
    draft_block,
    restore_rows,
    seal_blocks,
)
from xray.store.bodies import (
    FINISHED,
    FIRST_STEP,
    PATCHED,
    STARTED,
    decode_step,
    encode_run,
    encode_step,
    pack_all,
    unpack,
)
from xray.store.folding import RunFold, count_reasons, refuse_fact
from xray.store.frames import Compressor, Decompressor, Samples
from xray.store.sql.baselines import Baselines, RunWeight
from xray.store.sql.dims import Dims
from xray.store.sql.directory import Directory, KnownRun
from xray.store.sql.driver import Driver
from xray.store.sql.forgotten import find_forgotten, has_forgotten
from xray.store.sql.labels import label_arrived, put_correlated, put_label
from xray.store.sql.payloads import block_range, load_blocks, load_run
from xray.store.sql.postings import Postings
from xray.store.sql.rosters import Rosters
from xray.store.sql.rows import PUT_RUN, PUT_STEP, id_bytes, run_row, step_row
from xray.store.sql.stat_index import StatIndex
from xray.store.sql.tallies import put_tally

_PUT_BODY: Final = (
    "insert into step_bodies (seq, data) values (?, ?)"
    " on conflict (seq) do update set data = excluded.data"
)
_PUT_PART: Final = (
    "insert into run_facts (id, data) values (?, ?)"
    " on conflict (id) do update set data = excluded.data"
)
_PUT_BLOCK: Final = "insert into blocks (id, chunk, part, data) values (?, ?, ?, ?)"


class Submitted(Struct, frozen=True):
    """A batch that waits to be written."""

    batch_id: str
    facts: Sequence[StoredFact]


_Checked = tuple[Submitted, list[tuple[StoredFact, Refusal | None]]]
"""A batch with its facts, each with why it is not stored."""


class Recorder:
    """Turns facts into rows of the database; used by the writer alone.

    Args:
        connection: the writer's connection.
        directory: numbers for runs and steps.
        dims: numbers for repeated text.
        postings: the candidate index.
        compressor: compresses blocks and bodies.
        decompressor: opens those that have to change.
        samples: takes payloads to train dictionaries on; None once there are dictionaries.
    """

    def __init__(
        self,
        connection: Driver,
        directory: Directory,
        dims: Dims,
        postings: Postings,
        compressor: Compressor,
        decompressor: Decompressor,
        samples: Samples | None,
    ) -> None:
        self._connection = connection
        self._directory = directory
        self._dims = dims
        self._postings = postings
        self.rosters = Rosters(connection, decompressor, lambda: self.compressor)
        self.stats = self._make_stats()
        self.baselines = self._make_baselines()
        self.compressor = compressor
        self.samples = samples
        self.has_forgotten = has_forgotten(connection)
        self._decompressor = decompressor
        self.forget()

    def _open_body(self, data: bytes) -> tuple[StepFinished, Summary]:
        body = decode_step(unpack(data, self._decompressor))
        return body.fact, body.summary

    def _make_stats(self) -> StatIndex:
        return StatIndex(self._connection)

    def _make_baselines(self) -> Baselines:
        return Baselines(self._connection, self._dims, self._open_body)

    def forget(self) -> None:
        """Start again from what the database says; for when a transaction was taken back."""
        self._dims.forget()
        self.stats.refresh()
        self.baselines.refresh()
        self._directory.forget()
        self._begin()

    def _begin(self) -> None:
        self._runs: dict[str, KnownRun] = {}
        self._steps: dict[str, int] = {}
        self._early: dict[str, int] = {}
        self._step_rows: list[tuple[Any, ...]] = []
        self._bodies: list[tuple[int, bytes]] = []
        self._blocks: list[tuple[int, int, int]] = []
        self._drafts: list[BlockDraft] = []
        self._block_counts: dict[int, int] = {}
        self._chunks: dict[int, set[int]] = {}
        self._candidates: list[tuple[int, Sequence[int]]] = []
        self._incomplete: set[int] = set()
        self._uncounted: dict[int, tuple[int, StepFinished]] = {}

    def record(self, batches: Sequence[Submitted]) -> list[Receipt]:
        """Write *batches*; the caller's transaction makes them durable.

        Raises:
            Exception: a fact cannot be stored; the transaction must be taken back and `forget`
                called.
        """
        self._begin()
        checked = [
            (batch, [(fact, refuse_fact(fact)) for fact in batch.facts]) for batch in batches
        ]
        if self.has_forgotten:
            checked = self._refuse_forgotten(checked)
        self._look_up(fact for _, facts in checked for fact, refusal in facts if refusal is None)
        receipts = [self._take(batch, facts) for batch, facts in checked]
        self._write()
        return receipts

    def _refuse_forgotten(self, checked: Sequence[_Checked]) -> list[_Checked]:
        """*checked* without what is about runs that were forgotten."""
        named = {
            id_bytes(fact.run_id): fact.run_id
            for _, facts in checked
            for fact, refusal in facts
            if refusal is None and not isinstance(fact, Tallied)
        }
        gone = {named[raw] for raw in find_forgotten(self._connection, named)}
        if not gone:
            return list(checked)
        return [
            (batch, [(fact, refusal or _refuse(fact, gone)) for fact, refusal in facts])
            for batch, facts in checked
        ]

    def _take(
        self, batch: Submitted, facts: Iterable[tuple[StoredFact, Refusal | None]]
    ) -> Receipt:
        accepted = 0
        refused: list[Refusal] = []
        for fact, refusal in facts:
            if refusal is not None:
                refused.append(refusal)
            else:
                accepted += self._add(fact)
        return Receipt(
            batch_id=batch.batch_id,
            accepted=accepted,
            duplicate=len(batch.facts) - accepted - len(refused),
            rejected=refused,
        )

    def _look_up(self, facts: Iterable[StoredFact]) -> None:
        """Find what is known of every run and step that *facts* name, in a few queries."""
        run_ids: dict[str, bytes] = {}
        step_ids: dict[str, bytes] = {}
        for fact in facts:
            if isinstance(fact, Tallied):
                continue
            if fact.run_id not in run_ids:
                run_ids[fact.run_id] = id_bytes(fact.run_id)
            if isinstance(fact, AboutStep):
                step_ids[fact.step_id] = id_bytes(fact.step_id)
        known = self._directory.find(run_ids, step_ids)
        self._runs, self._steps, self._early = known.runs, known.steps, known.early

    def _add(self, fact: StoredFact) -> bool:
        if isinstance(fact, StepFinished):
            return self._add_step(fact)
        if isinstance(fact, StepRows):
            return self._add_chunk(fact)
        if isinstance(fact, (StepRoster, HashedRoster, PackedRoster)):
            return self._add_roster(fact)
        if isinstance(fact, Tallied):
            return self._add_tally(fact)
        if isinstance(fact, Labelled):
            return self._add_label(fact)
        return self._add_run_fact(fact)

    def _run(self, run_id: str) -> KnownRun:
        run = self._runs.get(run_id)
        if run is None:
            seq = self._directory.number_run(run_id)
            run = self._runs[run_id] = KnownRun(seq, 0, None, RunFold(), is_new=True)
            run.changed = -1
        return run

    def _fold(self, run: KnownRun) -> RunFold:
        if run.fold is None:
            run.fold = load_run(self._connection, run.seq, self._decompressor)
        return run.fold

    def _add_run_fact(self, fact: RunStarted | RunFinished | RunPatched) -> bool:
        run = self._run(fact.run_id)
        kind = PATCHED
        if not isinstance(fact, RunPatched):
            kind = STARTED if isinstance(fact, RunStarted) else FINISHED
            if run.known & 1 << kind:
                return False
        if not self._fold(run).add(fact):
            return False
        run.known |= 1 << kind
        run.changed |= 1 << kind
        return True

    def _add_step(self, fact: StepFinished) -> bool:
        if fact.step_id in self._steps:
            return False
        run = self._run(fact.run_id)
        if not run.known & 1 << STARTED and self._fold(run).add_step(fact):
            run.known |= 1 << FIRST_STEP
            run.changed |= 1 << FIRST_STEP
        seq = self._early.pop(fact.step_id, None)
        if seq is None:
            seq = self._directory.number_step(fact.step_id)
        else:
            self._directory.arrive(fact.step_id)
            if self._chunks_of(seq):
                self._incomplete.add(seq)
        self._steps[fact.step_id] = seq
        if seq in self._incomplete:
            self._uncounted[seq] = (run.seq, fact)
        else:
            self._put_step(seq, run.seq, fact, summarize_step(fact))
        self._put_blocks(seq, 0, fact.rows)
        drawn = [row for reservoir in fact.reservoirs for row in reservoir.rows]
        extras = [*drawn, *fact.logged]
        if extras or fact.reservoirs:
            self._put_blocks(seq, EXTRAS_CHUNK, extras, fact)
        return True

    def _add_chunk(self, fact: StepRows) -> bool:
        seq = self._seq(fact.step_id, self._run(fact.run_id).seq)
        if fact.chunk in self._chunks_of(seq):
            return False
        if fact.step_id in self._steps:
            self._incomplete.add(seq)
        self._chunks[seq].add(fact.chunk)
        self._put_blocks(seq, fact.chunk, fact.rows)
        if not fact.rows:
            self._put_block(seq, fact.chunk, 0, [])
        return True

    def _add_roster(self, fact: StepRoster | HashedRoster | PackedRoster) -> bool:
        seq = self._seq(fact.step_id, self._run(fact.run_id).seq)
        if isinstance(fact, PackedRoster):
            return self.rosters.add_packed(seq, fact)
        return self.rosters.add(seq, fact)

    def _add_tally(self, fact: Tallied) -> bool:
        return put_tally(self._connection, fact, self._dims, self.compressor)

    def _add_label(self, fact: Labelled) -> bool:
        run = self._runs.get(fact.run_id)
        # One that arrives with this group has no row yet, and is labelled when it gets one.
        seq = None if run is None or run.is_new else run.seq
        return put_label(self._connection, fact, seq)

    def _seq(self, step_id: str, run: int) -> int:
        """The number of a step, also of one of that run that has not arrived yet."""
        seq = self._steps.get(step_id)
        if seq is None:
            seq = self._early.get(step_id)
        if seq is None:
            seq = self._directory.number_step(step_id, run)
            self._early[step_id] = seq
        return seq

    def _chunks_of(self, seq: int) -> set[int]:
        chunks = self._chunks.get(seq)
        if chunks is None:
            first, last = block_range(seq)
            query = "select chunk from blocks where id between ? and ?"
            found = self._connection.execute(query, (first, last)).fetchall()
            self._block_counts[seq] = self._block_counts.get(seq, 0) + len(found)
            chunks = self._chunks[seq] = {row[0] for row in found}
        return chunks

    def _put_blocks(
        self,
        seq: int,
        chunk: int,
        rows: Sequence[DecisionRow],
        fact: StepFinished | None = None,
    ) -> None:
        if seq in self._incomplete:
            self._chunks_of(seq)
        if chunk == EXTRAS_CHUNK:
            # Reservoirs are told apart by position, so they stay in one block.
            self._put_block(seq, chunk, 0, rows, fact)
        else:
            for part, start in enumerate(range(0, len(rows), MAX_ROWS)):
                self._put_block(seq, chunk, part, rows[start : start + MAX_ROWS])
        self._candidates.append((seq, hash_all([row.candidate_id for row in rows])))

    def _put_block(
        self,
        seq: int,
        chunk: int,
        part: int,
        rows: Sequence[DecisionRow],
        fact: StepFinished | None = None,
    ) -> None:
        position = self._block_counts.get(seq, 0)
        if position >= 1 << BLOCK_BITS:
            raise InvalidRecordError(f"A step has more than {1 << BLOCK_BITS} row groups.")
        self._block_counts[seq] = position + 1
        self._blocks.append((seq << BLOCK_BITS | position, chunk, part))
        self._drafts.append(draft_block(rows, () if fact is None else fact.reservoirs))

    def _put_step(self, seq: int, run: int, fact: StepFinished, summary: StepSummary) -> None:
        self._step_rows.append(step_row(seq, run, fact, summary, self._dims))
        self.stats.add(seq, fact.started_at_us, summary.stats)
        self.baselines.count(seq, run, fact, summary)
        body = encode_step(fact, summary, count_reasons(fact, summary))
        self._bodies.append((seq, body))

    def _write(self) -> None:
        changed = [(run_id, run) for run_id, run in self._runs.items() if run.changed]
        self._put_runs(
            [
                run_row(run.seq, run_id, run.known, self._fold(run), self._dims)
                for run_id, run in changed
            ],
        )
        label_arrived(
            self._connection, [(run_id, run.seq) for run_id, run in changed if run.is_new]
        )
        put_correlated(
            self._connection,
            [(one, run.seq) for _, run in changed for one in self._fold(run).correlation.values()],
        )
        parts = [
            (run.seq << 2 | kind, part)
            for _, run in changed
            for kind, part in encode_run(self._fold(run)).items()
            if run.changed >> kind & 1
        ]
        self._put_parts(self._pack(parts))
        self._put_steps(self._step_rows, self._pack(self._bodies), are_new=True)
        self.stats.write()
        data = seal_blocks(self._drafts, self.compressor, self.samples)
        blocks = [(*place, block) for place, block in zip(self._blocks, data, strict=True)]
        self._insert_blocks(blocks)
        self._directory.write()
        self._postings.add(self._candidates)
        if self._incomplete:
            self._count_again(sorted(self._incomplete))
        self.baselines.write({run.seq: self._weigh(run) for run in self._runs.values()})

    def _weigh(self, run: KnownRun) -> RunWeight:
        if run.weight is not None and not run.changed:
            return RunWeight(run.weight, run.weight)
        return RunWeight(self._fold(run).weight, run.weight)

    def _put_runs(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self._connection.executemany(PUT_RUN, rows)

    def _put_parts(self, rows: Sequence[tuple[int, bytes]]) -> None:
        self._connection.executemany(_PUT_PART, rows)

    def _put_steps(
        self,
        rows: Sequence[tuple[Any, ...]],
        bodies: Sequence[tuple[int, bytes]],
        *,
        are_new: bool,  # noqa: ARG002  (an engine may write those faster)
    ) -> None:
        self._connection.executemany(PUT_STEP, rows)
        self._put_bodies(bodies)

    def _put_bodies(self, rows: Sequence[tuple[int, bytes]]) -> None:
        self._connection.executemany(_PUT_BODY, rows)

    def _insert_blocks(self, rows: Sequence[tuple[int, int, int, bytes]]) -> None:
        self._connection.executemany(_PUT_BLOCK, rows)

    def _pack(self, payloads: Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        packed = pack_all([payload for _, payload in payloads], self.compressor, self.samples)
        return [(key, body) for (key, _), body in zip(payloads, packed, strict=True)]

    def _count_again(self, seqs: Sequence[int]) -> None:
        """Summarize steps again whose rows came in several facts."""
        self._step_rows.clear()
        self._bodies.clear()
        for seq in seqs:
            run, fact = self._uncounted.get(seq) or self._load_step(seq)
            blocks = load_blocks(self._connection, seq, self._decompressor)
            whole = restore_rows(fact, blocks, outlined=fact.tally is not None)
            self._put_step(seq, run, whole, summarize_step(whole))
        self._put_steps(self._step_rows, self._pack(self._bodies), are_new=False)
        self.stats.write()

    def _load_step(self, seq: int) -> tuple[int, StepFinished]:
        run, data = self._connection.execute(
            "select run, data from steps join step_bodies using (seq) where seq = ?", (seq,)
        ).fetchone()
        fact, summary = self._open_body(data)
        self.baselines.take_back(seq, run, fact, summary)
        return run, fact


def _refuse(fact: StoredFact, gone: AbstractSet[str]) -> Refusal | None:
    """Why *fact* is not stored, where it is about a run that is *gone*."""
    if isinstance(fact, Tallied) or fact.run_id not in gone:
        return None
    error = refuse_forgotten(fact.run_id)
    return Refusal(stored_fact_id(fact), error.code, str(error))
