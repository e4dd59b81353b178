"""One run over several real processes and a real server, read back as one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import xray
from xray.client import Client
from xray.destinations import forget_destinations
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings

PROGRAM = Path(__file__).with_name("attached_program.py")


@pytest.fixture(params=["memory:", "sqlite"])
def client(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    store = request.param if request.param == "memory:" else f"sqlite:///{tmp_path}/xray.db"
    settings = ServerSettings(store=store, port=0)
    with BackgroundServer(settings) as server, Client(server.url) as client:
        monkeypatch.setenv("XRAY_URL", server.url)
        forget_destinations()
        yield client
        xray.close()


def go_on_elsewhere(**told: object) -> str:
    done = subprocess.run(
        [sys.executable, str(PROGRAM)],
        input=json.dumps(told),
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def test_a_run_goes_through_another_process_and_back(client: Client) -> None:
    with xray.XRay("search").run(input="q", metadata={"user": "u"}) as run:
        with run.step("keywords", "generate") as step:
            step.accept("stand")
        with run.step("call", "group"):
            there = go_on_elsewhere(
                headers=run.headers(), name="there", candidates=["a", "bb", "long"]
            )
        with run.step("choose", "select") as step:
            step.select("bb")
            step.reject("a", "not_selected")
    assert there == run.run_id
    assert xray.flush(timeout_s=20).is_complete
    read = client.run(run.run_id)
    assert [step.name for step in read.steps] == [
        "keywords",
        "call",
        "retrieve there",
        "filter there",
        "choose",
    ]
    by_name = {step.name: step for step in read.steps}
    assert by_name["filter there"].parent_step_id == by_name["call"].step_id
    assert read.status == "completed"
    assert read.metadata == {"user": "u", "there": "was here"}
    assert client.why(run.run_id, "long").outcome == "rejected"
    assert client.why(run.run_id, "bb").outcome == "selected"


def test_a_key_joins_processes_that_were_told_nothing(client: Client) -> None:
    with xray.XRay("batch").run(key="2026-11-21") as run:
        with run.step("load", "retrieve") as step:
            for candidate in ("a", "bb", "long"):
                step.accept(candidate)
        ids = [
            go_on_elsewhere(pipeline="batch", key="2026-11-21", name=name, candidates=["a", "b"])
            for name in ("one", "two")
        ]
    assert xray.flush(timeout_s=20).is_complete
    assert set(ids) == {run.run_id}
    read = client.run(run.run_id)
    assert [step.name for step in read.steps] == [
        "load",
        "retrieve one",
        "filter one",
        "retrieve two",
        "filter two",
    ]
    assert read.metadata == {"one": "was here", "two": "was here"}
    assert read.key == "2026-11-21"
