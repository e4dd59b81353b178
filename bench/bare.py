"""The bare script that `bench.ingest` compares with: decoded records into SQLite, and no more.

It writes the tables, columns, frames and posting segments that the store writes, as far as they
follow from one record: encoding, index and commit. What it leaves out is what the store is for: to
decode and check, to find out what is stored already, to fold what arrives late or twice, to count
the decisions of a step, to train dictionaries, and to merge segments between two commits.
"""

from __future__ import annotations

import sqlite3
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import astuple, replace

from xray.model.facts import NIL, DecisionRow, Fact, RunFinished, RunStarted, StepFinished, StepRows
from xray.store.frames import BODY, HEAD, STEP, Compressor
from xray.store.sql.payloads import load_dictionaries

_PART_ENTRIES = 256
_GROUP_ROWS = 512
_STATUS = {"running": 1, "completed": 2, "failed": 3, "cancelled": 4}
_RUN = (
    "insert into runs (seq, run_id, known, pipeline, status, started_at, version, environment,"
    " attempt, weight, metadata) values (?, ?, 3, ?, 1, ?, ?, ?, ?, ?, ?)"
)
_RUN_END = "update runs set status = ?, duration_ms = ? where seq = ?"
_STEP = (
    "insert into steps (seq, step_id, run, ordinal, pipeline, name, step_type, status, started_at,"
    " duration_ms, attempt, rejected_count, accepted_count, selected_count, capture, stats)"
    " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 1, ?)"
)
_json = msgspec.json.Encoder().encode
_msgpack = msgspec.msgpack.Encoder().encode
_open = msgspec.msgpack.Decoder().decode


class BareScript:
    """Writes records into a database that has the store's tables and dictionaries."""

    def __init__(self, path: Path) -> None:
        self._connection = connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("synchronous = full", "wal_autocheckpoint = 4000", "cache_size = -65536"):
            connection.execute(f"pragma {pragma}")
        self._compress = Compressor(load_dictionaries(connection)[-1]).compress
        self._next_run = connection.execute("select max(seq) from runs").fetchone()[0] + 1
        self._next_step = connection.execute("select max(seq) from steps").fetchone()[0] + 1
        self._runs: dict[str, int] = {}
        self._steps: dict[str, int] = {}
        self._words: dict[str | None, int] = {}

    def close(self) -> None:
        """Give the database back."""
        self._connection.close()

    def commit(self, facts: Sequence[Fact]) -> None:
        """Make *facts* durable."""
        runs: list[tuple[Any, ...]] = []
        ends: list[tuple[Any, ...]] = []
        parts: list[tuple[int, bytes]] = []
        steps: list[tuple[Any, ...]] = []
        bodies: list[tuple[int, bytes]] = []
        blocks: list[tuple[int, int, int, bytes]] = []
        postings: list[int] = []
        for fact in facts:
            if isinstance(fact, StepFinished):
                seq = self._step(fact.step_id)
                steps.append(self._step_row(seq, fact))
                bodies.append((seq, self._compress(STEP, _msgpack(replace(fact, rows=[])))))
                self._add_chunk(seq, 0, fact.rows, blocks, postings)
            elif isinstance(fact, StepRows):
                self._add_chunk(self._step(fact.step_id), fact.chunk, fact.rows, blocks, postings)
            elif isinstance(fact, RunStarted):
                runs.append(self._run_row(fact))
                parts.append((runs[-1][0] << 2, self._compress(STEP, _msgpack(fact))))
            elif isinstance(fact, RunFinished):
                seq = self._runs[fact.run_id]
                ends.append((_STATUS[fact.status], fact.duration_ms, seq))
                parts.append((seq << 2 | 1, self._compress(STEP, _msgpack(fact))))
        postings.sort()
        execute_many = self._connection.executemany
        self._connection.execute("begin immediate")
        execute_many(_RUN, runs)
        execute_many(_RUN_END, ends)
        execute_many("insert into run_facts values (?, ?)", parts)
        execute_many(_STEP, steps)
        execute_many("insert into step_bodies values (?, ?)", bodies)
        execute_many("insert into blocks values (?, ?, ?, ?)", blocks)
        self._write_segment(array("Q", postings))
        self._connection.execute("commit")

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
            self._word(fact.pipeline),
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
            _json(_open(fact.stats)).decode(),
        )

    def _add_chunk(
        self,
        seq: int,
        chunk: int,
        rows: Sequence[DecisionRow],
        blocks: list[tuple[int, int, int, bytes]],
        postings: list[int],
    ) -> None:
        for part, start in enumerate(range(0, len(rows), _GROUP_ROWS)):
            group = rows[start : start + _GROUP_ROWS]
            self._add_rows(seq, chunk, part, group, blocks, postings)

    def _add_rows(
        self,
        seq: int,
        chunk: int,
        part: int,
        rows: Sequence[DecisionRow],
        blocks: list[tuple[int, int, int, bytes]],
        postings: list[int],
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
        blocks.append((block_id, chunk, part, b"".join((sizes, *frames))))
        postings += [
            int.from_bytes(blake2b(name.encode(), digest_size=6).digest(), "big") << 16 | low
            for name in ids
        ]

    def _write_segment(self, postings: array[int]) -> None:
        bits = (len(postings) // _PART_ENTRIES).bit_length()
        segment = (
            self._connection.execute(
                "insert into cand_seg (window, level, bits, entries) values (0, 0, ?, ?)",
                (bits, len(postings)),
            ).lastrowid
            or 0
        )
        cuts = [bisect_left(postings, part << 64 - bits) for part in range(1 << bits)]
        self._connection.executemany(
            "insert into cand_post values (?, ?)",
            [
                (segment << 12 | part, postings[start:end].tobytes())
                for part, (start, end) in enumerate(
                    zip(cuts, [*cuts[1:], len(postings)], strict=True)
                )
            ],
        )


def _column(values: tuple[Any, ...]) -> tuple[Any, ...] | None:
    return None if values.count(None) == len(values) else values


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))
