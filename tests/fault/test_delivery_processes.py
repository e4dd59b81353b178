"""Exits, forks and deaths, with real processes."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from xray.testing import Answer, Fault, FaultServer, Hang, Slow, Trickle

HEAD = """
import ctypes, json, os, sys, threading, time
from xray.delivery.delivery import Delivery
from xray.delivery.settings import DeliverySettings
from xray.model.facts import RunStarted
from xray.model.ids import new_uuid7

delivery = Delivery(DeliverySettings(url=sys.argv[1]))

def record(count=1):
    for _ in range(count):
        delivery.put(RunStarted(run_id=new_uuid7(), pipeline="p", started_at_us=1))

def await_death(pid):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, 9)
    return "hung"
"""
# Later Pythons warn of every fork beside threads, which is what is tried here.
PYTHON = [sys.executable, "-W", "ignore::DeprecationWarning"]
# The promise is 2 s; a loaded machine takes its own time to start and end an interpreter.
EXIT_BOUND_S = 2.0
MACHINE_S = 3.0


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


def run(server: FaultServer, program: str, timeout_s: float = 40) -> tuple[str, str, int]:
    done = subprocess.run(
        [*PYTHON, "-c", HEAD + program, server.url],
        capture_output=True, text=True, timeout=timeout_s, check=False,
    )  # fmt: skip
    return done.stdout, done.stderr, done.returncode


def test_a_program_that_ends_at_once_has_delivered_everything(server: FaultServer) -> None:
    assert run(server, "record(500)") == ("", "", 0)
    assert len(server.facts) == 500


def test_a_client_that_was_let_go_still_delivers(server: FaultServer) -> None:
    assert run(server, "import gc\nrecord(50)\ndel delivery\ngc.collect()") == ("", "", 0)
    assert len(server.facts) == 50


def test_records_made_while_the_program_ends_are_delivered(server: FaultServer) -> None:
    program = """
import atexit
class Late:
    def __del__(self):
        record()
late = Late()
def last_words():
    global late
    record()
    late = None
atexit.register(last_words)
"""
    out, err, status = run(server, program)
    assert (out, err, status) == ("", "", 0)
    assert len(server.facts) == 2


def test_an_exit_hook_that_runs_after_delivery_s_own_still_delivers(server: FaultServer) -> None:
    early = "import atexit\natexit.register(lambda: record(3))\n"
    done = subprocess.run(
        [*PYTHON, "-c", early + HEAD + "record()", server.url],
        capture_output=True, text=True, timeout=40, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert len(server.facts) == 4


@pytest.mark.parametrize(
    "fault",
    ["refused", Hang(), Trickle(0.3), Answer(503), Answer(401),
     Answer(429, headers={"Retry-After": "99"})],
    ids=repr,
)  # fmt: skip
def test_a_program_ends_within_two_seconds_whatever_the_server_does(
    server: FaultServer, fault: Fault | str
) -> None:
    if isinstance(fault, str):
        server.refuse()
    else:
        server.always(fault)
    program = """
record(2000)
print(time.monotonic())
"""
    out, err, status = run(server, program)
    ended_s = time.monotonic()
    assert status == 0
    assert "2000 records undelivered" in err
    assert "Traceback" not in err
    # Monotonic time is one for all processes of this machine.
    assert ended_s - float(out) < EXIT_BOUND_S + MACHINE_S


def test_an_exception_of_the_program_is_left_as_it_is(server: FaultServer) -> None:
    server.refuse()
    _, err, status = run(server, "record()\nsys.exit(7)")
    assert status == 7
    assert "Traceback" not in err
    _, err, status = run(server, "record()\nraise ValueError('mine')")
    assert status == 1
    assert "ValueError: mine" in err


def test_a_child_made_by_fork_delivers_its_own_records_only(server: FaultServer) -> None:
    program = """
