"""A batch job that rather waits than loses: nothing is lost, and little memory is taken."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.uvicorn_process import UvicornProcess
from tests.fault.batch_program import DEAR_EVERY, REASON, STEPS
from xray.forensics.evidence import load_evidence
from xray.forensics.why import explain
from xray.store.opening import open_store

ROOT = Path(__file__).parents[2]
QUICK_ROWS = 40_000
FULL_ROWS = 2_000_000
MAX_GROWTH_MB = 64
QUICK_PATIENCE_S = 300
FULL_PATIENCE_S = 3_000
CENSUS_ROWS = 1_024

sizes = pytest.mark.parametrize(
    "rows", [QUICK_ROWS, pytest.param(FULL_ROWS, marks=pytest.mark.prove)]
)
kinds = pytest.mark.parametrize("kind", ["list", "numpy", "texts", "pandas"])

pytestmark = pytest.mark.xdist_group("batch_job")


def serve(folder: Path, port: int = 0) -> UvicornProcess:
    command = ["python3", "-m", "uvicorn", "xray.server.app:app", "--port", str(port)]
    return UvicornProcess(command, folder, XRAY_STORE=f"sqlite:///{folder / 'xray.db'}")


def do_job(url: str, spool: Path, kind: str, rows: int, patience_s: float) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fault.batch_program", url, spool, kind, str(rows),
         str(patience_s)],
        cwd=ROOT, capture_output=True, text=True, timeout=2 * FULL_PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps({"kind": kind, "rows": rows, **told}))
    return told


def deliver_leftovers(url: str, spool: Path, patience_s: float) -> None:
    """A later process with the same destination takes the spool over and empties it."""
    program = (
        "import sys, time, xray\n"
        "from pathlib import Path\n"
        "xray.configure(url=sys.argv[1], spool_dir=sys.argv[2])\n"
        "with xray.XRay('later').run(): pass\n"
        "deadline_s = time.monotonic() + float(sys.argv[3])\n"
        "while any(Path(sys.argv[2]).rglob('*.seg')):\n"
        "    assert time.monotonic() < deadline_s, xray.stats()\n"
        "    xray.flush(timeout_s=0.2)\n"
        "    time.sleep(0.1)\n"
    )
    command = [sys.executable, "-c", program, url, str(spool), str(patience_s)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def check_store(path: Path, run_id: str, kind: str, rows: int) -> None:
    """Every count is right, and every candidate asked about is known."""
    prefix = "" if kind == "numpy" else "prod_"
    with closing(open_store(f"sqlite:///{path}")) as store:
        steps = store.steps_of_run(run_id)
        assert [step.name for step in steps] == [f"source-{number}" for number in range(STEPS)]
        for number, step in enumerate(steps):
            dear = len(range(number % DEAR_EVERY, rows, DEAR_EVERY))
            counts = step.counts
            assert (counts.rejected, counts.accepted) == (dear, rows - dear)
            assert counts.redecided == 0
        evidence = load_evidence(store, run_id)
        # One of the census, and many that were sampled out, at both ends of chunks.
        for place in [0, CENSUS_ROWS, CENSUS_ROWS + 1, rows // 2, *range(rows - 50, rows)]:
            why = explain(evidence, f"{prefix}{1_000_000 + place}")
            decided = [(stop.kind, stop.reason) for stop in why.journey]
            assert decided == [
                ("rejected", REASON) if place % DEAR_EVERY == number % DEAR_EVERY
                else ("accepted", None)
                for number in range(STEPS)
            ]  # fmt: skip
        stranger = explain(evidence, f"{prefix}{1_000_000 + rows}")
        assert all(stop.kind == "not_recorded" for stop in stranger.journey)


@sizes
@kinds
def test_a_job_loses_nothing_and_grows_little(tmp_path: Path, kind: str, rows: int) -> None:
    patience_s = QUICK_PATIENCE_S if rows == QUICK_ROWS else FULL_PATIENCE_S
    server = serve(tmp_path)
    try:
        url = f"http://127.0.0.1:{server.port}"
        told = do_job(url, tmp_path / "spool", kind, rows, patience_s)
    finally:
        server.stop()
    assert told["is_complete"]
    assert told["lost"] == {}
    assert told["acknowledged"] == told["offered"]
    assert told["grown_mb"] <= MAX_GROWTH_MB
    check_store(tmp_path / "xray.db", told["run_id"], kind, rows)


@sizes
@pytest.mark.parametrize("kind", ["list", "numpy"])
def test_a_job_whose_server_is_away_leaves_all_of_it_in_the_spool(
    tmp_path: Path, kind: str, rows: int
) -> None:
    patience_s = QUICK_PATIENCE_S if rows == QUICK_ROWS else FULL_PATIENCE_S
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        url, spool = f"http://127.0.0.1:{port}", tmp_path / "spool"
        told = do_job(url, spool, kind, rows, patience_s=1)
    assert told["lost"] == {}
    assert told["pending"] == told["offered"] > rows * STEPS
    assert told["grown_mb"] <= MAX_GROWTH_MB
    server = serve(tmp_path, port)
    try:
        deliver_leftovers(url, spool, patience_s)
    finally:
        server.stop()
    check_store(tmp_path / "xray.db", told["run_id"], kind, rows)
