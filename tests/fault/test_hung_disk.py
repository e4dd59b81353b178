"""A disk that no longer answers holds up neither the pipeline nor the end of its process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from xray.testing import FaultServer

# What a call of the system does on a network file system whose server is gone: it never returns.
PROGRAM = """
import sys, threading, time
import xray
from xray.delivery.spool.files import SystemFiles

has_hung = threading.Event()

def hang(*_):
    has_hung.set()
    threading.Event().wait()

def hang_from_now_on(name):
    setattr(SystemFiles, name, hang)

def record(count):
    for _ in range(count):
        with client.run() as run, run.step("work", "filter") as step:
            step.reject("a", "dear")

url, place, name, moment = sys.argv[1:]
client = xray.XRay("p", url=url, spool_dir=place)
if moment == "before":
    hang_from_now_on(name)
record(20)
if moment == "before":
    assert has_hung.wait(60)
    record(20)
elif moment == "end":
    deadline = time.monotonic() + 60
    while xray.stats().held_bytes and time.monotonic() < deadline:
        time.sleep(0.01)
    hang_from_now_on(name)
    record(1)
elif moment == "idle":
    assert xray.flush(60).is_complete
    hang_from_now_on(name)
print("recorded", flush=True)
"""
BOUND_S = 60


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.mark.parametrize(
    ("name", "moment"),
    [
        ("make_directory", "before"),
        ("create", "before"),
        ("write", "before"),
        ("sync", "before"),
        ("list_directory", "before"),
        ("count_free_bytes", "before"),
        ("write", "end"),
        ("remove", "idle"),
        ("remove_directory", "idle"),
    ],
)
def test_a_process_ends_whose_disk_hangs(
    server: FaultServer, tmp_path: Path, name: str, moment: str
) -> None:
    if moment != "idle":
        server.refuse()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, server.url, str(tmp_path), name, moment],
        capture_output=True, text=True, timeout=BOUND_S, check=False,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("recorded\n", 0), done.stderr
    assert "Traceback" not in done.stderr
