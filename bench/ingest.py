"""Ingest: encoded batches to durable SQLite, against a bare script that only encodes and commits.

Batches are as large as the SDK sends them. The store decodes and checks each, folds runs, counts
steps and keeps everything findable. The bare script starts from decoded records and does encoding,
index and commit only, a few batches to a commit as the store does. Both run on one core, in turn;
the ratio is the median over the repetitions.
"""

from __future__ import annotations

import gc
import os
import sqlite3
import sys
import tempfile
import time
from array import array
from collections.abc import Sequence
from concurrent.futures import Future
from hashlib import blake2b
from importlib import resources
from pathlib import Path
from statistics import median

import msgspec
import zstandard
from msgspec.structs import astuple, replace

from bench.dataset import FULL, QUICK, Dataset, Shape, batches, count_decisions
from bench.report import Figure, run_benchmark
from xray.model.facts import Fact, Receipt, RunStarted, StepFinished, StepRows
from xray.model.vocabulary import CaptureLevel
from xray.store.sqlite.engine import SqliteStore
from xray.wire.codec import MSGPACK, decode_batch, encode_fact, frame_batch

_WAITING = 8
_BATCHES_A_COMMIT = 4
_DECISIONS_A_BATCH, _FACTS_A_BATCH = 2_000, 500  # about 400 KB, below the SDK's 512 KiB
_MEASURED = Shape(small_runs=3_000, large_runs=3, huge_rows=10_000, products=20_000)


def measure(is_quick: bool) -> Sequence[Figure]:
    """Measure throughput on part of the data, and size on all of it."""
    _pin_to_one_core()
    shape = QUICK if is_quick else FULL
    bodies, decoded, decisions = _prepare(_MEASURED)
    gc.collect()
    gc.freeze()  # the prepared records are no part of either side's work
    stored: list[float] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory(prefix="xray-bench-") as folder:
        for repetition in range(3 if is_quick else 7):
            stored.append(_ingest_stored(Path(folder) / f"stored{repetition}.db", bodies))
            bare.append(_ingest_bare(Path(folder) / f"bare{repetition}.db", decoded))
        full_bytes, count = _fill(Path(folder) / "full.db", shape, "full")
        minimal_bytes, _ = _fill(Path(folder) / "minimal.db", shape, "minimal")
    ratio = median(100 * own / other for own, other in zip(bare, stored, strict=True))
    return [
        Figure("ingest, share of the bare script", ratio, 50, "larger", "%"),
        Figure("ingest, decisions a second", decisions / median(stored)),
        Figure("bare script, decisions a second", decisions / median(bare)),
        Figure("bytes a decision, full", (full_bytes - minimal_bytes) / count, 100, unit="B"),
        Figure("decisions measured for size", count),
    ]


def _pin_to_one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _prepare(shape: Shape) -> tuple[list[bytes], list[list[Fact]], int]:
    bodies: list[bytes] = []
    decoded: list[list[Fact]] = []
    decisions = 0
    for number, batch in enumerate(
        batches(Dataset(shape).runs(), _DECISIONS_A_BATCH, _FACTS_A_BATCH)
    ):
        body = frame_batch(str(number), "bench", [encode_fact(fact) for fact in batch])
        bodies.append(body)
        decoded.append(list(decode_batch(body, MSGPACK).facts))
        decisions += count_decisions(batch)
    return bodies, decoded, decisions


def _ingest_stored(path: Path, bodies: Sequence[bytes]) -> float:
    store = SqliteStore(path)
    waiting: list[Future[Receipt]] = []
    start = time.perf_counter()
    for body in bodies:
        batch = decode_batch(body, MSGPACK)
        waiting.append(store.submit(batch.batch_id, batch.facts))
        if len(waiting) > _WAITING:
            waiting.pop(0).result()
    for future in waiting:
        future.result()
    elapsed = time.perf_counter() - start
    store.close()
    return elapsed


