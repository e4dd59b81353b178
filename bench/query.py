"""The questions of `bench.questions`, over a whole and a tenth of the data, in turn.

Each is asked as the server asks it, from URL parameters to encoded JSON, about something else each
time. Times are of CPU, in which reading the file's cached pages is included: other programs of a
busy machine are not. What the wall said is told beside them.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

from bench.dataset import FULL, Shape
from bench.questions import INDEXED_STAT, QUESTIONS, Question, Times, ask_in_turn, p95
from bench.report import Figure, run_benchmark
from bench.stored import SAMPLED_RUNS, find_stored, read_cache_folder
from xray.store.sql.stat_index import list_indexed
from xray.store.sqlite.engine import SqliteStore

WHOLE = replace(FULL, sampled_runs=2 * SAMPLED_RUNS)
TENTH = replace(WHOLE, small_runs=20_000, large_runs=20, sampled_runs=4)
QUICK = replace(TENTH, small_runs=4_000, large_runs=4, huge_rows=20_000, products=20_000)
QUICK_TENTH = replace(QUICK, small_runs=400, large_runs=1, sampled_runs=1)
ASKED, QUICK_ASKED = 100, 60
_POLL_S = 2.0
MAX_MS, MAX_GROWTH = 50, 2


def measure(cache: Path, is_quick: bool) -> Sequence[Figure]:
    """Measure every question on both sizes."""
    shapes: tuple[Shape, Shape] = (QUICK, QUICK_TENTH) if is_quick else (WHOLE, TENTH)
    tenth, whole = (find_stored(cache, shape) for shape in reversed(shapes))
    figures = [Figure("decisions stored", whole.samples.decisions)]
    times = QUICK_ASKED if is_quick else ASKED
    with ExitStack() as stack:
        asked = [
            (stack.enter_context(closing(open_indexed(stored.path))), stored.samples)
            for stored in (whole, tenth)
        ]
        for question in QUESTIONS:
            figures += _tell(question, *ask_in_turn(question, asked, times))
            print(f"asked {question.name}", file=sys.stderr, flush=True)
    return figures


def open_indexed(path: Path) -> SqliteStore:
    """The store in the file *path*, once its index is filled in."""
    store = SqliteStore(path, index_stats=[INDEXED_STAT])
    with closing(sqlite3.connect(path)) as connection:
        while INDEXED_STAT not in list_indexed(connection):
            print(f"filling the index of {path}", file=sys.stderr, flush=True)
            time.sleep(_POLL_S)
    return store


def _tell(question: Question, whole: Times, tenth: Times) -> Iterator[Figure]:
    yield Figure(f"{question.name}, p50", median(whole.cpu_ms), unit="ms")
    yield Figure(f"{question.name}, p95", p95(whole.cpu_ms), MAX_MS, unit="ms")
    yield Figure(f"{question.name}, p95 by the wall", p95(whole.wall_ms), unit="ms")
    growth = p95(whole.cpu_ms) / p95(tenth.cpu_ms)
    yield Figure(f"{question.name}, growth of the p95 from a tenth", growth, MAX_GROWTH, unit="x")


def main() -> int:
    """Measure from the command line."""
    cache, arguments = read_cache_folder(sys.argv[1:])
    description = "How soon indexed questions are answered; --cache FOLDER keeps the data."
    return run_benchmark(description, partial(measure, cache), arguments)


if __name__ == "__main__":
    sys.exit(main())