record(20)
pid = os.fork()
if pid == 0:
    record(200)
    ok = delivery.flush(10).is_complete
    print(json.dumps([ok, delivery.stats().offered.records]), flush=True)
    os._exit(0)
print(await_death(pid), flush=True)
delivery.flush(10)
print(delivery.stats().acknowledged.records)
"""
    out, err, status = run(server, program)
    assert (err, status) == ("", 0)
    child, death, parent = out.splitlines()
    assert json.loads(child) == [True, 200]
    assert (death, parent) == ("0", "20")
    assert len(server.facts) == 220
    assert server.arrivals == 220


def test_a_fork_that_python_does_not_see_is_noticed(server: FaultServer) -> None:
    program = """
record(20)
pid = ctypes.PyDLL(None).fork()
if pid == 0:
    record(50)
    is_complete = delivery.flush(20).is_complete
    os._exit(0 if is_complete and delivery.stats().acknowledged.records == 50 else 3)
print(await_death(pid))
stats = delivery.stats()
print(delivery.flush(20).is_complete, stats.total_lost.records)
"""
    assert run(server, program) == ("0\nTrue 0\n", "", 0)
    assert len(server.facts) == 70


def test_forks_at_any_moment_never_hang_a_child(server: FaultServer) -> None:
    program = """
import random
stop = threading.Event()
def chatter():
    while not stop.is_set():
        record(5)
        delivery.flush(0.05)
threads = [threading.Thread(target=chatter) for _ in range(2)]
for thread in threads:
    thread.start()
ends = []
for _ in range(25):
    time.sleep(random.random() / 100)
    pid = os.fork()
    if pid == 0:
        record(2)
        os._exit(0 if delivery.flush(10).is_complete else 3)
    ends.append(await_death(pid))
stop.set()
for thread in threads:
    thread.join()
print(sorted(set(map(str, ends))))
"""
    out, err, status = run(server, program, timeout_s=60)
    assert (out, err, status) == ("['0']\n", "", 0)


def test_a_fork_while_the_sender_still_starts_hangs_nobody(server: FaultServer) -> None:
    program = """
def large():
    delivery.put(RunStarted(run_id=new_uuid7(), pipeline="p" * 5000, started_at_us=1))
large()
time.sleep(float(sys.argv[2]))
pid = os.fork()
if pid == 0:
    large()
    os._exit(0 if delivery.flush(15).is_complete else 3)
print(await_death(pid))
"""
    # The sender compresses, imports and connects for the first time within these moments.
    delays_s = [0.02, 0.03, 0.05, 0.08, 0.12, 0.2]
    parents = [
        subprocess.Popen(
            [*PYTHON, "-c", HEAD + program, server.url, str(delay_s)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for delay_s in delays_s
    ]
    assert [parent.communicate(timeout=60)[0] for parent in parents] == ["0\n"] * len(delays_s)
    assert len(server.facts) == 2 * len(delays_s)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_multiprocessing_deliver_before_they_end(
    server: FaultServer, method: str, tmp_path: Path
) -> None:
    program = f"""
import multiprocessing
import worker_of_delivery_test as worker
if __name__ == "__main__":
    context = multiprocessing.get_context("{method}")
    workers = [context.Process(target=worker.work, args=(sys.argv[1],)) for _ in range(3)]
    for process in workers:
        process.start()
    for process in workers:
        process.join(20)
    print([process.exitcode for process in workers])
"""
    module = HEAD.replace("sys.argv[1]", "'unset'") + (
        "\ndef work(url):\n"
        "    global delivery\n"
        "    delivery = Delivery(DeliverySettings(url=url, exit_budget_s=20))\n"
        "    record(10)\n"
    )
    (tmp_path / "worker_of_delivery_test.py").write_text(module, encoding="utf-8")
    main = tmp_path / "main.py"
    main.write_text("import sys\n" + program, encoding="utf-8")
    done = subprocess.run(
        [*PYTHON, str(main), server.url],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == ("[0, 0, 0]\n", "", 0)
    assert len(server.facts) == 30


KILL_THREADS = """
record()
delivery.flush(10)
time.sleep(1.5)
victims = [each for each in threading.enumerate() if each.name in NAMES]
for victim in victims:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(victim.ident), ctypes.py_object(SystemExit)
    )
