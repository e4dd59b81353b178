"""A script records into a file and ends; every command asks the file as it would ask a server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault.file_programs import run_program, start_program
from xray.cli.main import main
from xray.client import Client
from xray.errors import StoreError
from xray.local import LocalClient
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.settings import VARIABLES

PIPELINE = """
def recommend(fail=False):
    with x.run(input={"query": "case"}, tags=["nightly"], metadata={"user": "ann"}) as run:
        with run.step("search", step_type="retrieve") as step:
            for number in range(40):
                step.accept(f"p{number}", score=number / 40, attributes={"price": number})
        with run.step("price", step_type="filter", takes="search") as step:
            for number in range(40):
                if step.check(f"p{number}", "too_dear", observed=number, op="<=", limit=9):
                    step.accept(f"p{number}")
                else:
                    step.reject(f"p{number}")
        with run.step("pick", step_type="select", takes="price") as step:
            step.select("p9", score=0.9)
            for number in range(8):
                step.reject(f"p{number}", "not_selected", score=number / 10)
        if fail:
            raise ValueError("no stock")
        run.set_output({"picked": "p9"})

recommend()
recommend()
try:
    recommend(fail=True)
except ValueError:
    pass
"""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES.values(), "XRAY_CONFIG", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "runs.db"
    assert run_program(path, PIPELINE) == ("", "", 0)
    return path


@pytest.fixture
def server(recorded: Path) -> Iterator[str]:
    settings = ServerSettings(store=f"sqlite:///{recorded}", port=0)
    with BackgroundServer(settings) as server:
        yield server.url


COMMANDS = [
    ["runs"],
    ["runs", "--status", "failed", "--json"],
    ["runs", "status = 'failed' and pipeline = 'p'"],
    ["runs", "--limit", "2", "--json"],
    ["runs", "--all", "--json"],
    ["runs", "nonsense=1"],
    ["runs", "status ="],
    ["steps", "rejection_rate_gt=0.5"],
    ["steps", "--type", "filter", "--json"],
    ["decisions", "candidate_id = 'p9'"],
    ["decisions", "reason = 'too_dear'", "--json"],
    ["aggregate", "steps", "step_type = 'filter'", "--mean", "rejection_rate", "--by", "pipeline"],
    ["aggregate", "decisions", "--p95", "score", "--by", "step.name,reason", "--json"],
    ["aggregate", "runs", "--by", "statsu"],
    ["show", "last"],
    ["show", "last", "--json"],
    ["show", "zzz"],
    ["show", "00000000-0000-7000-8000-000000000000"],
    ["show", "00000000"],
    ["what-if", "last", "--limit", "too_dear=20"],
    ["what-if", "last", "--limit", "nothing=20"],
    ["what-if", "--where", "tags has 'nightly'", "--limit", "too_dear=5"],
    ["what-if", "--pipeline", "p", "--limit", "too_dear=20", "--json"],
    ["what-if", "--where", "status =", "--limit", "too_dear=20"],
    ["why", "last", "p9"],
    ["why", "last", "p12", "--json"],
    ["why", "last", "p8"],
    ["why", "last", "nobody"],
    ["why", "00000000-0000-7000-8000-000000000000", "p9"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_file_and_a_server_on_it_answer_alike(
    command: list[str], recorded: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    by_file = main([*command, "--store", f"sqlite:///{recorded}"]), capsys.readouterr()
    by_server = main([*command, "--url", server]), capsys.readouterr()
    assert by_file[0] == by_server[0]
    assert without_moment(by_file[1].out) == without_moment(by_server[1].out)
    assert without_moment(by_file[1].err) == without_moment(by_server[1].err)


def without_moment(text: str) -> str:
    """*text* without what tells the moment of the question."""
    text = re.sub(r'"next_cursor":"[^"]+"', '"next_cursor":"…"', text)
    text = re.sub(r"cursor=\S+", "cursor=…", text)
    return re.sub(" +", " ", re.sub(r"just now|\d+ (?:s|min) ago", "lately", text))


def test_a_script_that_ended_is_shown_from_its_file(recorded: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "xray.cli.main", "show", "last", "--store", f"sqlite:///{recorded}"],
        capture_output=True, text=True, check=True, env={**os.environ, "XRAY_URL": "http://x.test"},
    )  # fmt: skip
    assert done.stderr == ""
    assert "ValueError: no stock" in done.stdout
    assert "too_dear 30" in done.stdout


def test_the_address_may_name_the_file_too(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(recorded.parent)
    answers = set()
    monkeypatch.setenv("XRAY_URL", "sqlite:///runs.db")
    for argv in (
        ["runs", "--json"],
        ["runs", "--json", "--url", "sqlite:///runs.db"],
        ["--store", "sqlite:///runs.db", "runs", "--json"],
    ):
        assert main(argv) == 0
        answers.add(capsys.readouterr().out)
    (answer,) = answers
    assert json.loads(answer)["total"] == 3


def test_pages_go_on_in_a_file(recorded: Path) -> None:
    with LocalClient(f"sqlite:///{recorded}") as client:
        whole = [step.step_id for step in client.iter_steps(limit=100)]
        assert [step.step_id for step in client.iter_steps(limit=2)] == whole
        assert len(whole) == 9


@pytest.mark.parametrize(
    ("store", "code", "said"),
    [
        ("sqlite:///{0}/nothing.db", 3, "There is no database"),
        ("sqlite:///{0}/notes.txt", 3, "is not an X-Ray database"),
        ("sqlite:///{0}/empty.db", 3, "holds no records yet"),
        ("runs.db", 2, "names no database file"),
        ("http://127.0.0.1:8000", 2, "names no database file"),
    ],
)
def test_a_file_that_cannot_be_asked_is_named_and_left_as_it_is(
    store: str, code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("just notes\n" * 100)
    (tmp_path / "empty.db").touch()
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert main(["runs", "--store", store.format(tmp_path)]) == code
    assert said in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_server_and_a_file_at_once_are_one_too_many(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--store", "sqlite:///a.db", "--url", "http://127.0.0.1:1"]) == 2
    assert "not both" in capsys.readouterr().err


def test_a_file_can_be_asked_while_a_process_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    program = """
import random
print("ready", flush=True)
end = time.monotonic() + 4
while time.monotonic() < end:
    # Never more than the queue holds, so that nothing is lost.
    xray.flush(20)
    with x.run(input={"text": "".join(random.choices("abcdefgh ", k=3000))}) as run:
        with run.step("filter", step_type="filter") as step:
            for row in range(300):
                step.reject(f"c{row}", "why", attributes={"text": str(random.random()) * 9})
