"""Runs from one store into another by the commands: all of them, once, and compared."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.contract.golden.cut import batch_facts, record_facts
from tests.postgres_server import create_database, drop_database, locate
from tests.unit.test_store_sqlite_removal import record_run
from xray.cli.main import main
from xray.model.facts import Fact, RunFinished, RunPatched, RunStarted
from xray.model.labels import Labelled, LabelsAsked
from xray.model.values import pack_value
from xray.store.opening import open_store
from xray.store.protocol import Store
from xray.store.sqlite.engine import SqliteStore

LATER_US = 1_990_000_000_000_000


@pytest.fixture(scope="module")
def recorded() -> list[Fact]:
    return record_facts(seed=5)


@pytest.fixture
def source(recorded: list[Fact], tmp_path: Path) -> str:
    with closing(SqliteStore(tmp_path / "source.db")) as store:
        for number, batch in enumerate(batch_facts(recorded)):
            store.submit(str(number), batch).result()
        awaited = Labelled(
            label_id="0190c000-0000-7000-8000-000000000001",
            run_id="0190a000-0000-7000-8000-000000000001",
            labelled_at_us=LATER_US,
            label="good",
        )
        store.submit("waiting", [awaited]).result()
    return f"sqlite:///{tmp_path}/source.db"


@pytest.fixture
def postgres() -> Iterator[str]:
    name = create_database()
    yield locate(name)
    drop_database(name)


def fill(path: Path, runs: int, rows: int = 20) -> str:
    facts = [record_run(number, rows) for number in range(runs)]
    with closing(SqliteStore(path)) as store:
        for at in range(0, runs, 50):
            batch = [fact for some in facts[at : at + 50] for fact in some]
            store.submit(str(at), batch).result()
    return f"sqlite:///{path}"


def answers(url: str) -> dict[str, object]:
    with closing(open_store(url)) as store:
        return answers_of(store)


def answers_of(store: Store) -> dict[str, object]:
    told: dict[str, object] = {"labels": store.labels(LabelsAsked(limit=1_000))}
    told["tallies"] = store.tallies()
    for run_id in store.run_ids("", 1_000):
        told[run_id] = repr(store.run(run_id))
        for step in store.steps_of_run(run_id):
            told[step.step_id] = repr(step)
            told[f"rows {step.step_id}"] = repr(list(store.decisions_of_step(step.step_id)))
            roster = store.roster_of_step(step.step_id)
            names = (f"p{number}" for number in range(0, 4_000, 61))
            told[f"roster {step.step_id}"] = roster and repr([*map(roster.find, names)])
    for pipeline in ("shop", "café", "bulk"):
        told[f"usual of {pipeline}"] = store.baselines(pipeline)
    return told


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main([*words, "--json"]) == 0
    answer: dict[str, object] = json.loads(capsys.readouterr().out)
    return answer


def test_all_that_a_file_holds_goes_to_postgresql_and_back_unchanged(
    source: str, postgres: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    back = f"sqlite:///{tmp_path}/back.db"
    there = ask(capsys, "export", "--store", source, "--to", postgres)
    compared = there["compared"]
    assert isinstance(compared, dict)
    assert all(compared[kind] for kind in compared)
    assert ask(capsys, "import", "--store", back, postgres)["compared"] == compared
    assert answers(back) == answers(source)
    with closing(open_store(source)) as one, closing(open_store(back)) as other:
        assert list(one.awaited_runs()) == list(other.awaited_runs())


def test_what_is_there_is_not_copied_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = fill(tmp_path / "a.db", 230), f"sqlite:///{tmp_path}/b.db"
    first = ask(capsys, "export", "--store", source, "--to", target)
    before = answers(target)
    second = ask(capsys, "export", "--store", source, "--to", target)
    assert (first["already"], second["already"]) == (0, 230)
    assert second["compared"] == first["compared"]
    assert answers(target) == before
    assert main(["export", "--store", source, "--to", target]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "230 runs" in said
    assert "had been there before" in said
    assert "read again on both sides and is the same" in said


def test_a_query_says_which_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = fill(tmp_path / "a.db", 12), f"sqlite:///{tmp_path}/b.db"
    with closing(open_store(source)) as store:
        wanted = store.run_ids("", 3)
    query = " or ".join(f"run_id = '{run_id}'" for run_id in wanted)
    answer = ask(capsys, "export", "--store", source, "--to", target, query)
    assert isinstance(answer["compared"], dict)
    assert answer["compared"]["runs"] == 3
    with closing(open_store(target)) as store:
        assert store.run_ids("", 10) == wanted


def test_a_record_that_differs_is_named_and_the_exit_code_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = fill(tmp_path / "a.db", 3), f"sqlite:///{tmp_path}/b.db"
    assert main(["export", "--store", source, "--to", target]) == 0
    with closing(open_store(target)) as store:
        run_id = store.run_ids("", 1)[0]
        late = [RunFinished(run_id=run_id, status="failed")]
        store.delete_runs([run_id]).result()
        store.submit("late", late).result()
    capsys.readouterr()
    assert main(["export", "--store", source, "--to", target]) == 1
    said = capsys.readouterr().out
    assert "differ" in said
    assert run_id in said
    assert "the end" in said


def test_a_source_that_is_being_written_is_copied_as_it_is_by_then(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = fill(tmp_path / "a.db", 20), f"sqlite:///{tmp_path}/b.db"
    run_id = "0190a000-0000-7000-8000-000000000001"
    begun = [
        RunStarted(run_id=run_id, pipeline="p", started_at_us=LATER_US),
        RunPatched(run_id=run_id, metadata=pack_value({"a": 1, "b": 2}), tags=["early"]),
    ]
    ended = [
        RunFinished(run_id=run_id, status="failed", duration_ms=5.0),
        RunPatched(run_id=run_id, metadata=pack_value({"c": 3, "a": 4}), tags=["late"]),
    ]
    words = [
        Labelled(
            label_id=f"0190c000-0000-7000-8000-00000000000{number}", run_id=run_id,
            candidate_id="x", labelled_at_us=LATER_US + number, label=word,
        )
        for number, word in enumerate(("good", None), 1)
    ]  # fmt: skip
    with closing(SqliteStore(tmp_path / "a.db")) as store:
        store.submit("begun", [*begun, words[0]]).result()
        assert main(["export", "--store", source, "--to", target]) == 0
        store.submit("ended", [*ended, words[1]]).result()
        store.submit("more", record_run(777)).result()
        assert main(["export", "--store", source, "--to", target]) == 0
        with closing(open_store(target)) as copy:
            assert copy.run(run_id) == store.run(run_id)
            assert copy.run_ids("", 100) == store.run_ids("", 100)
            assert answers_of(copy) == answers_of(store)


def test_a_copy_that_was_killed_goes_on_and_ends_as_if_it_had_not_been(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = fill(tmp_path / "a.db", 450, rows=60), f"sqlite:///{tmp_path}/b.db"
    command = [sys.executable, "-m", "xray.cli.main", "export", "--store", source, "--to", target]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while process.poll() is None and count_runs(tmp_path / "b.db") < 100:
            os.sched_yield()
        process.send_signal(signal.SIGKILL)
    there = count_runs(tmp_path / "b.db")
    assert there >= 100
    answer = ask(capsys, "export", "--store", source, "--to", target)
    assert isinstance(answer["compared"], dict)
    assert answer["compared"]["runs"] == 450
    assert isinstance(answer["already"], int)
    assert there - 100 <= answer["already"] <= there
    assert answers(target) == answers(source)


def count_runs(path: Path) -> int:
    import sqlite3

    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return int(database.execute("select count(*) from runs").fetchone()[0])
    except sqlite3.Error:
        return 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export", "--to", "x"], "No store is named"),
        (["export", "--store", "runs.db", "--to", "x"], "names no store"),
        (["export", "--store", "sqlite:///{0}/a.db", "--to", "http://x"], "neither a store"),
        (["export", "--store", "sqlite:///{0}/a.db", "--to", "sqlite:///{0}/a.db"], "twice"),
        (["export", "--store", "sqlite:///{0}/a.db", "--to", "sqlite:///{0}/b.db", "x ="], "x"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(
    words: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("XRAY_STORE", raising=False)
    fill(tmp_path / "a.db", 1)
    assert main([word.format(tmp_path) for word in words]) == 2
    assert said in capsys.readouterr().err


def test_a_store_that_is_not_there_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_STORE", f"sqlite:///{tmp_path}/none.db")
    assert main(["export", "--to", f"sqlite:///{tmp_path}/b.db"]) == 3
    assert "no database" in capsys.readouterr().err


def test_what_no_run_tells_any_more_is_named_as_left_behind(
    recorded: list[Fact], source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = ask(capsys, "export", "--store", source, "--to", f"sqlite:///{tmp_path}/whole.db")
    assert whole["left_behind"] == []
    with closing(open_store(source)) as store:
        store.delete_runs(store.run_ids("", 1_000)[::2]).result()
    assert main(["export", "--store", source, "--to", f"sqlite:///{tmp_path}/half.db"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "runs were deleted since; that stays behind" in said


def test_stores_that_share_runs_are_copied_into_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, target = (f"sqlite:///{tmp_path}/{name}.db" for name in "abc")
    fill(tmp_path / "a.db", 8)
    ask(capsys, "import", "--store", second, first)
    with closing(SqliteStore(tmp_path / "b.db")) as store:
        store.submit("more", record_run(99)).result()
    for source in (first, second, first):
        answer = ask(capsys, "export", "--store", source, "--to", target)
        assert (answer["differing"], answer["left_behind"]) == (0, [])
    assert answers(target) == answers(second)


def test_a_database_that_nobody_prepared_takes_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, name = fill(tmp_path / "a.db", 3), create_database(is_prepared=False)
    try:
        ask(capsys, "export", "--store", source, "--to", locate(name))
        assert answers(locate(name)) == answers(source)
    finally:
        drop_database(name)
