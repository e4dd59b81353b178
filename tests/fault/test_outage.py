"""A server that is away for minutes while a program records: every run arrives, each once."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.uvicorn_process import UvicornProcess
from tests.fault.killed_server import ServerFork
from tests.fault.test_server_kill import all_runs
from xray.store.opening import open_store
from xray.store.protocol import Store

QUICK_S = 3
PROVEN_S = 120
PER_S = 50
BEFORE, AFTER = 25, 25
END_S = 300

PROGRAM = """
import sys, time
import xray

url, runs, per_s = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
x = xray.XRay("p", url=url)
began_s = time.monotonic()
for number in range(runs):
    with x.run(input=number) as run, run.step("filter", step_type="filter") as step:
        step.reject(f"c-{number}", "why")
    print(number, flush=True)
    time.sleep(max(0.0, began_s + (number + 1) / per_s - time.monotonic()))
# A service lives on: what it kept is delivered without anybody asking.
while xray.stats().pending.records:
    time.sleep(0.01)
books = xray.stats()
print(books.offered.records, books.acknowledged.records, books.total_lost.records)
"""


def serve(folder: Path, port: int) -> UvicornProcess:
    command = ["python3", "-m", "uvicorn", "xray.server.app:app", "--port", str(port)]
    return UvicornProcess(command, folder)


def check_stored(store: Store, inputs: list[int]) -> None:
    """Every run with one of *inputs* is there once, and whole."""
    stored = list(all_runs(store))
    assert sorted(run.input for run in stored) == sorted(inputs)
    assert {run.status for run in stored} == {"completed"}
    for run in stored:
        [step] = store.steps_of_run(run.run_id)
        assert step.counts.rejected == 1


@pytest.mark.parametrize(
    "outage_s", [QUICK_S, pytest.param(PROVEN_S, marks=pytest.mark.prove)], ids=str
)
def test_an_outage_loses_no_run_and_doubles_none(
    outage_s: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_SPOOL_DIR", str(tmp_path / "spool"))
    runs = BEFORE + outage_s * PER_S + AFTER
    with closing(ServerFork()) as fork:
        server = fork.start(f"sqlite:///{tmp_path / 'xray.db'}")
        program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, server.url, str(runs), str(PER_S)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert program.stdout is not None
        for _ in range(BEFORE):
            program.stdout.readline()
        server.kill()
        for _ in range(outage_s * PER_S):
            program.stdout.readline()
    again = serve(tmp_path, int(server.url.rpartition(":")[2]))
    try:
        said, _ = program.communicate(timeout=END_S)
    finally:
        program.kill()
        again.stop()
    assert program.returncode == 0
    offered, acknowledged, lost = map(int, said.split()[-3:])
    assert (offered, acknowledged, lost) == (runs * 3, runs * 3, 0)
    with closing(open_store(f"sqlite:///{tmp_path / 'xray.db'}")) as store:
        check_stored(store, list(range(runs)))