def _ingest_bare(path: Path, decoded: Sequence[Sequence[Fact]]) -> float:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("page_size = 8192", "journal_mode = wal", "synchronous = full"):
        connection.execute(f"pragma {pragma}")
    connection.execute("pragma wal_autocheckpoint = 4000")
    script = resources.files("xray.store.sqlite") / "migrations" / "0001.sql"
    connection.executescript(script.read_text())
    bare = _BareWriter(connection)
    start = time.perf_counter()
    for first in range(0, len(decoded), _BATCHES_A_COMMIT):
        bare.commit(
            [fact for batch in decoded[first : first + _BATCHES_A_COMMIT] for fact in batch]
        )
    elapsed = time.perf_counter() - start
    connection.close()
    return elapsed


class _BareWriter:
    """Columns to msgpack to zstd, one row a run, step and block, one sorted segment a commit."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._compress = zstandard.ZstdCompressor(level=3).compress
        self._encode = msgspec.msgpack.Encoder().encode
        self._next_run = self._next_step = 1
        self._segment = 0

    def commit(self, facts: Sequence[Fact]) -> None:
        runs, bodies, steps, blocks = [], [], [], []
        postings: list[int] = []
        for fact in facts:
            if isinstance(fact, RunStarted):
                self._next_run += 1
                runs.append((self._next_run, _raw(fact.run_id), fact.started_at_us))
                bodies.append((self._next_run << 2, self._encode(fact)))
            elif isinstance(fact, (StepFinished, StepRows)):
                self._next_step += 1
                seq = self._next_step
                if isinstance(fact, StepFinished):
                    step_type = len(fact.step_type)
                    at_us = fact.started_at_us
                    steps.append(
                        (seq, _raw(fact.step_id), self._next_run, fact.ordinal, step_type, at_us)
                    )
                    bodies.append((seq << 22, self._compress(self._encode(replace(fact, rows=[])))))
                columns = tuple(zip(*map(astuple, fact.rows), strict=True))
                blocks.append((seq << 12, self._compress(self._encode(columns))))
                low = seq & 65535
                postings += [_hash48(row.candidate_id) << 16 | low for row in fact.rows]
        postings.sort()
        connection = self._connection
        connection.execute("begin immediate")
        connection.executemany(_BARE_RUN, runs)
        connection.executemany(_BARE_STEP, steps)
        connection.executemany("insert into run_facts values (?, ?)", bodies)
        connection.executemany("insert into blocks values (?, 0, 0, ?)", blocks)
        self._segment += 1
        connection.execute(
            "insert into cand_post values (?, ?)",
            (self._segment, array("Q", postings).tobytes()),
        )
        connection.execute("commit")


_BARE_RUN = (
    "insert into runs (seq, run_id, known, pipeline, status, started_at, attempt, weight)"
    " values (?, ?, 1, 1, 1, ?, 1, 1)"
)
_BARE_STEP = (
    "insert into steps (seq, step_id, run, ordinal, pipeline, name, step_type, status, started_at,"
    " attempt, rejected_count, accepted_count, selected_count, capture)"
    " values (?, ?, ?, ?, 1, 1, ?, 1, ?, 1, 0, 0, 0, 1)"
)


def _hash48(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=6).digest(), "big")


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))


def _fill(path: Path, shape: Shape, capture: CaptureLevel) -> tuple[int, int]:
    """The size of the database of *shape* and how many decisions it was given."""
    store = SqliteStore(path)
    waiting: list[Future[Receipt]] = []
    decisions = 0
    for number, facts in enumerate(batches(Dataset(shape, capture=capture).runs())):
        decisions += count_decisions(facts)
        waiting.append(store.submit(str(number), facts))
        if len(waiting) > _WAITING:
            waiting.pop(0).result()
    for future in waiting:
        future.result()
    store.close()
    return path.stat().st_size, decisions


if __name__ == "__main__":
    sys.exit(run_benchmark("How fast batches become durable, and how large they are.", measure))
