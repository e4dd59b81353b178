"""A server whose disk runs full, and gets room again; prints what it answered as JSON.

Run as `python -m tests.fault.small_disk_program FOLDER tmpfs|limit`. `tmpfs`: FOLDER is the mount
point of a file system of this process's own. `limit`: no file may grow beyond a size.
"""

from __future__ import annotations

import json
import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import urllib3

from xray.model.facts import ACCEPTED, DecisionRow, Fact, Receipt, RunStarted, StepFinished
from xray.model.ids import new_uuid7
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.store.opening import open_store
from xray.wire.codec import MSGPACK, encode_fact, frame_batch

SMALL_BYTES = 3 << 20
LARGE_BYTES = 256 << 20
MAX_BATCHES = 2_000
REFUSALS = 4


def make_batch(number: int) -> tuple[str, bytes]:
    run_id = new_uuid7()
    # Ids without a pattern do not compress.
    rows = [DecisionRow(ACCEPTED, new_uuid7() + new_uuid7()) for _ in range(300)]
    facts: list[Fact] = [
        RunStarted(run_id=run_id, pipeline="p", started_at_us=number),
        StepFinished(
            run_id=run_id, step_id=new_uuid7(), pipeline="p", name="filter", step_type="filter",
            ordinal=0, started_at_us=number, rows=rows,
        ),
    ]  # fmt: skip
    return run_id, frame_batch(new_uuid7(), "test", [encode_fact(fact) for fact in facts])


def set_room(folder: Path, kind: str, size: int) -> None:
    if kind == "tmpfs":
        how = ["-o", f"remount,size={size}"]
        if not folder.is_mount():
            how = ["-t", "tmpfs", "-o", f"size={size}"]
        subprocess.run(["mount", *how, "tmpfs", str(folder)], check=True)
    else:
        limit = size if size == SMALL_BYTES else resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


class Disk:
    """What happens, and what is said meanwhile."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pool = urllib3.PoolManager(retries=False, timeout=30)
        self.acknowledged: list[str] = []
        self.refused: list[tuple[str, bytes]] = []
        self.said: list[dict[str, object]] = []

    def post(self, run_id: str, body: bytes) -> int:
        answer = self.pool.request(
            "POST", f"{self.url}/v1/batches", body=body, headers={"Content-Type": MSGPACK}
        )
        if answer.status == 200:
            receipt = msgspec.json.decode(answer.data, type=Receipt)
            assert receipt.accepted + receipt.duplicate == 2, receipt
            self.acknowledged.append(run_id)
        else:
            problem = json.loads(answer.data)
            retry_after = answer.headers.get("Retry-After")
            self.said.append({**problem, "retry_after": retry_after})
            self.refused.append((run_id, body))
        return answer.status

    def read(self, path: str) -> int:
        return self.pool.request("GET", self.url + path).status


def main(folder: Path, kind: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    set_room(folder, kind, SMALL_BYTES)
    settings = ServerSettings(store=f"sqlite:///{folder}/xray.db", port=0)
    with BackgroundServer(settings) as server:
        disk = Disk(server.url)
        for number in range(MAX_BATCHES):
            disk.post(*make_batch(number))
            if len(disk.refused) >= REFUSALS:
                break
        while_full = {
            "health": disk.read("/health"),
            "runs": disk.read("/v1/runs"),
            "run": disk.read(f"/v1/runs/{disk.acknowledged[0]}"),
        }
    # Whoever starts it again while the disk is full can read, and goes on once there is room.
    with BackgroundServer(settings) as server:
        disk.url = server.url
        after_restart = disk.read(f"/v1/runs/{disk.acknowledged[0]}")
        disk.post(*make_batch(MAX_BATCHES))
        set_room(folder, kind, LARGE_BYTES)
        again, disk.refused = disk.refused, []
        with_room = [disk.post(run_id, body) for run_id, body in again]
    with closing(open_store(settings.store)) as store:
        missing = [run_id for run_id in disk.acknowledged if store.run(run_id) is None]
    with closing(sqlite3.connect(folder / "xray.db")) as database:
        integrity = database.execute("pragma integrity_check").fetchone()[0]
    report = {
        "acknowledged": len(disk.acknowledged),
        "said": disk.said,
        "while_full": while_full,
        "after_restart": after_restart,
        "with_room": with_room,
        "missing": missing,
        "integrity": integrity,
    }
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
