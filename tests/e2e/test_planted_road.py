"""Planted defects travel the whole road: recorded, delivered, stored, asked by command."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import xray
from tests.unit.planted_defects import DEFECTS, Defect
from tests.unit.scenarios import record
from xray.cli.main import main
from xray.client import Client
from xray.local import LocalClient
from xray.model.answers import FindingList
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings

SOME = [defect for defect in DEFECTS if defect.code in (
    "unchecked", "kept_though_failed", "vanished", "order_flipped", "not_a_number", "silent_part",
    "not_offered", "answer_differs", "failed", "limits_exclude",
)]  # fmt: skip


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store = tmp_path_factory.mktemp("store") / "planted.db"
    with BackgroundServer(ServerSettings(store=f"sqlite:///{store}", port=0)) as server:
        yield server.url


def run_against(url: str, defect: Defect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_URL", url)
    with defect.plant():
        try:
            defect.pipeline()
        except TimeoutError:
            assert defect.code == "failed"
    assert xray.flush(timeout_s=60).is_complete


def gist(found: FindingList) -> list[tuple[str, str | None, str]]:
    return [(one.code, one.step_name, one.text) for one in found.first]


def test_a_server_says_of_each_what_was_said_in_memory(
    server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(SOME) > 12
    for defect in SOME:
        with defect.plant():
            expected = record(defect.pipeline).found
        run_against(server, defect, monkeypatch)
        with Client(server) as client:
            found = client.list_findings("last")
            assert client.look_here_first("last") == found.findings[: found.look_here_first]
        assert gist(found) == gist(expected), defect.says
        capsys.readouterr()
        assert main(["findings", "last", "--json"]) == 0
        body = json.loads(capsys.readouterr().out)
        assert body["findings"][0]["text"] == expected.findings[0].text
    assert main(["findings", "last"]) == 0
    assert capsys.readouterr().out.startswith("Look here first\n  ! ")


def test_a_file_says_the_same_without_a_server(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('file') / 'planted.db'}"
    for defect in SOME[:4]:
        run_against(url, defect, monkeypatch)
        with LocalClient(url) as client:
            named = [(one.code, one.step_name) for one in client.look_here_first("last")]
        assert (defect.code, defect.step) in named, defect.says
