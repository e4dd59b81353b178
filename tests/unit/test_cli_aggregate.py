"""`xray aggregate`: how it asks, its table, its bars, and what it says beside them."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from typing import Any

import msgspec
import pytest

from tests.unit.scripted_server import Answer, ScriptedServer
from tests.unit.test_cli_lists import server
from tests.unit.test_cli_queries import in_turn
from xray.cli.aggregate import add_arguments
from xray.cli.main import main
from xray.query.aggregate import Figure, Shape
from xray.query.aggregate_parameters import aggregate_from_parameters
from xray.query.figures import answer_groups
from xray.query.groups import Groups
from xray.query.plan import FieldRef

__all__ = ["server"]

NOW_US = 1_767_225_600_000_000
PATH = "/v1/aggregate"
RATE, COST = FieldRef("step", "rejection_rate"), FieldRef("step", "stats", ("cost",))


def make_answer(
    rows: list[tuple[Any, float, list[float | None]]], *, limit: int = 1000, **told: Any
) -> dict[str, Any]:
    """An answer about steps by their pipeline, with a mean and a median."""
    shape = Shape(
        scope="step",
        by=(FieldRef("run", "pipeline"),),
        figures=(Figure("mean", RATE), Figure("quantile", COST, "50")),
        limit=limit,
    )
    groups = Groups(shape)
    for name, weight, numbers in rows:
        groups.add((name,), None, weight, numbers)
    body: dict[str, Any] = json.loads(msgspec.json.encode(answer_groups(groups)))
    return {**body, **told}


ROWS: list[tuple[Any, float, list[float | None]]] = [
    ("search", 1.0, [0.9, 0.123456]),
    ("search", 1.0, [1.0, 0.2]),
    ("ads\x1b[2J", 1.0, [0.25, 12.5]),
    (None, 1.0, [None, None]),
]

TABLE = """\
run.pipeline  COUNT  mean(rejection_rate)  p50(stats.cost)  N(rejection_rate)  N(stats.cost)
search            2                95.0 %             0.12                  2              2
ads\\x1b[2J        1                25.0 %            12.50                  1              1
(no value)        1                     -                -                  0              0
"""


def test_a_table_has_a_line_a_group_and_aligned_numbers(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on(PATH, make_answer(ROWS))
    assert main(["aggregate", "steps", "--mean", "rejection_rate", "--by", "run.pipeline"]) == 0
    shown = capsys.readouterr()
    assert shown.out == TABLE
    assert shown.err == ""


def test_options_become_the_parameters_of_the_url(server: ScriptedServer) -> None:
    server.on(PATH, make_answer(ROWS))
    words = (
        "aggregate steps --mean rejection_rate --mean score --p95 duration_ms --quantile 99.9 score"
        " --by run.pipeline,name --bucket 1h --sort mean --order asc --limit 7 attempt=1"
    )
    assert main([*words.split(), "step_type = 'filter'"]) == 0
    (asked,) = server.asked
    assert asked.parameters == [
        ("of", "steps"),
        ("mean", "rejection_rate, score"),
        ("p95", "duration_ms"),
        ("p99.9", "score"),
        ("by", "run.pipeline,name"),
        ("bucket", "1h"),
        ("sort", "mean"),
        ("order", "asc"),
        ("attempt", "1"),
        ("q", "step_type = 'filter'"),
        ("limit", "7"),
    ]


@pytest.mark.parametrize(
    ("words", "limit"),
    [([], "20"), (["--bucket", "1h"], "200"), (["--limit", "3"], "3"), (["limit=4"], "4")],
)
def test_buckets_of_time_are_shown_in_greater_numbers(
    server: ScriptedServer, words: list[str], limit: str
) -> None:
    server.on(PATH, make_answer(ROWS))
    assert main(["aggregate", "steps", *words]) == 0
    (asked,) = server.asked
    assert [value for name, value in asked.parameters if name == "limit"] == [limit]


def test_the_examples_of_the_help_can_be_asked(server: ScriptedServer) -> None:
    server.on(PATH, make_answer(ROWS))
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert parser.epilog is not None
    examples = re.findall(r"^  xray (aggregate .*)$", parser.epilog, re.MULTILINE)
    assert len(examples) == 3
    for example in examples:
        assert main(shlex.split(example)) == 0
        aggregate_from_parameters(server.asked[-1].parameters, NOW_US)


def test_on_a_terminal_small_bars_show_the_first_figure(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    server.on(PATH, make_answer(ROWS))
    main(["aggregate", "steps"])
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["search"].endswith("█" * 12)
    assert lines["ads\\x1b[2J"].count("█") == 3


def test_groups_beyond_the_limit_are_one_line(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on(PATH, make_answer(ROWS, limit=1))
    main(["aggregate", "steps"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("(2 other groups)")
    assert "25.0 %" in last


def test_weights_show_the_rows_beside_the_count(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on(PATH, make_answer([("search", 100.0, [0.5, 1.0])]))
    main(["aggregate", "steps"])
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split()[:3] == ["run.pipeline", "COUNT", "ROWS"]
    assert line.split()[:3] == ["search", "100", "1"]


def test_a_search_that_stopped_says_so(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = {"rows": 50_000, "back_to": "2026-01-01T08:00:00Z"}
    told = {"complete": False, "next_cursor": "abc", "scan": scan}
    told["quantiles"] = {"method": "sketch", "relative_error": 0.01}
    server.on(PATH, make_answer(ROWS, **told))
    assert main(["aggregate", "steps"]) == 0
    assert capsys.readouterr().err == (
        "There are very many values: quantiles are exact to 1%.\n"
        "The search stopped at its budget of 50,000 rows, at 2026-01-01 08:00:00: these figures "
        "are of the steps since then; add --all to go on\n"
    )


def test_all_adds_up_every_part(server: ScriptedServer, capsys: pytest.CaptureFixture[str]) -> None:
    shape = Shape(scope="run", figures=(Figure("mean", FieldRef("run", "duration_ms")),))
    bodies = []
    for value, cursor in ((100.0, "next"), (200.0, None)):
        groups = Groups(shape)
        groups.add((), None, 1.0, [value])
        answer = answer_groups(groups, next_cursor=cursor, is_part=True)
        bodies.append(json.loads(msgspec.json.encode(answer)))
    server.on(PATH, in_turn(*bodies))
    assert main(["aggregate", "runs", "--mean", "duration_ms", "--all", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["complete"]
    assert body["groups"][0]["figures"] == {"mean(duration_ms)": 150.0}
    assert [dict(asked.parameters).get("cursor") for asked in server.asked] == [None, "next"]


def test_nothing_is_said_to_be_nothing(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on(PATH, make_answer([]))
    assert main(["aggregate", "steps", "--by", "run.pipeline"]) == 0
    assert capsys.readouterr() == ("", "No steps match.\n")


def test_a_fault_in_a_field_is_pointed_at(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = {
        "title": "Bad Request",
        "status": 400,
        "code": "invalid_query",
        "detail": "There is no field 'pipline' of runs.",
        "hint": "Did you mean pipeline?",
        "at": [4, 11],
        "parameter": "by",
    }
    server.on(PATH, Answer(refusal, 400))
    assert main(["aggregate", "steps", "exists(score)", "--by", "run.pipline"]) == 2
    assert capsys.readouterr().err == (
        "xray: There is no field 'pipline' of runs. Did you mean pipeline?\n"
        "  run.pipline\n"
        "      ^^^^^^^\n"
    )
