"""Restart: how long a server killed in the middle of its work takes to its first 2xx.

The database holds many steps, and a write-ahead log that nobody folded back: the server was killed
while it took batches. Measured from the start of its process, imports included.
"""

from __future__ import annotations

import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import urllib3

from bench.dataset import FULL, QUICK
from bench.report import Figure, run_benchmark
from bench.serving import start_server, wait_until_up
from bench.stored import SAMPLED_RUNS, find_stored, read_cache_folder
from xray.model.facts import DecisionRow, Fact, RunStarted, StepFinished
from xray.model.ids import new_uuid7
from xray.wire.codec import MSGPACK, encode_fact, frame_batch

_STEPS_A_RUN = 5
_RUNS_A_BATCH = 100
_POSTED_BATCHES = 20
_DEADLINE_S = 120.0


def measure(cache: Path, is_quick: bool) -> Sequence[Figure]:
    """Kill a server that writes to a copy of the stored data, and start it again a few times."""
    shape = QUICK if is_quick else replace(FULL, sampled_runs=2 * SAMPLED_RUNS)
    stored = find_stored(cache, shape)
    with tempfile.TemporaryDirectory(prefix="xray-bench-") as folder:
        path = Path(folder) / "xray.db"
        shutil.copyfile(stored.path, path)
        with closing(sqlite3.connect(path)) as database:
            (steps,) = database.execute("select count(*) from steps").fetchone()
        starts = [_start_after_kill(path) for _ in range(3)]
    return [
        Figure("steps in the database", steps),
        Figure("start after a kill to the first 2xx on /health", max(starts)[0], 5, unit="s"),
        Figure("start after a kill to the first 2xx on a batch", max(start[1] for start in starts),
               5, unit="s"),
        Figure("CPU of the server until then", max(start[2] for start in starts), unit="s"),
    ]  # fmt: skip


def _make_facts() -> list[Fact]:
    facts: list[Fact] = []
    for _ in range(_RUNS_A_BATCH):
        run_id = new_uuid7()
        facts.append(RunStarted(run_id=run_id, pipeline="p", started_at_us=1))
        facts += [
            StepFinished(
                run_id=run_id, step_id=new_uuid7(), pipeline="p", name="filter",
                step_type="filter", ordinal=ordinal, started_at_us=1,
                rows=[DecisionRow(place % 2, f"c-{place}", "even") for place in range(4)],
            )
            for ordinal in range(_STEPS_A_RUN)
        ]  # fmt: skip
    return facts


def _start_after_kill(path: Path) -> tuple[float, float, float]:
    """Kill a server that takes batches, start another; when it answers, in seconds.

    Returns:
        until its first 2xx on `/health`, on a batch, and what it computed until then.
    """
    pool = urllib3.PoolManager(retries=False, timeout=_DEADLINE_S)
    process, url = start_server(path)
    try:
        wait_until_up(pool, url)
        for _ in range(_POSTED_BATCHES):
            _post(pool, url)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    begun_s = time.perf_counter()
    process, url = start_server(path)
    try:
        wait_until_up(pool, url)
        health_s = time.perf_counter() - begun_s
        _post(pool, url)
        return health_s, time.perf_counter() - begun_s, _read_cpu_s(process.pid)
    finally:
        process.terminate()
        process.wait()


def _read_cpu_s(pid: int) -> float:
    # What clock_getcpuclockid(3) returns, which Python does not offer for other processes.
    return time.clock_gettime(~pid << 3 | 2)


def _post(pool: urllib3.PoolManager, url: str) -> None:
    body = frame_batch(new_uuid7(), "bench", [encode_fact(fact) for fact in _make_facts()])
    answer = pool.request("POST", f"{url}/v1/batches", body=body, headers={"Content-Type": MSGPACK})
    if answer.status != 200:
        raise SystemExit(f"The server answered {answer.status}.")


if __name__ == "__main__":
    cache, arguments = read_cache_folder(sys.argv[1:])
    description = "How long a killed server takes to its first 2xx; --cache FOLDER keeps the data."
    sys.exit(run_benchmark(description, partial(measure, cache), arguments))
