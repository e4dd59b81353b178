"""Questions that an index answers, over a whole and a tenth of the data, in turn.

Each is asked as the server asks it, from URL parameters to encoded JSON, about something else each
time. Times are of CPU, in which reading the file's cached pages is included: other programs of a
busy machine are not. What the wall said is told beside them.
"""

from __future__ import annotations

import random
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

import msgspec

from bench.dataset import FULL, PIPELINES, Shape
from bench.report import Figure, run_benchmark
from bench.stored import SAMPLED_RUNS, Stored, find_stored, read_cache_folder
from xray import reading
from xray.store.sql.stat_index import list_indexed
from xray.store.sqlite.engine import SqliteStore

_WHOLE = replace(FULL, sampled_runs=2 * SAMPLED_RUNS)
_TENTH = replace(_WHOLE, small_runs=20_000, large_runs=20, sampled_runs=4)
_QUICK = replace(_TENTH, small_runs=4_000, large_runs=4, huge_rows=20_000, products=20_000)
_QUICK_TENTH = replace(_QUICK, small_runs=400, large_runs=1, sampled_runs=1)
_ASKED, _QUICK_ASKED = 100, 60
_WARM_UP = 10
_POLL_S = 2.0
_MAX_MS, _MAX_GROWTH = 50, 2
_NOW_US = 1_767_139_200_000_000
_INDEXED_STAT = "latency_p50"

Parameters = list[tuple[str, str]]


@dataclass(frozen=True)
class Question:
    """A kind of question.

    Args:
        name: what is asked.
        ask: its path and parameters, about something else each time.
        is_indexed: whether an index must answer it.
    """

    name: str
    ask: Callable[[random.Random, Stored], tuple[str, Parameters]]
    is_indexed: bool = True


def _ask_newest(dice: random.Random, _: Stored) -> tuple[str, Parameters]:
    status = dice.choice(("completed", "failed"))
    return "/v1/runs", [("pipeline", dice.choice(PIPELINES)), ("status", status)]


def _ask_run(dice: random.Random, stored: Stored) -> tuple[str, Parameters]:
    return f"/v1/runs/{dice.choice(stored.samples.decided)[0]}", []


def _ask_rate(dice: random.Random, _: Stored) -> tuple[str, Parameters]:
    return "/v1/steps", [
        ("step_type", "filter"),
        ("rejection_rate_gt", dice.choice(("0.9", "0.8"))),
    ]


def _ask_stat(
    least: float, most: float
) -> Callable[[random.Random, Stored], tuple[str, Parameters]]:
    def ask(dice: random.Random, _: Stored) -> tuple[str, Parameters]:
        return "/v1/steps", [(f"stats.{_INDEXED_STAT}__gt", f"{dice.uniform(least, most):.6f}")]

    return ask


def _ask_history(dice: random.Random, stored: Stored) -> tuple[str, Parameters]:
    return "/v1/decisions", [("candidate_id", dice.choice(stored.samples.decided)[1])]


def _ask_any(dice: random.Random, stored: Stored) -> tuple[str, Parameters]:
    name = dice.choice(stored.samples.decided)[1]
    return "/v1/runs", [("q", f"any(decision.candidate_id = '{name}')")]


def _ask_why(dice: random.Random, stored: Stored) -> tuple[str, Parameters]:
    run_id, candidate_id = dice.choice(stored.samples.decided)
    return f"/v1/runs/{run_id}/why", [("candidate", candidate_id)]


def _ask_why_named(dice: random.Random, stored: Stored) -> tuple[str, Parameters]:
    run_id, candidate_id = dice.choice(stored.samples.named)
    return f"/v1/runs/{run_id}/why", [("candidate", candidate_id)]


QUESTIONS = (
    Question("newest runs by pipeline and status", _ask_newest),
    Question("one run", _ask_run),
    Question("step_type=filter&rejection_rate_gt=0.9", _ask_rate),
    Question("stats.x__gt, every tenth step", _ask_stat(40, 49)),
    Question("stats.x__gt, one step in 100,000", _ask_stat(49.998, 49.9999)),
    Question("history of a candidate", _ask_history),
    Question("any(decision.candidate_id = 'x')", _ask_any),
    Question("why, a candidate with detail", _ask_why),
    Question("why, a candidate sampled out", _ask_why_named),
)


@dataclass
class _Times:
    wall_ms: list[float]
    cpu_ms: list[float]


def measure(cache: Path, is_quick: bool) -> Sequence[Figure]:
    """Measure every question on both sizes."""
    shapes: tuple[Shape, Shape] = (_QUICK, _QUICK_TENTH) if is_quick else (_WHOLE, _TENTH)
    tenth, whole = (find_stored(cache, shape) for shape in reversed(shapes))
    figures = [Figure("decisions stored", whole.samples.decisions)]
    with ExitStack() as stack:
        stores = [stack.enter_context(closing(_open(stored))) for stored in (whole, tenth)]
        for question in QUESTIONS:
            asked = _QUICK_ASKED if is_quick else _ASKED
            figures += _measure_question(question, [whole, tenth], stores, asked)
    return figures


def _open(stored: Stored) -> SqliteStore:
    """The store, once its index is filled in."""
    store = SqliteStore(stored.path, index_stats=[_INDEXED_STAT])
    with closing(sqlite3.connect(stored.path)) as connection:
        while _INDEXED_STAT not in list_indexed(connection):
            print(f"filling the index of {stored.path}", file=sys.stderr, flush=True)
            time.sleep(_POLL_S)
    return store


def _measure_question(
    question: Question, stored: Sequence[Stored], stores: Sequence[SqliteStore], asked: int
) -> Iterator[Figure]:
    times = [_Times([], []) for _ in stores]
    dices = [random.Random(7) for _ in stores]
    for number in range(_WARM_UP + asked):
        for one, store, dice, taken in zip(stored, stores, dices, times, strict=True):
            path, parameters = question.ask(dice, one)
            wall_s, cpu_s = time.perf_counter(), time.thread_time()
            answer = reading.answer(store, path, parameters, _NOW_US)
            msgspec.json.encode(answer)
            wall_s, cpu_s = time.perf_counter() - wall_s, time.thread_time() - cpu_s
            if question.is_indexed and not isinstance(
                getattr(answer, "scan", msgspec.UNSET), msgspec.UnsetType
            ):
                raise AssertionError(f"{path} {parameters} is a scan: {answer.scan}")  # type: ignore[attr-defined]
            if number >= _WARM_UP:
                taken.wall_ms.append(1e3 * wall_s)
                taken.cpu_ms.append(1e3 * cpu_s)
    whole, tenth = times
    print(f"asked {question.name}", file=sys.stderr, flush=True)
    yield Figure(f"{question.name}, p50", median(whole.cpu_ms), unit="ms")
    yield Figure(f"{question.name}, p95", _p95(whole.cpu_ms), _MAX_MS, unit="ms")
    yield Figure(f"{question.name}, p95 by the wall", _p95(whole.wall_ms), unit="ms")
    growth = _p95(whole.cpu_ms) / _p95(tenth.cpu_ms)
    yield Figure(f"{question.name}, growth of the p95 from a tenth", growth, _MAX_GROWTH, unit="x")


def _p95(times: Sequence[float]) -> float:
    return sorted(times)[int(0.95 * len(times))]


def main() -> int:
    """Measure from the command line."""
    cache, arguments = read_cache_folder(sys.argv[1:])
    description = "How soon indexed questions are answered; --cache FOLDER keeps the data."
    return run_benchmark(description, partial(measure, cache), arguments)


if __name__ == "__main__":
    sys.exit(main())
