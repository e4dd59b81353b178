"""`xray compare`: the sentence, the groups and what differs, to the letter."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import datetime, timezone

import msgspec
import pytest

from tests.unit.scripted_server import Answer, Asked, ScriptedServer, open_scripted_server
from xray.cli.compare import draw_comparison, show_reach
from xray.cli.console import Console
from xray.cli.main import main
from xray.cli.terminal import Terminal
from xray.model.comparison import (
    ComparedGroup,
    Comparison,
    Difference,
    Example,
    SettingDifference,
)


def make_difference(**fields: object) -> Difference:
    given: dict[str, object] = {
        "kind": "rejection_rate", "pipeline": "search", "step": "filter", "step_type": "filter",
        "text": "filter rejected 82.0 % of its candidates in B, 41.0 % in A (37.0 to 44.0 points "
        "more).",
        "measure": "mean", "a": 0.41, "b": 0.82, "scale": "more", "change": 0.41, "least": 0.37,
        "most": 0.44, "effect": 0.9, "effect_least": 0.7, "p": 1e-9, "test": "mann_whitney",
        "a_runs": 1200, "b_runs": 90,
        "a_examples": [Example(run_id="run-a1", step_id="step-a1", value=0.4)],
        "b_examples": [Example(run_id="run-b1", step_id="step-b1", value=0.9)],
        **fields,
    }  # fmt: skip
    return Difference(**given)  # type: ignore[arg-type]


COMPARED = Comparison(
    answer="filter rejected 82.0 % of its candidates in B, 41.0 % in A (37.0 to 44.0 points more). "
    "1 more figure differs. The runs also differ in version.",
    because="from 61 figures of 1,200 and 90 runs",
    a=ComparedGroup(query="version = '1'", runs=1200, stands_for=12_000.0),
    b=ComparedGroup(query="", runs=90, stands_for=90.0, unfinished=3),
    differences=[
        make_difference(),
        make_difference(
            kind="input_count", step="rank", follows=True,
            text="rank got 8 candidates in B, 31 in A (the median).",
        ),
    ],
    settings=[
        SettingDifference(path="version", p=1e-20, text='version was "2" in B, "1" in A.')
    ],
    tests=61,
    overlap=4,
)  # fmt: skip
DRAWN = """\
filter rejected 82.0 % of its candidates in B, 41.0 % in A (37.0 to 44.0 points
more). 1 more figure differs. The runs also differ in version.
(inferred: from 61 figures of 1,200 and 90 runs)
A 1,200 runs: version = '1'; they stand for 12,000
B 90 runs: all runs; 3 more have not ended
4 runs meet both queries and are in neither group.

What differs
  ! filter rejected 82.0 % of its candidates in B, 41.0 % in A (37.0 to 44.0
    points more).
    e.g. A run-a1, B run-b1
  · rank got 8 candidates in B, 31 in A (the median).

What they were told otherwise
  version was "2" in B, "1" in A."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    for name in ("XRAY_API_KEY", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    with open_scripted_server() as server:
        monkeypatch.setenv("XRAY_URL", server.url)
        yield server


def test_what_differs_is_drawn_with_an_example_of_each_side() -> None:
    drawn = draw_comparison(COMPARED, Terminal(width=80))
    assert "\n".join(drawn) == DRAWN


def test_many_differences_are_cut_with_a_count() -> None:
    many = msgspec.structs.replace(
        COMPARED, differences=[make_difference() for _ in range(15)], is_cut=True
    )
    drawn = "\n".join(draw_comparison(many, Terminal()))
    assert "  and 3 more; --json has them" in drawn
    assert drawn.endswith("Some of many steps, reasons or statistics were left out.")


def test_parts_are_asked_for_until_all_is_read(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(asked: Asked) -> Answer:
        is_last = "cursor" in dict(asked.parameters)
        part = msgspec.structs.replace(
            COMPARED, complete=is_last, next_cursor=None if is_last else "there"
        )
        return Answer(part)

    server.on("/v1/compare", answer)
    assert main(["compare", "version = '1'", "", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["complete"] is True
    assert main(["compare", "version = '1'", "", "--newest"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("filter rejected 82.0 %")
    assert told.err == "Only the newest runs were looked at; leave --newest out for all.\n"


def test_progress_is_shown_on_a_terminal_and_wiped() -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    console = Console(
        terminal=Terminal(), out=io.StringIO(), err=Screen(), now=datetime.now(timezone.utc)
    )
    show_reach(COMPARED, console)
    assert "1,200 runs of A and 90 of B so far" in console.err.getvalue()  # type: ignore[attr-defined]
