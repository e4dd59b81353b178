"""The spool: how soon a record is safe, what a dead server costs in memory, and how a process ends.

Everything runs against a server that refuses connections. Each part is a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.report import Figure, run_benchmark
from xray.delivery.delivery import Delivery
from xray.delivery.losses import Ledger
from xray.delivery.queue import Parcel
from xray.delivery.settings import DeliverySettings
from xray.delivery.spool.spool import Spool
from xray.model.facts import RunPatched
from xray.model.ids import new_uuid7

_DEAD = "http://127.0.0.1:9"
_KILOBYTE = "t" * 900
_SMALL = "t" * 20


def measure(is_quick: bool) -> Sequence[Figure]:
    """Measure each part in a process of its own."""
    records = 60_000 if is_quick else 600_000
    age = _in_process("age", 10_000 if is_quick else 60_000)
    memory = _in_process("memory", records)
    ending = _in_process("exit", 10_000)
    return [
        Figure("age of a record at append, p50", age["p50_ms"], unit="ms"),
        Figure("age of a record at append, p99", age["p99_ms"], 50, unit="ms"),
        Figure("append, 1-KB records a second", memory["appends_per_s"]),
        Figure(
            f"memory above idle, {records:,} records of 1 KB", memory["growth_mb"], 32, unit="MB"
        ),
        Figure("disk the spool took", memory["disk_mb"], 257, unit="MB"),
        Figure("records neither kept nor counted", memory["unaccounted"], 0),
        Figure("exit with 10,000 records queued", ending["exit_s"], 2, unit="s"),
        Figure("records on disk after that exit", ending["kept"], 10_000, "larger"),
    ]


def _in_process(part: str, records: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="xray-bench-") as folder:
        done = subprocess.run(
            [sys.executable, "-m", "bench.spool", part, str(records), folder],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        ended_s = time.monotonic()
        told: dict[str, float] = json.loads(done.stdout)
        if part == "exit":
            told["exit_s"] = ended_s - told.pop("ending_s")
            told["kept"] = float(_count_records(Path(folder)))
        return told


def _count_records(place: Path) -> int:
    from xray.delivery.spool.frames import scan_segment

    return sum(len(scan_segment(path.read_bytes()).frames) for path in place.rglob("*.seg"))


def _settings(folder: str) -> DeliverySettings:
    return DeliverySettings(url=_DEAD, spool_places=(Path(folder),))


class _WatchedSpool(Spool):
    """Notes when each parcel's append returned."""

    def __init__(self, settings: DeliverySettings, ledger: Ledger) -> None:
        super().__init__(settings, ledger)
        self.returned_s: dict[int, float] = {}

    def append(self, parcels: Sequence[Parcel]) -> int:
        """Append and look at the clock."""
        kept = super().append(parcels)
        now_s = time.monotonic()
        for parcel in parcels[:kept]:
            self.returned_s[parcel.number] = now_s
        return kept


def _measure_age(records: int, folder: str) -> dict[str, float]:
    """A pipeline that records 1,000 a second, for as long as that takes."""
    spools: list[_WatchedSpool] = []

    def make(settings: DeliverySettings, ledger: Ledger) -> _WatchedSpool:
        spools.append(_WatchedSpool(settings, ledger))
        return spools[0]

    delivery = Delivery(_settings(folder), make_backlog=make)
    put_s: list[float] = []
    begin_s = time.monotonic()
    for number in range(records):
        put_s.append(time.monotonic())
        delivery.put(RunPatched(run_id=new_uuid7(), tags=[_SMALL]))
        ahead_s = begin_s + number / 1000 - time.monotonic()
        if ahead_s > 0:
            time.sleep(ahead_s)
    time.sleep(0.5)
    returned_s = spools[0].returned_s
    ages = sorted(returned_s[number] - at for number, at in enumerate(put_s, 1))
    delivery.close(0)
    return {"p50_ms": ages[len(ages) // 2] * 1e3, "p99_ms": ages[int(len(ages) * 0.99)] * 1e3}


def _measure_memory(records: int, folder: str) -> dict[str, float]:
    """As many records as ten minutes bring, faster, with the highest memory seen on the way."""
    delivery = Delivery(_settings(folder))
    for _ in range(100):
        delivery.put(RunPatched(run_id=new_uuid7(), tags=[_KILOBYTE]))
    time.sleep(1)
    idle = peak = _resident_mb()
    is_done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not is_done.wait(0.02):
            peak = max(peak, _resident_mb())

    threading.Thread(target=watch, daemon=True).start()
    begin_s = time.monotonic()
    for number in range(records):
        delivery.put(RunPatched(run_id=new_uuid7(), tags=[_KILOBYTE]))
        if number % 20 == 0:
            # Room for the writer: a pipeline does something between its records.
            time.sleep(0.001)
    while delivery.stats().held_bytes:
        time.sleep(0.01)
    took_s = time.monotonic() - begin_s
    is_done.set()
    disk = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    books = delivery.stats()
    accounted = books.total_lost.records + _count_records(Path(folder))
    delivery.close(0)
    return {
        "growth_mb": peak - idle,
        "appends_per_s": records / took_s,
        "disk_mb": disk / (1 << 20),
        "unaccounted": float(books.offered.records - accounted),
    }


def _resident_mb() -> float:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _measure_exit(records: int, folder: str) -> dict[str, float]:
    delivery = Delivery(_settings(folder))
    for _ in range(records):
        delivery.put(RunPatched(run_id=new_uuid7(), tags=[_SMALL]))
    return {"ending_s": time.monotonic()}


_PARTS: dict[str, Callable[[int, str], dict[str, float]]] = {
    "age": _measure_age,
    "memory": _measure_memory,
    "exit": _measure_exit,
}

if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in _PARTS:
        _, name, amount, where = sys.argv
        print(json.dumps(_PARTS[name](int(amount), where)))
    else:
        sys.exit(run_benchmark(__doc__ or "", measure))
