"""Ingest: encoded batches to durable SQLite, against a bare script that only encodes and commits.

Facts are cut and batched as the SDK sends them. The store decodes and checks each batch, folds
runs, counts steps and keeps everything findable; the bare script (`bench.bare`) starts from decoded
records. Both begin with a copy of the same database, which has its dictionaries. They run on one
core, in turn; the share is that of their CPU time, the median over the repetitions.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median

from msgspec.msgpack import encode as _encode
from msgspec.structs import replace

from bench.bare import BareScript
from bench.dataset import FULL, QUICK, Dataset, Shape, batches, count_decisions
from bench.report import Figure, run_benchmark
from xray.capture.chunks import split_rows
from xray.delivery.settings import DeliverySettings
from xray.model.counts import resolve_rows, tally_rows
from xray.model.facts import DecisionRow, Fact, Receipt, StepFinished, StepRows
from xray.store.protocol import Store
from xray.store.sqlite.engine import SqliteStore
from xray.wire.codec import MSGPACK, decode_batch, encode_fact, frame_batch

_WAITING = 8
_BATCHES_A_COMMIT = 4
_SENT = DeliverySettings()
WARM = Shape(small_runs=1_200, large_runs=1, huge_rows=1_000, products=20_000)
MIX = Shape(small_runs=1_600, large_runs=2, huge_rows=1_000, products=20_000)
_SHAPES = {
    "the mix": MIX,
    "steps of 2 to 8": Shape(small_runs=1_600, large_runs=0, huge_rows=5, products=20_000),
    "steps of 1,000 to 5,000": Shape(small_runs=2, large_runs=2, huge_rows=1_000, products=20_000),
}


@dataclass(frozen=True)
class Load:
    """The same batches as they are sent and as they are decoded.

    Args:
        bodies: what a client sends.
        facts: what is in each of them.
        decisions: how many decisions that is.
    """

    bodies: list[bytes]
    facts: list[list[Fact]]
    decisions: int


def measure(is_quick: bool) -> Sequence[Figure]:
    """Measure throughput on part of the data, and size on all of it."""
    pin_to_one_core()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="xray-bench-") as name:
        folder = Path(name)
        _fill(folder / "warm.db", Dataset(WARM, seed=2))
        for said, shape in _SHAPES.items():
            budget = None if figures else 50
            figures += _compare(folder, said, shape, budget, 5 if is_quick else 9)
        shape = QUICK if is_quick else FULL
        full_bytes, count = _fill(folder / "full.db", Dataset(shape))
        minimal_bytes, _ = _fill(folder / "minimal.db", Dataset(shape, capture="minimal"))
    return [
        *figures,
        Figure("bytes a decision, full", (full_bytes - minimal_bytes) / count, 100, unit="B"),
        Figure("decisions measured for size", count),
    ]


def pin_to_one_core() -> None:
    """Let this process compute on one core alone."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _compare(
    folder: Path, said: str, shape: Shape, budget: float | None, repetitions: int
) -> list[Figure]:
    load = prepare_load(shape)
    gc.collect()
    gc.freeze()  # the prepared records are no part of either side's work
    stored: list[float] = []
    bare: list[float] = []
    for _ in range(repetitions):
        stored.append(_time(folder, lambda path: _store(path, load.bodies)))
        bare.append(_time(folder, lambda path: _write_bare(path, load.facts)))
    gc.unfreeze()
    share = median(100 * other / own for own, other in zip(stored, bare, strict=True))
    return [
        Figure(f"{said}: share of the bare script's speed", share, budget, "larger", "%"),
        Figure(f"{said}: decisions a second of CPU", load.decisions / median(stored)),
        Figure(f"{said}: the bare script's", load.decisions / median(bare)),
    ]


def _time(folder: Path, write: Callable[[Path], None]) -> float:
    """The CPU seconds it takes to *write* into a copy of the warm database."""
    path = folder / "written.db"
    shutil.copyfile(folder / "warm.db", path)
    begun = time.process_time()
    write(path)
    elapsed = time.process_time() - begun
    path.unlink()
    return elapsed


def _store(path: Path, bodies: Sequence[bytes]) -> None:
    with closing(SqliteStore(path)) as store:
        submit_all(store, bodies)


def _write_bare(path: Path, batches: Sequence[Sequence[Fact]]) -> None:
    with closing(BareScript(path)) as script:
        commit_all(script.commit, batches)


def submit_all(store: Store, bodies: Sequence[bytes]) -> None:
    """Decode and store what a client sent."""
    waiting: list[Future[Receipt]] = []
    for body in bodies:
        batch = decode_batch(body, MSGPACK)
        waiting.append(store.submit(batch.batch_id, batch.facts))
        if len(waiting) > _WAITING:
            waiting.pop(0).result()
    for future in waiting:
        future.result()


def commit_all(commit: Callable[[Sequence[Fact]], None], batches: Sequence[Sequence[Fact]]) -> None:
    """Commit decoded batches, as many at once as the store does."""
    for first in range(0, len(batches), _BATCHES_A_COMMIT):
        commit(list(chain.from_iterable(batches[first : first + _BATCHES_A_COMMIT])))


def prepare_load(shape: Shape) -> Load:
    """*shape* as a busy client sends it."""
    load = [
        (body, list(decode_batch(body, MSGPACK).facts))
        for number, encoded in enumerate(_send(Dataset(shape)))
        for body in [frame_batch(str(number), "bench", encoded)]
    ]
    bodies, facts = map(list, zip(*load, strict=True))
    return Load(bodies, facts, sum(map(count_decisions, facts)))


def _send(dataset: Dataset) -> Iterator[list[bytes]]:
    """The facts of *dataset*, encoded, in batches as a busy SDK sends them."""
    batch: list[bytes] = []
    size = 0
    for facts in dataset.runs():
        for encoded in map(encode_fact, _cut(facts)):
            is_full = size + len(encoded) > _SENT.max_batch_bytes
            if batch and (is_full or len(batch) == _SENT.max_batch_facts):
                yield batch
                batch, size = [], 0
            batch.append(encoded)
            size += len(encoded)
    yield batch


def _cut(facts: Sequence[Fact]) -> Iterator[Fact]:
    """*facts* of a run with the rows of large steps in chunks, which the SDK sends first."""
    rows: dict[str, list[DecisionRow]] = {}
    for fact in facts:
        if isinstance(fact, (StepFinished, StepRows)):
            rows.setdefault(fact.step_id, []).extend(fact.rows)
    for fact in facts:
        if isinstance(fact, StepRows):
            continue
        if not isinstance(fact, StepFinished):
            yield fact
            continue
        own = rows[fact.step_id]
        first, *others = split_rows(list(map(_encode, own)))
        for chunk, further in enumerate(others, start=1):
            yield StepRows(run_id=fact.run_id, step_id=fact.step_id, chunk=chunk, rows=further)
        tally = tally_rows(*resolve_rows(own)) if others else fact.tally
        yield replace(fact, rows=first, chunks=len(others), tally=tally)


def _fill(path: Path, dataset: Dataset) -> tuple[int, int]:
    """The size of the database of *dataset* and how many decisions it was given."""
    decisions = 0
    waiting: list[Future[Receipt]] = []
    with closing(SqliteStore(path)) as store:
        for number, facts in enumerate(batches(dataset.runs())):
            decisions += count_decisions(facts)
            waiting.append(store.submit(str(number), facts))
            if len(waiting) > _WAITING:
                waiting.pop(0).result()
    return path.stat().st_size, decisions


if __name__ == "__main__":
    sys.exit(run_benchmark("How fast batches become durable, and how large they are.", measure))
