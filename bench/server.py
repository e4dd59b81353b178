"""The server's footprint: from start to healthy, its memory when idle and while batches come in.

Each figure is of a process of its own on an empty database, started as `xray serve` starts it.
Memory is what Linux counts as resident.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import urllib3

from bench.dataset import Dataset, Shape, batches
from bench.report import Figure, run_benchmark
from bench.serving import start_server, wait_until_up
from xray.wire.codec import MSGPACK, encode_fact, frame_batch

_SETTLED_S = 2.0
_LOAD = Shape(small_runs=4_000, large_runs=4, huge_rows=20_000, products=20_000)
_QUICK_LOAD = Shape(small_runs=400, large_runs=1, huge_rows=2_000, products=20_000)


def measure(is_quick: bool) -> Sequence[Figure]:
    """Start a few servers, then let one take batches."""
    pool = urllib3.PoolManager(retries=False, timeout=120.0)
    with tempfile.TemporaryDirectory(prefix="xray-bench-") as name:
        starts_s, cpu_s, idle = zip(
            *(_start(Path(name) / f"{number}.db", pool) for number in range(3 if is_quick else 7)),
            strict=True,
        )
        peak = _ingest(Path(name) / "fed.db", pool, _QUICK_LOAD if is_quick else _LOAD)
    return [
        Figure("start to healthy", median(starts_s), 2, unit="s"),
        Figure("the CPU of that", median(cpu_s), unit="s"),
        Figure("resident memory, idle", median(idle), 120, unit="MB"),
        Figure("highest resident memory while batches come in", peak, unit="MB"),
    ]


def _start(path: Path, pool: urllib3.PoolManager) -> tuple[float, float, float]:
    """How long a server takes to be healthy, its CPU time until then, its memory a little later."""
    begun_s = time.perf_counter()
    process, url = start_server(path)
    try:
        wait_until_up(pool, url)
        took_s = time.perf_counter() - begun_s
        cpu_s = _read_cpu(process.pid)
        time.sleep(_SETTLED_S)
        return took_s, cpu_s, _read_memory(process.pid, "VmRSS")
    finally:
        process.terminate()
        process.wait()


def _ingest(path: Path, pool: urllib3.PoolManager, load: Shape) -> float:
    """The most memory a server took while it was sent *load*."""
    process, url = start_server(path)
    try:
        wait_until_up(pool, url)
        for number, facts in enumerate(batches(Dataset(load).runs(), 2_000, 500)):
            body = frame_batch(str(number), "bench", [encode_fact(fact) for fact in facts])
            headers = {"Content-Type": MSGPACK}
            answer = pool.request("POST", f"{url}/v1/batches", body=body, headers=headers)
            if answer.status != 200:
                raise SystemExit(f"The server answered {answer.status}.")
        return _read_memory(process.pid, "VmHWM")
    finally:
        process.terminate()
        process.wait()


def _read_cpu(pid: int) -> float:
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


def _read_memory(pid: int, name: str) -> float:
    """A figure of the process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise SystemExit(f"Linux does not tell the {name} of the server.")


if __name__ == "__main__":
    sys.exit(run_benchmark("How soon the server answers, and the memory it takes.", measure))
