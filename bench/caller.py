"""Caller: what recording costs the pipeline's own thread, whatever the server does.

Calls are timed one by one, in turns with calls of a function that does nothing, while the writer
and the sender work beside them: what the machine adds, it adds to both. The server and the proxy
that breaks it are in another process. Of payloads, which take milliseconds, the thread's own CPU
time is told: a busy machine would add more than they take.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import xray
from bench.report import Figure, run_benchmark
from xray.testing import Break, Drip, FaultProxy, FaultServer

_P50_BUDGET_US = 5.0
_P99_BUDGET_US = 50.0
_PAYLOAD_BUDGET_MS = 5.0
_ROWS = 200
_KILOBYTES = 50


def measure(is_quick: bool) -> Sequence[Figure]:
    """Let the server be well, away, hanging and trickling; then record what is hostile."""
    figures: list[Figure] = []
    for state in _STATES:
        with _server_that_is(state) as url:
            told = _in_process("calls", url, 200 if is_quick else 2_000)
        figures += [
            Figure(f"{state}: a decision above an idle call, p50", told["p50_us"], _P50_BUDGET_US,
                   unit="µs"),
            Figure(f"{state}: a decision above an idle call, p99", told["p99_us"], _P99_BUDGET_US,
                   unit="µs"),
            Figure(f"{state}: a run of one step, p50", told["run_us"], unit="µs"),
        ]  # fmt: skip
    with _server_that_is("refusing") as url:
        told = _in_process("payloads", url, 5 if is_quick else 50)
    figures += [
        Figure(f"{name}, CPU", told[name], _PAYLOAD_BUDGET_MS, unit="ms") for name in PAYLOADS
    ]
    return figures


_STATES = ("up", "refusing", "hanging", "trickling")


@contextmanager
def _server_that_is(state: str) -> Iterator[str]:
    with FaultServer() as server, FaultProxy(server.port) as proxy:
        if state == "refusing":
            proxy.refuse()
        elif state == "hanging":
            proxy.always(Break("request", 0, "hang"))
        elif state == "trickling":
            proxy.always(Drip("answer", 0.1))
        yield proxy.url


def _in_process(part: str, url: str, amount: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="xray-bench-") as spool:
        done = subprocess.run(
            [sys.executable, "-m", "bench.caller", part, url, str(amount), spool],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True,
        )  # fmt: skip
        told: dict[str, float] = json.loads(done.stdout)
        return told


def _measure_calls(client: xray.XRay, steps: int) -> dict[str, float]:
    """Time decisions one by one, each beside an idle call."""

    def do_nothing(name: str, reason: str) -> None:
        pass

    clock = time.perf_counter_ns
    recorded: list[int] = []
    idle: list[int] = []
    runs: list[int] = []
    for _ in range(steps):
        began = clock()
        with client.run() as run, run.step("filter", step_type="filter") as step:
            step.reject("the only one", "too_expensive")
        runs.append(clock() - began)
        with client.run() as run, run.step("filter", step_type="filter") as step:
            for row in range(_ROWS):
                name = f"candidate-{row}"
                for call, times in ((step.reject, recorded), (do_nothing, idle)):
                    began = clock()
                    call(name, "too_expensive")
                    times.append(clock() - began)
    return {
        "p50_us": (_rank(recorded, 0.5) - _rank(idle, 0.5)) / 1e3,
        "p99_us": (_rank(recorded, 0.99) - _rank(idle, 0.99)) / 1e3,
        "run_us": _rank(runs, 0.5) / 1e3,
    }


def _rank(times: list[int], share: float) -> int:
    return sorted(times)[int(len(times) * share)]


def _make_document() -> object:
    """What a retriever returns: 50 KB as JSON."""
    text = "Lorem ipsum dolor sit amet. " * 8
    return [{"id": f"d-{at}", "score": at / 7, "text": text} for at in range(_KILOBYTES * 4)]


def _make_cycle() -> object:
    node: dict[str, object] = {f"k{at}": [at] for at in range(100)}
    node["self"] = [node, (node, {"again": node})]
    return node


def _make_depth() -> object:
    value: object = "bottom"
    for _ in range(100_000):
        value = [value]
    return value


@dataclass
class _Node:
    children: list[_Node]


def _make_tree() -> object:
    node = _Node([])
    for _ in range(6):
        node = _Node([node] * 10)
    return node


class _Slow:
    """Whoever asks it anything waits."""

    def __repr__(self) -> str:
        time.sleep(1)
        return ""

    __str__ = __repr__

    def __len__(self) -> int:
        time.sleep(1)
        return 0


PAYLOADS: dict[str, Callable[[], object]] = {
    "a payload of 50 KB": _make_document,
    "a string of 100 MB": lambda: "x" * 100_000_000,
    "a dictionary of 1,000,000": lambda: dict.fromkeys(range(1_000_000), "value"),
    "a list 100,000 deep": _make_depth,
    "a cycle": _make_cycle,
    "a tree of 1,000,000 nodes": _make_tree,
    "objects that answer slowly": lambda: [_Slow() for _ in range(1_000)],
}


def _measure_payloads(client: xray.XRay, repeats: int) -> dict[str, float]:
    told = {}
    for name, make in PAYLOADS.items():
        payload = make()
        times = []
        for _ in range(repeats):
            with client.run() as run:
                began = time.thread_time_ns()
                run.set_output(payload)
                times.append(time.thread_time_ns() - began)
        told[name] = _rank(times, 0.5) / 1e6
    return told


_PARTS: dict[str, Callable[[xray.XRay, int], dict[str, float]]] = {
    "calls": _measure_calls,
    "payloads": _measure_payloads,
}

if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in _PARTS:
        _, wanted, address, size, place = sys.argv
        print(
            json.dumps(_PARTS[wanted](xray.XRay("bench", url=address, spool_dir=place), int(size)))
        )
    else:
        sys.exit(run_benchmark(__doc__ or "", measure))
