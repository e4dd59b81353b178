"""What docs/walkthrough.md shows is what a person sees who follows it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from xray.cli.demo import SCENARIOS
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "walkthrough.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(console|bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN_ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}[0-9a-f-]*")
CUT = re.compile(r'\{"[^\n]*…')
TIME = re.compile(r"just now|<1 ms|\d+(?:\.\d+)? (?:ms|s|min)\b(?: ago)?")

pytestmark = pytest.mark.xdist_group("examples")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    store = tmp_path_factory.mktemp("store") / "walkthrough.db"
    with BackgroundServer(ServerSettings(store=f"sqlite:///{store}", port=0)) as server:
        environment = {
            **os.environ,
            "COLUMNS": "100",
            "PYTHONIOENCODING": "utf-8",
            "XRAY_URL": server.url,
        }
        for scenario in SCENARIOS:
            call([f"examples/{scenario}.py"], environment)
        yield environment


def call(arguments: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def flatten(output: str) -> list[str]:
    """The words of *output* without what differs from one run to the next."""
    return TIME.sub("TIME", RUN_ID.sub("RUN", CUT.sub("CUT", output))).split()


def test_every_command_of_the_walkthrough_prints_what_is_shown(
    environment: dict[str, str],
) -> None:
    real_ids: dict[str, str] = {}
    compared = 0
    for kind, body in BLOCK.findall(TEXT):
        if kind == "bash" and body.startswith("python "):
            call(shlex.split(body)[1:], environment)
        if kind != "console" or body.startswith("$ xray demo"):
            continue
        command, _, shown = body.removeprefix("$ ").partition("\n")
        words = [real_ids.get(word, word) for word in shlex.split(command)]
        assert words[0] == "xray"
        printed = call(["-m", "xray.cli.main", *words[1:]], environment)
        assert flatten(printed) == flatten(shown), command
        real_ids |= dict(zip(RUN_ID.findall(shown), RUN_ID.findall(printed), strict=True))
        compared += 1
    assert compared > 6


def test_the_pipeline_of_the_walkthrough_can_be_asked_why(environment: dict[str, str]) -> None:
    for kind, body in BLOCK.findall(TEXT):
        if kind == "python":
            call(["-c", body], environment)
    asked = re.search(r"^xray why last shoe_2$", TEXT, re.MULTILINE)
    assert asked is not None
    # On a busy machine a program that ends may leave its last records in the spool.
    call(["-m", "xray.cli.main", "sync"], environment)
    answer = call(["-m", "xray.cli.main", *asked[0].split()[1:]], environment)
    assert "price" in answer
    assert "150" in answer
    assert "navy shoes" in answer


def test_the_demo_of_the_walkthrough_shows_the_sentence_a_demo_prints(
    environment: dict[str, str],
) -> None:
    shown = next(body for _, body in BLOCK.findall(TEXT) if body.startswith("$ xray demo"))
    answer = shown.partition("Why?\n\n")[2].partition("\n\nTry next:")[0]
    last = re.search(r"selected (laptop_stand_\d+)\. Why", shown)
    assert last is not None
    call(["examples/scenario_bad_match_demo.py"], environment)
    printed = call(["-m", "xray.cli.main", "why", "last", last[1]], environment)
    assert flatten(printed) == flatten(answer)
