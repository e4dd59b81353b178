"""`xray provenance`: the sentence and the steps, to the letter, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import pytest

from tests.unit.cli_records import RUN_ID, make_run
from tests.unit.scripted_server import ScriptedServer, open_scripted_server
from tests.unit.small_runs import accept, evidence_of, reject, select, several, step
from xray.cli.main import main
from xray.cli.provenance import draw_lineage
from xray.cli.terminal import Terminal
from xray.forensics.lineage import trace_lineage
from xray.model.facts import Tally
from xray.model.lineage import Lineage

EVIDENCE = evidence_of(
    step("generate_keywords", "generate", accept("laptop", "stand")),
    step("search_products", "retrieve", accept(*several("p", 37), origin="stand")),
    step(
        "filter_candidates",
        "filter",
        accept(*several("p", 9)),
        reject(*several("p", 27, 10), reason="price_too_high"),
        reject("p_37", reason="other\ncategory"),
    ),
    step("score", "rank", capture="minimal", tally=Tally(accepted=9)),
    step("select_best", "select", select("p_1")),
)
DRAWN = """\
keyword "stand": 37 retrieved, 9 kept by filter_candidates, an unknown number
kept by score, 1 selected, and it is the winner.
(unknown: score kept counts only (capture level minimal))
search, run {run_id}

What it brought to search_products
  search_products    37 kept
  filter_candidates  9 kept, 28 rejected (price_too_high 27, other category 1)
  score              unknown: score kept counts only (capture level minimal)
  select_best        1 selected"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    for name in ("XRAY_API_KEY", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    with open_scripted_server() as server:
        monkeypatch.setenv("XRAY_URL", server.url)
        server.on("/v1/runs", {"runs": [make_run()], "next_cursor": None, "total": 1})
        yield server


def answer(server: ScriptedServer, item: str) -> Lineage:
    lineage = trace_lineage(EVIDENCE, item)
    server.on(f"/v1/runs/{RUN_ID}/provenance", lineage)
    return lineage


def test_what_an_item_brought_is_drawn_step_by_step() -> None:
    lineage = trace_lineage(EVIDENCE, "stand")
    lines = draw_lineage(lineage, Terminal(width=80))
    assert "\n".join(lines) == DRAWN.format(run_id=lineage.run_id)


def test_what_an_item_came_from_is_drawn_as_why_draws_it() -> None:
    lines = draw_lineage(trace_lineage(EVIDENCE, "p_1"), Terminal(width=80))
    assert lines[0] == 'p_1 came from keyword "stand" and is the winner.'
    at = lines.index("Where it came from")
    assert lines[at + 1].startswith('  ← keyword "stand" (generate_keywords) brought 37 candidates')


def test_the_command_prints_the_answer_and_ends_well(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    lineage = answer(server, "stand")
    assert main(["provenance", "last", "stand"]) == 0
    assert capsys.readouterr().out.split("\n\n")[0].endswith(f"search, run {lineage.run_id}")
    assert main(["provenance", "last", "stand", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(msgspec.json.encode(lineage))


def test_an_item_that_nobody_recorded_ends_with_1_and_names_what_is_like_it(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(server, "stands")
    assert main(["provenance", "last", "stands"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("No step of this run recorded stands")
    assert out.endswith("Recorded ids like it\n  stand\n")
