"""`xray alike`: the sentence and the candidates, to the letter, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import pytest

from tests.unit.cli_records import RUN_ID, make_run
from tests.unit.scripted_server import ScriptedServer, open_scripted_server
from tests.unit.small_runs import evidence_of, row, step
from xray.cli.alike import draw_neighbours
from xray.cli.main import main
from xray.cli.terminal import Terminal
from xray.forensics.neighbours import find_neighbours
from xray.model.facts import ACCEPTED, REJECTED, Check
from xray.model.neighbours import Neighbours

EVIDENCE = evidence_of(
    step(
        "filter_candidates",
        "filter",
        [
            row(ACCEPTED, "case_1", attributes={"price": 95, "category": "cases"}),
            row(
                REJECTED,
                "case_2",
                reason="price_too_high",
                attributes={"price": 150, "category": "cases"},
                checks=[Check("price_too_high", "price", "<=", 150, 100, passed=False)],
            ),
        ],
    )
)
DRAWN = """\
Of those decided otherwise the one most like case_2: filter_candidates kept
case_1: price 95, not 150; alike in category.
search, run {run_id}

  ✓ case_1 50 % alike
      filter_candidates kept case_1: price 95, not 150; alike in category.
      price 150 <= 100 failed by 50 (price_too_high)"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    for name in ("XRAY_API_KEY", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    with open_scripted_server() as server:
        monkeypatch.setenv("XRAY_URL", server.url)
        server.on("/v1/runs", {"runs": [make_run()], "next_cursor": None, "total": 1})
        yield server


def answer(server: ScriptedServer, candidate: str) -> Neighbours:
    found = find_neighbours(EVIDENCE, candidate)
    server.on(f"/v1/runs/{RUN_ID}/alike", found)
    return found


def test_what_differs_is_drawn_candidate_by_candidate() -> None:
    found = find_neighbours(EVIDENCE, "case_2")
    lines = draw_neighbours(found, Terminal(width=80))
    assert "\n".join(lines) == DRAWN.format(run_id=found.run_id)


def test_the_command_prints_the_answer_and_ends_well(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(server, "case_1")
    assert main(["alike", "last", "case_1", "--limit", "3"]) == 0
    assert "✗ case_2" in capsys.readouterr().out
    assert server.asked[-1].parameters == [("candidate", "case_1"), ("limit", "3")]
    assert main(["alike", "last", "case_1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(msgspec.json.encode(found))


def test_a_candidate_that_nobody_recorded_ends_with_1(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(server, "case_9")
    assert main(["alike", "last", "case_9"]) == 1
    assert capsys.readouterr().out.startswith("No step of this run recorded case_9.")
