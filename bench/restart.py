"""Restart: how long a server killed in the middle of its work takes to its first 2xx.

The database holds many steps, and a write-ahead log that nobody folded back: the server was killed
while it took batches. Measured from the start of its process, imports included.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import urllib3

from bench.report import Figure, run_benchmark
from bench.serving import start_server, wait_until_up
from xray.model.facts import DecisionRow, Fact, RunStarted, StepFinished
from xray.model.ids import new_uuid7
from xray.store.opening import open_store
from xray.wire.codec import MSGPACK, encode_fact, frame_batch

_STEPS_A_RUN = 5
_RUNS_A_BATCH = 100
_WAITING = 8
_POSTED_BATCHES = 20
_DEADLINE_S = 120.0


def measure(is_quick: bool) -> Sequence[Figure]:
    """Fill a database, kill its server while it writes, and start it again a few times."""
    steps = 50_000 if is_quick else 1_000_000
    with tempfile.TemporaryDirectory(prefix="xray-bench-") as folder:
        path = Path(folder) / "xray.db"
        _fill(path, steps)
        starts = [_start_after_kill(path) for _ in range(3)]
    return [
        Figure("steps in the database", steps),
        Figure("start after a kill to the first 2xx on /health", max(starts)[0], 5, unit="s"),
        Figure("start after a kill to the first 2xx on a batch", max(b for _, b in starts), 5,
               unit="s"),
    ]  # fmt: skip


def _fill(path: Path, steps: int) -> None:
    with closing(open_store(f"sqlite:///{path}")) as store:
        waiting = []
        for _ in range(0, steps, _STEPS_A_RUN * _RUNS_A_BATCH):
            waiting.append(store.submit(new_uuid7(), _make_facts()))
            if len(waiting) >= _WAITING:
                waiting.pop(0).result()
        for written in waiting:
            written.result()


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


def _start_after_kill(path: Path) -> tuple[float, float]:
    """Kill a server that takes batches, start another; seconds to its first 2xx: health, batch."""
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
        return health_s, time.perf_counter() - begun_s
    finally:
        process.terminate()
        process.wait()


def _post(pool: urllib3.PoolManager, url: str) -> None:
    body = frame_batch(new_uuid7(), "bench", [encode_fact(fact) for fact in _make_facts()])
    answer = pool.request("POST", f"{url}/v1/batches", body=body, headers={"Content-Type": MSGPACK})
    if answer.status != 200:
        raise SystemExit(f"The server answered {answer.status}.")


if __name__ == "__main__":
    sys.exit(run_benchmark("How long a killed server takes to its first 2xx.", measure))
