"""`xray what-if`: what it prints of one run and of many, to the letter, and how it goes on."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pytest
from msgspec.structs import replace

from tests.unit.cli_records import RUN_ID, make_run
from tests.unit.scripted_server import Answer, Asked, ScriptedServer
from tests.unit.small_runs import row, step
from tests.unit.test_cli_lists import server
from tests.unit.test_what_if import FOUND, PICKED, WHOLE, run_of
from tests.unit.test_what_if_of_runs import NOW_US, add_run, ask, filtered, picked
from xray import reading
from xray.cli.main import main
from xray.cli.terminal import Terminal
from xray.cli.what_if import draw_what_if
from xray.cli.what_if_runs import draw_runs
from xray.forensics.what_if import try_limits
from xray.model.clock import from_wall_us
from xray.model.facts import ACCEPTED, Check
from xray.model.what_if_runs import WhatIfOfRuns
from xray.store.memory import MemoryStore
from xray.store.scanning import ScanBudget

__all__ = ["server"]

PLAIN = Terminal(width=90)
ONE = """\
With price <= 120 instead of 100 filter_price would have kept 3 instead of 2 candidates.
What pick would make of the candidates kept besides, only a rerun can tell.
search, run {run_id}

filter_price filter
  1 kept besides
    p_3: 110
  kept at price <= 60: 1, 70: 1, 90: 2, 100: 2, 110: 3, 115: 3, 120: 3, 150: 4"""
MANY = """\
With price <= 80 instead of 100, 2 of 3 runs would have dropped 2 candidates besides, some
in each. In 1 run a candidate that was selected would have been dropped. 1 run could not
be judged: it recorded no such check.

filter_price filter of shop
    With price <= 80 instead of 100 filter_price would have kept 1 instead of 3
  candidates, in 2 runs.
  kept at price <= 60: 1, 80: 1, 90: 3, 100: 3, 110: 4

Most would change in
RUN  PIPELINE  WHEN    KEPT  BESIDES  DROPPED  LOST ANSWER
{a}  shop      1 h ago     1        0        1  p_0
{b}  shop      1 h ago     2        0        1"""


def test_one_run_is_drawn_with_who_flips_and_the_curve() -> None:
    evidence = run_of(FOUND, WHOLE, PICKED)
    drawn = draw_what_if(try_limits(evidence, {"price_too_high": 120}), PLAIN)
    assert "\n".join(drawn) == ONE.format(run_id=evidence.run.run_id)


def test_a_step_that_decides_the_same_takes_no_room() -> None:
    rows = [
        row(ACCEPTED, "p_1", checks=[Check("kind", "kind", "in", "lamp", ["lamp"], passed=True)])
    ]
    evidence = run_of(FOUND, step("filter_kind", "filter", rows))
    drawn = draw_what_if(try_limits(evidence, {"kind": ["lamp", "desk"]}), PLAIN)
    assert drawn == [
        'With kind in "lamp" and "desk" instead of "lamp" filter_kind would have kept the same 1',
        "candidate.",
        f"search, run {evidence.run.run_id}",
    ]


def some_runs(store: MemoryStore) -> tuple[str, str]:
    first = add_run(store, filtered(60, 90, 110))
    second = add_run(store, filtered(90), picked("p_0"))
    add_run(store, picked("p_0"))
    return first, second


def test_many_runs_are_drawn_with_each_step_and_where_most_would_change() -> None:
    store = MemoryStore()
    first, second = some_runs(store)
    now = from_wall_us(NOW_US) + timedelta(minutes=1)
    drawn = draw_runs(ask(store, "price=80"), PLAIN, now)
    head, table = drawn[: drawn.index("Most would change in")], drawn[-3:]
    expected = MANY.splitlines()
    assert head == expected[: expected.index("Most would change in")]
    assert [line.split() for line in table[1:]] == [
        [second[: len(table[1].split()[0])], "shop", "1", "h", "ago", "1", "0", "1", "p_0"],
        [first[: len(table[2].split()[0])], "shop", "1", "h", "ago", "2", "0", "1"],
    ]


def test_where_nothing_could_be_judged_the_checks_there_are_are_listed() -> None:
    store = MemoryStore()
    some_runs(store)
    drawn = draw_runs(ask(store, "prise=3"), PLAIN, from_wall_us(NOW_US))
    assert drawn == [
        "None of 3 runs could be judged by prise: 3 recorded no such check. Did you mean 'price'?",
        "The newest runs checked: price, price_too_high",
    ]


def bounded_answers(server: ScriptedServer, store: MemoryStore) -> None:
    def reply(asked: Asked) -> Answer:
        answer = reading.try_limits_on_runs(store, asked.parameters, NOW_US)
        return Answer(json.loads(msgspec.json.encode(answer)))

    server.on("/v1/what-if", reply)


def test_the_command_goes_on_until_all_runs_were_looked_at(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    store = MemoryStore(budget=ScanBudget(opened_rows=1))
    some_runs(store)
    bounded_answers(server, store)
    arguments = ["what-if", "--where", "pipeline = 'shop'", "--limit", "price=80"]
    assert main([*arguments, "--json"]) == 0
    answer = msgspec.json.decode(capsys.readouterr().out, type=WhatIfOfRuns)
    assert (answer.runs, answer.judged, answer.complete, answer.next_cursor) == (3, 2, True, None)
    whole = MemoryStore()
    some_runs(whole)
    expected = ask(whole, "price=80")
    assert replace(answer, scan=None, examples=[]) == replace(expected, scan=None, examples=[])
    asked = [one for one in server.asked if one.path == "/v1/what-if"]
    assert len(asked) == 3
    assert asked[0].parameters == [("q", "pipeline = 'shop'"), ("limit", "price=80")]
    assert [name for name, _ in asked[1].parameters] == ["q", "limit", "cursor"]


def test_one_run_is_asked_by_its_route(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("/v1/runs", {"runs": [make_run()], "next_cursor": None, "total": 1})
    evidence = run_of(FOUND, WHOLE, PICKED)
    server.on(f"/v1/runs/{RUN_ID}/what-if", try_limits(evidence, {"price": 120}))
    assert main(["what-if", "last", "--limit", "price=120"]) == 0
    assert "would have kept 3 instead of 2" in capsys.readouterr().out
    assert server.asked[-1].parameters == [("limit", "price=120")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--limit", "price=1"], "It is not said which run."),
        (["last", "--where", "", "--limit", "price=1"], "RUN and --where cannot both be given."),
        (["last", "--pipeline", "p", "--limit", "price=1"], "cannot both be given"),
        (["last"], "arguments are required: --limit"),
    ],
)
def test_what_is_asked_wrongly_ends_with_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["what-if", *arguments]) == 2
    assert said in capsys.readouterr().err
