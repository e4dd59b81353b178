"""Real processes, a real server that is away, and the processes that come after."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.fault.killed_server import ServerFork
from xray.client import Client
from xray.testing import Answer, Fault, FaultServer, Hang, Slow, Trickle

HEAD = """
import json, os, sys, threading, time
import xray
x = xray.XRay("p", url=sys.argv[1])

def record(runs=1):
    for number in range(runs):
        with x.run(input=number) as run:
            with run.step("filter", step_type="filter") as step:
                step.reject(f"c-{number}", "why")

def delivered(records, timeout_s=20):
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        books = xray.stats()
        if books.acknowledged.records >= records and not books.pending.records:
            return True
        time.sleep(0.01)
    return False
"""
PYTHON = [sys.executable, "-W", "ignore::DeprecationWarning"]
FACTS = 3
# The promise is 2 s; a loaded machine takes its own time to end an interpreter.
EXIT_BOUND_S = 2.0
MACHINE_S = 3.0


def run(url: str, program: str, place: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PYTHON, "-c", HEAD + program, url],
        env={**os.environ, "XRAY_SPOOL_DIR": str(place), **variables},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def files_below(place: Path) -> list[str]:
    return sorted(path.name for path in place.rglob("*") if path.is_file())


def test_what_an_outage_kept_back_is_delivered_after_a_restart_500_of_500(tmp_path: Path) -> None:
    database, place = tmp_path / "xray.db", tmp_path / "spool"
    with closing(ServerFork()) as fork:
        server = fork.start(f"sqlite:///{database}")
        port = server.url.rpartition(":")[2]
        server.kill()
        during = run(server.url, "record(250)", place)
        assert (during.stdout, during.returncode) == ("", 0)
        assert "Traceback" not in during.stderr
        assert any(name.endswith(".seg") for name in files_below(place))
    from tests.e2e.uvicorn_process import UvicornProcess

    again = UvicornProcess(
        ["python3", "-m", "uvicorn", "xray.server.app:app", "--port", port], tmp_path
    )
    try:
        url = f"http://127.0.0.1:{again.port}"
        after = run(url, f"record(250)\nprint(delivered({500 * FACTS}))", place)
        assert (after.stdout, after.stderr, after.returncode) == ("True\n", "", 0)
        with Client(url) as client:
            page = client.runs(status="completed", limit=1)
        assert page.total == 500
        assert files_below(place) == []
    finally:
        again.stop()


@pytest.mark.parametrize(
    "fault",
    ["refused", Hang(), Trickle(0.3), Answer(503), Answer(401),
     Answer(429, headers={"Retry-After": "99"})],
    ids=repr,
)  # fmt: skip
def test_a_process_ends_within_two_seconds_and_a_later_one_delivers_everything(
    fault: Fault | str, tmp_path: Path
) -> None:
    with FaultServer() as server:
        if isinstance(fault, str):
            server.refuse()
        else:
            server.always(fault)
        first = run(server.url, "record(3333)\nprint(time.monotonic())", tmp_path)
        ended_s = time.monotonic()
        assert first.returncode == 0
        assert "undelivered" not in first.stderr
        assert "Traceback" not in first.stderr
        # Monotonic time is one for all processes of this machine.
        assert ended_s - float(first.stdout) < EXIT_BOUND_S + MACHINE_S
        server.always(None)
        server.listen()
        second = run(server.url, f"record()\nprint(delivered({3334 * FACTS}, 40))", tmp_path)
        assert (second.stdout, second.stderr, second.returncode) == ("True\n", "", 0)
        assert len(server.facts) == 3334 * FACTS
        assert files_below(tmp_path) == []


def test_a_process_killed_in_an_outage_loses_nothing_older_than_50_ms(tmp_path: Path) -> None:
    with FaultServer() as server:
        server.refuse()
        program = """
for _ in range(200):
    record()
    print(int(time.monotonic() * 1e6), flush=True)
    time.sleep(0.002)
