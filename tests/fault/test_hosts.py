"""Every host that runs pipelines in processes or greenlets of its own delivers all records."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import urllib3

from xray.testing import FaultServer

ROOT = Path(__file__).parents[2]
RECORDS_OF_A_RUN = 3
QUICK_RUNS = 200
PROVEN_RUNS = 3_400
RUNS_A_REQUEST = 10
CLIENTS = 4
DEADLINE_S = 60.0
PROGRAMS = "tests.fault.host_programs"

sizes = pytest.mark.parametrize(
    "runs", [QUICK_RUNS, pytest.param(PROVEN_RUNS, marks=pytest.mark.prove)]
)


def needs(*packages: str) -> pytest.MarkDecorator:
    absent = [package for package in packages if find_spec(package) is None]
    return pytest.mark.skipif(bool(absent), reason=f"not installed: {', '.join(absent)}")


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@contextmanager
def host(
    server: FaultServer, folder: Path, module: str, *args: str, **environ: str
) -> Iterator[subprocess.Popen[str]]:
    """A host in a process of its own, ended in order at the end of the block."""
    inherited = {name: text for name, text in os.environ.items() if "XRAY_" not in name}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *args],
            cwd=ROOT,
            env={
                **inherited,
                "XRAY_URL": server.url,
                "XRAY_SPOOL_DIR": str(folder / "spool"),
                **environ,
            },
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def poll(is_met: Callable[[], bool]) -> bool:
    deadline_s = time.monotonic() + DEADLINE_S
    while not is_met():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.05)
    return True


def request_runs(port: int, runs: int) -> set[str]:
    """Ask a web host for *runs* runs; returns the processes that answered."""
    pool = urllib3.PoolManager(retries=False, timeout=DEADLINE_S, maxsize=CLIENTS)

    def is_up() -> bool:
        try:
            return pool.request("GET", f"http://127.0.0.1:{port}/0").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def ask(_: int) -> str:
        headers = {"Connection": "close"}
        answer = pool.request("GET", f"http://127.0.0.1:{port}/{RUNS_A_REQUEST}", headers=headers)
        assert answer.status == 200, answer.data
        return answer.data.decode()

    assert poll(is_up), "the host does not answer"
    with ThreadPoolExecutor(CLIENTS) as clients:
        pids = set(clients.map(ask, range(runs // RUNS_A_REQUEST)))
    pool.clear()
    return pids


def check_all_arrived(server: FaultServer, folder: Path, runs: int) -> None:
    wanted = runs * RECORDS_OF_A_RUN
    if len(server.facts) < wanted:
        # What a process had no time for at its end is there for the next.
        sync = [sys.executable, "-m", "xray.cli.main", "sync", "--url", server.url]
        spool = {"XRAY_SPOOL_DIR": str(folder / "spool")}
        subprocess.run(sync, env={**os.environ, **spool}, capture_output=True, check=True)
    assert len(server.facts) == wanted, (folder / "log").read_text()[-3000:]
    assert not list((folder / "spool").rglob("*.seg"))


@needs("gunicorn")
@sizes
def test_gunicorn_that_preloads_its_app_stores_everything(
    server: FaultServer, tmp_path: Path, runs: int
) -> None:
    port = free_port()
    args = ("--preload", "--bind", f"127.0.0.1:{port}", "--workers", "2")
    program = f"{PROGRAMS}:wsgi_app"
    with host(server, tmp_path, "gunicorn", *args, program, HOST_BEGINS="1"):
        pids = request_runs(port, runs)
    assert pids
    check_all_arrived(server, tmp_path, runs + 1)


@needs("gunicorn", "gevent")
@sizes
def test_gunicorn_with_gevent_stores_everything(
    server: FaultServer, tmp_path: Path, runs: int
) -> None:
    port = free_port()
    args = ("--worker-class", "gevent", "--bind", f"127.0.0.1:{port}", "--workers", "2")
    with host(server, tmp_path, "gunicorn", *args, f"{PROGRAMS}:wsgi_app"):
        request_runs(port, runs)
    check_all_arrived(server, tmp_path, runs)


@sizes
def test_uvicorn_with_workers_stores_everything(
    server: FaultServer, tmp_path: Path, runs: int
) -> None:
    port = free_port()
    args = (f"{PROGRAMS}:asgi_app", "--port", str(port), "--workers", "2")
    with host(server, tmp_path, "uvicorn", *args):
        request_runs(port, runs)
    check_all_arrived(server, tmp_path, runs)


@needs("celery")
@sizes
def test_celery_with_processes_that_come_and_go_stores_everything(
    server: FaultServer, tmp_path: Path, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = {"HOST_BROKER": str(tmp_path), "HOST_BEGINS": "1"}
    args = ("-A", f"{PROGRAMS}:celery_app", "worker", "--pool", "prefork", "--concurrency", "2")
    few = ("--max-tasks-per-child", "4", "--without-mingle", "--without-gossip")
    send = (
        f"from {PROGRAMS} import celery_app\n"
        f"for _ in range({runs // RUNS_A_REQUEST}):\n"
        f"    celery_app.send_task('record', [{RUNS_A_REQUEST}])\n"
    )
    subprocess.run(
        [sys.executable, "-c", send],
        cwd=ROOT, env={**os.environ, "HOST_BROKER": str(tmp_path)}, check=True,
    )  # fmt: skip
    wanted = (runs + 1) * RECORDS_OF_A_RUN
    with host(server, tmp_path, "celery", *args, *few, **broker):
        poll(lambda: len(server.facts) >= wanted)
    check_all_arrived(server, tmp_path, runs + 1)


@needs("gevent")
@sizes
@pytest.mark.parametrize("patches", ["before", "after"])
def test_greenlets_store_everything(
    server: FaultServer, tmp_path: Path, runs: int, patches: str
) -> None:
    program = f"from {PROGRAMS} import run_greenlets; run_greenlets({runs})"
    patch = "from gevent import monkey; monkey.patch_all()"
    first = patch if patches == "before" else f"import {PROGRAMS}; {patch}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{first}\n{program}"],
        cwd=ROOT,
        env={**os.environ, "XRAY_URL": server.url, "XRAY_SPOOL_DIR": str(tmp_path / "spool")},
        capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    (tmp_path / "log").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stderr
    check_all_arrived(server, tmp_path, runs)
