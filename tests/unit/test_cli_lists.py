"""`xray runs` and `xray steps`: their tables, filters and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.cli_records import OLDER_ID, RUN_ID, SIBLING_ID, ago, make_funnel, make_run
from tests.unit.scripted_server import Answer, ScriptedServer, open_scripted_server, problem
from xray.cli.main import main


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    for name in ("XRAY_API_KEY", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    with open_scripted_server() as server:
        monkeypatch.setenv("XRAY_URL", server.url)
        yield server


def listed(noun: str, records: list[Any], **fields: Any) -> dict[str, Any]:
    whole = {"next_cursor": None, "total": len(records), "total_is_exact": True, "complete": True}
    return {noun: records, **whole, **fields}


def three_runs() -> list[Any]:
    return [
        make_run(output={"id": "p-17"}),
        make_run(SIBLING_ID, pipeline="resolve\x1b[2J", status="failed", duration_ms=None),
        make_run(OLDER_ID, status="running", started_at=ago(days=2, hours=1), output="x" * 99),
    ]


RUNS = """\
RUN                 PIPELINE             STATUS     WHEN         TOOK  OUTPUT
0193f0c2-7a51-7abc  CompetitorDiscovery  completed  3 min ago   1.2 s  {"id":"p-17"}
0193f0c2-7a51-7abd  resolve\\x1b[2J       failed     3 min ago       -  -
0193e0c2-1111       CompetitorDiscovery  running    2 days ago  1.2 s  \
xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
"""

NARROW_RUNS = """\
RUN                 PIPELINE         STATUS
0193f0c2-7a51-7abc  CompetitorDisc…  completed
0193f0c2-7a51-7abd  resolve\\x1b[2J   failed
0193e0c2-1111       CompetitorDisc…  running
"""

STEPS = """\
PIPELINE             STEP              TYPE         IN    OUT  REJECTED  BASIS      TOOK  RUN
CompetitorDiscovery  GenerateKeywords  generate      -      6         -  -         12 ms  0193f0c2-7a51
CompetitorDiscovery  SearchCatalogue   retrieve      -  1,204         -  -         40 ms  0193f0c2-7a51
CompetitorDiscovery  FilterByPrice     filter    1,204    112    90.7 %  counted    3 ms  0193f0c2-7a51
CompetitorDiscovery  RankAndSelect     select      112      1    99.1 %  declared  2.2 s  0193f0c2-7a51
"""  # noqa: E501


def test_runs_are_a_table(server: ScriptedServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.on("/v1/runs", listed("runs", three_runs()))
    assert main(["runs"]) == 0
    out, err = capsys.readouterr()
    assert out == RUNS
    assert err == ""


def test_a_narrow_terminal_gets_fewer_columns(
    server: ScriptedServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "46")
    server.on("/v1/runs", listed("runs", three_runs()))
    assert main(["runs"]) == 0
    assert capsys.readouterr().out == NARROW_RUNS


def test_steps_are_a_table_with_what_the_rate_rests_on(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("/v1/steps", listed("steps", make_funnel()))
    assert main(["steps"]) == 0
    assert capsys.readouterr().out == STEPS


def test_filters_reach_the_server_as_they_were_typed(server: ScriptedServer) -> None:
    server.on("/v1/runs", listed("runs", []))
    server.on("/v1/steps", listed("steps", []))
    main(["runs", "duration_gt=5000", "--status", "FAILED", "metadata.q=a=b", "--pipeline", "p q"])
    main(["steps", "--type", "filter", "stats.filter_rate__gt=0.9", "--limit", "3"])
    main(["steps", "limit=7", "cursor=abc"])
    assert [asked.parameters for asked in server.asked] == [
        [
            ("pipeline", "p q"),
            ("status", "FAILED"),
            ("duration_gt", "5000"),
            ("metadata.q", "a=b"),
            ("limit", "20"),
        ],
        [("step_type", "filter"), ("stats.filter_rate__gt", "0.9"), ("limit", "3")],
        [("limit", "7"), ("cursor", "abc")],
    ]


def test_json_is_the_servers_own_body(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    body = b'{"runs": [], "next_cursor": null, "extra": "\xc3\xa9"}'
    server.on("/v1/runs", Answer(body))
    assert main(["--json", "runs"]) == 0
    before = capsys.readouterr().out
    assert main(["runs", "--json"]) == 0
    assert capsys.readouterr().out == before == body.decode() + "\n"


def test_json_of_steps_is_one_document(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("/v1/steps", listed("steps", make_funnel()))
    assert main(["steps", "--json"]) == 0
    assert [step["name"] for step in json.loads(capsys.readouterr().out)["steps"]] == [
        "GenerateKeywords",
        "SearchCatalogue",
        "FilterByPrice",
        "RankAndSelect",
    ]


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        (
            {"next_cursor": "abc", "total": 1204},
            "3 of 1,204 runs; to go on, add --all or cursor=abc\n",
        ),
        (
            {"next_cursor": "abc", "total": 9, "total_is_exact": False},
            "3 of at least 9 runs; to go on, add --all or cursor=abc\n",
        ),
        (
            {"next_cursor": "abc", "total": None},
            "There are more runs; to go on, add --all or cursor=abc\n",
        ),
        (
            {"next_cursor": "abc", "complete": False},
            "The search stopped at its budget; to go on, add --all or cursor=abc\n",
        ),
    ],
)
def test_what_the_table_leaves_out_is_said_on_stderr(
    server: ScriptedServer,
    capsys: pytest.CaptureFixture[str],
    fields: dict[str, Any],
    note: str,
) -> None:
    server.on("/v1/runs", listed("runs", three_runs(), **fields))
    assert main(["runs"]) == 0
    out, err = capsys.readouterr()
    assert out == RUNS
    assert err == note


@pytest.mark.parametrize("command", ["runs", "steps"])
def test_nothing_to_list_is_an_answer(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    server.on(f"/v1/{command}", listed(command, []))
    assert main([command]) == 0
    assert capsys.readouterr() == ("", f"No {command} match.\n")


def test_a_word_that_is_no_filter_is_wrong_usage(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", "failed"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "xray: 'failed' is no filter. "
        "Write a filter, duration_gt=5000, or a query, \"status = 'failed'\".\n"
    )
    assert server.asked == []


def test_a_filter_the_server_does_not_know_is_wrong_usage(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on(
        "/v1/runs",
        problem(400, "invalid_query", "There is no parameter 'statsu'.", "Did you mean 'status'?"),
    )
    assert main(["runs", "statsu=failed"]) == 2
    assert capsys.readouterr().err == (
        "xray: There is no parameter 'statsu'. Did you mean 'status'?\n"
    )


def test_the_short_id_in_the_table_is_a_prefix_the_commands_take(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("/v1/runs", listed("runs", three_runs()))
    main(["runs"])
    shown = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert [len([r for r in (RUN_ID, SIBLING_ID, OLDER_ID) if r.startswith(s)]) for s in shown] == [
        1,
        1,
        1,
    ]