os.kill(os.getpid(), 9)
"""
        killed = run(server.url, program, tmp_path)
        assert killed.returncode == -signal.SIGKILL
        moments_us = [int(line) for line in killed.stdout.split()]
        # The writer wakes every 20 ms, if the machine lets it.
        settled = sum(moment < moments_us[-1] - 500_000 for moment in moments_us)
        server.listen()
        second = run(server.url, "record()\nprint(delivered(3))", tmp_path)
        assert second.returncode == 0
        finished = [fact for fact in server.facts if fact.endswith("finished")]
        assert len(finished) >= settled + 1
        assert server.arrivals == len(server.facts)


def test_a_run_that_a_killed_process_left_open_is_abandoned_at_once(tmp_path: Path) -> None:
    database, place = tmp_path / "xray.db", tmp_path / "spool"
    with closing(ServerFork()) as fork:
        server = fork.start(f"sqlite:///{database}")
        program = """
open_run = x.start(input="never ends")
print(open_run.run_id, flush=True)
xray.flush(10)
record(5)
time.sleep(0.3)
os.kill(os.getpid(), 9)
"""
        killed = run(server.url, program, place)
        assert killed.returncode == -signal.SIGKILL
        run_id = killed.stdout.strip()
        with Client(server.url) as client:
            assert client.run(run_id).status == "running"
            after = run(server.url, "record()\nprint(delivered(4))", place)
            assert after.stdout == "True\n", after.stderr
            assert client.run(run_id).status == "abandoned"
        server.kill()


def test_a_durable_exit_is_on_disk_before_the_run_ends(tmp_path: Path) -> None:
    with FaultServer() as server:
        server.refuse()
        program = """
import xray.delivery.road as road
road.Road.start = lambda self: None
record(3)
os.kill(os.getpid(), 9)
"""
        killed = run(server.url, program, tmp_path, XRAY_DURABLE_EXIT="1")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        server.listen()
        run(server.url, "record()\nprint(delivered(12))", tmp_path)
        assert sum(fact.endswith("finished") for fact in server.facts) == 4


def test_a_child_that_ends_without_notice_leaves_its_runs_on_disk(tmp_path: Path) -> None:
    with FaultServer() as server:
        server.refuse()
        program = """
record(2)
pid = os.fork()
if pid == 0:
    record(10)
    os._exit(0)
os.waitpid(pid, 0)
"""
        parent = run(server.url, program, tmp_path)
        assert parent.returncode == 0, parent.stderr
        server.listen()
        after = run(server.url, f"record()\nprint(delivered({12 * FACTS}))", tmp_path)
        assert after.stdout == "True\n", after.stderr
        # The last run may find the disk busy for longer than it may be held up.
        assert sum(fact.endswith("finished") for fact in server.facts) >= 12


@pytest.mark.parametrize("fork", ["os.fork", "ctypes.PyDLL(None).fork"])
def test_a_dead_parent_s_records_are_delivered_while_its_child_lives(
    fork: str, tmp_path: Path
) -> None:
    with FaultServer() as server:
        server.refuse()
        program = f"""
import ctypes
record(5)
time.sleep(0.3)
if {fork}() == 0:
    os.close(1)
    os.close(2)
    record(1)
    time.sleep(9)
    os._exit(0)
time.sleep(0.5)
os.kill(os.getpid(), 9)
"""
        assert run(server.url, program, tmp_path).returncode == -signal.SIGKILL
        server.listen()
        after = run(server.url, f"record()\nprint(delivered({6 * FACTS}, 6))", tmp_path)
        assert after.stdout == "True\n", after.stderr


def test_processes_that_share_a_spool_deliver_everything_once(tmp_path: Path) -> None:
    with FaultServer() as server:
        server.always(Slow(0.01))
        processes = [
            subprocess.Popen(
                [*PYTHON, "-c", HEAD + "record(200)", server.url],
                env={**os.environ, "XRAY_SPOOL_DIR": str(tmp_path)},
            )
            for _ in range(4)
        ]
        assert [process.wait(60) for process in processes] == [0] * 4
        program = """
