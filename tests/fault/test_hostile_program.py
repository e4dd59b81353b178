"""A program that records hostile objects behaves the same with X-Ray on, off and serverless."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from xray.testing import FaultServer

PROGRAM = Path(__file__).with_name("hostile_program.py")
NOBODY_LISTENS = "http://127.0.0.1:9"


def run_program(status: int, *arguments: str, **variables: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(status), *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    raised = [line for line in done.stderr.splitlines() if line.startswith("__main__.")]
    return done.returncode, done.stdout, "\n".join(raised)


def test_output_exceptions_and_exit_status_do_not_depend_on_xray(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    with FaultServer() as server, ThreadPoolExecutor(2) as pool:
        served = pool.submit(run_program, 3, str(report), XRAY_URL=server.url)
        off = pool.submit(run_program, 3, XRAY_DISABLED="1").result()
        live = served.result()
    assert off[0] == 3
    assert int(off[1].splitlines()[0]) >= 200
    assert live == off
    told = json.loads(report.read_text(encoding="utf-8"))
    assert told["is_complete"]
    assert told["lost"] == []
    assert told["acknowledged"] == told["offered"] > 0
    assert told["swallowed"] == {}


def test_without_a_server_a_program_that_fails_ends_as_it_does_without_xray() -> None:
    with ThreadPoolExecutor(2) as pool:
        programs = [
            pool.submit(run_program, 1, XRAY_DISABLED="1"),
            pool.submit(run_program, 1, XRAY_URL=NOBODY_LISTENS),
        ]
        off, dead = (program.result() for program in programs)
    assert off[0] == 1
    assert dead == off
