"""Figures of groups of 10,000 runs, as the server answers them, from parameters to encoded JSON.

Each question is asked again and again of one file, each of its kind in turn. Times are of CPU.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median

import msgspec

from bench.dataset import Shape
from bench.report import Figure, run_benchmark
from bench.stored import find_stored, read_cache_folder
from xray import reading
from xray.store.scanning import ScanBudget
from xray.store.sqlite.engine import SqliteStore

_SHAPE = Shape(small_runs=10_000, large_runs=0, huge_rows=5, products=20_000)
_QUICK = Shape(small_runs=1_000, large_runs=0, huge_rows=5, products=20_000)
_ASKED, _QUICK_ASKED = 40, 10
_MAX_SUMMED_MS, _MAX_READ_MS = 250, 2_500
_NOW_US = 1_767_139_200_000_000

_QUESTIONS: tuple[tuple[str, float, list[tuple[str, str]]], ...] = (
    (
        "mean rejection rate of filters by pipeline",
        _MAX_SUMMED_MS,
        [
            ("of", "steps"),
            ("step_type", "filter"),
            ("mean", "rejection_rate"),
            ("by", "run.pipeline"),
        ],
    ),
    (
        "runs by pipeline and status, a day each",
        _MAX_SUMMED_MS,
        [("of", "runs"), ("by", "pipeline, status"), ("bucket", "1d"), ("mean", "duration_ms")],
    ),
    (
        "p50 and p95 of the duration of steps by name",
        _MAX_READ_MS,
        [("of", "steps"), ("p50", "duration_ms"), ("p95", "duration_ms"), ("by", "name")],
    ),
    (
        "mean of a statistic of steps by name",
        _MAX_READ_MS,
        [("of", "steps"), ("mean", "stats.latency_p50"), ("by", "name")],
    ),
    (
        "runs by a field of their metadata",
        _MAX_READ_MS,
        [("of", "runs"), ("by", "metadata.tier"), ("p95", "duration_ms")],
    ),
)


def measure(cache: Path, is_quick: bool) -> Sequence[Figure]:
    """Measure every question."""
    stored = find_stored(cache, _QUICK if is_quick else _SHAPE)
    taken: dict[str, list[float]] = {name: [] for name, _, _ in _QUESTIONS}
    with closing(SqliteStore(stored.path, budget=ScanBudget(duration_s=600))) as store:
        for number in range(1 + (_QUICK_ASKED if is_quick else _ASKED)):
            for name, _, parameters in _QUESTIONS:
                start = time.thread_time()
                answer = reading.aggregate(store, parameters, _NOW_US)
                msgspec.json.encode(answer)
                if not answer.complete:
                    raise AssertionError(f"{name}: stopped at its budget: {answer.scan}")
                if number:
                    taken[name].append(1e3 * (time.thread_time() - start))
            if number % 10 == 0:
                print(f"asked {number} times", file=sys.stderr, flush=True)
    figures: list[Figure] = []
    for name, budget, _ in _QUESTIONS:
        times = sorted(taken[name])
        figures.append(Figure(f"{name}, p50", median(times), unit="ms"))
        figures.append(Figure(f"{name}, p95", times[int(0.95 * len(times))], budget, unit="ms"))
    return figures


def main() -> int:
    """Measure from the command line."""
    cache, arguments = read_cache_folder(sys.argv[1:])
    description = "How soon figures of 10,000 runs are answered; --cache FOLDER keeps the data."
    return run_benchmark(description, partial(measure, cache), arguments)


if __name__ == "__main__":
    sys.exit(main())
