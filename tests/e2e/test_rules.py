"""`xray rules`: a shop whose rules aged, from the SDK to the command, a file and a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

import xray
from tests.unit.planted_rules import HEAVY, RATING, STOCK, make_items
from xray import XRay
from xray.cli.main import main
from xray.client import Client
from xray.errors import InvalidQueryError
from xray.local import LocalClient
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.settings import VARIABLES

pytestmark = pytest.mark.xdist_group("cli_e2e")

HEADLINE = "5 rules of 1 step in 50 runs: 3 deserve attention. Since version 2.0 too_dear fails "


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server with 25 runs of each of two versions, and its file."""
    file = tmp_path_factory.mktemp("rules") / "runs.db"
    random = Random(8)
    with BackgroundServer(ServerSettings(store=f"sqlite:///{file}", port=0)) as server:
        for version, limit in (("1.9", 100), ("2.0", 60)):
            x = XRay("shop", url=server.url, version=version)
            rules = [
                ("too_dear", "price", "<=", limit),
                RATING,
                HEAVY,
                STOCK,
                ("absurd", "price", "<", 10_000),
            ]
            for _ in range(25):
                with x.run() as run, run.step("filter_products", step_type="filter") as step:
                    step.filter(make_items(random, 40), rules)
        assert xray.flush(timeout_s=30).is_complete
        yield server.url, file


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES.values(), "XRAY_CONFIG", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def test_the_command_names_what_aged_first(
    place: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    url, _ = place
    assert main(["rules", "--url", url, "pipeline = 'shop'"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith(HEADLINE)
    lines = told.out.splitlines()
    marked = [line.removeprefix("  ! ") for line in lines if line.startswith("  ! ")]
    assert "; its limit went from 100 to 60 with version 2.0 at " in marked[0]
    assert " also fail out_of_stock, in 50 runs; at most 8.8 % of runs may have" in marked[1]
    assert marked[2].startswith("absurd never failed anybody in 2,000 candidates of 50 runs")
    assert len(marked) == 3
    rows = [line.split() for line in lines if line.startswith("filter_products")]
    assert [row[1] for row in rows[:3]] == ["too_dear", "too_heavy", "absurd"]
    assert told.err == ""


def test_a_file_answers_as_its_server_and_the_python_client_do(
    place: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    url, file = place
    answers = []
    for where in (["--url", url], ["--store", f"sqlite:///{file}"]):
        assert main(["rules", *where, "--since-version", "2.0", "--json"]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    for answer in answers:
        del answer["scan"]
    assert answers[0] == answers[1]
    assert answers[0]["request"] == "/v1/rules?since_version=2.0"
    with Client(url) as by_http, LocalClient(f"sqlite:///{file}") as by_file:
        for client in (by_http, by_file):
            report = client.rules("pipeline = 'shop'")
            assert report.answer.startswith(HEADLINE)
            assert [one.rule for one in report.rules[:3]] == ["too_dear", "too_heavy", "absurd"]
            drift = report.rules[0].drift
            assert drift is not None
            assert client.run(drift.before_examples[0]).version == "1.9"
            assert client.run(drift.after_examples[0]).version == "2.0"
            with pytest.raises(InvalidQueryError):
                client.rules("pipeline is")


def test_the_examples_lead_to_the_candidate(place: tuple[str, Path]) -> None:
    url, _ = place
    with Client(url) as client:
        rules = {one.rule: one for one in client.rules().rules}
        example = rules["too_dear"].examples[0]
        why = client.why(example.run_id, example.candidate_id)
        assert "too_dear" in why.answer


def test_nothing_in_the_window_is_said_so(
    place: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    url, _ = place
    assert main(["rules", "--url", url, "pipeline = 'none'"]) == 0
    assert capsys.readouterr().out.startswith("There is no such run.")
