"""`xray separate`: a keyword that brings nothing but rejected ones, from the SDK to the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fault.file_programs import run_program
from xray.cli.main import main
from xray.client import Client
from xray.errors import InvalidQueryError, NotFoundError
from xray.local import LocalClient
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.settings import VARIABLES

PIPELINE = """
for number in range(24):
    is_bad = number % 3 == 0
    told = {"arm": "new" if is_bad else "old", "verdict": "bad" if is_bad else "good"}
    with x.run(input={"query": "case"}, metadata=told) as run:
        with run.step("generate_keywords", step_type="generate") as step:
            step.accept("phone case")
            step.accept("stand")
        with run.step("search", step_type="retrieve") as step:
            for row in range(12):
                word = "stand" if row % 3 == 0 else "phone case"
                shade = {"shade": (row * 7 + number) % 5}
                step.accept(f"p{number}-{row}", origin=word, attributes=shade)
        with run.step("filter", step_type="filter") as step:
            for row in range(12):
                if row % 3 == 0:
                    step.reject(f"p{number}-{row}", "off_topic")
                else:
                    step.accept(f"p{number}-{row}")
xray.flush(60)
"""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES.values(), "XRAY_CONFIG", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["separate", *words]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_what_separates_candidates_and_runs_is_told_by_command_file_and_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "runs.db"
    assert run_program(path, PIPELINE) == ("", "", 0)
    store = f"sqlite:///{path}"

    out = ask(capsys, "--step", "filter", "--where", "pipeline = 'p'", "--store", store)
    told = 'origin has "stand" for all 96 rejected and none of 192 kept.'
    assert f"What separates the 96 rejected from the 192 kept: {told}" in out
    assert f"What separates them ! {told}" in out
    assert "a run with all its candidates is what chance draws (24 runs)" in out

    out = ask(capsys, "metadata.verdict = 'bad'", "metadata.verdict = 'good'", "--store", store)
    told = 'metadata.arm is "new" for all 8 runs of A and none of 16 runs of B.'
    assert f"What separates 8 runs of A from 16 runs of B: {told}" in out
    assert "A 8 runs: metadata.verdict = 'bad'" in out
    assert "metadata.verdict (it is what the queries ask for)" in out
    body = ask(capsys, "metadata.verdict = 'bad'", "--json", "--store", store)
    assert json.loads(body)["separators"][0]["split"]["value"] == "new"

    with (
        BackgroundServer(ServerSettings(store=store, port=0)) as server,
        Client(server.url) as by_http,
        LocalClient(store) as by_file,
    ):
        over_runs = by_http.separate(step="filter", where="pipeline = 'p'")
        assert over_runs == by_file.separate(step="filter", where="pipeline = 'p'")
        assert over_runs.call == "/v1/separate?where=pipeline+%3D+%27p%27&step=filter"
        assert over_runs.separators[0].split.value == "stand"
        of_one = by_http.separate("last", "filter", reasons=["off_topic"])
        assert (of_one.a.count, of_one.b.count, of_one.runs) == (4, 8, 1)
        assert by_http.separate("last", is_selected=True, step="filter").a.count == 0
        of_runs = by_http.separate_runs("metadata.verdict = 'bad'", runs=20)
        assert of_runs == by_file.separate_runs("metadata.verdict = 'bad'", runs=20)
        assert of_runs.separators[0].path == "metadata.arm"
        for run in by_http.runs(limit=24).items:
            by_http.label(run.run_id, run.metadata["verdict"])
        of_labels = by_http.separate_runs("label = 'bad'", "label = 'good'")
        assert {one.path for one in of_labels.separators} == {"metadata.arm"}
        with pytest.raises(NotFoundError, match="no step 'filtre'"):
            by_http.separate("last", "filtre")
        with pytest.raises(InvalidQueryError, match="metadta"):
            by_http.separate_runs("metadta.verdict = 'bad'")
        assert "the 4 rejected from the 8 kept" in by_http.separate("last")._repr_html_()


def test_a_question_that_is_not_one_is_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "runs.db"
    assert run_program(path, "record(1); xray.flush(60)") == ("", "", 0)
    store = f"sqlite:///{path}"
    assert main(["separate", "--store", store]) == 2
    assert "It is not said what is to be told apart" in capsys.readouterr().err
    assert main(["separate", "a", "b", "--step", "x", "--store", store]) == 2
    assert "Two queries tell runs apart" in capsys.readouterr().err
    assert main(["separate", "last", "--runs", "3", "--store", store]) == 2
    assert "runs= does not go together with run_id=" in capsys.readouterr().err
