"""`xray rules`: the sentence, what deserves attention and every rule, to the letter."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import datetime, timezone

import msgspec
import pytest

from tests.unit.scripted_server import Answer, Asked, ScriptedServer, open_scripted_server
from xray.cli.console import Console
from xray.cli.main import main
from xray.cli.rules import draw_report, show_reach
from xray.cli.terminal import Terminal
from xray.model.records import Scan
from xray.model.rules import (
    Extent,
    LimitUse,
    NearMisses,
    RuleConcern,
    RuleExample,
    RuleHealth,
    RuleReport,
)

WHEN = datetime(2026, 5, 1, 12, 30, tzinfo=timezone.utc)


def extent(least: int, most: int | None = None) -> Extent:
    return Extent(least=least, most=least if most is None else most, estimate=least)


def make_rule(name: str, **fields: object) -> RuleHealth:
    given: dict[str, object] = {
        "pipeline": "shop", "step": "filter_products", "step_type": "filter", "rule": name,
        "is_check": True, "field": "price", "op": "<=", "runs": 310, "decided": 12_400,
        "failed": extent(1200), "kills": 1200, "kill_runs": 300, "kill_rate": 0.0968,
        "sole_kills": extent(640, 700), "overruled": extent(0), "missing": extent(0),
        **fields,
    }  # fmt: skip
    return RuleHealth(**given)  # type: ignore[arg-type]


REPORT = RuleReport(
    answer="2 rules of 1 step in 310 runs: 1 deserves attention. absurd never failed anybody.",
    certainty="inferred",
    because="12 runs kept a sample of the rows",
    near_means="near a limit is within 5 % of the spread",
    runs=310,
    estimated_runs=310.0,
    rules=[
        make_rule(
            "absurd", kills=0, kill_rate=0.0, failed=extent(0), sole_kills=extent(0),
            limits=[LimitUse(field="price", op="<", limit=1000, runs=310, first=WHEN, last=WHEN)],
            concerns=[
                RuleConcern(
                    kind="never_failed",
                    text="absurd never failed anybody.",
                    examples=[
                        RuleExample(
                            run_id="run-1", step_id="step-1", candidate_id="p7", observed=999.5
                        )
                    ],
                )
            ],
        ),
        make_rule(
            "too_dear", limit_history="varies", missing=extent(4),
            limits=[LimitUse(field="price", op="<=", limit=9, runs=1, first=WHEN, last=WHEN)],
            near=NearMisses(
                width=2.5, share=0.05, spread=50.0, kept=extent(9, 12), killed=extent(0, 3),
                observed=12_400,
            ),
        ),
    ],
    attention=1,
    is_cut=True,
)  # fmt: skip
DRAWN = """\
2 rules of 1 step in 310 runs: 1 deserves attention. absurd never failed anybody.
(inferred: 12 runs kept a sample of the rows)

What deserves attention
  ! absurd never failed anybody.
    e.g. p7 (999.5) in run-1

STEP             RULE      LIMIT   DECIDED  KILLS   RATE       ALONE  JUST MET  JUST FAILED  MISSING
filter_products  absurd    < 1000   12,400      0
filter_products  too_dear  varies   12,400  1,200  9.7 %  640 to 700   9 to 12          ≤ 3        4
near a limit is within 5 % of the spread.
Some of many steps, rules or versions were left out."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    for name in ("XRAY_API_KEY", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    with open_scripted_server() as scripted:
        monkeypatch.setenv("XRAY_URL", scripted.url)
        yield scripted


def test_the_report_is_drawn_to_the_letter() -> None:
    assert "\n".join(draw_report(REPORT, Terminal())) == DRAWN


@pytest.mark.parametrize("width", [40, 60, 80])
def test_lines_fit_the_terminal(width: int) -> None:
    assert max(map(len, draw_report(REPORT, Terminal(width=width)))) <= max(width, 56)


def test_nothing_reaches_the_terminal_that_could_steer_it() -> None:
    hostile = make_rule(
        "\x1b[31mred", concerns=[RuleConcern(kind="overruled", text="\x1b]0;x\x07 kept")]
    )
    report = msgspec.structs.replace(REPORT, rules=[hostile])
    assert not any("\x1b" in line or "\x07" in line for line in draw_report(report, Terminal()))


def test_progress_says_how_far_the_search_came() -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    console = Console(Terminal(), io.StringIO(), screen, WHEN)
    show_reach(msgspec.structs.replace(REPORT, scan=Scan(rows=310, back_to=WHEN)), console)
    assert screen.getvalue() == "\r\x1b[K310 runs so far, back to 2026-05-01T12:30:00 …"


def test_the_command_goes_on_until_all_runs_were_read(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[dict[str, str]] = []

    def answer(request: Asked) -> Answer:
        asked.append(dict(request.parameters))
        is_first = "cursor" not in asked[-1]
        part = msgspec.structs.replace(
            REPORT, complete=not is_first, next_cursor="more" if is_first else None
        )
        return Answer(part)

    server.on("/v1/rules", answer)
    assert main(["rules", "pipeline = 'shop'", "--since-version", "1.5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["complete"]
    question = {"q": "pipeline = 'shop'", "since_version": "1.5"}
    assert asked == [question, {**question, "cursor": "more"}]
    asked.clear()
    assert main(["rules", "--newest"]) == 0
    assert asked == [{}]
    assert "leave --newest out for all" in capsys.readouterr().err
