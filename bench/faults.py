"""Faults: what X-Ray and other SDKs deliver when their API fails or their process dies.

Each SDK records in a process of its own, with its own defaults and the ending its documentation
asks for, through one proxy to one server that takes everything it can read. Nothing of what an SDK
says about itself is believed: what counts is what arrived.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec

from bench.rivals import SDKS, name_missing
from xray.model.facts import Receipt
from xray.testing import Answer, Break, FaultProxy
from xray.wire.codec import decode_batch
from xray.wire.limits import inflate

_MARK = re.compile(rb"xr([bsf])(\d{7})e")
_EXIT_BUDGET_S = 2.0
_MEMORY_BUDGET_MB = 32.0
_PACE = 250.0
_INSTALL = "uv sync --group bench"


class CountingServer(ThreadingHTTPServer):
    """Takes what any of the SDKs posts, and remembers which runs were in it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._lock = threading.Lock()
        self._arrived: dict[bytes, set[int]] = {kind: set() for kind in (b"b", b"s", b"f")}
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def note(self, body: bytes) -> None:
        """Remember the runs whose marks are in *body*."""
        with self._lock:
            for kind, number in _MARK.findall(body):
                self._arrived[kind].add(int(number))

    def count(self, sdk: str, numbers: range) -> int:
        """How many of these runs arrived whole: X-Ray tells each in three parts."""
        with self._lock:
            parts = b"bsf" if sdk == "xray" else b"b"
            whole = set(numbers)
            for kind in parts:
                whole &= self._arrived[bytes([kind])]
            return len(whole)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CountingServer

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = _decode(raw, self.headers.get("Content-Encoding"))
        self.server.note(body)
        answer, media = b"", "application/x-protobuf"
        if self.path.endswith("/v1/batches"):
            batch = decode_batch(body)
            receipt = Receipt(batch_id=batch.batch_id, accepted=len(batch.facts), duplicate=0)
            answer, media = msgspec.json.encode(receipt), "application/json"
        elif "/envelope/" in self.path:
            answer, media = b"{}", "application/json"
        self.send_response(200)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


def _decode(raw: bytes, encoding: str | None) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(raw)
    if encoding == "deflate":
        return zlib.decompress(raw)
    return inflate(raw, encoding)


