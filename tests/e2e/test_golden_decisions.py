"""Golden decisions: by command, in files and as tests of their own, over a real file of runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fault.file_programs import environment, run_program
from xray.cli.main import main
from xray.client import Client
from xray.errors import InvalidQueryError
from xray.golden import read_golden
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.settings import VARIABLES

PIPELINE = """
for query in ("case", "laptop stand"):
    with x.run(input={"query": query}) as run:
        with run.step("price", step_type="filter") as step:
            for number in range(10):
                if step.check(f"p{number}", "too_dear", observed=number, op="<=", limit=5):
                    step.accept(f"p{number}")
                else:
                    step.reject(f"p{number}")
        with run.step("pick", step_type="select") as step:
            step.select("p1" if query == "case" else "p2")
"""
GOLDEN = """
# What the shop must decide.
for input.query = "case":
    p1 is selected
    at most 40% rejected by too_dear

for each pipeline = "p":
    exactly 1 selected
    p9 is {0} by too_dear at price
"""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES.values(), "XRAY_CONFIG", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def url(tmp_path: Path) -> str:
    assert run_program(tmp_path / "runs.db", PIPELINE) == ("", "", 0)
    return f"sqlite:///{tmp_path / 'runs.db'}"


def expect(url: str, *words: str) -> int:
    return main(["expect", "--store", url, *words])


def test_expectations_that_hold_end_with_success(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expect(url, "last", "p2 is selected", "at least 4 rejected by too_dear") == 0
    out, err = capsys.readouterr()
    assert "all 2 expectations are met" in out
    assert err == ""


def test_a_broken_expectation_fails_and_says_what_was_found_and_what_to_ask(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expect(url, "last", "p9 is kept", "p2 is selected") == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "1 of 2 expectations is met, 1 broken" in out
    assert "broken p9 is kept found price rejected p9: 9 exceeds the limit of 5" in out
    assert "see xray why" in out


def test_what_cannot_be_told_fails_unless_that_is_allowed(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expect(url, "last", "p2 is kept at prize") == 1
    assert "did you mean 'price'?" in capsys.readouterr().out
    assert expect(url, "last", "p2 is kept at prize", "--allow-unknown") == 0


def test_a_query_names_the_newest_run_or_each(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert expect(url, "--where", "pipeline = 'p'", "p2 is selected") == 0
    assert expect(url, "--where", "pipeline = 'p'", "--each", "p2 is selected", "--json") == 1
    out = capsys.readouterr().out
    runs = json.loads(out[out.index('{"runs"') :])["runs"]
    assert [run["is_met"] for run in runs] == [True, False]
    assert expect(url, "--where", "pipeline = 'q'", "p2 is selected") == 1
    assert "No run meets pipeline = 'q'" in capsys.readouterr().err


def test_a_file_of_golden_decisions_is_checked(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = tmp_path / "shop.expect"
    golden.write_text(GOLDEN.format("rejected"))
    assert expect(url, "--file", str(golden)) == 0
    assert "3 of 3 runs decided as expected." in capsys.readouterr().out
    golden.write_text("p2 is selected\n")
    assert expect(url, "--file", str(golden), "last") == 0
    assert expect(url, "--file", str(golden)) == 2
    assert "not said which run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "shop.expect expects nothing"),
        ("for pipeline = 'p'\n  p1 is kept", "line 1, begins with 'for' and does not end with"),
        ("p1 is kept\nfor each :\n p1 is kept", "line 2, names no runs"),
        ("for pipeline = 'p':\n\nfor status = 'failed':\n p1 is kept", "line 1, expects nothing"),
    ],
)
def test_a_file_that_says_nothing_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(InvalidQueryError) as refused:
        read_golden(text, "shop.expect")
    assert said in str(refused.value)


def test_more_expectations_than_fit_into_a_url_are_asked_in_parts(tmp_path: Path) -> None:
    stored = tmp_path / "served.db"
    with BackgroundServer(ServerSettings(store=f"sqlite:///{stored}", port=0)) as server:
        program = PIPELINE.join(['x = XRay("p", url=sys.argv[2])\n', ""])
        assert run_program(tmp_path / "unused.db", program, server.url) == ("", "", 0)
        with Client(server.url) as client:
            wanted = [f"p{number % 5} is kept at price" for number in range(1_000)]
            verification = client.verify("last", *wanted)
    assert [one.text for one in verification.expectations] == wanted
    assert verification.is_met is True
    assert verification.answer == "all 1000 expectations are met"


def test_pytest_takes_files_of_golden_decisions_for_tests_where_it_is_told_to(
    url: str, tmp_path: Path
) -> None:
    (tmp_path / "good.expect").write_text(GOLDEN.format("rejected"))
    (tmp_path / "bad.expect").write_text(GOLDEN.format("kept").replace(" by too_dear at", " at"))
    (tmp_path / "other.expect").write_text("spawn ftp\n")

    def run_pytest(*options: str) -> str:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *options]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment(tmp_path / "x"),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    assert "no tests ran" in run_pytest()
    said = run_pytest(f"--xray-golden={url}", "good.expect", "bad.expect")
    assert "1 failed, 3 passed" in said
    assert 'bad.expect: pipeline = "p"' in said
    assert "BROKEN    p9 is kept at price" in said
    assert "found     price rejected p9: 9 exceeds the limit of 5 by 4 (too_dear)." in said
    assert "Traceback" not in said
    assert "does not say what is expected of 'spawn'" in run_pytest(
        f"--xray-golden={url}", "other.expect"
    )


def test_a_test_takes_what_the_pipelines_of_its_process_record(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "import xray\n"
        "x = xray.XRay('shop', url='http://127.0.0.1:1', sample=0.0001)\n"
        "def recommend(dear):\n"
        "    with x.run() as run, run.step('price', step_type='filter') as step:\n"
        "        step.reject('p1', 'too_dear') if dear else step.accept('p1')\n"
    )
    (tmp_path / "test_shop.py").write_text(
        "from shop import recommend\n"
        "def test_cheap(xray_recorded):\n"
        "    recommend(False)\n"
        "    xray_recorded.expect('p1 is kept')\n"
        "def test_dear(xray_recorded):\n"
        "    recommend(True)\n"
        "    xray_recorded.expect('p1 is kept')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q"],
        cwd=tmp_path,
        env=environment(tmp_path / "x"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert "BROKEN    p1 is kept" in done.stdout
    assert "found     price rejected p1: too_dear." in done.stdout
