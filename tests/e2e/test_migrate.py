"""`xray migrate` on databases that earlier versions wrote, beside servers, and on later ones."""

from __future__ import annotations

import json
import lzma
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.contract.golden.cut import FOLDER
from tests.postgres_server import create_database, drop_database, locate
from xray.cli.main import main
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.store.scripts import read_scripts

LATEST = len(read_scripts("xray.store.sqlite"))
LATEST_POSTGRES = len(read_scripts("xray.store.postgres"))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database file of the first schema that was released."""
    for name in ("XRAY_STORE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "400")
    path = tmp_path / "xray.db"
    path.write_bytes(lzma.decompress((FOLDER / "sqlite-8.db.xz").read_bytes()))
    return path


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """What the command said, on one line."""
    return " ".join(capsys.readouterr().out.split())


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("pragma user_version").fetchone()[0])


def test_what_is_due_is_told_and_then_run_and_then_nothing_is(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["migrate", "--store", f"sqlite:///{file}"]
    assert main([*asked, "--dry-run"]) == 0
    out = said(capsys)
    assert "The database has schema version 8" in out
    assert f"due to version {LATEST}." in out
    assert "forgotten" in out
    assert version_of(file) == 8
    assert main([*asked, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["version"], report["latest"], report["due"]) == (LATEST, LATEST, [])
    assert [one["version"] for one in report["done"]] == list(range(9, LATEST + 1))
    assert version_of(file) == LATEST
    monkeypatch.setenv("XRAY_STORE", f"sqlite:///{file}")
    assert main(["migrate"]) == 0
    assert "which is the latest; nothing is due." in said(capsys)
    assert main(["runs", "--store", f"sqlite:///{file}"]) == 0


def test_a_file_that_a_server_holds_is_left_alone(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = f"sqlite:///{file}"
    with BackgroundServer(ServerSettings(store=store, port=0)):
        # The server ran what was due by itself.
        assert main(["migrate", "--store", store]) == 0
        assert "nothing is due" in said(capsys)
        with closing(sqlite3.connect(file)) as database:
            database.execute("pragma user_version = 8")
        assert main(["migrate", "--store", store, "--dry-run"]) == 0
        capsys.readouterr()
        assert main(["migrate", "--store", store]) == 3
        assert "Another process has the database" in capsys.readouterr().err
        assert version_of(file) == 8


@pytest.mark.parametrize("is_dry", [True, False])
def test_a_newer_database_another_file_and_none_are_refused(
    file: Path, capsys: pytest.CaptureFixture[str], is_dry: bool
) -> None:
    asked = ["migrate", *(["--dry-run"] if is_dry else []), "--store"]
    with closing(sqlite3.connect(file)) as database:
        database.execute("pragma user_version = 99")
    assert main([*asked, f"sqlite:///{file}"]) == 3
    assert f"version 99; this X-Ray knows up to {LATEST}." in capsys.readouterr().err
    other = file.with_name("other.db")
    other.write_text("Something else altogether, and long enough to be looked at." * 20)
    assert main([*asked, f"sqlite:///{other}"]) == 3
    assert "is not an X-Ray database" in capsys.readouterr().err
    assert main([*asked, f"sqlite:///{file}.missing"]) == 3
    assert "There is no database" in capsys.readouterr().err
    assert not Path(f"{file}.missing").exists()
    assert main([*asked, "memory:"]) == 2


def test_postgresql_is_migrated_beside_servers_and_a_newer_one_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = create_database(is_prepared=False)
    try:
        asked = ["migrate", "--store", locate(name), "--json"]
        assert main([*asked, "--dry-run"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert (report["version"], len(report["due"])) == (0, LATEST_POSTGRES)
        assert main(asked) == 0
        report = json.loads(capsys.readouterr().out)
        assert len(report["done"]) == LATEST_POSTGRES
        with BackgroundServer(ServerSettings(store=locate(name), port=0)):
            assert main(asked) == 0
            assert json.loads(capsys.readouterr().out)["done"] == []
        with psycopg.connect(locate(name), autocommit=True) as connection:
            connection.execute("insert into xray_schema (version) values (99)")
        assert main(asked) == 3
        assert "has schema version 99" in capsys.readouterr().err
    finally:
        drop_database(name)