@dataclass
class Row:
    """One figure of every SDK.

    Args:
        name: what was measured, with its unit.
        budget: what X-Ray's must not cross.
        is_least: whether it must be at least the budget.
        values: by SDK.
    """

    name: str
    budget: float | None = None
    is_least: bool = False
    values: dict[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """`ok` or `SHORT` for X-Ray's; nothing without a budget."""
        if self.budget is None:
            return ""
        own = self.values["xray"]
        return "ok" if (own >= self.budget if self.is_least else own <= self.budget) else "SHORT"


class Bench:
    """Server, proxy and spool of one SDK under one fault."""

    def __init__(self, sdk: str, ends: ExitStack) -> None:
        self.sdk = sdk
        self.server = CountingServer()
        ends.callback(self.server.server_close)
        ends.callback(self.server.shutdown)
        self.proxy = ends.enter_context(FaultProxy(self.server.server_address[1]))
        self._spool = ends.enter_context(tempfile.TemporaryDirectory(prefix="xray-bench-"))
        self.sent = 0

    def record(
        self, count: int, end: str = "exit", per_s: float = _PACE, **environ: str
    ) -> dict[str, float]:
        """Let a program record so many runs; how long its end took, and what memory it took."""
        first, self.sent = self.sent, self.sent + count
        done = subprocess.run(
            [sys.executable, "-m", "bench.rivals", self.sdk, self.proxy.url, str(first),
             str(count), str(per_s), end],
            env={**os.environ, "XRAY_SPOOL_DIR": self._spool, **environ},
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        ended_s = time.monotonic()
        if end != "exit":
            return {}
        told: dict[str, float] = json.loads(done.stdout)
        # Monotonic time is one for all processes of this machine.
        return {"exit_s": ended_s - told["ending_s"], "growth_mb": told["growth_mb"]}

    def count(self, numbers: range | None = None) -> int:
        """How many of these runs, or of all, arrived."""
        return self.server.count(self.sdk, range(self.sent) if numbers is None else numbers)


Measure = Callable[[Bench, int], list[float]]


def _meet_refusal(bench: Bench, runs: int) -> list[float]:
    bench.proxy.refuse()
    first = bench.record(runs)
    bench.proxy.recover()
    bench.record(runs)
    return [bench.count(), first["exit_s"]]


def _meet_hanging(bench: Bench, runs: int) -> list[float]:
    bench.proxy.always(Break("request", 0, "hang"))
    first = bench.record(runs)
    bench.proxy.recover()
    bench.proxy.cut()
    bench.record(runs)
    return [bench.count(), first["exit_s"]]


def _meet_503(bench: Bench, runs: int) -> list[float]:
    """For eight tenths of a program's life."""
    bench.proxy.always(Answer(503))
    recovery = threading.Timer(0.8 * runs / 50, bench.proxy.recover)
    recovery.start()
    told = bench.record(runs, per_s=50)
    recovery.join()
    return [bench.count(), told["exit_s"]]


def _meet_death(end: str, **environ: str) -> Measure:
    def measure(bench: Bench, processes: int) -> list[float]:
        for _ in range(processes):
            bench.record(1, end, **environ)
        # The program that runs again lives for some seconds, as most do.
        bench.record(250, per_s=50)
        return [bench.count(range(processes))]

    return measure


def _fill_memory(bench: Bench, runs: int) -> list[float]:
    bench.proxy.refuse()
    return [bench.record(runs, per_s=2_000)["growth_mb"]]


@dataclass(frozen=True)
class Fault:
    """A fault, how many runs meet it, and the figures it gives, in the order of `measure`."""

    measure: Measure
    runs: int
    figures: Sequence[Row]
    sdks: Sequence[str] = SDKS


def _list_faults(is_quick: bool) -> list[Fault]:
    runs, during, killed, many = (50, 150, 3, 2_000) if is_quick else (250, 500, 10, 20_000)
    return [
        Fault(_meet_refusal, runs, [
            Row(f"API refuses, then the program again: of {2 * runs}", 2 * runs, True),
            Row("  its exit while the API refuses, s", _EXIT_BUDGET_S)]),
        Fault(_meet_hanging, runs, [
            Row(f"API hangs, then the program again: of {2 * runs}", 2 * runs, True),
            Row("  its exit while the API hangs, s", _EXIT_BUDGET_S)]),
        Fault(_meet_503, during, [
            Row(f"503 for most of a program: of {during}", during, True),
            Row("  its exit after that, s", _EXIT_BUDGET_S)]),
        Fault(_meet_death("kill"), killed, [
            Row(f"kill -9 right after a run: of {killed}")]),
        Fault(_meet_death("kill", XRAY_DURABLE_EXIT="1"), killed, [
            Row("  with XRAY_DURABLE_EXIT=1", killed, True)], ["xray"]),
        Fault(_meet_death("kill_later"), killed, [
            Row(f"kill -9 0.1 s after a run: of {killed}", killed, True)]),
        Fault(_fill_memory, many, [
            Row(f"memory for {many:,} runs of 1 KB, API refuses, MB", _MEMORY_BUDGET_MB)]),
    ]  # fmt: skip


def measure(is_quick: bool) -> list[Row]:
    """Let every SDK meet every fault."""
    rows: list[Row] = []
    for fault in _list_faults(is_quick):
        for sdk in fault.sdks:
            with ExitStack() as ends:
                values = fault.measure(Bench(sdk, ends), fault.runs)
            for row, value in zip(fault.figures, values, strict=True):
                row.values[sdk] = value
        rows += fault.figures
    return rows


def _print_table(rows: Sequence[Row]) -> None:
    width = max(len(row.name) for row in rows)
    print(" ".join([f"{'figure':<{width}}", *(f"{sdk:>13}" for sdk in SDKS), " X-Ray's budget"]))
    for row in rows:
        cells = [f"{row.values[sdk]:,.4g}" if sdk in row.values else "" for sdk in SDKS]
        sign = "≥" if row.is_least else "≤"
        budget = "" if row.budget is None else f" {sign} {row.budget:g}  {row.verdict}"
        line = " ".join([f"{row.name:<{width}}", *(f"{cell:>13}" for cell in cells), budget])
        print(line.rstrip())


def main() -> int:
    """Print the table; 1 where X-Ray misses a budget, 2 where an SDK is not installed."""
    parser = argparse.ArgumentParser(description="Compare what SDKs deliver under faults.")
    parser.add_argument("--quick", action="store_true", help="few runs a fault")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    missing = name_missing()
    if missing:
        print(f"Not installed: {', '.join(missing)}. Install them with: {_INSTALL}")
        return 2
    rows = measure(options.quick)
    if options.json:
        print(json.dumps([{**asdict(row), "verdict": row.verdict} for row in rows], indent=2))
    else:
        _print_table(rows)
    return 1 if any(row.verdict == "SHORT" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
