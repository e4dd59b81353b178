"""Recording into a database file: ends, deaths, forks, pools and rivals, with real processes."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from tests.fault.file_programs import (
    PYTHON,
    count_runs,
    environment,
    list_waiting,
    run_program,
    start_program,
)
from xray.local import LocalClient
from xray.store.sqlite.connection import FileLock

# The promise is 2 s; a loaded machine takes its own time to start and end an interpreter.
EXIT_BOUND_S = 2.0
MACHINE_S = 4.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


def test_a_script_that_ends_at_once_leaves_one_whole_file_and_nothing_waiting(path: Path) -> None:
    process = start_program(path, "record(20); print('end', flush=True)")
    assert process.stdout is not None
    assert process.stdout.readline() == "end\n"
    began_s = time.monotonic()
    assert process.communicate(timeout=60) == ("", "")
    if list_waiting(path):
        # So slow a machine that a process, which does not wait for ever, could not end it.
        assert time.monotonic() - began_s > EXIT_BOUND_S - 0.2
        deliver_what_waits(path)
    assert not path.with_name("runs.db-wal").exists()
    assert count_runs(path) == (20, 20)


def test_what_a_flush_acknowledged_survives_a_kill(path: Path) -> None:
    out, err, code = run_program(
        path, "record(50); print(xray.flush(60).is_complete, flush=True); os.kill(os.getpid(), 9)"
    )
    assert (out, err, code) == ("True\n", "", -9)
    assert count_runs(path) == (50, 50)


def test_a_kill_at_any_moment_leaves_a_whole_file_with_all_that_was_acknowledged(
    path: Path,
) -> None:
    program = """
while True:
    ids = record(20, rows=200)
    if xray.flush(60).is_complete:
        print(*ids, sep="\\n", flush=True)
"""
    acknowledged: set[str] = set()
    for pause_s in (0.9, 1.2, 1.6, 20.0):
        if pause_s > 2 and acknowledged:
            break
        process = start_program(path, program)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(pause_s)
        process.kill()
        out, err = process.communicate()
        assert err == ""
        acknowledged.update(line for line in out.splitlines() if len(line) == 36)
    count_runs(path)
    with LocalClient(f"sqlite:///{path}") as client:
        stored = {run.run_id for run in client.iter_runs(limit=1000)}
    assert acknowledged
    assert acknowledged <= stored


def test_children_forked_while_their_parent_writes_lose_nothing(path: Path) -> None:
    program = """
import threading
is_over = threading.Event()
ids = []
def write():
    while not is_over.is_set():
        ids.extend(record(1, "parent", rows=50))
        time.sleep(0.002)
thread = threading.Thread(target=write)
thread.start()
failed = 0
for number in range(8):
    pid = os.fork()
    if pid == 0:
        record(3, f"child {number}")
        xray.close()
        os._exit(0)
    failed += os.waitpid(pid, 0)[1] != 0
is_over.set()
thread.join()
print(len(ids), failed, xray.flush(40).is_complete)
"""
    out, _, code = run_program(path, program)
    runs, failed, is_complete = out.split()
    assert (failed, is_complete, code) == ("0", "True", 0)
    deliver_what_waits(path)
    assert count_runs(path)[0] == int(runs) + 24


def test_the_environment_alone_sends_a_pipeline_into_a_file(path: Path) -> None:
    program = "from xray import xray_run\nwith xray_run('q'): pass\n"
    done = subprocess.run(
        [*PYTHON, "-c", program],
        env={**environment(path), "XRAY_URL": "sqlite:///runs.db"},
        cwd=path.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("", "")
    assert count_runs(path) == (1, 0)


def test_what_was_spooled_before_a_kill_is_stored_by_the_next_process(path: Path) -> None:
    rival = FileLock(path)
    out, _, code = run_program(path, "record(30); time.sleep(0.2); os.kill(os.getpid(), 9)")
    assert (out, code) == ("", -9)
    rival.release()
    program = """
record(1)
deadline = time.monotonic() + 20
while not (xray.flush(60).is_complete and xray.stats().acknowledged.records >= 93):
    assert time.monotonic() < deadline
"""
    assert run_program(path, program) == ("", "", 0)
    assert count_runs(path) == (31, 31)


def test_a_forked_child_records_into_the_file_its_parent_has_open(path: Path) -> None:
    out, err, code = run_program(
        path,
        """
record(5, "parent")
assert xray.flush(60).is_complete
pid = os.fork()
if pid == 0:
    record(7, "child")
    done = xray.flush(60)
    print(done.is_complete, xray.stats().offered.records, flush=True)
    xray.close()
    os._exit(0)
