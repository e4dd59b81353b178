"""The command itself: help, exit codes, one sentence for every error, no waste at the start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli_records import RUN_ID, make_detail, make_run, make_why
from tests.unit.scripted_server import Answer, ScriptedServer, open_scripted_server, problem
from xray.cli import runs
from xray.cli.main import COMMANDS, exit_code_of, main
from xray.cli.reference import render_reference
from xray.errors import InvalidQueryError, NotFoundError, UnauthorizedError
from xray.server.settings import ServerSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XRAY_URL", "XRAY_API_KEY", "XRAY_LOG", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with open_scripted_server() as server:
        yield server


def call(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "xray.cli.main", *argv],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, **environment},
        check=False,
    )


def test_help_names_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for command in COMMANDS:
        assert f"  {command.name:<10}  {command.summary}" in out
    assert "exit codes:\n  0  answered" in out


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: xray {command} ")
    assert "examples:\n" in out


def test_the_reference_is_what_help_prints() -> None:
    written = (ROOT / "docs" / "cli.md").read_text("utf-8")
    assert written == render_reference(), "python -m xray.cli.reference > docs/cli.md"


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("xray 0.")


def test_help_loads_nothing_it_does_not_need() -> None:
    program = (
        "import sys\n"
        "from xray.cli.main import main\n"
        "assert main(['--help']) == 0\n"
        "heavy = ['urllib3', 'fastapi', 'sqlalchemy', 'uvicorn', 'asyncio', 'xray.delivery.sender',"
        " 'xray.cli.runs', 'xray.client']\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stderr == "[]\n"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["serv"], "xray: There is no command 'serv'; did you mean 'serve'?\n"),
        (
            ["frobnicate"],
            (
                "xray: There is no command 'frobnicate'; "
                f"it knows {', '.join(command.name for command in COMMANDS)}.\n"
            ),
        ),
        (["--frob", "runs"], "xray: Unrecognized arguments: --frob. See `xray --help`.\n"),
        (["--url"], "xray: Argument --url: expected one argument. See `xray --help`.\n"),
        (
            ["runs", "--frob"],
            "xray runs: Unrecognized arguments: --frob. See `xray runs --help`.\n",
        ),
        (
            ["why", "last"],
            "xray why: The following arguments are required: CANDIDATE. See `xray why --help`.\n",
        ),
        (
            ["runs", "--limit", "many"],
            "xray runs: Argument --limit: invalid int value: 'many'. See `xray runs --help`.\n",
        ),
        (
            ["serve", "--port", "70000"],
            (
                "xray serve: Argument --port: '70000' is no port: it takes 0 to 65535, "
                "0 any free one. See `xray serve --help`.\n"
            ),
        ),
        (
            ["show", "run_abc123"],
            (
                "xray: 'run_abc123' names no run. "
                "Give a run's id, the beginning of one, or `last`; `xray runs` lists them.\n"
            ),
        ),
        (
            ["runs", "--url", "ftp://x"],
            (
                "xray: 'ftp://x' is not the address of a server. "
                "Give one like http://127.0.0.1:8000 with --url or XRAY_URL.\n"
            ),
        ),
        (
            ["runs", "--url", "http://example.com", "--api-key", "k"],
            (
                "xray: The key would travel to example.com unencrypted. "
                "Use an https:// address, or one of this machine through a tunnel.\n"
            ),
        ),
    ],
)
def test_wrong_usage_is_one_sentence_and_2(
    capsys: pytest.CaptureFixture[str], argv: list[str], said: str
) -> None:
    assert main(argv) == 2
    assert capsys.readouterr() == ("", said)


def test_no_command_at_all_is_wrong_usage_and_shows_the_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: xray [options] COMMAND ...")


@pytest.mark.parametrize("argv", [["runs"], ["steps"], ["show", "last"], ["why", RUN_ID, "p"]])
def test_no_server_is_3_and_says_how_to_start_one(
    capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert main([*argv, "--url", url]) == 3
    assert capsys.readouterr() == (
        "",
        (
            f"xray: No X-Ray server answered at {url}: the connection was refused. "
            "Start one with `xray serve`, or name another with --url or XRAY_URL.\n"
        ),
    )


def test_a_refusal_is_3_and_says_how_to_give_the_key(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("/v1/runs", problem(401, "unauthorized", "This server wants its key."))
    assert main(["runs", "--url", server.url]) == 3
    assert capsys.readouterr().err == (
        "xray: This server wants its key. Give the server's key with XRAY_API_KEY or --api-key.\n"
    )


def test_what_a_server_says_cannot_steer_the_terminal(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("/v1/runs", problem(500, "internal_error", "It \x1b[2J failed.\nTwice."))
    assert main(["runs", "--url", server.url]) == 3
    assert capsys.readouterr().err == "xray: It \\x1b[2J failed. Twice.\n"


def test_what_is_not_found_is_1_and_what_is_asked_wrongly_2() -> None:
    assert exit_code_of(NotFoundError("no")) == 1
    assert exit_code_of(InvalidQueryError("no")) == 2
    assert exit_code_of(UnauthorizedError("no")) == 3


def test_shared_options_may_stand_before_or_after_the_command(server: ScriptedServer) -> None:
    server.on("/v1/runs", {"runs": []})
    assert main(["--url", server.url, "--api-key", "k", "runs"]) == 0
    assert main(["runs", "--url", server.url, "a=1", "--api-key", "k", "b=2"]) == 0
    assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer k"] * 2
    assert server.asked[1].parameters[:2] == [("a", "1"), ("b", "2")]


@pytest.mark.parametrize("candidate", ["-5", "--json", "a b/c?d=e&f#g", "日本"])
def test_a_candidate_may_have_any_name(server: ScriptedServer, candidate: str) -> None:
    server.on(f"/v1/runs/{RUN_ID}/why", make_why())
    assert main(["why", "--url", server.url, "--", RUN_ID, candidate]) == 0
    assert main(["--url", server.url, "why", "--", RUN_ID, candidate]) == 0
    assert [asked.parameters for asked in server.asked] == [[("candidate", candidate)]] * 2


def test_a_fault_of_our_own_is_a_sentence_and_4(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: Namespace) -> int:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(runs, "run", fail)
    assert main(["runs"]) == 4
    assert capsys.readouterr().err.startswith(
        "xray: A fault of xray itself: ZeroDivisionError: by zero."
    )
    monkeypatch.setenv("XRAY_LOG", "debug")
    with pytest.raises(ZeroDivisionError):
        main(["runs"])


def test_an_interrupted_command_ends_quietly_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(args: Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "run", interrupt)
    assert main(["runs"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_closed_pipe_is_no_error(server: ScriptedServer) -> None:
    server.on("/v1/runs", {"runs": [make_run(output="x" * 50) for _ in range(2000)]})
    with subprocess.Popen(
        [sys.executable, "-m", "xray.cli.main", "runs", "--url", server.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(10) == 0


def test_an_output_that_knows_only_ascii_gets_ascii(server: ScriptedServer) -> None:
    server.on(f"/v1/runs/{RUN_ID}", make_detail(pipeline="Süd"))
    server.on(f"/v1/runs/{RUN_ID}/findings", {"run_id": RUN_ID, "findings": []})
    done = call("show", RUN_ID, "--url", server.url, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert "S\\xfcd" in done.stdout
    assert "->  1,204  ####################" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(
    ("argv", "environment", "is_coloured"),
    [([], {}, True), (["--no-color"], {}, False), ([], {"NO_COLOR": "1"}, False)],
)
def test_colours_are_for_terminals_and_can_be_refused(
    server: ScriptedServer, argv: list[str], environment: dict[str, str], is_coloured: bool
) -> None:
    import pty

    server.on("/v1/runs", {"runs": [make_run()]})
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-m", "xray.cli.main", "runs", "--url", server.url, *argv],
            stdout=theirs,
            timeout=30,
            env={**os.environ, "TERM": "xterm", **environment},
            check=True,
        )
        shown = os.read(ours, 65536)
    finally:
        os.close(ours)
        os.close(theirs)
    assert b"CompetitorDiscovery" in shown
    assert (b"\x1b[" in shown) == is_coloured


def test_an_answer_that_is_not_json_is_3(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("/v1/runs", Answer(b"<html>"))
    assert main(["runs", "--url", server.url]) == 3
    assert "not what X-Ray answers" in capsys.readouterr().err


def test_serve_without_the_server_extra_says_what_to_install() -> None:
    program = (
        "import sys\n"
        "for name in ('fastapi', 'starlette', 'uvicorn', 'sqlalchemy', 'zstandard'):\n"
        "    sys.modules[name] = None\n"
        "from xray.cli.main import main\n"
        "sys.exit(main(['serve', '--port', '0', '--store', 'memory:']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert "pip install 'xray-forensics[server]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_passes_on_what_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    serving = pytest.importorskip("xray.server.serving")
    told: list[ServerSettings] = []
    monkeypatch.setattr(serving, "serve", lambda settings, **_: told.append(settings))
    monkeypatch.setenv("XRAY_STORE", "sqlite:///from-environment.db")
    assert main(["serve", "--port", "0", "--host", "::1", "--api-key", "k"]) == 0
    assert told == [
        ServerSettings(store="sqlite:///from-environment.db", host="::1", port=0, api_key="k")
    ]


def test_serve_refuses_to_be_reached_from_elsewhere_without_a_key(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("xray.server.serving")
    assert main(["serve", "--host", "0.0.0.0", "--port", "0", "--store", "memory:"]) == 2
    assert "XRAY_API_KEY" in capsys.readouterr().err
