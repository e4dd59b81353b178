"""`xray flaky`: a pipeline that ranks by chance, from the SDK to the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fault.file_programs import run_program
from xray.cli.main import main
from xray.client import Client
from xray.errors import InvalidQueryError
from xray.local import LocalClient
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.settings import VARIABLES

PIPELINE = """
for number in range(4):
    with x.run(input={"query": "stand"}) as run:
        with run.step("search", step_type="retrieve") as step:
            for row in range(6):
                step.accept(f"p{row}")
        with run.step("llm_rank", step_type="rank") as step:
            for row in range(6):
                if row < 2 or row == 2 + number % 2:
                    step.accept(f"p{row}")
                else:
                    step.reject(f"p{row}", "below_cut")
with x.run(input={"query": "desk"}):
    pass
"""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES.values(), "XRAY_CONFIG", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def test_the_step_that_decides_by_chance_is_named_by_command_file_and_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "runs.db"
    assert run_program(path, PIPELINE) == ("", "", 0)
    assert main(["flaky", "pipeline = 'p'", "--store", f"sqlite:///{path}"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "the variance enters at llm_rank" in out
    assert 'p, 4 runs on {"query":"stand"}' in out
    assert "llm_rank rank 6 2 2 22.2 %" in out
    assert "p2: kept in 2, dropped in 2 by below_cut (xray diff " in out

    assert main(["flaky", "--json", "--runs", "3", "--store", f"sqlite:///{path}"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == 3

    with (
        BackgroundServer(ServerSettings(store=f"sqlite:///{path}", port=0)) as server,
        Client(server.url) as by_http,
        LocalClient(f"sqlite:///{path}") as by_file,
    ):
        report = by_http.flakiness("input.query = 'stand'")
        assert report == by_file.flakiness("input.query = 'stand'")
        assert report.inputs[0].source == "llm_rank"
        with pytest.raises(InvalidQueryError, match="no number from 2 to 100"):
            by_http.flakiness(runs=1)
        with pytest.raises(InvalidQueryError, match="inputt"):
            by_http.flakiness("inputt.query = 'stand'")
