"""The rows that the bare scripts write: those of the store, as far as they follow from one record.

Both engines keep the same columns, frames and posting segments, so what makes them is shared.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec.structs import astuple, replace

from xray.model.facts import NIL, DecisionRow, Fact, RunFinished, RunStarted, StepFinished, StepRows
from xray.store.frames import BODY, HEAD, STEP, Compressor, DictionarySet

RUN_COLUMNS: Final = (
    "seq", "run_id", "known", "pipeline", "status", "started_at", "version", "environment",
    "attempt", "weight", "metadata",
)  # fmt: skip
STEP_COLUMNS: Final = (
    "seq", "step_id", "run", "ordinal", "pipeline", "name", "step_type", "status", "started_at",
    "duration_ms", "attempt", "rejected_count", "accepted_count", "selected_count", "capture",
    "stats",
)  # fmt: skip
_PART_ENTRIES = 256
_GROUP_ROWS = 512
_STATUS = {"running": 1, "completed": 2, "failed": 3, "cancelled": 4}
_KNOWN = 3
_json = msgspec.json.Encoder().encode
_msgpack = msgspec.msgpack.Encoder().encode
_open = msgspec.msgpack.Decoder().decode


@dataclass
class Rows:
    """What one commit writes.

    Args:
        runs: of `RUN_COLUMNS`.
        ends: status, duration and number of a run.
        parts: of run_facts.
        steps: of `STEP_COLUMNS`.
        bodies: of step_bodies.
        blocks: of blocks.
        postings: the entries of one segment of the candidate index, sorted.
    """

    runs: list[tuple[Any, ...]] = field(default_factory=list)
    ends: list[tuple[int, float | None, int]] = field(default_factory=list)
    parts: list[tuple[int, bytes]] = field(default_factory=list)
    steps: list[tuple[Any, ...]] = field(default_factory=list)
    bodies: list[tuple[int, bytes]] = field(default_factory=list)
    blocks: list[tuple[int, int, int, bytes]] = field(default_factory=list)
    postings: list[int] = field(default_factory=list)


class RowMaker:
    """Makes rows of records, whose runs and steps it numbers.

    Args:
        dictionaries: what frames are compressed with.
        next_run: the number of the first run.
        next_step: the number of the first step.
    """

    def __init__(self, dictionaries: DictionarySet, next_run: int, next_step: int) -> None:
        self._compress = Compressor(dictionaries).compress
        self._next_run = next_run
        self._next_step = next_step
        self._runs: dict[str, int] = {}
        self._steps: dict[str, int] = {}
        self._words: dict[str | None, int] = {}

    def make(self, facts: Sequence[Fact]) -> Rows:
        """The rows of *facts*."""
        made = Rows()
        for fact in facts:
            if isinstance(fact, StepFinished):
                seq = self._step(fact.step_id)
                made.steps.append(self._step_row(seq, fact))
                made.bodies.append((seq, self._compress(STEP, _msgpack(replace(fact, rows=[])))))
                self._add_chunk(seq, 0, fact.rows, made)
            elif isinstance(fact, StepRows):
                self._add_chunk(self._step(fact.step_id), fact.chunk, fact.rows, made)
            elif isinstance(fact, RunStarted):
                made.runs.append(self._run_row(fact))
                seq = self._runs[fact.run_id]
                made.parts.append((seq << 2, self._compress(STEP, _msgpack(fact))))
            elif isinstance(fact, RunFinished):
                seq = self._runs[fact.run_id]
                made.ends.append((_STATUS[fact.status], fact.duration_ms, seq))
                made.parts.append((seq << 2 | 1, self._compress(STEP, _msgpack(fact))))
        made.postings.sort()
        return made

    def _step(self, step_id: str) -> int:
        seq = self._steps.get(step_id)
        if seq is None:
            seq = self._steps[step_id] = self._next_step
            self._next_step += 1
        return seq

    def _word(self, word: str | None) -> int:
        return self._words.setdefault(word, len(self._words))

    def _run_row(self, fact: RunStarted) -> tuple[Any, ...]:
        seq = self._runs[fact.run_id] = self._next_run
        self._next_run += 1
        return (
            seq,
            _raw(fact.run_id),
            _KNOWN,
            self._word(fact.pipeline),
            _STATUS["running"],
            fact.started_at_us,
            self._word(fact.version),
            self._word(fact.environment),
            fact.attempt,
            fact.weight,
            _json(_open(fact.metadata)).decode(),
        )

    def _step_row(self, seq: int, fact: StepFinished) -> tuple[Any, ...]:
        return (
            seq,
            _raw(fact.step_id),
            self._runs[fact.run_id],
            fact.ordinal,
            self._word(fact.pipeline),
            self._word(fact.name),
            self._word(fact.step_type),
            _STATUS[fact.status],
            fact.started_at_us,
            fact.duration_ms,
            fact.attempt,
            0,
            0,
            0,
            1,
            _json(_open(fact.stats)).decode(),
        )

    def _add_chunk(
        self,
        seq: int,
        chunk: int,
        rows: Sequence[DecisionRow],
        made: Rows,
    ) -> None:
        for part, start in enumerate(range(0, len(rows), _GROUP_ROWS)):
            group = rows[start : start + _GROUP_ROWS]
            self._add_rows(seq, chunk, part, group, made)

    def _add_rows(
        self,
        seq: int,
        chunk: int,
        part: int,
        rows: Sequence[DecisionRow],
        made: Rows,
    ) -> None:
        low = seq & 65535
        verdict, ids, reason, attributes, score, reasoning, rank, origin, *others = zip(
            *map(astuple, rows), strict=True
        )
        checks, by, part_of, rank_before, merged_into, anonymous = others
        code_of = {text: code for code, text in enumerate(dict.fromkeys(reason))}
        codes = [code_of[text] for text in reason]
        head = (ids, bytes(verdict), [*code_of], codes, *map(_column, (score, rank, by, part_of)))
        body = (
            None if attributes.count(NIL) == len(rows) else attributes,
            *map(_column, (reasoning, origin, checks, rank_before, merged_into)),
            bytes(anonymous) if any(anonymous) else None,
        )
        frames = self._compress(HEAD, _msgpack(head)), self._compress(BODY, _msgpack(body))
        sizes = _msgpack((len(rows), len(frames[0])))
        block_id = seq << 16 | chunk << 4 | part
        made.blocks.append((block_id, chunk, part, b"".join((sizes, *frames))))
        made.postings += [
            int.from_bytes(blake2b(name.encode(), digest_size=6).digest(), "big") << 16 | low
            for name in ids
        ]


def cut_segment(postings: Sequence[int]) -> tuple[int, list[tuple[int, bytes]]]:
    """A segment of the candidate index: of how many bits its parts are, and each part."""
    entries = array("Q", postings)
    bits = (len(entries) // _PART_ENTRIES).bit_length()
    cuts = [bisect_left(entries, part << 64 - bits) for part in range(1 << bits)]
    ends = [*cuts[1:], len(entries)]
    return bits, [
        (part, entries[start:end].tobytes())
        for part, (start, end) in enumerate(zip(cuts, ends, strict=True))
    ]


def _column(values: tuple[Any, ...]) -> tuple[Any, ...] | None:
    return None if values.count(None) == len(values) else values


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))
