"""Forgetting on the whole road: a pipeline, a served file, the command, and what comes too late."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import xray
from tests.contract.http.api import Api
from tests.contract.http.test_http_forgetting import create_run
from xray.cli.main import main
from xray.client import Client
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings

NAME = "customer-4711-Qanary"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XRAY_URL", "XRAY_API_KEY", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path / "runs.db"


@pytest.fixture
def store(file: Path) -> str:
    return f"sqlite:///{file}"


@pytest.fixture
def server(store: str) -> Iterator[BackgroundServer]:
    with BackgroundServer(ServerSettings(store=store, port=0)) as served:
        yield served


def in_files(file: Path) -> bool:
    log = Path(f"{file}-wal")
    return any(NAME.encode() in one.read_bytes() for one in (file, log) if one.exists())


def fill(url: str) -> list[str]:
    with closing(Api(url)) as api:
        return [
            create_run(api, "search", NAME, tags=[NAME], metadata={"user": NAME}),
            create_run(api, "search", "someone-else"),
        ]


def test_the_command_looks_first_and_forgets_when_told_on_a_served_file(
    server: BackgroundServer, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone, kept = fill(server.url)
    assert in_files(file)
    asked = ["forget", "--url", server.url, "--candidate", NAME]
    assert main([*asked, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "1 run would be forgotten." in out
    assert gone in out
    assert main(asked) == 2
    assert "Nobody can be asked" in capsys.readouterr().err
    assert in_files(file)
    assert main([*asked, "--yes"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "1 run with 1 step was forgotten." in out
    assert "of runs.db and runs.db-wal: found nowhere." in out
    assert "Not looked into: backups and exports made before" in out
    assert not in_files(file)
    assert main(["show", "--url", server.url, gone]) != 0
    assert main(["show", "--url", server.url, kept]) == 0


def test_the_command_forgets_in_a_file_and_leaves_one_alone_that_a_server_holds(
    store: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["forget", "--store", store, "--pipeline", "search", "--yes", "--json"]
    with BackgroundServer(ServerSettings(store=store, port=0)) as server:
        fill(server.url)
        assert main(asked) == 3
        assert "Another process has the database" in capsys.readouterr().err
    assert main(asked) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["runs"], report["steps"], report["search"]["traces"]) == (2, 2, [])
    assert not in_files(file)
    assert main(asked) == 1
    assert json.loads(capsys.readouterr().out)["runs"] == 0


def test_what_a_pipeline_sends_later_of_a_forgotten_run_does_not_come_back(
    server: BackgroundServer, file: Path, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    client = xray.XRay("search", url=server.url, spool_dir=spool)
    with client.run(metadata={"user": NAME}) as run:
        with run.step("filter", step_type="filter") as step:
            step.reject(NAME, "too far")
        assert xray.flush(20)
        with Client(server.url) as asking:
            report = asking.forget(run_ids=[run.run_id])
            assert report.runs == 1
        with run.step("rank", step_type="rank") as step:
            step.accept(NAME, 0.5)
    assert xray.flush(20)
    lost = xray.stats().lost
    assert lost["rejected:forgotten"].records == 2
    with Client(server.url) as asking:
        assert asking.forget(candidate_ids=[NAME], dry_run=True).runs == 0
    assert not in_files(file)
    kept = [one for one in spool.rglob("*") if one.is_file()]
    assert not [one for one in kept if NAME.encode() in one.read_bytes()]


def test_a_command_without_a_name_forgets_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forget", "--yes"]) == 2
    assert "Nothing is named" in capsys.readouterr().err
