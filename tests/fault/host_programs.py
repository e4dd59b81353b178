"""What runs inside the hosts: pipelines in web apps, tasks, processes, threads and greenlets.

    python -m tests.fault.host_programs HOST RUNS

A program that forks begins to record before.
"""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import xray

pipeline = xray.XRay("hosted")


def record(runs: int) -> None:
    """A few runs of a pipeline with one step: three records each."""
    for _ in range(runs):
        with pipeline.run(input="q") as run, run.step("filter", step_type="filter") as step:
            step.reject("a", "too_far")
            step.accept("b")


def wsgi_app(environ: dict[str, str], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Records as many runs as the path says, e.g. `/5`."""
    record(int(environ["PATH_INFO"].strip("/") or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


async def asgi_app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """The same for an ASGI server."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    record(int(scope["path"].strip("/") or 0))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})


def make_celery() -> Any:
    """An app whose broker is a folder."""
    from celery import Celery

    folder = Path(os.environ["HOST_BROKER"])
    for name in ("queue", "processed"):
        (folder / name).mkdir(exist_ok=True)
    app = Celery("hosted", broker="filesystem://")
    app.conf.broker_transport_options = {
        "data_folder_in": str(folder / "queue"),
        "data_folder_out": str(folder / "queue"),
        "control_folder": str(folder / "control"),
        "processed_folder": str(folder / "processed"),
        "store_processed": False,
        "polling_interval": 0.05,
    }
    app.task(name="record")(record)
    return app


def run_greenlets(runs: int) -> None:
    """Every run in a greenlet of its own."""
    import gevent

    gevent.joinall([gevent.spawn(record, 1) for _ in range(runs)], raise_error=True)


def run_threads(runs: int) -> None:
    """Every run in one of many threads."""
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(record, [1] * runs))


def run_tasks(runs: int) -> None:
    """Every run in a task of its own, beside the others."""

    async def record_slowly() -> None:
        async with pipeline.run(input="q") as run:
            await asyncio.sleep(0)
            async with run.step("filter", step_type="filter") as step:
                await asyncio.sleep(0)
                step.reject("a", "too_far")

    async def record_all() -> None:
        await asyncio.gather(*[record_slowly() for _ in range(runs)])

    asyncio.run(record_all())


def run_pool(runs: int, method: str) -> None:
    """Every run in a worker of `multiprocessing`."""
    with multiprocessing.get_context(method).Pool(PROCESSES, maxtasksperchild=20) as pool:
        pool.map(record, [runs // BATCHES] * BATCHES, chunksize=1)
        pool.close()
        pool.join()


def run_forks(runs: int, fork: Callable[[], int]) -> None:
    """Every run in one of some children, which end without notice."""
    record(1)
    xray.flush(timeout_s=30)
    children = []
    for _ in range(PROCESSES):
        child = fork() if fork is os.fork else fork_at_rest(fork)
        if child == 0:
            record(runs // PROCESSES)
            # No hook told it that it is a child, so it does not expect such an end.
            if fork is not os.fork:
                xray.flush(timeout_s=30)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def fork_at_rest(fork: Callable[[], int]) -> int:
    """A child forked in C while every other thread slept, before and after.

    Such a child inherits who waited for the interpreter's lock; those waiters are not there to be
    woken, and the C library lets whoever wants to wake them wait for ever. That is fatal to any
    Python program, so a child of another moment is ended before it does anything.
    """
    read = ctypes.PyDLL(None).read  # Keeps the interpreter's lock, unlike `os.read`.
    for _ in range(2_000):
        reading, writing = os.pipe()
        before = read_other_threads()
        child = fork()
        if child == 0:
            read(reading, ctypes.create_string_buffer(1), 1)
            return 0
        is_at_rest = before == read_other_threads() and all(it[0] == "S" for it in before.values())
        if not is_at_rest:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        os.write(writing, b"!")
        os.close(reading)
        os.close(writing)
        if is_at_rest:
            return child
    raise TimeoutError("the other threads do not come to rest")


def read_other_threads() -> dict[str, tuple[str, str]]:
    """What every other thread of this process does, and how often it went to sleep so far."""
    threads = {}
    for folder in Path("/proc/self/task").iterdir():
        if folder.name != str(threading.get_native_id()):
            status = dict(
                line.split(":\t", 1) for line in (folder / "status").read_text().splitlines()
            )
            threads[folder.name] = (status["State"][0], status["voluntary_ctxt_switches"])
    return threads


def run_frozen(runs: int) -> None:
    """A process that is stopped again and again, and goes on later."""
    victim = os.getpid()
    if os.fork() == 0:
        for _ in range(20):
            os.kill(victim, signal.SIGSTOP)
            time.sleep(0.05)
            os.kill(victim, signal.SIGCONT)
            time.sleep(0.02)
        os._exit(0)
    for _ in range(20):
        record(runs // 20)
        time.sleep(0.05)
    os.wait()


class _Late:
    """Records when nobody holds it any more."""

    def __init__(self, runs: int) -> None:
        self.runs = runs

    def __del__(self) -> None:
        record(self.runs)


def run_ends(runs: int) -> None:
    """Some runs when the process is over: in hooks, finalisers, handlers, late threads."""
    share = runs // 10

    def linger() -> None:
        threading.main_thread().join()
        record(share)

    threading.Thread(target=linger).start()
    atexit.register(record, share)
    # Later, when daemon threads run no more, a finaliser may record in vain; the docs say so.
    atexit.register(gc.collect)
    signal.signal(signal.SIGUSR1, lambda *_: record(share))
    record(runs - 4 * share)
    os.kill(os.getpid(), signal.SIGUSR1)
    cycle: list[object] = [_Late(share)]
    cycle.append(cycle)


def run_last(runs: int) -> None:
    """Nothing is recorded, and so nothing loaded, before the process ends."""
    atexit.register(record, runs)


PROCESSES = 4
BATCHES = 40
HOSTS: dict[str, Callable[[int], None]] = {
    "greenlets": run_greenlets,
    "threads": run_threads,
    "tasks": run_tasks,
    "pool-fork": lambda runs: run_pool(runs, "fork"),
    "pool-spawn": lambda runs: run_pool(runs, "spawn"),
    "pool-forkserver": lambda runs: run_pool(runs, "forkserver"),
    "fork": lambda runs: run_forks(runs, os.fork),
    "fork-in-c": lambda runs: run_forks(runs, ctypes.PyDLL(None).fork),
    "frozen": run_frozen,
    "ends": run_ends,
    "last": run_last,
}
BEGUN = {"fork": 1, "fork-in-c": 1}
"""How many runs a host records beside those it is asked for."""


if __name__ == "__main__":
    HOSTS[sys.argv[1]](int(sys.argv[2]))
elif "HOST_BEGINS" in os.environ:
    # Before the host forks, as an app that is preloaded does.
    record(1)
if "HOST_BROKER" in os.environ:
    celery_app = make_celery()