record(5, "parent again")
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
assert xray.flush(60).is_complete
""",
    )
    assert (out, err, code) == ("True 21\n0\n", "", 0)
    assert count_runs(path) == (17, 17)


POOL = """
import multiprocessing, sys, xray

x = xray.XRay("p", url="sqlite:///" + sys.argv[1])

def work(number):
    with x.run(input=number) as run, run.step("filter", step_type="filter") as step:
        step.reject("a", "why")
    return run.run_id

if __name__ == "__main__":
    work(-1)
    assert xray.flush(60).is_complete
    with multiprocessing.get_context(sys.argv[2]).Pool(3) as pool:
        ids = pool.map(work, range(60), chunksize=1)
        pool.close()
        pool.join()
    print(len(set(ids)))
"""


def test_a_child_of_a_process_that_has_the_file_open_to_ask_leaves_its_records_in_the_spool(
    path: Path,
) -> None:
    out, err, code = run_program(
        path,
        """
from xray.errors import StoreError
from xray.local import LocalClient
record(2)
assert xray.flush(60).is_complete
client = LocalClient("sqlite:///" + sys.argv[1])
assert client.runs().total == 2
pid = os.fork()
if pid == 0:
    [*ids, last] = record(3)
    print(xray.flush(1).is_complete, xray.stats().pending.records, flush=True)
    try:
        LocalClient("sqlite:///" + sys.argv[1])
    except StoreError as error:
        print(error, flush=True)
    xray.close()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert client.runs().total == 2
client.close()
pid = os.fork()
if pid == 0:
    record(4)
    print(xray.flush(60).is_complete, flush=True)
    xray.close()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
""",
    )
    said = out.splitlines()
    assert (said[0], said[2], code) == ("False 9", "True", 0)
    assert "was open when this process was forked" in said[1]
    assert err.count("X-Ray:") == 1
    deliver_what_waits(path)
    assert count_runs(path) == (9, 9)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_a_pool_all_record_into_one_file(path: Path, method: str) -> None:
    program = path.with_name("program.py")
    program.write_text(POOL)
    command = [*PYTHON, str(program)]
    call = f"import subprocess; sys.exit(subprocess.call({command!r} + sys.argv[1:]))"
    out, err, code = run_program(path, call, method)
    assert (out, err, code) == ("60\n", "", 0)
    deliver_what_waits(path)
    assert count_runs(path) == (61, 61)


SYNC = """
from xray.cli.main import main
sys.exit(main(["sync", "--store", "sqlite:///" + sys.argv[1]]))
"""


def deliver_what_waits(path: Path) -> None:
    """Let another process store what an ended one could not any more."""
    deadline_s = time.monotonic() + 30
    while list_waiting(path):
        assert time.monotonic() < deadline_s
        _, err, code = run_program(path, SYNC)
        assert (err, code) == ("", 0)


def test_two_processes_that_record_at_once_take_turns_and_lose_nothing(path: Path) -> None:
    program = """
ids = []
end = time.monotonic() + 3
while time.monotonic() < end:
    ids += record(1, sys.argv[2])
    time.sleep(0.005)
print(len(ids), xray.flush(15).is_complete, xray.stats().total_lost.records)
"""
    both = [start_program(path, program, who) for who in ("one", "two")]
    said = [process.communicate(timeout=60) for process in both]
    runs = 0
    for out, _ in said:
        count, is_complete, lost = out.split()
        assert (is_complete, lost) == ("True", "0")
        runs += int(count)
    assert count_runs(path) == (runs, runs)
    assert not list_waiting(path)


def test_a_process_whose_file_another_one_keeps_says_so_once_and_its_records_wait(
    path: Path,
) -> None:
    path.parent.mkdir(exist_ok=True)
    rival = FileLock(path)
    began_s = time.monotonic()
    out, err, code = run_program(
        path, "record(4); print(xray.flush(8).is_complete)", is_flushed=False
    )
    assert (out, code) == ("False\n", 0)
    assert time.monotonic() - began_s < 8 + EXIT_BOUND_S + MACHINE_S
    assert err.count("another process writes the file") == 1
    assert "they are kept and sent again" in err
    assert list_waiting(path)
    rival.release()
    deliver_what_waits(path)
    assert count_runs(path) == (4, 4)


def test_exit_is_not_held_up_by_a_file_nobody_lets_go_of(path: Path) -> None:
    rival = FileLock(path)
    process = start_program(path, "record(4); print('end', flush=True)")
    assert process.stdout is not None
    assert process.stdout.readline() == "end\n"
    began_s = time.monotonic()
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert time.monotonic() - began_s < EXIT_BOUND_S + 1
    rival.release()
    assert list_waiting(path)


def test_a_file_deleted_under_a_process_is_made_anew(path: Path) -> None:
    out, err, code = run_program(
        path,
        """
