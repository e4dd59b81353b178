"""Stall: how long X-Ray's own threads keep the pipeline's thread from running.

A pipeline works without a pause and records full captures now and then; the writer and the sender
take them to a real server. Between any two small pieces of its work the pipeline reads the clocks.
Where the kernel says that its thread waited for another of the process, which is what a thread does
that wants the interpreter's lock, the stall is the CPU time X-Ray's threads took meanwhile: a busy
machine makes every gap longer, and that not. The gaps by the wall clock stand beside those of the
same work with nothing recorded.
"""

from __future__ import annotations

import gc
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles

import urllib3

import xray
from bench.report import Figure, run_benchmark
from bench.serving import start_server, wait_until_up
from xray import XRay

_CANDIDATES = 500
_RUNS_A_SECOND = 20
_ROUND_S = 3.0
_FLUSH_S = 30.0
_WORK = 20


class Watch:
    """The gaps in the work of one thread, and how long of each another of the process held it up.

    The clocks are read at each `look`; what comes between two of them is one piece of work.
    """

    def __init__(self) -> None:
        self.gaps_ns: list[int] = []
        self.stalls_ns: list[int] = []
        self.begin()

    def begin(self) -> None:
        """Start over, without a gap from what was before."""
        self._wall_ns = time.perf_counter_ns()
        self._own_ns = time.thread_time_ns()
        self._process_ns = time.process_time_ns()
        self._waits = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw

    def look(self) -> None:
        """Note the gap since the last look."""
        wall_ns = time.perf_counter_ns()
        own_ns = time.thread_time_ns()
        process_ns = time.process_time_ns()
        waits = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        self.gaps_ns.append(wall_ns - self._wall_ns)
        if waits > self._waits:
            own_gap_ns = own_ns - self._own_ns
            stood_still_ns = wall_ns - self._wall_ns - own_gap_ns
            others_ns = process_ns - self._process_ns - own_gap_ns
            self.stalls_ns.append(max(0, min(stood_still_ns, others_ns)))
        self._wall_ns, self._own_ns = wall_ns, own_ns
        self._process_ns, self._waits = process_ns, waits


def measure(is_quick: bool) -> Sequence[Figure]:
    """Let a pipeline work with and without recording, in turn, beside a real server."""
    rounds = 3 if is_quick else 7
    recorded, bare = Watch(), Watch()
    with tempfile.TemporaryDirectory(prefix="xray-bench-") as folder:
        process, url = start_server(Path(folder) / "xray.db")
        client = XRay("bench", url=url, capture="full", spool_dir=folder)
        off = XRay("bench", enabled=False)
        try:
            wait_until_up(urllib3.PoolManager(retries=False), url)
            _work(client, Watch(), _ROUND_S)
            xray.flush(_FLUSH_S)
            gc.collect()
            gc.freeze()
            for _ in range(rounds):
                _work(off, bare, _ROUND_S)
                _work(client, recorded, _ROUND_S)
                xray.flush(_FLUSH_S)
            delivered = xray.stats().acknowledged.decisions
        finally:
            xray.close()
            process.terminate()
            process.wait()
    stalls_us = [stall / 1e3 for stall in recorded.stalls_ns]
    return [
        Figure("longest stall by X-Ray's threads", max(stalls_us, default=0.0) / 1e3, 1, unit="ms"),
        Figure("stalls longer than 0.5 ms", sum(stall > 500 for stall in stalls_us)),
        Figure("stalls", len(stalls_us)),
        Figure("stall, median", _quantile(stalls_us, 50), unit="µs"),
        Figure("stall, p99", _quantile(stalls_us, 99), unit="µs"),
        Figure("gap by the wall clock, p99.9", _quantile(recorded.gaps_ns, 99.9) / 1e3, unit="µs"),
        Figure("the same, nothing recorded", _quantile(bare.gaps_ns, 99.9) / 1e3, unit="µs"),
        Figure("longest gap by the wall clock", max(recorded.gaps_ns) / 1e6, unit="ms"),
        Figure("the same, nothing recorded", max(bare.gaps_ns) / 1e6, unit="ms"),
        Figure("the interpreter's switch interval", 1e3 * sys.getswitchinterval(), unit="ms"),
        Figure("decisions delivered", delivered),
    ]


def _quantile(values: Sequence[float], percent: float) -> float:
    if len(values) < 2:
        return values[0] if values else 0.0
    return quantiles(values, n=1_000, method="inclusive")[round(10 * percent) - 1]


def _work(client: XRay, watch: Watch, seconds: float) -> None:
    """Work for some *seconds*, and let *client* record a run each time one is due."""
    names = [f"prod_{number}" for number in range(_CANDIDATES)]
    end_s = time.perf_counter() + seconds
    due_s = time.perf_counter()
    watch.begin()
    while time.perf_counter() < end_s:
        if time.perf_counter() >= due_s:
            due_s += 1 / _RUNS_A_SECOND
            _record(client, names, watch)
        sum(range(_WORK))
        watch.look()


def _record(client: XRay, names: Sequence[str], watch: Watch) -> None:
    with client.run(input={"query": "case"}) as run, run.step("filter", "filter") as step:
        for place, name in enumerate(names):
            step.reject(name, "price_too_high", {"price": place})
            watch.look()


if __name__ == "__main__":
    sys.exit(run_benchmark("How long X-Ray's threads hold up the pipeline's.", measure))
