"""Retention on the whole road: a server that follows its rules, and the command."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.contract.http.api import Api
from tests.contract.http.test_http_retention import create_runs
from xray.cli.main import main
from xray.client import Client
from xray.server import housekeeping
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings

RULES = "keep forever where status = 'failed'; keep 14d"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("XRAY_URL", "XRAY_API_KEY", "XRAY_RETENTION", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    return f"sqlite:///{tmp_path}/runs.db"


def fill(store: str) -> dict[str, str]:
    settings = ServerSettings(store=store, port=0)
    with BackgroundServer(settings) as server, closing(Api(server.url)) as api:
        return create_runs(api, "search")


def test_a_server_lets_go_by_itself_what_its_rules_do_not_keep(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = fill(store)
    monkeypatch.setattr(housekeeping, "START_S", 0.0)
    settings = ServerSettings(store=store, port=0, retention=RULES, retention_interval_s=0.05)
    with BackgroundServer(settings) as server, closing(Api(server.url)) as api:
        assert api.get("/v1/retention").json["rules"][1]["rule"] == "keep 14d"
        deadline = time.monotonic() + 30
        while api.get(f"/v1/runs/{ids['old']}").status != 404:
            assert time.monotonic() < deadline
        late = api.create_run(pipeline="search", status="completed", started_at="2020-01-01")
        while api.get(f"/v1/runs/{late}").status != 404:
            assert time.monotonic() < deadline
        left = {run["run_id"] for run in api.get("/v1/runs").json["runs"]}
        assert left == {ids["failed"], ids["new"]}


@pytest.mark.parametrize("is_served", [True, False])
def test_the_command_looks_first_and_deletes_when_told(
    store: str, capsys: pytest.CaptureFixture[str], is_served: bool
) -> None:
    ids = fill(store)
    served = ServerSettings(store=store if is_served else "memory:", port=0)
    with BackgroundServer(served) as server:
        where = ["--url", server.url] if is_served else ["--store", store]
        asked = ["retention", *where, "--rules", RULES]
        assert main([*asked, "--dry-run"]) == 0
        out = capsys.readouterr().out
        assert "3 runs are stored" in out
        assert "keep forever where status = 'failed'" in out
        assert main(asked) == 2
        assert "Nobody can be asked" in capsys.readouterr().err
        assert main([*asked, "--yes", "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert (report["removed"], report["runs"], report["expired"]) == (1, 2, 0)
        assert main(["show", *where, ids["old"]]) != 0
        assert main(["show", *where, ids["failed"]]) == 0


def test_of_a_file_the_rules_of_the_environment_hold(
    store: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)
    assert main(["retention", "--store", store]) == 0
    assert "no rule of retention is set" in capsys.readouterr().out
    monkeypatch.setenv("XRAY_RETENTION", "keep 1d")
    assert main(["retention", "--store", store, "--yes"]) == 0
    assert "2 runs were deleted" in capsys.readouterr().out


def test_a_client_asks_and_lets_go(store: str) -> None:
    fill(store)
    settings = ServerSettings(store=store, port=0, retention=RULES)
    with BackgroundServer(settings) as server, Client(server.url) as client:
        assert client.retention().expired == 1
        assert client.retention("keep 1d").expired == 2
        assert client.let_expire().removed == 1
        assert client.retention("keep 1d").expired == 1


def test_a_server_does_not_start_with_rules_it_cannot_follow(
    store: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_RETENTION", "14 days")
    assert main(["serve", "--store", store, "--port", "0"]) != 0
    said = capsys.readouterr().err
    assert "XRAY_RETENTION" in said
    assert "keep 90d where status = 'failed'; keep 14d" in said
