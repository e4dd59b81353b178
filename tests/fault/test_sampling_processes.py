"""However a process ends, what it left out is counted, once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.fault.sampling_programs import PROGRAMS
from xray.store.opening import open_view
from xray.store.protocol import Store

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


class Outcome:
    """What is stored when a program has ended."""

    def __init__(self, store: Store, printed: str) -> None:
        self.printed = printed
        self.runs: Counter[str] = Counter()
        self.steps: Counter[str] = Counter()
        for minute in store.tallies():
            self.runs.update(minute.runs.statuses)
            self.steps.update({step.name: step.count for step in minute.steps})
        self.stored = [store.run(run_id) for run_id in store.run_ids("")]


def run_program(name: str, folder: Path, code: int = 0) -> Outcome:
    program = folder / "program.py"
    program.write_text(PROGRAMS[name])
    url = f"sqlite:///{folder / 'runs.db'}"
    environ = {**os.environ, "XRAY_URL": url, "XDG_STATE_HOME": str(folder / "state")}
    with subprocess.Popen(
        [sys.executable, str(program)],
        env=environ,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        try:
            printed, complained = running.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            raise
    assert running.returncode == code, complained
    # On a machine that is busy some of it still waits in the spool when the program has ended.
    sync = [sys.executable, "-m", "xray.cli.main", "sync"]
    subprocess.run(sync, env=environ, cwd=folder, capture_output=True, timeout=60, check=True)
    store = open_view(url)
    try:
        return Outcome(store, printed.strip())
    finally:
        store.close()


def test_a_program_that_ends_has_sent_its_tallies(tmp_path: Path) -> None:
    outcome = run_program("ends", tmp_path)
    assert (outcome.runs, outcome.steps) == ({"completed": 3}, {"step": 3})
    assert outcome.stored == []


def test_a_run_that_is_open_when_its_program_ends_is_counted_as_running(tmp_path: Path) -> None:
    outcome = run_program("ends with a run open", tmp_path)
    assert outcome.runs == {"completed": 1, "running": 1}
    assert outcome.steps == {"step": 1, "open": 1}


def test_closing_sends_tallies_and_is_never_final(tmp_path: Path) -> None:
    assert run_program("closes and goes on", tmp_path).runs == {"completed": 2}


def test_a_flush_makes_tallies_durable(tmp_path: Path) -> None:
    outcome = run_program("flushes and is killed", tmp_path, code=-9)
    assert outcome.printed == "True"
    assert outcome.runs == {"completed": 3}


def test_the_run_a_program_dies_of_is_kept(tmp_path: Path) -> None:
    outcome = run_program("exits by an exception", tmp_path, code=1)
    assert outcome.runs == {"completed": 1}
    (run,) = outcome.stored
    assert run is not None
    assert (run.status, run.kept_for, run.weight) == ("failed", "status = 'failed'", 1.0)


def test_a_child_counts_its_own_runs_and_not_its_parents(tmp_path: Path) -> None:
    outcome = run_program("forks", tmp_path)
    assert outcome.runs == {"completed": 3}
    assert outcome.steps == {"before": 1, "after": 2}


def test_steps_of_a_child_are_counted_and_those_it_inherits_are_not(tmp_path: Path) -> None:
    outcome = run_program("forks inside a run", tmp_path)
    assert outcome.runs == {"completed": 1}
    assert outcome.steps == {"before": 1, "child": 1, "after": 1}


def test_a_fork_amid_counting_stalls_no_child(tmp_path: Path) -> None:
    outcome = run_program("forks while it counts", tmp_path)
    assert outcome.printed == "[0, 0, 0, 0, 0]"
    assert outcome.steps["child"] == 5
    assert outcome.runs["completed"] == outcome.steps["child"] + outcome.steps["thread"]


def test_workers_of_a_pool_send_what_they_counted(tmp_path: Path) -> None:
    outcome = run_program("pools", tmp_path)
    assert outcome.runs == {"completed": 6}
