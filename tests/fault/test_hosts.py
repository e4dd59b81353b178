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
from typing import Any

import pytest
import urllib3

from tests.fault.host_programs import BEGUN, HOSTS
from xray.testing import FaultServer

ROOT = Path(__file__).parents[2]
RECORDS_OF_A_RUN = 3
QUICK_RUNS = 200
PROVEN_RUNS = 3_400
RUNS_A_REQUEST = 10
CLIENTS = 4
CELL_RUNS = 50
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
    server: FaultServer, folder: Path, *args: str, **environ: str
) -> Iterator[subprocess.Popen[str]]:
    """A host in a process of its own, ended in order at the end of the block."""
    inherited = {name: text for name, text in os.environ.items() if "XRAY_" not in name}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *args],
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


def list_segments(folder: Path) -> list[Path]:
    return list((folder / "spool").rglob("*.seg"))


def check_all_arrived(server: FaultServer, folder: Path, runs: int) -> None:
    wanted = runs * RECORDS_OF_A_RUN
    if len(server.facts) < wanted or list_segments(folder):
        # What a process had no time for at its end is there for the next: to send it, or only to
        # hear that the server has it, where the process ended before the answer came.
        sync = [sys.executable, "-m", "xray.cli.main", "sync", "--url", server.url]
        spool = {"XRAY_SPOOL_DIR": str(folder / "spool")}
        subprocess.run(sync, env={**os.environ, **spool}, capture_output=True, check=True)
    assert len(server.facts) == wanted, (folder / "log").read_text()[-3000:]
    assert not list_segments(folder)


@needs("gunicorn")
@sizes
def test_gunicorn_that_preloads_its_app_stores_everything(
    server: FaultServer, tmp_path: Path, runs: int
) -> None:
    port = free_port()
    args = ("--preload", "--bind", f"127.0.0.1:{port}", "--workers", "2")
    program = f"{PROGRAMS}:wsgi_app"
    with host(server, tmp_path, "-m", "gunicorn", *args, program, HOST_BEGINS="1"):
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
    with host(server, tmp_path, "-m", "gunicorn", *args, f"{PROGRAMS}:wsgi_app"):
        request_runs(port, runs)
    check_all_arrived(server, tmp_path, runs)


@needs("pyuwsgi")
@sizes
@pytest.mark.parametrize("way", ["preloaded", "lazy"])
def test_uwsgi_stores_everything(server: FaultServer, tmp_path: Path, runs: int, way: str) -> None:
    port = free_port()
    start = "import sys, pyuwsgi; pyuwsgi.run(sys.argv[1:])"
    args = ("--http-socket", f"127.0.0.1:{port}", "--module", f"{PROGRAMS}:wsgi_app")
    processes = ("--master", "--die-on-term", "--processes", "2", "--enable-threads")
    is_preloaded = way == "preloaded"
    environ = {"HOST_BEGINS": "1"} if is_preloaded else {}
    lazily = () if is_preloaded else ("--lazy-apps",)
    with host(server, tmp_path, "-c", start, *args, *processes, *lazily, **environ):
        request_runs(port, runs)
    check_all_arrived(server, tmp_path, runs + is_preloaded)


@sizes
def test_uvicorn_with_workers_stores_everything(
    server: FaultServer, tmp_path: Path, runs: int
) -> None:
    port = free_port()
    args = (f"{PROGRAMS}:asgi_app", "--port", str(port), "--workers", "2")
    with host(server, tmp_path, "-m", "uvicorn", *args):
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
    with host(server, tmp_path, "-m", "celery", *args, *few, **broker):
        poll(lambda: len(server.facts) >= wanted)
    check_all_arrived(server, tmp_path, runs + 1)


def run_program(
    server: FaultServer, folder: Path, *program: str, cwd: Path = ROOT, **environ: str
) -> None:
    """A program that ends by itself."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", *program],
        cwd=cwd,
        env={
            **os.environ,
            "XRAY_URL": server.url,
            "XRAY_SPOOL_DIR": str(folder / "spool"),
            **environ,
        },
        capture_output=True, text=True, timeout=3 * DEADLINE_S, check=False,
    )  # fmt: skip
    (folder / "log").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr


@sizes
@pytest.mark.parametrize("host", sorted(HOSTS.keys() - {"greenlets"}))
def test_every_kind_of_program_stores_everything(
    server: FaultServer, tmp_path: Path, runs: int, host: str
) -> None:
    run_program(server, tmp_path, "-m", PROGRAMS, host, str(runs))
    check_all_arrived(server, tmp_path, runs + BEGUN.get(host, 0))


@needs("gevent")
@sizes
@pytest.mark.parametrize("patches", ["before", "after"])
def test_greenlets_store_everything(
    server: FaultServer, tmp_path: Path, runs: int, patches: str
) -> None:
    program = f"from {PROGRAMS} import run_greenlets; run_greenlets({runs})"
    patch = "from gevent import monkey; monkey.patch_all()"
    first = patch if patches == "before" else f"import {PROGRAMS}; {patch}"
    run_program(server, tmp_path, "-W", "ignore", "-c", f"{first}\n{program}")
    check_all_arrived(server, tmp_path, runs)


@sizes
def test_tests_that_pytest_spreads_over_processes_store_everything(
    server: FaultServer, tmp_path: Path, runs: int
) -> None:
    test = f"""
import pytest
from {PROGRAMS} import record

@pytest.mark.parametrize("number", range({runs // RUNS_A_REQUEST}))
def test_that_records(number):
    record({RUNS_A_REQUEST})
"""
    (tmp_path / "test_recording.py").write_text(test, encoding="utf-8")
    args = (
        "-m",
        "pytest",
        "-q",
        "-n",
        "2",
        "-p",
        "no:asyncio",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
    )
    run_program(
        server, tmp_path, *args, "--rootdir", str(tmp_path), str(tmp_path), PYTHONPATH=str(ROOT)
    )
    check_all_arrived(server, tmp_path, runs)


@needs("ipykernel")
@sizes
def test_a_notebook_whose_cell_is_run_again_and_again_stores_everything(
    server: FaultServer, tmp_path: Path, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jupyter_client.manager import KernelManager

    # The configuration is said anew, and the client made anew, each time the cell is run.
    cell = f"""
import threading, xray
xray.configure(url={server.url!r}, spool_dir={str(tmp_path / "spool")!r})
x = xray.XRay("notebook")
for _ in range({runs // CELL_RUNS}):
    with x.run(input="q") as run, run.step("filter", step_type="filter") as step:
        step.reject("a", "too_far")
print(sum(thread.name.startswith("xray-") for thread in threading.enumerate()))
"""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    manager = KernelManager()
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    said: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            said.append(message["content"]["text"])

    try:
        client.wait_for_ready(timeout=DEADLINE_S)
        for _ in range(CELL_RUNS):
            reply = client.execute_interactive(cell, output_hook=hear, timeout=DEADLINE_S)
            assert reply["content"]["status"] == "ok", reply
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    (tmp_path / "log").write_text("".join(said))
    assert {line for text in said for line in text.split()} == {"2"}
    check_all_arrived(server, tmp_path, runs // CELL_RUNS * CELL_RUNS)
