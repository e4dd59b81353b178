"""`xray findings`: where to look first, to the letter, and the body of the API with `--json`."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.unit.cli_records import RUN_ID, make_findings, make_run
from tests.unit.scripted_server import ScriptedServer, open_scripted_server
from xray.cli.findings import draw_list
from xray.cli.main import main
from xray.cli.terminal import Terminal
from xray.model.answers import FindingList

FOUND = FindingList(run_id=RUN_ID, findings=make_findings(), look_here_first=1)
DRAWN = """\
Look here first
  ! 12 candidates that FilterByPrice kept were never decided by RankAndSelect.
    p-3, p-9 and 10 more

Also
  ? What SearchCatalogue took in cannot be told. (unknown: it shares no id with GenerateKeywords)
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    for name in ("XRAY_API_KEY", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    with open_scripted_server() as server:
        monkeypatch.setenv("XRAY_URL", server.url)
        server.on("/v1/runs", {"runs": [make_run()], "next_cursor": None, "total": 1})
        server.on(f"/v1/runs/{RUN_ID}/findings", FOUND)
        yield server


def test_what_to_look_at_first_stands_apart_from_the_rest(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["findings", "last"]) == 0
    assert capsys.readouterr() == (DRAWN, "")


def test_json_is_the_body_of_the_api(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["findings", RUN_ID, "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["look_here_first"] == 1
    assert [one["code"] for one in body["findings"]] == ["vanished", "flow_unknown"]
    assert body["findings"][0]["surprise"] == 1.0


def test_a_run_that_is_not_there_is_answered_with_1(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("/v1/runs", {"runs": [], "next_cursor": None, "total": 0})
    assert main(["findings", "ffff"]) == 1
    assert "No run begins with 'ffff'" in capsys.readouterr().err


def test_what_nobody_has_to_look_at_first_is_told_all_the_same() -> None:
    usual = FindingList(run_id=RUN_ID, findings=make_findings()[1:])
    assert draw_list(usual, Terminal())[0] == "Noticed"
    assert draw_list(FindingList(run_id=RUN_ID, findings=[]), Terminal()) == [
        "Nothing stands out in this run."
    ]