print(xray.flush(20).is_complete)
"""
    process = start_program(path, program)
    seen = 0
    try:
        with wait_for_client(path) as client:
            deadline_s = time.monotonic() + 60
            while process.poll() is None:
                assert time.monotonic() < deadline_s
                page = client.runs(status="completed", limit=3)
                seen = max(seen, page.total or 0)
                for run in page.items:
                    shown = client.run(run.run_id)
                    (step,) = shown.steps
                    assert step.counts.rejected == 300
                    assert client.why(run.run_id, "c7").outcome == "rejected"
            out, err = process.communicate()
            assert (out, err) == ("ready\nTrue\n", "")
            # Its dictionaries came after the client had opened the file.
            for run in client.iter_runs(limit=200):
                assert len(client.run(run.run_id).steps) == 1
    finally:
        process.kill()
        process.communicate()
    assert seen > 3


def wait_for_client(path: Path) -> LocalClient:
    deadline_s = time.monotonic() + 30
    while True:
        try:
            return LocalClient(f"sqlite:///{path}")
        except StoreError:
            assert time.monotonic() < deadline_s
            threading.Event().wait(0.01)


def test_the_same_pipeline_stores_the_same_in_a_file_and_on_a_server(
    recorded: Path, tmp_path: Path
) -> None:
    stored = tmp_path / "served.db"
    with BackgroundServer(ServerSettings(store=f"sqlite:///{stored}", port=0)) as server:
        program = PIPELINE.join(['x = XRay("p", url=sys.argv[2])\n', ""])
        assert run_program(tmp_path / "unused.db", program, server.url) == ("", "", 0)
        with Client(server.url) as by_http, LocalClient(f"sqlite:///{recorded}") as by_file:
            assert read_everything(by_http) == read_everything(by_file)


def read_everything(client: Client) -> list[object]:
    """All that is stored, with ids and times replaced by the order they come in."""
    ids: dict[str, int] = {}
    found: list[object] = []
    for run in reversed(list(client.iter_runs())):
        detail = json.loads(client.get(f"/v1/runs/{run.run_id}"))
        found += [detail, json.loads(client.get(f"/v1/runs/{run.run_id}/findings"))]
        for step in detail["steps"]:
            asked = [("step_id", step["step_id"]), ("limit", "1000")]
            found.append(json.loads(client.get("/v1/decisions", asked)))
    return [simplify(one, ids) for one in found]


def simplify(value: object, ids: dict[str, int]) -> object:
    if isinstance(value, dict):
        return {
            name: simplify(item, ids)
            for name, item in value.items()
            if name not in ("started_at", "duration_ms", "next_cursor", "where")
        }
    if isinstance(value, list):
        return [simplify(item, ids) for item in value]
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value):
        return ids.setdefault(value, len(ids))
    return value
