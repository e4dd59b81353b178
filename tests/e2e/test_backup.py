"""A copy of a database that is being written: whole, of one moment, or not there."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.test_store_sqlite_removal import record_run
from xray.cli.main import main
from xray.errors import StoreError
from xray.local import LocalClient
from xray.store.opening import back_up, open_view
from xray.store.sqlite.engine import SqliteStore


def fill(path: Path, runs: int, rows: int = 20) -> None:
    with closing(SqliteStore(path)) as store:
        for number in range(runs):
            store.submit(str(number), record_run(number, rows)).result()


def test_a_copy_holds_all_that_was_acknowledged_before_and_opens_as_a_store(tmp_path: Path) -> None:
    source, copy = tmp_path / "runs.db", tmp_path / "copy.db"
    with closing(SqliteStore(source)) as store:
        for number in range(30):
            store.submit(str(number), record_run(number)).result()
        known = set(store.run_ids("", 1000))
        is_over = threading.Event()

        def write() -> None:
            number = 100
            while not is_over.is_set():
                store.submit(str(number), record_run(number)).result()
                number += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            backup = back_up(f"sqlite:///{source}", copy, lambda _: None)
        finally:
            is_over.set()
            writer.join()
        written = set(store.run_ids("", 1000))
    assert backup.size_bytes == copy.stat().st_size
    assert oct(copy.stat().st_mode & 0o777) == "0o600"
    with closing(open_view(f"sqlite:///{copy}")) as view:
        copied = set(view.run_ids("", 1000))
        assert known <= copied <= written
        assert len(copied) == backup.runs
        assert all(view.steps_of_run(run_id) for run_id in copied)
    with closing(SqliteStore(copy)) as again:
        again.submit("more", record_run(9_999)).result()
        assert len(again.run_ids("", 1000)) == backup.runs + 1
    assert {entry.name for entry in tmp_path.iterdir() if "copy" in entry.name} <= {
        "copy.db", "copy.db.lock", "copy.db-wal", "copy.db-shm",
    }  # fmt: skip


def test_the_command_says_what_the_copy_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "runs.db", 3)
    asked = ["backup", "--store", f"sqlite:///{tmp_path}/runs.db"]
    assert main([*asked, str(tmp_path / "copy.db")]) == 0
    assert "holds 3 runs with 3 steps" in " ".join(capsys.readouterr().out.split())
    assert main([*asked, "--json", str(tmp_path / "second.db")]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == 3
    with LocalClient(f"sqlite:///{tmp_path}/second.db") as client:
        assert len(client.runs().items) == 3


def test_a_file_that_exists_is_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "runs.db", 1)
    (tmp_path / "copy.db").write_text("mine")
    store = f"sqlite:///{tmp_path}/runs.db"
    assert main(["backup", "--store", store, str(tmp_path / "copy.db")]) == 3
    assert "exists" in capsys.readouterr().err
    assert (tmp_path / "copy.db").read_text() == "mine"


def test_what_cannot_be_copied_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path / "runs.db", 1)
    store = f"sqlite:///{tmp_path}/runs.db"
    for words, said, code in (
        (["--store", store, str(tmp_path / "no" / "copy.db")], "cannot be written", 3),
        (["--store", f"sqlite:///{tmp_path}/other.db", "x.db"], "no database", 3),
        (["--url", "http://127.0.0.1:1", "x.db"], "No database file is named", 2),
    ):
        assert main(["backup", *words]) == code
        assert said in " ".join(capsys.readouterr().err.split())


def test_a_killed_copy_leaves_no_file_of_that_name(tmp_path: Path) -> None:
    source, copy = tmp_path / "runs.db", tmp_path / "copy.db"
    fill(source, 20, rows=3_000)
    program = (
        "import sys; from pathlib import Path; from xray.store.opening import back_up;"
        " print('go', flush=True);"
        " back_up(f'sqlite:///{sys.argv[1]}', Path(sys.argv[2]), lambda _: None)"
    )
    command = [sys.executable, "-c", program, str(source), str(copy)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        part = copy.with_name("copy.db.part")
        deadline = time.monotonic() + 30
        while process.poll() is None and not part.exists() and time.monotonic() < deadline:
            os.sched_yield()
        process.send_signal(signal.SIGKILL)
    back_up(f"sqlite:///{source}", tmp_path / "second.db", lambda _: None)
    for whole in filter(Path.exists, (copy, tmp_path / "second.db")):
        with closing(sqlite3.connect(whole)) as database:
            assert database.execute("pragma integrity_check").fetchone() == ("ok",)
            assert database.execute("select count(*) from runs").fetchone() == (20,)


def test_a_database_that_is_damaged_gives_no_copy(tmp_path: Path) -> None:
    source = tmp_path / "runs.db"
    fill(source, 30, rows=500)
    with closing(sqlite3.connect(source)) as database:
        database.execute("pragma wal_checkpoint(truncate)")
    data = bytearray(source.read_bytes())
    middle = len(data) // 2 // 8192 * 8192
    data[middle : middle + 8192] = os.urandom(8192)
    source.write_bytes(data)
    with pytest.raises(StoreError):
        back_up(f"sqlite:///{source}", tmp_path / "copy.db", lambda _: None)
    assert not (tmp_path / "copy.db").exists()
    assert not (tmp_path / "copy.db.part").exists()
