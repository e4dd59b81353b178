"""Labels on the whole road: a pipeline records, people and programs label, everybody asks."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.fault.file_programs import run_program
from xray.cli.main import main
from xray.client import Client
from xray.errors import InvalidQueryError, NotFoundError, StoreError
from xray.local import LocalClient
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.settings import VARIABLES

PIPELINE = """
for number in range(3):
    with x.run(input={"query": "case"}, correlation=f"order-{number}") as run:
        with run.step("search", step_type="retrieve") as step:
            for row in range(4):
                step.accept(f"p{row}")
        with run.step("pick", step_type="select") as step:
            step.select(f"p{number}")
            for row in range(4):
                if row != number:
                    step.reject(f"p{row}", "not_selected")
xray.flush(60)
"""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES.values(), "XRAY_CONFIG", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("recorded") / "runs.db"
    assert run_program(path, PIPELINE) == ("", "", 0)
    with closing(sqlite3.connect(path)) as database:
        database.execute("pragma wal_checkpoint(truncate)")
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, recorded: bytes) -> Path:
    path = tmp_path / "runs.db"
    path.write_bytes(recorded)
    return path


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("is_served", [True, False])
def test_the_command_labels_lists_finds_and_forgets(
    path: Path, capsys: pytest.CaptureFixture[str], is_served: bool
) -> None:
    store = f"sqlite:///{path}"
    with BackgroundServer(
        ServerSettings(store=store if is_served else "memory:", port=0)
    ) as server:
        place = ["--url", server.url] if is_served else ["--store", store]
        assert main(["label", "last", "bad", "--note", "a stand", "--by", "ana", *place]) == 0
        assert "is labelled bad." in said(capsys)
        assert main(["label", "last", "good", "--candidate", "p0", *place]) == 0
        assert main(["label", "--correlation", "order-0", "good", *place]) == 0
        capsys.readouterr()

        assert main(["labels", *place]) == 0
        assert "bad ana" in said(capsys)
        assert main(["runs", "label = 'bad'", "--json", *place]) == 0
        (found,) = json.loads(capsys.readouterr().out)["runs"]
        assert found["correlation"] == {"id": "order-2"}
        assert main(["runs", "any(decision.label = 'good' and decision.reason = 'not_selected')",
                     "--json", *place]) == 0  # fmt: skip
        assert json.loads(capsys.readouterr().out)["runs"] == [found]
        assert main(["runs", *place]) == 0
        assert "STATUS LABEL WHEN" in said(capsys)
        assert main(["show", "last", *place]) == 0
        shown = said(capsys)
        assert "label bad, by ana: a stand" in shown
        assert "good ones p0" in shown
        assert main(["why", "last", "p0", *place]) == 0
        shown = said(capsys)
        assert "This candidate is labelled good" in shown
        assert "This run is labelled bad, by ana: a stand" in shown

        assert main(["label", "--remove", "last", *place]) == 0
        assert main(["runs", "label = 'bad'", "--json", *place]) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["runs"] == []
        assert main(["labels", "about=candidate", "--all", "--json", *place]) == 0
        assert len(json.loads(capsys.readouterr().out)["labels"]) == 1


def test_client_and_file_say_the_same_of_labels(path: Path) -> None:
    store = f"sqlite:///{path}"
    with LocalClient(store) as by_file:
        first = by_file.label("last", "bad", candidate="p1", note="half", by="a program")
        again = by_file.label("last", "good", candidate="p1")
        assert [label.label for label in again.labels] == ["good"]
        assert again.labels[0].labelled_at > first.labels[0].labelled_at
        by_file.label_correlated("order-1", "bad")
        with pytest.raises(NotFoundError, match="No run that has arrived is known as 'order-9'"):
            by_file.label_correlated("order-9", "bad")
        listed = by_file.labels(q="pipeline = 'p'")
    with (
        BackgroundServer(ServerSettings(store=store, port=0)) as server,
        Client(server.url) as by_http,
    ):
        assert by_http.labels(q="pipeline = 'p'") == listed
        assert list(by_http.iter_labels(limit=1)) == listed.items
        assert by_http.run("last").labels[0].candidate_id == "p1"
        by_http.unlabel("last", candidate="p1")
        by_http.unlabel_correlated("order-1")
        assert by_http.labels().items == []


def test_a_file_that_a_server_has_is_labelled_through_the_server(path: Path) -> None:
    store = f"sqlite:///{path}"
    with (
        BackgroundServer(ServerSettings(store=store, port=0)),
        LocalClient(store) as by_file,
        pytest.raises(StoreError, match="another process writes the file") as refused,
    ):
        by_file.label("last", "bad")
    assert "--url" in refused.value.hint


@pytest.mark.parametrize(
    "words",
    [["last"], ["last", "superb"], ["--correlation", "x", "last", "bad"], ["--remove"],
     ["--remove", "last", "bad"], []],
)  # fmt: skip
def test_a_command_that_cannot_be_meant_says_so_in_a_sentence(
    path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["label", *words, "--store", f"sqlite:///{path}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("xray: ")
    assert len(error.splitlines()) == 1


def test_a_label_that_is_none_is_refused_by_the_client(path: Path) -> None:
    with LocalClient(f"sqlite:///{path}") as client:
        with pytest.raises(InvalidQueryError, match="names no run"):
            client.label("xyz", "bad")
        assert client.labels().items == []


def test_how_well_steps_keep_the_good_is_told_by_command_file_and_server(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = f"sqlite:///{path}"
    with LocalClient(store) as by_file:
        by_file.label("last", "good", candidate="p0")
        by_file.label("last", "bad", candidate="p2", note="a stand")
        rated = by_file.quality("pipeline = 'p'")
    assert main(["quality", "--store", store]) == 0
    out = said(capsys)
    assert "Most good ones are lost at pick: it drops 1 of the 1 that come there (p0)." in out
    assert "search retrieve 1 of 1 1 of 1 1.00 1.00 0.50 [0.25-0.75]" in out
    assert "pick keeps bad p2, labelled so for: a stand (xray why" in out
    with (
        BackgroundServer(ServerSettings(store=store, port=0)) as server,
        Client(server.url) as by_http,
    ):
        assert by_http.quality("pipeline = 'p'") == rated
        assert by_http.quality("pipeline = 'q'").steps == []
        with pytest.raises(InvalidQueryError, match="no number from 1 to"):
            by_http.quality(k=0)