deadline = time.monotonic() + 30
"""


@pytest.mark.parametrize("name", ["xray-writer", "xray-sender"])
def test_a_thread_that_dies_is_replaced_at_once_and_says_so(server: FaultServer, name: str) -> None:
    program = f"""
NAMES = [{name!r}]
{KILL_THREADS}
while victims[0].is_alive() and time.monotonic() < deadline:
    delivery._road()._sender_bell.ring()
    time.sleep(0.01)
[successor] = [each for each in threading.enumerate() if each.name in NAMES]
print(len(victims), successor in victims)
record()
while delivery.stats().pending.records and time.monotonic() < deadline:
    time.sleep(0.01)
print(delivery.stats().pending.records)
"""
    out, err, status = run(server, program)
    assert (out, status) == ("1 False\n0\n", 0)
    assert err == f"X-Ray: {name} ended and is replaced.\n"


def test_threads_that_die_at_birth_are_not_replaced_for_ever(server: FaultServer) -> None:
    program = """
from xray.delivery.road import Road
starts = []
def die(self):
    starts.append(threading.current_thread().name)
    raise SystemExit
Road._write = Road._send = die
record(3)
print(len(starts) < 20, delivery.flush(10).is_complete)
"""
    out, _, status = run(server, program)
    assert (out, status) == ("True True\n", 0)
    assert len(server.facts) == 3


def test_a_flush_works_where_no_thread_can_be_started(server: FaultServer) -> None:
    program = """
def refuse(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
record(300)
print(delivery.flush(10).is_complete, delivery.stats().acknowledged.records)
record(5)
"""
    out, err, status = run(server, program)
    assert (out, status) == ("True 300\n", 0)
    assert err == "X-Ray: no thread could be started.\n"
    assert len(server.facts) == 305


def test_a_flush_without_threads_is_bounded_by_its_timeout(server: FaultServer) -> None:
    server.always(Hang())
    program = """
def refuse(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
record()
began = time.monotonic()
delivery.flush(0.5)
print(time.monotonic() - began < 3)
"""
    out, _, status = run(server, program)
    assert (out, status) == ("True\n", 0)


def test_a_process_killed_while_it_sends_leaves_whole_records_only(server: FaultServer) -> None:
    server.always(Slow(0.05))
    endless = "while True:\n    record(20)\n    time.sleep(0.001)"
    process = subprocess.Popen([*PYTHON, "-c", HEAD + endless, server.url])
    try:
        assert server.wait_for(200, timeout_s=20)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert server.arrivals == len(server.facts)
    torn = [request for request in server.requests if request.batch is None]
    assert len(torn) <= 1  # the one that was being sent, of which nothing is taken
    assert all(request.batch.refused == [] for request in server.requests if request.batch)


def test_collections_that_record_while_recording_hang_nobody(server: FaultServer) -> None:
    program = """
import gc
gc.set_threshold(1)
class Cycle:
    def __init__(self):
        self.me = self
    def __del__(self):
        record()
def busy():
    for _ in range(300):
        Cycle()
        record()
threads = [threading.Thread(target=busy) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(30)
gc.set_threshold(700)
gc.collect()
print(delivery.flush(20).is_complete)
stats = delivery.stats()
print(stats.offered.records == 2400, stats.offered == stats.acknowledged + stats.total_lost)
print(stats.pending.records, sum(v.records for k, v in stats.lost.items() if k != "reentrant"))
"""
    out, err, status = run(server, program)
    assert (out, err, status) == ("True\nTrue True\n0 0\n", "", 0)
