"""A pipeline whose disk runs full under its spool, and gets room again; prints its books as JSON.

Run as `python -m tests.fault.spool_disk_program FOLDER tmpfs|limit`, as `small_disk_program` is.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.fault.small_disk_program import set_room
from xray.delivery.delivery import Delivery
from xray.delivery.losses import DeliveryStats
from xray.delivery.settings import DeliverySettings
from xray.model.facts import ACCEPTED, DecisionRow, StepFinished
from xray.model.ids import new_uuid7
from xray.testing import FaultServer

# The spool takes a tenth of what is free.
DISK_BYTES = 32 << 20
FILE_BYTES = 48 << 10
MEMORY_BYTES = 2 << 20
BEFORE, MEANWHILE, BEYOND, AFTER = 20, 400, 2_000, 20
BOUND_S = 60.0


def make_fact(number: int) -> StepFinished:
    # Ids without a pattern, about a kilobyte.
    rows = [DecisionRow(ACCEPTED, new_uuid7() + new_uuid7()) for _ in range(12)]
    return StepFinished(
        run_id=new_uuid7(), step_id=new_uuid7(), pipeline="p", name="filter", step_type="filter",
        ordinal=0, started_at_us=number, rows=rows,
    )  # fmt: skip


def await_that(is_so: Callable[[], bool]) -> bool:
    until_s = time.monotonic() + BOUND_S
    while time.monotonic() < until_s:
        if is_so():
            return True
        time.sleep(0.01)
    return False


class Disk:
    """What leaves no room, and gives it back."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._is_mounted = kind == "tmpfs"
        self._ballast = folder / "ballast"
        if self._is_mounted:
            set_room(folder, kind, DISK_BYTES)

    def fill(self) -> None:
        if not self._is_mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, resource.RLIM_INFINITY))
            return
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4_096)):
                    pass
            except OSError:
                pass

    def give_room(self) -> None:
        self._ballast.unlink(missing_ok=True)
        infinity = resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_FSIZE, (infinity, infinity))


def tell(stats: DeliveryStats) -> dict[str, object]:
    """The books, as far as a test asks for them."""
    return {
        "offered": stats.offered.records,
        "acknowledged": stats.acknowledged.records,
        "pending": stats.pending.records,
        "lost": {cause: volume.records for cause, volume in stats.lost.items()},
        "reports": stats.reports,
    }


def main(folder: Path, kind: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    disk = Disk(folder, kind)
    with FaultServer() as server:
        server.refuse()
        delivery = Delivery(
            DeliverySettings(
                url=server.url, spool_places=(folder / "spool",), max_queue_bytes=MEMORY_BYTES
            )
        )

        def record(count: int) -> None:
            for number in range(count):
                delivery.put(make_fact(number))

        report: dict[str, object] = {}
        record(BEFORE)
        report["is_on_disk"] = await_that(lambda: not delivery.stats().held_bytes)
        disk.fill()
        record(MEANWHILE)
        report["full"] = tell(delivery.stats())
        for _ in range(BEYOND // 50):
            record(50)
            time.sleep(0.002)
        report["beyond"] = tell(delivery.stats())
        disk.give_room()
        report["has_moved"] = await_that(lambda: not delivery.stats().held_bytes)
        record(AFTER)
        server.listen()
        report["is_complete"] = delivery.flush(BOUND_S).is_complete
        # The server is told of what was lost only now.
        await_that(lambda: not delivery.stats().pending.records)
        report["end"] = tell(delivery.stats())
        report["stored"] = sum(isinstance(fact, StepFinished) for fact in server.facts.values())
        delivery.close()
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
