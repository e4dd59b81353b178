"""Programs that record into a database file, for tests that start, race and kill them."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

HEAD = """
import os, sys, time
import xray
from xray import XRay

x = XRay("p", url="sqlite:///" + sys.argv[1])

def record(runs, who="main", rows=3):
    ids = []
    for number in range(runs):
        with x.run(input=number, metadata={"who": who}) as run:
            with run.step("filter", step_type="filter") as step:
                for row in range(rows):
                    step.reject(f"{who}-{number}-{row}", "why")
        ids.append(run.run_id)
    return ids
"""
# Later Pythons warn of every fork beside threads, which is what is tried here.
PYTHON = [sys.executable, "-W", "ignore::DeprecationWarning"]


def start_program(path: Path, program: str, *args: str) -> subprocess.Popen[str]:
    """*program*, running; its spool lies beside the file."""
    return subprocess.Popen(
        [*PYTHON, "-c", HEAD + program, str(path), *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(path),
    )  # fmt: skip


def run_program(
    path: Path, program: str, *args: str, is_flushed: bool = True
) -> tuple[str, str, int]:
    """What *program* printed and complained of, and its exit code.

    A slow machine may need longer than a process waits at its end; what is *flushed* is there.
    """
    ending = "\nif __name__ == '__main__': xray.flush(60)\n" if is_flushed else ""
    process = start_program(path, program + ending, *args)
    out, err = process.communicate(timeout=60)
    return out, err, process.returncode


def environment(path: Path) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("XRAY_")}
    return {**kept, "XRAY_SPOOL_DIR": str(path.parent / "spool"), "HOME": str(path.parent)}


def count_runs(path: Path) -> tuple[int, int]:
    """How many runs and steps the file holds; it must be whole."""
    with sqlite3.connect(path) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
        # A process that was killed before its first record was stored may have left no table.
        if not database.execute("select 1 from sqlite_master where name = 'runs'").fetchone():
            return 0, 0
        (runs,) = database.execute("select count(*) from runs").fetchone()
        (steps,) = database.execute("select count(*) from steps").fetchone()
    database.close()
    return runs, steps


def list_waiting(path: Path) -> list[Path]:
    """The files in the spool that hold records."""
    return list((path.parent / "spool").rglob("*.seg"))