record(2)
assert xray.flush(60).is_complete
for name in os.listdir(os.path.dirname(sys.argv[1])):
    if name.startswith("runs.db"):
        os.remove(os.path.join(os.path.dirname(sys.argv[1]), name))
record(3)
assert xray.flush(60).is_complete
""",
    )
    assert (out, err, code) == ("", "", 0)
    assert count_runs(path) == (3, 3)


BROKEN = {
    "no database": "is not an X-Ray database",
    "later schema": "has schema version 999",
    "no folder": "cannot be opened",
}


def break_file(path: Path, how: str) -> Path:
    if how == "no database":
        path.write_bytes(b"these are notes, not a database\n" * 100)
    elif how == "later schema":
        with sqlite3.connect(path) as database:
            database.execute("pragma application_id = 1481793913")
            database.execute("pragma user_version = 999")
        database.close()
    else:
        path.write_text("a file where a folder should be")
        return path / "runs.db"
    return path


@pytest.mark.parametrize("how", BROKEN)
def test_a_file_that_cannot_be_used_gives_one_warning_and_its_records_wait(
    path: Path, how: str
) -> None:
    file = break_file(path, how)
    before = path.read_bytes()
    out, err, code = run_program(
        path,
        """
x = XRay("p", url="sqlite:///" + sys.argv[2])
record(3)
print(xray.flush().is_complete, xray.stats().pending.records, xray.stats().total_lost.records)
""",
        str(file),
        is_flushed=False,
    )
    assert (out, code) == ("False 9 0\n", 0)
    assert err.count("X-Ray:") == 1
    assert BROKEN[how] in err
    assert path.read_bytes() == before


def test_in_silent_mode_what_cannot_be_stored_is_counted_as_lost(path: Path) -> None:
    break_file(path, "no database")
    out, err, code = run_program(
        path,
        """
x = XRay("p", url="sqlite:///" + sys.argv[1], offline_mode="silent")
record(3)
xray.flush()
books = xray.stats()
print(books.offered.records, books.acknowledged.records, books.pending.records, books.lost)
""",
        is_flushed=False,
    )
    assert code == 0
    assert out == "9 0 0 {'parked': Volume(records=9, decisions=9)}\n"
    assert err.count("X-Ray:") == 1


def test_in_fail_mode_what_cannot_be_stored_raises_with_the_reason(path: Path) -> None:
    break_file(path, "no database")
    out, _, code = run_program(
        path,
        """
x = XRay("p", url="sqlite:///" + sys.argv[1], offline_mode="fail")
try:
    record(1)
except xray.XRayDeliveryError as error:
    print(error)
""",
        is_flushed=False,
    )
    assert code == 0
    assert "is not an X-Ray database" in out


@pytest.mark.parametrize("package", ["zstandard", "sqlalchemy"])
def test_without_the_server_extra_one_warning_says_what_to_install_and_records_wait(
    path: Path, package: str
) -> None:
    program = f"""
import importlib.abc
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
record(3)
done = xray.flush({60 if package == "sqlalchemy" else 5})
print(done.is_complete, done.pending.records, done.lost.records)
"""
    out, err, code = run_program(path, program, is_flushed=False)
    assert code == 0
    if package == "sqlalchemy":
        # Only questions need it.
        assert (out, err) == ("True 0 0\n", "")
        return
    assert out == "False 9 0\n"
    assert err.count("X-Ray:") == 1
    assert "pip install 'xray-forensics[server]'" in err
    deliver_what_waits(path)
    assert count_runs(path) == (3, 3)


def test_on_a_full_disk_nothing_is_raised_and_the_books_balance(path: Path) -> None:
    out, err, code = run_program(
        path,
        """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
record(2)
assert xray.flush().is_complete
resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, resource.RLIM_INFINITY))
record(40, rows=400)
xray.flush(2)
books = xray.stats()
assert books.offered.records == 126
assert books.offered == books.acknowledged + books.pending + books.total_lost
assert books.acknowledged.records >= 6
print("ended")
""",
        is_flushed=False,
    )
    assert (out, code) == ("ended\n", 0)
    assert "X-Ray:" in err
    assert count_runs(path)[0] >= 2
