"""`xray show` and `xray why`: the funnel, the journey and the evidence, to the letter."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import pytest

from tests.unit.cli_records import (
    CUT,
    FAILURE,
    RUN_ID,
    make_detail,
    make_findings,
    make_funnel,
    make_run,
    make_step,
    make_stop,
    make_why,
    step_id,
)
from tests.unit.scripted_server import Answer, Asked, ScriptedServer, open_scripted_server, problem
from xray.cli.main import main
from xray.cli.show import draw_findings, draw_funnel, draw_rest
from xray.cli.terminal import Terminal
from xray.cli.why import draw_stop, draw_why, say_check, say_cut
from xray.model.answers import Cut, FindingList, Outcome
from xray.model.records import Check, Rejection, StepDecision

PLAIN = Terminal()
COLOURED = Terminal(is_coloured=True)
WITHOUT_UNICODE = Terminal(is_unicode=False)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    for name in ("XRAY_API_KEY", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    with open_scripted_server() as server:
        monkeypatch.setenv("XRAY_URL", server.url)
        server.on("/v1/runs", _answer_runs)
        server.on(f"/v1/runs/{RUN_ID}", make_detail())
        findings = FindingList(run_id=RUN_ID, findings=make_findings(), look_here_first=1)
        server.on(f"/v1/runs/{RUN_ID}/findings", findings)
        server.on(f"/v1/runs/{RUN_ID}/why", make_why())
        yield server


def _answer_runs(asked: Asked) -> Answer:
    prefix = dict(asked.parameters).get("run_id_prefix", "")
    runs = [make_run()] if RUN_ID.startswith(prefix) else []
    return Answer({"runs": runs, "next_cursor": None, "total": len(runs)})


SHOWN = """\
CompetitorDiscovery  completed  3 min ago, took 2.3 s
run          0193f0c2-7a51-7abc-8def-0123456789ab
input        {"product":"laptop stand"}
output       {"id":"p-17","note":"<redacted>"}
tags         nightly, eu
environment  production

Look here first
  ! 12 candidates that FilterByPrice kept were never decided by RankAndSelect.
    p-3, p-9 and 10 more

#  STEP              TYPE         IN       OUT                               REJECTED   TOOK  WHAT IT DECIDED
0  GenerateKeywords  generate         →      6  █                                   -  12 ms
1  SearchCatalogue   retrieve         →  1,204  ████████████████████                -  40 ms
2  FilterByPrice     filter    1,204  →    112  ██░░░░░░░░░░░░░░░░░░           90.7 %   3 ms  \
price_too_high 800, rating_too_low 291, missing:price 1
3  RankAndSelect     select      112  →      1  █░                    99.1 % declared  2.2 s  \
selected p-17 (score 0.91)

Also
  ? What SearchCatalogue took in cannot be told. (unknown: it shares no id with GenerateKeywords)
"""  # noqa: E501

NARROW_FUNNEL = """\
#  STEP            TYPE         IN       OUT                     REJECTED   TOOK
0  GenerateKeywo…  generate         →      6  █                         -  12 ms
1  SearchCatalog…  retrieve         →  1,204  ██████████                -  40 ms
2  FilterByPrice   filter    1,204  →    112  █░░░░░░░░░           90.7 %   3 ms
     price_too_high 800, rating_too_low 291, missing:price 1
3  RankAndSelect   select      112  →      1  █░          99.1 % declared  2.2 s
     selected p-17 (score 0.91)"""

WHY = """\
p-150 was rejected by FilterByPrice: its price 150 is over the limit of 100 by 50.
CompetitorDiscovery, run 0193f0c2-7a51-7abc-8def-0123456789ab

Its journey
  ✓ 1 SearchCatalogue retrieve
      Retrieved.
      rank 4, score 0.5
  ✗ 2 FilterByPrice filter
      Rejected for price_too_high.
      price 150 <= 100 failed by 50 (price_too_high)
      in_stock true passed
      "Price $150 exceeds $100"
  · 3 RankAndSelect select
      It did not get here. (inferred: it was rejected before)

Where it came from
  ← stand brought 37 candidates to SearchCatalogue.
    ← prompt (unknown)

Look here
  ! 12 candidates that FilterByPrice kept were never decided by RankAndSelect.
    p-3, p-9 and 10 more
