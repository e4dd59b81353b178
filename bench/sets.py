"""Set verbs: what deciding about many candidates at once costs the thread of a pipeline.

The sink encodes each fact and drops it, as in `bench.capture`. A figure of a verb is the call
alone; that of a step has the end of the step in it, where every candidate's id is encoded for the
roster. Memory is the highest above what the pipeline itself holds.
"""

from __future__ import annotations

import gc
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np

from bench.capture import Empty, EncodingSink
from bench.report import Figure, run_benchmark
from xray import Step, XRay, rule

_ROWS = 100_000
_LONG = 1_000_000
_MANY = 2_000_000
_KEPT = 0.5

Work = Callable[[Step], object]


def measure(is_quick: bool) -> Sequence[Figure]:
    """Time `decide` and the verbs that act, and weigh a step of many rows."""
    repeats = 7 if is_quick else 15
    client = XRay("bench", sink=EncodingSink(), capture="sample")
    random = np.random.default_rng(7)
    keep = random.random(_ROWS) < _KEPT
    numbers = np.arange(_ROWS) + 1_000_000
    shuffled = random.permutation(numbers)
    texts = np.array([f"prod_{number}" for number in range(_ROWS)])
    listed, mask = texts.tolist(), keep.tolist()
    figures: list[Figure] = []
    for name, work, budget in (
        ("int64 ids", lambda step: step.decide(numbers, keep, reason="dear"), 8.0),
        ("string ids", lambda step: step.decide(texts, keep, reason="dear"), 16.0),
        ("int64 ids out of order", lambda step: step.decide(shuffled, keep, reason="dear"), None),
        ("a list of ids", lambda step: step.decide(listed, mask, reason="dear"), None),
    ):
        call_ns, step_ns = _time_verb(client, work, repeats)
        figures += [
            Figure(f"decide, {name}, the call, a row", call_ns, budget, unit="ns"),
            Figure(f"decide, {name}, with the end of the step, a row", step_ns, budget, unit="ns"),
        ]
    figures += _time_long(client, random, repeats)
    figures += _time_acting(client, random, repeats)
    figures.append(Figure("an empty call, for scale", _time_empty_calls(repeats), unit="ns"))
    rows = _MANY // 10 if is_quick else _MANY
    figures += _weigh(client, rows)
    return figures


def _time_long(client: XRay, random: Any, repeats: int) -> list[Figure]:
    """What a row costs where the census and the draws, which each step has, are shared by many."""
    keep = random.random(_LONG) < _KEPT
    numbers = np.arange(_LONG)
    texts = np.array([f"prod_{number}" for number in range(_LONG)])
    works: list[tuple[str, Work]] = [
        ("int64 ids", lambda step: step.decide(numbers, keep, reason="dear")),
        ("string ids", lambda step: step.decide(texts, keep, reason="dear")),
    ]
    return [
        Figure(f"decide of {_LONG:,} rows, {name}, the call, a row",
               _time_verb(client, work, repeats, _LONG)[0], unit="ns")
        for name, work in works
    ]  # fmt: skip


def _time_verb(client: XRay, work: Work, repeats: int, rows: int = _ROWS) -> tuple[float, float]:
    """Nanoseconds a row of the call, and of the call with the end of its step; medians."""
    calls: list[float] = []
    steps: list[float] = []
    for repeat in range(repeats + 1):
        gc.collect()
        with client.run() as run:
            start = time.thread_time_ns()
            with run.step("filter", "filter") as step:
                work(step)
                called = time.thread_time_ns()
            ended = time.thread_time_ns()
        if repeat:  # the first round warms up
            calls.append((called - start) / rows)
            steps.append((ended - start) / rows)
    return median(calls), median(steps)


def _time_empty_calls(repeats: int) -> float:
    empty = Empty()
    taken = []
    for _ in range(repeats):
        start = time.thread_time_ns()
        for _ in range(_ROWS):
            empty.reject("prod_1", "dear")
        taken.append((time.thread_time_ns() - start) / _ROWS)
    return median(taken)


def _time_acting(client: XRay, random: Any, repeats: int) -> list[Figure]:
    dtype = [("id", "i8"), ("price", "f8")]
    table = np.zeros(_ROWS, dtype)
    table["id"], table["price"] = np.arange(_ROWS), random.random(_ROWS) * 200
    dicts = [{"id": f"p{row}", "price": float(price)} for row, price in enumerate(table["price"])]
    rules = [rule("price_too_high", "price", "<=", 100)]
    works: list[tuple[str, Work]] = [
        ("filter, an array with fields", lambda step: step.filter(table, rules)),
        ("filter, a list of dicts", lambda step: step.filter(dicts, rules)),
        ("rank, an array with fields", lambda step: step.rank(table, "price", top=100)),
        ("rank, a list of dicts", lambda step: step.rank(dicts, "price", top=100)),
    ]
    return [
        Figure(f"{name}, a row", _time_verb(client, work, repeats)[0], unit="ns")
        for name, work in works
    ]


def _weigh(client: XRay, rows: int) -> list[Figure]:
    """The most memory a step of *rows* rows takes, from its beginning to its end."""
    keep = np.random.default_rng(7).random(rows) < _KEPT
    figures = []
    for name, ids in (
        ("int64 ids", np.arange(rows)),
        ("string ids", np.array([f"prod_{row}" for row in range(rows)])),
    ):
        with client.run() as run:
            gc.collect()
            tracemalloc.start()
            with run.step("filter", "filter") as step:
                step.decide(ids, keep, reason="dear")
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        label = f"decide of {rows:,} rows, {name}, peak"
        figures.append(Figure(label, peak / (1 << 20), 64, unit="MB"))
    return figures


if __name__ == "__main__":
    sys.exit(run_benchmark("What set verbs cost the thread of a pipeline.", measure))
