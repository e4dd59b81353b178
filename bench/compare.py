"""What two groups of runs differ in: what it takes to say so for 10,000 runs and for everything.

Times are of CPU, from the parameters of a URL to encoded JSON, all parts of an answer together: the
budget of one request is the clock's, and a busy machine gives back more parts, not other work. The
groups are halves of the data by version, of 20 pipelines with 5 steps each. The peak is of what
Python allocates from the first part to the last.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from time import thread_time

import msgspec

from bench.dataset import FULL, Shape
from bench.report import Figure, run_benchmark
from bench.stored import find_stored, read_cache_folder
from xray import reading
from xray.model.comparison import Comparison
from xray.store.sqlite.engine import SqliteStore

_RUNS = Shape(small_runs=10_000, large_runs=0, huge_rows=10, products=20_000)
_ASKED, _QUICK_ASKED = 20, 3
_MAX_S, _MAX_EVERYTHING_S, _MAX_MB = 2, 15, 64
_NOW_US = 1_767_139_200_000_000
_HALVES = [
    (name, " or ".join(f"version = '1.{minor}.0'" for minor in minors))
    for name, minors in (("a", range(5)), ("b", range(5, 10)))
]


def measure(cache: Path, is_quick: bool) -> Sequence[Figure]:
    """Compare halves of 10,000 runs, and of all the data there is."""
    with closing(SqliteStore(find_stored(cache, _RUNS).path)) as store:
        figures = list(_measure_runs(store, _QUICK_ASKED if is_quick else _ASKED))
    if is_quick:
        return figures
    with closing(SqliteStore(find_stored(cache, FULL).path)) as store:
        began = thread_time()
        answers = list(_ask(store))
        took = thread_time() - began
    runs = answers[-1].a.runs + answers[-1].b.runs
    figures.append(Figure("everything: runs", runs))
    figures.append(Figure("everything", took, _MAX_EVERYTHING_S, unit="s"))
    return figures


def _measure_runs(store: SqliteStore, asked: int) -> Iterator[Figure]:
    took: list[float] = []
    for _ in range(asked):
        began = thread_time()
        answers = list(_ask(store))
        msgspec.json.encode(answers[-1])
        took.append(thread_time() - began)
    took.sort()
    whole = answers[-1]
    yield Figure("10,000 runs: runs", whole.a.runs + whole.b.runs)
    yield Figure("10,000 runs: figures looked at", whole.tests)
    yield Figure("10,000 runs: p50", took[len(took) // 2], unit="s")
    yield Figure("10,000 runs: p95", took[int(len(took) * 0.95)], _MAX_S, unit="s")
    tracemalloc.start()
    list(_ask(store))
    peak_mb = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    yield Figure("10,000 runs: peak", peak_mb, _MAX_MB, unit="MB")


def _ask(store: SqliteStore) -> Iterator[Comparison]:
    answer = reading.compare_groups(store, _HALVES, _NOW_US)
    yield answer
    while answer.next_cursor is not None:
        asked = [*_HALVES, ("cursor", answer.next_cursor)]
        answer = reading.compare_groups(store, asked, _NOW_US)
        yield answer


if __name__ == "__main__":
    cache, arguments = read_cache_folder(sys.argv[1:])
    sys.exit(run_benchmark(__doc__ or "", partial(measure, cache), arguments))
