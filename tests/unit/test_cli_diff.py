"""`xray diff`: the sentence and the steps that differ, to the letter, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import pytest

from tests.unit.cli_records import OLDER_ID, RUN_ID, make_run
from tests.unit.scripted_server import Answer, Asked, ScriptedServer, open_scripted_server
from tests.unit.small_runs import accept, evidence_of, reject, row, select, several, step
from xray.cli.diff import draw_diff
from xray.cli.main import main
from xray.cli.terminal import Terminal
from xray.forensics.diff import compare_runs
from xray.model.facts import ACCEPTED

FOUND = step("search", "retrieve", accept(*several("p", 12)))
BEFORE = evidence_of(
    FOUND,
    step("filter", "filter", accept(*several("p", 11)), reject("p_12", reason="dear"),
         params={"limit": 100}),
    step("rank", "rank", [row(ACCEPTED, "p_1", rank=1, score=0.9), row(ACCEPTED, "p_2", rank=2)]),
    step("pick", "select", select("p_1")),
)  # fmt: skip
AFTER = evidence_of(
    FOUND,
    step("filter", "filter", accept(*several("p", 4)), reject(*several("p", 8, 5), reason="dear"),
         params={"limit": 80}),
    step("rank", "rank", [row(ACCEPTED, "p_2", rank=1), row(ACCEPTED, "p_1", rank=2, score=0.5)]),
    step("choose", "select", select("p_2")),
)  # fmt: skip
DRAWN = """\
They first differ at filter: 7 candidates that A kept were dropped (p_10, p_11,
p_5 and 4 more); params.limit 100 → 80. The answer changed from p_1 to p_2.
A search, run {a}
B search, run {b}

filter filter
  params.limit: 100 → 80
  rejected for dear: 1 → 8
  7 kept in A, dropped in B
    p_10: accepted → rejected (dear)
    p_11: accepted → rejected (dear)
    p_5: accepted → rejected (dear)
    p_6: accepted → rejected (dear)
    p_7: accepted → rejected (dear)
    and 2 more
  survivors in common (Jaccard) 0.364

rank rank
  2 ranked elsewhere
    p_1: rank 1 → 2
    p_2: rank 2 → 1
  1 scored otherwise
    p_1: score 0.9 → 0.5
  order of the survivors (RBO) 0.900, agreement on order (Kendall tau) -1.000

choose select
  only B has this step

pick select
  only A has this step

The same: search"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    for name in ("XRAY_API_KEY", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    with open_scripted_server() as server:
        monkeypatch.setenv("XRAY_URL", server.url)
        server.on("/v1/runs", answer_runs)
        yield server


def answer_runs(asked: Asked) -> Answer:
    prefix = dict(asked.parameters).get("run_id_prefix", RUN_ID)
    runs = [make_run(one) for one in (RUN_ID, OLDER_ID) if one.startswith(prefix)]
    return Answer({"runs": runs, "next_cursor": None, "total": len(runs)})


def test_what_differs_is_drawn_step_by_step() -> None:
    diff = compare_runs(BEFORE, AFTER)
    lines = draw_diff(diff, Terminal(width=80))
    assert "\n".join(lines) == DRAWN.format(a=diff.a.run_id, b=diff.b.run_id)


def test_runs_that_do_not_differ_take_three_lines() -> None:
    lines = draw_diff(compare_runs(BEFORE, BEFORE), Terminal(width=80))
    assert lines[0] == "Nothing differs."
    assert len(lines) == 3


def test_the_command_asks_about_both_runs_and_ends_with_1_where_they_differ(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    diff = compare_runs(BEFORE, AFTER)
    server.on("/v1/diff", diff)
    assert main(["diff", OLDER_ID[:8], "last"]) == 1
    assert server.asked[-1].parameters == [("a", OLDER_ID), ("b", RUN_ID)]
    assert capsys.readouterr().out.startswith("They first differ at filter")
    assert main(["diff", OLDER_ID, RUN_ID, "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == json.loads(msgspec.json.encode(diff))


def test_the_command_ends_with_0_where_nothing_differs(server: ScriptedServer) -> None:
    server.on("/v1/diff", compare_runs(BEFORE, BEFORE))
    assert main(["diff", RUN_ID, RUN_ID]) == 0
