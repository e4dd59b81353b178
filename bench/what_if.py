"""What 10,000 runs would have decided with another limit, and what it takes to say so.

Times are of CPU, from the parameters of a URL to encoded JSON, all parts of an answer together: the
budget of one request is the clock's, and a busy machine gives back more parts, not other work. The
peak is of what Python allocates in one part.
"""

from __future__ import annotations

import random
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from time import thread_time

import msgspec

from bench.dataset import Shape
from bench.report import Figure, run_benchmark
from bench.stored import find_stored, read_cache_folder
from xray import reading
from xray.model.what_if_runs import WhatIfOfRuns
from xray.query.what_if_parts import add_parts
from xray.store.sqlite.engine import SqliteStore

_RUNS = Shape(small_runs=10_000, large_runs=0, huge_rows=10, products=20_000)
_LARGE = Shape(small_runs=100, large_runs=100, huge_rows=10, products=20_000, sampled_runs=50)
_ASKED, _QUICK_ASKED = 20, 3
_MAX_S, _MAX_MB = 2, 64
_NOW_US = 1_767_139_200_000_000


def measure(cache: Path, is_quick: bool) -> Sequence[Figure]:
    """Measure small runs, and large ones of which half are sampled."""
    figures: list[Figure] = []
    asked = _QUICK_ASKED if is_quick else _ASKED
    for name, shape, is_bounded in (
        ("10,000 small runs", _RUNS, True),
        ("100 runs of 1,000 to 5,000 a step and 100 small", _LARGE, False),
    ):
        with closing(SqliteStore(find_stored(cache, shape).path)) as store:
            figures += _measure_store(name, store, asked, is_bounded=is_bounded)
    return figures


def _measure_store(
    name: str, store: SqliteStore, asked: int, *, is_bounded: bool
) -> Iterator[Figure]:
    dice = random.Random(1)
    took: list[float] = []
    parts = 0
    for _ in range(asked):
        limit = f"price_too_high={dice.randint(50, 900)}"
        began = thread_time()
        answers = list(_ask(store, limit))
        whole = add_parts(answers)
        msgspec.json.encode(whole)
        took.append(thread_time() - began)
        parts = max(parts, len(answers))
    took.sort()
    yield Figure(f"{name}: runs", whole.runs)
    yield Figure(f"{name}: p50", took[len(took) // 2], unit="s")
    yield Figure(
        f"{name}: p95", took[int(len(took) * 0.95)], _MAX_S if is_bounded else None, unit="s"
    )
    yield Figure(f"{name}: most parts", parts)
    tracemalloc.start()
    for answer in _ask(store, "price_too_high=120"):
        msgspec.json.encode(answer)
    peak_mb = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    yield Figure(f"{name}: peak of a part", peak_mb, _MAX_MB, unit="MB")


def _ask(store: SqliteStore, limit: str) -> Iterator[WhatIfOfRuns]:
    parameters = [("limit", limit)]
    answer = reading.try_limits_on_runs(store, parameters, _NOW_US)
    yield answer
    while answer.next_cursor is not None:
        cursor = ("cursor", answer.next_cursor)
        answer = reading.try_limits_on_runs(store, [*parameters, cursor], _NOW_US)
        yield answer


if __name__ == "__main__":
    cache, arguments = read_cache_folder(sys.argv[1:])
    sys.exit(run_benchmark(__doc__ or "", partial(measure, cache), arguments))
