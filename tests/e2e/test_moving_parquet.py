"""Runs into Parquet files and back by the commands, and the files read by other programs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pandas
import polars
import pyarrow.dataset
import pyarrow.parquet
import pytest

from tests.contract.golden.cut import batch_facts, record_facts
from tests.e2e.test_moving_stores import answers, ask, fill
from tests.unit.test_store_sqlite_removal import record_run
from xray.cli.main import main
from xray.query.plan import Plan
from xray.store.opening import open_store
from xray.store.sqlite.engine import SqliteStore
from xray.transfer.parquet import folder as parquet_folder


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "runs.db"
    with closing(SqliteStore(path)) as store:
        for number, batch in enumerate(batch_facts(record_facts(seed=6))):
            store.submit(str(number), batch).result()
    return path


@pytest.fixture(scope="module")
def exported(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "archive"
    assert main(["export", "--store", f"sqlite:///{recorded}", "--to", str(folder)]) == 0
    return folder


_STOPPED_PROGRAM = """
import signal, sys
from xray.cli.main import main
from xray.transfer.parquet import folder

settle = folder._Part.settle

def settle_and_wait(part):
    files = settle(part)
    if part.number == 2:
        print("its files have their names, and nobody was told yet", flush=True)
        sys.stdin.read()
    return files

