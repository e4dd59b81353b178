"""A batch job that judges what five sources brought, and measures what recording that takes.

    python -m tests.fault.batch_program URL SPOOL KIND ROWS PATIENCE_S

What it says at its end, as JSON on the last line: the run, and what became of its records.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

import xray
from xray import Step, XRay

STEPS: Final = 5
DEAR_EVERY: Final = 3
"""Every third row is rejected, in each step others."""
REASON: Final = "dear"
_SPOOL_BYTES: Final = 1 << 30

_WARM_UP_S: Final = 30

Record = Callable[[Step, int], None]


def prepare(kind: str, rows: int) -> Record:
    """The pipeline's own data, and what records its decisions in a step."""
    numbers = np.arange(rows) + 1_000_000
    masks = [np.arange(rows) % DEAR_EVERY != step % DEAR_EVERY for step in range(STEPS)]
    if kind == "list":
        names = [f"prod_{number}" for number in numbers.tolist()]
        flags = [mask.tolist() for mask in masks]
        return lambda step, number: step.decide(names, flags[number], reason=REASON)
    if kind == "numpy":
        return lambda step, number: step.decide(numbers, masks[number], reason=REASON)
    if kind == "texts":
        texts = np.array([f"prod_{number}" for number in numbers.tolist()])
        return lambda step, number: step.decide(texts, masks[number], reason=REASON)
    import pandas as pd

    frame = pd.DataFrame({"id": [f"prod_{number}" for number in numbers.tolist()]})
    frame["price"] = np.float64(50)
    frames = [pd.Series(mask, index=frame.index) for mask in masks]
    return lambda step, number: step.decide(frame["id"], frames[number], reason=REASON)


def read_memory_kb(name: str) -> int:
    """A line of this process's status, e.g. `VmRSS`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise LookupError(name)


@contextmanager
def measured(found: dict[str, Any]) -> Iterator[None]:
    """Notes the most memory that was in use above what is in use before."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    idle_kb = read_memory_kb("VmRSS")
    yield
    found["idle_mb"] = idle_kb / 1024
    found["grown_mb"] = (read_memory_kb("VmHWM") - idle_kb) / 1024


def main(url: str, spool: str, kind: str, rows: int, patience_s: float) -> None:
    """Run the job, and say how it went."""
    xray.configure(url=url, spool_dir=spool, on_full="wait", max_spool_bytes=_SPOOL_BYTES)
    client = XRay("batch_job")
    record = prepare(kind, rows)
    warm_up = prepare(kind, 2_000)
    with client.run(input="warm-up") as run, run.step("source", "retrieve") as step:
        warm_up(step, 0)
    xray.flush(timeout_s=min(patience_s, _WARM_UP_S))
    found: dict[str, Any] = {}
    with measured(found):
        with client.run(input="all") as run:
            for number in range(STEPS):
                with run.step(f"source-{number}", "retrieve") as step:
                    record(step, number)
        flushed = xray.flush(timeout_s=patience_s)
    stats = xray.stats()
    found |= {
        "run_id": run.run_id,
        "is_complete": flushed.is_complete,
        "offered": stats.offered.decisions,
        "acknowledged": stats.acknowledged.decisions,
        "pending": stats.pending.decisions,
        "lost": {cause: volume.decisions for cause, volume in stats.lost.items()},
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]), float(sys.argv[5]))