"""


@pytest.mark.parametrize("name", ["last", RUN_ID, "0193f0c2-7a51", "0193F0C2"])
def test_show_draws_the_run_its_funnel_and_its_findings(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main(["show", name]) == 0
    assert capsys.readouterr() == (SHOWN, "")


def test_why_draws_the_sentence_first_and_then_the_evidence(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["why", "last", "p-150"]) == 0
    assert capsys.readouterr() == (WHY, "")
    assert server.asked[-1].parameters == [("candidate", "p-150")]


@pytest.mark.parametrize(
    ("argv", "path"),
    [(["show", RUN_ID], f"/v1/runs/{RUN_ID}"), (["why", RUN_ID, "p"], f"/v1/runs/{RUN_ID}/why")],
)
def test_json_is_the_body_of_the_api(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str], argv: list[str], path: str
) -> None:
    assert main([*argv, "--json"]) == 0
    out = capsys.readouterr().out
    assert out.encode() == server.answer(Asked(path, [], {})).encode() + b"\n"
    assert json.loads(out)["run_id"] == RUN_ID


@pytest.mark.parametrize(("outcome", "code"), [("never_retrieved", 0), ("unknown", 1)])
def test_why_is_0_when_there_is_an_answer_and_1_when_nobody_knows(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str], outcome: Outcome, code: int
) -> None:
    why = msgspec.structs.replace(
        make_why(), outcome=outcome, answer="p-0 never came.", journey=[], provenance=[]
    )
    server.on(f"/v1/runs/{RUN_ID}/why", why)
    assert main(["why", "last", "p-0"]) == code
    assert capsys.readouterr().out.startswith("p-0 never came.\n")
    assert main(["why", "last", "p-0", "--json"]) == code
    assert json.loads(capsys.readouterr().out)["outcome"] == outcome


def test_a_run_that_is_not_there_is_answered_with_1(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "ffff"]) == 1
    assert capsys.readouterr() == (
        "",
        "xray: No run begins with 'ffff'. `xray runs` lists the runs there are.\n",
    )
    other = RUN_ID.replace("0123", "9999")
    server.on(
        f"/v1/runs/{other}",
        problem(404, "run_not_found", f"There is no run {other}.", "GET /v1/runs lists them."),
    )
    assert main(["show", other]) == 1
    assert capsys.readouterr().err.startswith(f"xray: There is no run {other}.")


def test_a_funnel_folds_its_details_under_each_step_when_it_is_narrow() -> None:
    assert "\n".join(draw_funnel(make_funnel(), Terminal(80))) == NARROW_FUNNEL


@pytest.mark.parametrize("width", [20, 30, 46, 60, 80, 119, 120, 200])
def test_a_funnel_fits_the_terminal(width: int) -> None:
    assert max(len(line) for line in draw_funnel(make_funnel(), Terminal(width))) <= max(width, 34)


def test_a_funnel_nests_groups_counts_attempts_and_tells_failures() -> None:
    steps = [
        make_step(0, "outer", "group"),
        make_step(1, "inner", "filter", parent_step_id=step_id(0), status="failed", error=FAILURE),
        make_step(2, "inner", "filter", parent_step_id=step_id(0), attempt=2, status="running"),
        make_step(3, "odd", "custom", declared_type="vote", incomplete=["counts or decisions"]),
    ]
    lines = [line.split("  ", 1)[1] for line in draw_funnel(steps, PLAIN)[1:]]
    assert [line.split("   ")[0].rstrip() for line in lines] == [
        "outer",
        "  inner",
        "  inner (attempt 2)  filter",
        "odd",
    ]
    assert lines[1].endswith("failed: TimeoutError: no answer in 5 s")
    assert lines[2].endswith("running")
    assert "vote" in lines[3]
    assert lines[3].endswith("not recorded: counts or decisions")


def test_a_step_names_its_first_choices_and_commonest_reasons() -> None:
    step = make_step(
        0,
        "rank",
        "rank",
        input_count=10,
        output_count=5,
        decision=StepDecision(selected=["a", "b", "c", "d", "e"], score=0.25),
        rejections={name: Rejection(count=n) for n, name in enumerate(["v", "w", "x", "y", "z"])},
    )
    assert draw_funnel([step], PLAIN)[1].endswith(
        "selected a, b, c and 2 more (lowest score 0.25); z 4, y 3, x 2, 2 more reasons"
    )


def test_a_run_without_steps_or_findings_says_so() -> None:
    assert draw_funnel([], PLAIN) == ["No steps were recorded."]
    nothing = FindingList(run_id=RUN_ID, findings=[])
    assert draw_rest(nothing, PLAIN) == ["Nothing stands out in this run."]


def test_the_answer_is_bold_and_colours_tell_certainties_apart() -> None:
    lines = draw_why(make_why(), COLOURED)
    assert lines[0] == f"\x1b[1m{make_why().answer}\x1b[0m"
    inferred = next(line for line in lines if "inferred" in line)
    unknown = next(line for line in lines if "unknown" in line)
    assert inferred.startswith("\x1b[36m")
    assert unknown.startswith("\x1b[33m")


def test_without_colours_there_is_no_escape_in_any_answer() -> None:
    drawn = [*draw_why(make_why(), PLAIN), *draw_funnel(make_funnel(), PLAIN)]
    assert "\x1b" not in "".join(drawn)


def test_without_unicode_the_answer_is_plain_ascii() -> None:
    drawn = [*draw_why(make_why(), WITHOUT_UNICODE), *draw_funnel(make_funnel(), WITHOUT_UNICODE)]
    assert "\n".join(drawn).isascii()


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (
            Check(name="price", field="price", op="<=", observed=150, limit=100, margin=50),
            "price 150 <= 100 failed by 50",
        ),
        (
            Check(name="r", field="r", op=">=", observed=4.5, limit=4, margin=0.5, passed=True),
            "r 4.5 >= 4 passed by 0.5",
        ),
        (
            Check(name="c", field="c", op="<", observed=4, limit=4, margin=0),
            "c 4 < 4 failed",
        ),
        (
            Check(name="wrong_category", field="category", op="in", observed="case", limit=["a"]),
            'category case in ["a"] failed (wrong_category)',
        ),
        (Check(name="missing:price", field="price"), "price nothing failed (missing:price)"),
    ],
)
def test_evidence_is_one_line(check: Check, said: str) -> None:
    assert say_check(check, PLAIN) == said


def test_a_cut_says_how_far_it_was() -> None:
    assert say_cut(CUT) == "rank 5 (last kept 3), score 0.5 (last kept 0.62), gap 0.12"
    assert say_cut(Cut(rank=5, measured_at="rerank")) == "rank 5 at rerank"
    stop = make_stop(0, "r", "rank", "outranked", "Fell below the cut.", cut=CUT, rank=5, score=0.5)
    assert draw_stop(stop, PLAIN)[-1].strip() == say_cut(CUT)


def test_what_a_pipeline_recorded_cannot_steer_the_terminal() -> None:
    why = msgspec.structs.replace(make_why(), answer="\x1b]0;owned\x07 was kept\nand more")
    assert draw_why(why, PLAIN)[0] == "\\x1b]0;owned\\x07 was kept and more"


def test_the_answer_says_what_it_was_inferred_from_unless_it_said_so_already() -> None:
    why = msgspec.structs.replace(
        make_why(), answer="p was kept.", certainty="inferred", because="the step only rejects"
    )
    assert draw_why(why, PLAIN)[:2] == ["p was kept.", "(inferred: the step only rejects)"]
    said = msgspec.structs.replace(why, answer="p was kept, for the step only rejects.")
    assert draw_why(said, PLAIN)[1] == "(inferred)"


def test_a_name_nobody_recorded_gets_names_like_it() -> None:
    why = msgspec.structs.replace(make_why(), similar=["p-15", "p-151"], parts=["p-150#1"])
    lines = draw_why(why, PLAIN)
    assert lines[lines.index("Recorded ids like it") + 1] == "  p-15, p-151"
    assert lines[lines.index("Its parts") + 1] == "  p-150#1"


def test_a_step_that_is_known_not_to_be_reached_takes_one_line() -> None:
    stop = make_stop(3, "choose", "select", "not_reached", "p did not reach choose.")
    assert draw_stop(stop, PLAIN) == ["  · 3 choose select: p did not reach choose."]


def test_a_standing_that_the_sentence_gives_is_not_repeated() -> None:
    stop = make_stop(1, "r", "rank", "accepted", "r kept p (score 0.5).", score=0.5, rank=2)
    assert draw_stop(stop, PLAIN)[2:] == ["      rank 2"]


def test_examples_that_the_finding_names_are_not_repeated() -> None:
    finding = msgspec.structs.replace(make_findings()[0], text="p-3 and p-9 are lost.")
    assert draw_findings([finding], PLAIN) == ["Look here", "  ! p-3 and p-9 are lost."]