# A shell that runs the tests behind its back would let it be deaf to Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
folder.PART_RUNS = 100
folder._Part.settle = settle_and_wait
sys.exit(main(sys.argv[1:]))
"""


def export_words(source: str, folder: Path) -> list[str]:
    return ["export", "--store", source, "--to", str(folder)]


def test_a_folder_brings_back_all_that_was_recorded(
    recorded: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = f"sqlite:///{tmp_path}/back.db"
    first = ask(capsys, "import", "--store", target, str(exported))
    second = ask(capsys, "import", "--store", target, str(exported))
    assert first["compared"] == second["compared"]
    assert isinstance(first["compared"], dict)
    assert (first["already"], second["already"]) == (0, first["compared"]["runs"])
    assert answers(target) == answers(f"sqlite:///{recorded}")


def test_pandas_reads_the_tables_as_what_they_are(recorded: Path, exported: Path) -> None:
    runs = pandas.read_parquet(exported / "runs")
    steps = pandas.read_parquet(exported / "steps")
    decisions = pandas.read_parquet(exported / "decisions")
    assert str(runs["started_at"].dtype) == "datetime64[us, UTC]"
    assert sorted(runs["status"].unique()) == ["completed", "failed"]
    assert json.loads(runs["input"].iloc[0])["query"].startswith("case ")
    with closing(open_store(f"sqlite:///{recorded}")) as store:
        known = {step.step_id: step for step in store.steps(Plan(scope="step", limit=1_000)).items}
    filters = steps[steps["step_type"] == "filter"]
    assert len(filters)
    for row in filters.itertuples():
        step = known[row.step_id]
        assert (row.rejected, row.accepted) == (step.counts.rejected, step.counts.accepted)
        assert row.rejection_rate == step.rejection_rate
        assert row.started_at == step.started_at
    rejected = decisions[decisions["reason"] == "price_too_high"]
    checks = json.loads(rejected["checks"].iloc[0])
    assert checks[0]["name"] == "price_too_high"
    assert checks[0]["observed"] > checks[0]["limit"] == 100
    assert json.loads(rejected["attributes"].iloc[0])["title"].startswith("Étui")


def test_polars_and_arrow_join_decisions_to_their_steps(exported: Path) -> None:
    decisions = polars.scan_parquet(exported / "decisions" / "*.parquet")
    steps = polars.scan_parquet(exported / "steps" / "*.parquet")
    joined = decisions.join(steps.select("step_id", "name", "capture"), on="step_id")
    counted = joined.filter((polars.col("name") == "filter") & (polars.col("kind") == "counted"))
    by_decision = counted.group_by("decision").len().collect()
    assert set(by_decision["decision"]) == {"accepted", "rejected"}
    table = pyarrow.dataset.dataset(exported / "rosters").to_table()
    assert table.num_rows
    assert table.schema.field("hash").type == pyarrow.uint64()
    assert set(table.column("decision").unique().to_pylist()) <= {
        "accepted",
        "rejected",
        "selected",
    }


def test_parts_are_bounded_and_each_holds_whole_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = fill(tmp_path / "a.db", 450, rows=10)
    with patch.object(parquet_folder, "PART_RUNS", 200):
        answer = ask(capsys, *export_words(source, tmp_path / "p"))
    assert isinstance(answer["compared"], dict)
    assert answer["compared"]["runs"] == 450
    parts = sorted((tmp_path / "p" / "runs").iterdir())
    assert [pyarrow.parquet.read_metadata(part).num_rows for part in parts] == [200, 200, 50, 0]
    for part in parts[:3]:
        runs = set(pandas.read_parquet(part)["run_id"])
        steps = pandas.read_parquet(tmp_path / "p" / "steps" / part.name)
        assert set(steps["run_id"]) == runs
    target = f"sqlite:///{tmp_path}/b.db"
    ask(capsys, "import", "--store", target, str(tmp_path / "p"))
    assert answers(target) == answers(source)


@pytest.mark.parametrize("signalled", [signal.SIGKILL, signal.SIGINT])
def test_an_export_that_was_stopped_goes_on_behind_its_last_whole_part(
    signalled: signal.Signals, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, folder = fill(tmp_path / "a.db", 300, rows=20), tmp_path / "p"
    command = [sys.executable, "-c", _STOPPED_PROGRAM, *export_words(source, folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert (folder / "labels" / "00002.parquet").exists()
        process.send_signal(signalled)
        _, complaint = process.communicate()
    if signalled is signal.SIGINT:
        assert process.returncode == 130
        assert b"The same command goes on from here." in complaint
        assert not list(folder.rglob(".*"))
    kept = (folder / "runs" / "00001.parquet").stat()
    assert main(["import", "--store", f"sqlite:///{tmp_path}/b.db", str(folder)]) == 3
    assert "stopped before its end" in capsys.readouterr().err
    answer = ask(capsys, *export_words(source, folder))
    assert isinstance(answer["compared"], dict)
    assert answer["compared"]["runs"] == 300
    assert answer["already"] == 100
    assert (folder / "runs" / "00001.parquet").stat() == kept
    assert not list(folder.rglob(".*"))
    target = f"sqlite:///{tmp_path}/b.db"
    ask(capsys, "import", "--store", target, str(folder))
    assert answers(target) == answers(source)


def test_an_import_that_was_killed_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, folder = fill(tmp_path / "a.db", 400, rows=60), tmp_path / "p"
    with patch.object(parquet_folder, "PART_RUNS", 100):
        assert main(export_words(source, folder)) == 0
    target = f"sqlite:///{tmp_path}/b.db"
    command = [sys.executable, "-m", "xray.cli.main", "import", "--store", target, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wal = tmp_path / "b.db-wal"
        while process.poll() is None and not (wal.exists() and wal.stat().st_size > 1 << 18):
            os.sched_yield()
        process.send_signal(signal.SIGKILL)
    capsys.readouterr()
    answer = ask(capsys, "import", "--store", target, str(folder))
    assert isinstance(answer["compared"], dict)
    assert answer["compared"]["runs"] == 400
    assert answers(target) == answers(source)


def test_a_folder_that_is_complete_is_not_written_again_and_belongs_to_one_question(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, folder = fill(tmp_path / "a.db", 5), tmp_path / "p"
    first = ask(capsys, *export_words(source, folder))
    with closing(SqliteStore(tmp_path / "a.db")) as store:
        store.submit("more", record_run(99)).result()
    again = ask(capsys, *export_words(source, folder))
    assert again["compared"] == first["compared"]
    assert again["already"] == 5
    assert main([*export_words(source, folder), "status = 'failed'"]) == 2
    assert "holds an export of" in capsys.readouterr().err
    other = fill(tmp_path / "other.db", 1)
    assert main(export_words(other, folder)) == 2


def test_a_folder_of_something_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, folder = fill(tmp_path / "a.db", 1), tmp_path / "mine"
    folder.mkdir()
    (folder / "diary.txt").write_text("mine")
    assert main(export_words(source, folder)) == 2
    assert "no folder that xray export wrote" in capsys.readouterr().err
    assert [entry.name for entry in folder.iterdir()] == ["diary.txt"]
    (folder / "manifest.json").write_text('{"name": "an app"}')
    assert main(["import", "--store", f"sqlite:///{tmp_path}/b.db", str(folder)]) == 2
    assert main(["import", "--store", f"sqlite:///{tmp_path}/b.db", str(tmp_path / "none")]) == 2
    assert "holds no export" in capsys.readouterr().err
    assert not (tmp_path / "b.db").exists()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("newer", "exported in version 2"),
        ("unreadable", "cannot be read"),
        ("missing", "is missing"),
        ("shorter", "is not the file that was exported"),
        ("flipped", "cannot be read"),
    ],
)
def test_a_folder_that_is_not_whole_is_said(
    damage: str, said: str, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "archive"
    shutil.copytree(exported, folder)
    manifest, file = folder / "manifest.json", folder / "decisions" / "00001.parquet"
    if damage == "newer":
        manifest.write_text(manifest.read_text().replace('"version": 1', '"version": 2'))
    elif damage == "unreadable":
        manifest.write_text(manifest.read_text()[:100])
    elif damage == "missing":
        file.unlink()
    elif damage == "shorter":
        file.write_bytes(file.read_bytes()[:-100])
    else:
        content = bytearray(file.read_bytes())
        content[len(content) // 3] ^= 1
        file.write_bytes(content)
    assert main(["import", "--store", f"sqlite:///{tmp_path}/b.db", str(folder)]) == 3
    assert said in " ".join(capsys.readouterr().err.split())


def test_without_pyarrow_it_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fill(tmp_path / "a.db", 1)
    for name in [name for name in sys.modules if name.startswith(("xray.transfer.parquet",))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(export_words(source, tmp_path / "p")) == 2
    assert "xray-forensics[server,parquet]" in capsys.readouterr().err