from pathlib import Path
place = Path(os.environ["XRAY_SPOOL_DIR"])
record()
deadline_s = time.monotonic() + 40
while list(place.rglob("*.seg")) and time.monotonic() < deadline_s:
    time.sleep(0.01)
"""
        last = run(server.url, program, tmp_path)
        assert last.returncode == 0
        assert len(server.facts) == 801 * FACTS
        assert files_below(tmp_path) == []


@pytest.mark.parametrize("place", ["/proc/xray", "/dev/null/spool", "/sys/xray"])
def test_where_no_spool_can_be_made_records_are_delivered_from_memory(place: str) -> None:
    with FaultServer() as server:
        done = run(server.url, "record(20)\nprint(delivered(60))", Path(place))
        assert (done.stdout, done.returncode) == ("True\n", 0)
        assert done.stderr.count("X-Ray:") == 1
        assert "records wait in memory" in done.stderr
        assert len(server.facts) == 60


def test_a_read_only_or_missing_home_is_passed_over(tmp_path: Path) -> None:
    with FaultServer() as server:
        server.refuse()
        variables = {"XRAY_SPOOL_DIR": "", "XDG_STATE_HOME": "/proc", "HOME": "/nonexistent",
                     "TMPDIR": str(tmp_path)}  # fmt: skip
        done = run(server.url, "record(5)", tmp_path, **variables)
        assert done.returncode == 0
        if os.geteuid() == 0:
            return  # root makes the missing home
        assert any(name.endswith(".seg") for name in files_below(tmp_path))


def test_waiting_for_room_loses_nothing_and_dropping_counts(tmp_path: Path) -> None:
    with FaultServer() as server:
        server.refuse()
        program = """
from dataclasses import replace
from xray.delivery.delivery import Delivery
from xray.delivery.settings import DeliverySettings
from xray.model.facts import RunPatched
from xray.model.ids import new_uuid7
from pathlib import Path
delivery = Delivery(DeliverySettings(
    url=sys.argv[1], on_full=sys.argv[2] if len(sys.argv) > 2 else os.environ["XRAY_ON_FULL"],
    spool_places=(Path(os.environ["XRAY_SPOOL_DIR"]),), max_queue_bytes=60_000,
    max_spool_bytes=200_000, segment_bytes=20_000, first_backoff_s=0.05, max_backoff_s=0.1,
))
def work():
    for number in range(1500):
        delivery.put(RunPatched(run_id=new_uuid7(), tags=["t" * 200]))
    print(json.dumps({"done": True}), flush=True)
thread = threading.Thread(target=work)
thread.start()
thread.join(1.0)
print(json.dumps({"waits": thread.is_alive()}), flush=True)
sys.stdin.readline()
thread.join(30)
print(json.dumps({"complete": delivery.flush(20).is_complete}))
books = delivery.stats()
print(json.dumps({"lost": books.total_lost.records, "kept": books.acknowledged.records}))
"""
        for choice in ("wait", "drop"):
            server.refuse()
            before = len(server.facts)
            process = subprocess.Popen(
                [*PYTHON, "-c", HEAD + program, server.url],
                env={**os.environ, "XRAY_SPOOL_DIR": str(tmp_path), "XRAY_ON_FULL": choice},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            assert process.stdout is not None
            first = json.loads(process.stdout.readline())
            server.listen()
            rest, _ = process.communicate("go\n", timeout=60)
            answers = {k: v for line in rest.splitlines() for k, v in json.loads(line).items()}
            assert answers["complete"]
            assert answers["kept"] == len(server.facts) - before
            if choice == "wait":
                assert first == {"waits": True}
                assert (answers["lost"], answers["kept"]) == (0, 1500)
            else:
                assert answers["lost"] > 0
                assert answers["lost"] + answers["kept"] == 1500
