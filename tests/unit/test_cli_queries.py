"""Queries on the command line: how words become one, where a fault is shown, and `--all`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.cli_records import RUN_ID
from tests.unit.scripted_server import Answer, Asked, ScriptedServer
from tests.unit.test_cli_lists import listed, server, three_runs
from xray.cli.main import main
from xray.cli.pointing import point_at
from xray.model.records import Decision

__all__ = ["server"]

QUERY = "status = 'failed'"


def in_turn(*bodies: dict[str, Any]) -> Callable[[Asked], Answer]:
    """Answers with one body after the other."""
    left = iter(bodies)
    return lambda _: Answer(next(left))


def make_decision(candidate_id: str = "p-1", **fields: Any) -> Decision:
    told = {"decision": "rejected", "reason": "price", "score": 0.25, "rank": 3, **fields}
    return Decision(candidate_id=candidate_id, step_id=RUN_ID, run_id=RUN_ID, **told)


@pytest.mark.parametrize(
    ("words", "parameters"),
    [
        ([QUERY], [("q", QUERY)]),
        (["status='failed'"], [("q", "status='failed'")]),
        (["attempt==2"], [("q", "attempt==2")]),
        (["attempt=1 and attempt=2"], [("q", "attempt=1 and attempt=2")]),
        (["exists(error)"], [("q", "exists(error)")]),
        (["attempt=1"], [("attempt", "1")]),
        (["pipeline=p q"], [("pipeline", "p q")]),
        ([QUERY, "tag=a"], [("tag", "a"), ("q", QUERY)]),
        ([QUERY, "exists(error)"], [("q", f"({QUERY}) and (exists(error))")]),
        (["--pipeline", "p", QUERY], [("pipeline", "p"), ("q", QUERY)]),
    ],
)
def test_a_word_is_a_filter_or_a_query(
    server: ScriptedServer, words: list[str], parameters: list[tuple[str, str]]
) -> None:
    server.on("/v1/runs", listed("runs", []))
    assert main(["runs", *words]) == 0
    (asked,) = server.asked
    assert asked.parameters == [*parameters, ("limit", "20")]


def test_a_fault_is_pointed_at_below_the_query(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    body = {
        "type": "urn:xray:problem:invalid_query",
        "title": "Bad Request",
        "status": 400,
        "code": "invalid_query",
        "detail": "There is no field 'statsu' of runs.",
        "hint": "Did you mean status?",
        "at": [4, 10],
    }
    server.on("/v1/runs", Answer(json.dumps(body).encode(), status=400))
    assert main(["runs", "not statsu = 'failed'"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "xray: There is no field 'statsu' of runs. Did you mean status?\n"
        "  not statsu = 'failed'\n"
        "      ^^^^^^\n"
    )


@pytest.mark.parametrize(
    ("query", "at", "lines"),
    [
        ("a = b", (4, 5), ["  a = b", "      ^"]),
        ("a =", (2, 3), ["  a =", "    ^"]),
        ("", (0, 1), ["", "  ^"]),
        ("a = 1 and\nb = c\nor d = 2", (14, 15), ["  b = c", "      ^"]),
        ("名 = x", (4, 5), ["  名 = x", "       ^"]),
        ("a\x1b[2J = 1", (1, 2), ["  a\\x1b[2J = 1", "   ^^^^"]),
        ("x" * 80 + " y", (81, 82), ["  …" + "x" * 59 + " y", "  " + " " * 61 + "^"]),
    ],
)
def test_carets_stand_below_the_fault(query: str, at: tuple[int, int], lines: list[str]) -> None:
    assert [line.rstrip() for line in point_at(query, at)] == lines


def test_a_fault_longer_than_a_line_is_cut() -> None:
    shown, carets = point_at("q = " + "x" * 5_000, (4, 5_004))
    assert len(shown) <= 103
    assert len(carets) == len(shown)


def test_all_follows_the_cursors_and_prints_one_table(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = three_runs()
    scan = {"rows": 9, "back_to": "2026-01-01T00:00:00Z"}
    server.on(
        "/v1/runs",
        in_turn(
            listed("runs", runs[:1], next_cursor="one"),
            listed("runs", [], next_cursor="two", complete=False, scan=scan),
            listed("runs", runs[1:]),
        ),
    )
    assert main(["runs", "--all", QUERY]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 4
    assert err == ""
    first = [("q", QUERY), ("limit", "1000")]
    assert [asked.parameters for asked in server.asked] == [
        first,
        [*first, ("cursor", "one")],
        [*first, ("cursor", "two")],
    ]


def test_all_as_json_is_one_document(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = three_runs()
    pages = in_turn(listed("runs", runs[:2], next_cursor="one"), listed("runs", runs[2:]))
    server.on("/v1/runs", pages)
    assert main(["runs", "--all", "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert [run["run_id"] for run in whole.pop("runs")] == [run.run_id for run in runs]
    assert whole == {"next_cursor": None, "total": 3, "total_is_exact": True, "complete": True}


def test_a_stopped_search_says_how_far_it_came(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = {"rows": 250_000, "back_to": "2026-01-01T10:00:00Z"}
    server.on("/v1/steps", listed("steps", [], next_cursor="c", complete=False, scan=scan))
    assert main(["steps", "stats.x > 1"]) == 0
    assert capsys.readouterr().err == (
        "No steps found so far.\n"
        "The search stopped at its budget of 250,000 rows, at 2026-01-01 10:00:00; "
        "to go on, add --all or cursor=c\n"
    )


DECISIONS = """\
CANDIDATE  DECISION  REASON  SCORE  RANK  STEP           RUN
p-1        rejected  price    0.25     3  0193f0c2-7a51  0193f0c2-7a51
p\\x1b-2    selected  -           -     -  0193f0c2-7a51  0193f0c2-7a51
"""


def test_decisions_are_a_table(server: ScriptedServer, capsys: pytest.CaptureFixture[str]) -> None:
    decisions = [
        make_decision(),
        make_decision("p\x1b-2", decision="selected", reason=None, score=None, rank=None),
    ]
    server.on("/v1/decisions", listed("decisions", decisions))
    assert main(["decisions", "--candidate", "p-1", "score > 0.2"]) == 0
    assert capsys.readouterr() == (DECISIONS, "")
    (asked,) = server.asked
    assert asked.parameters == [("candidate_id", "p-1"), ("q", "score > 0.2"), ("limit", "20")]


def test_decisions_of_a_run_take_any_name_of_it(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("/v1/runs", listed("runs", three_runs()[:1]))
    server.on("/v1/decisions", listed("decisions", []))
    assert main(["decisions", "--run", "last"]) == 0
    assert capsys.readouterr() == ("", "No decisions match.\n")
    assert server.asked[-1].parameters == [("run_id", RUN_ID), ("limit", "20")]
