"""A program that records hostile objects behaves the same with X-Ray on, off and serverless."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("status", [3, 1])
def test_output_exceptions_and_exit_status_do_not_depend_on_xray(
    tmp_path: Path, status: int
) -> None:
    report = tmp_path / "report.json"
    with FaultServer() as server, ThreadPoolExecutor(3) as pool:
        programs = [
            pool.submit(run_program, status, XRAY_DISABLED="1"),
            pool.submit(run_program, status, str(report), XRAY_URL=server.url),
            pool.submit(run_program, status, XRAY_URL=NOBODY_LISTENS),
        ]
        off, live, dead = (program.result() for program in programs)
    assert off[0] == status
    assert int(off[1].splitlines()[0]) >= 200
    assert live == off
    assert dead == off
    told = json.loads(report.read_text(encoding="utf-8"))
    assert told["is_complete"]
    assert told["lost"] == []
    assert told["acknowledged"] == told["offered"] > 0
    assert told["swallowed"] == {}
