"""`xray doctor`: each part of the road, whole and broken."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.unit.scripted_server import Answer, ScriptedServer, open_scripted_server, problem
from xray.cli.checks import check_clock
from xray.cli.main import main
from xray.cli.version import read_version
from xray.settings import VARIABLES
from xray.store.sqlite.connection import FileLock


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES.values(), "XRAY_CONFIG", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with open_scripted_server() as server:
        server.on("/health", {"status": "ok"})
        server.on("/v1/runs", {"runs": []})
        server.on("/openapi.json", {"info": {"version": "1"}})
        yield server


def examine(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, tuple[str, str, str]]:
    """Verdict, detail and advice by name, and whether the exit code agrees with them."""
    code = main(["doctor", "--json", *argv])
    report = json.loads(capsys.readouterr().out)
    checks = {
        check["name"]: (check["verdict"], check["detail"], check["todo"])
        for check in report["checks"]
    }
    has_problem = any(verdict == "problem" for verdict, _, _ in checks.values())
    assert code == (1 if has_problem else 0)
    assert report["ok"] is not has_problem
    for verdict, _, todo in checks.values():
        assert bool(todo) == (verdict == "problem")
    return checks


def test_a_clear_road_is_0_and_a_line_for_each_part(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--url", server.url]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    out = re.sub(r"(?m)^(ok +python +).*", r"\1here", out)
    out = re.sub(r" in (<1|\d+) ms", " in a moment", out)
    out = re.sub(r"(?m)^(ok +spool +)/.*/[0-9a-f]{16};", r"\1there;", out)
    version, port = read_version(), server.url.rpartition(":")[2]
    assert out == (
        "ok       python          here\n"
        f"ok       xray            {version}\n"
        f"ok       XRAY_URL        {server.url} (--url)\n"
        "ok       XRAY_API_KEY    no key (not set)\n"
        "ok       spool           there; nothing waits\n"
        "ok       name            127.0.0.1 is 127.0.0.1\n"
        f"ok       connection      127.0.0.1:{port} in a moment\n"
        "ok       health          the server says ok\n"
        "ok       key             the server wants none\n"
        "ok       clock           agrees with the server's\n"
        "ok       version         both speak version 1 of the API\n"
        "skipped  round trip      --write records a run and reads it back\n"
        "\n"
        "The road is clear.\n"
    )


def test_a_spool_that_cannot_be_written_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XRAY_SPOOL_DIR", "/dev/null/spool")
    verdict, detail, todo = examine(capsys, "--url", "http://127.0.0.1:9")["spool"]
    assert (verdict, detail) == ("problem", "/dev/null/spool cannot be used: Not a directory")
    assert "records wait in memory" in todo
    monkeypatch.setenv("XRAY_OFFLINE_MODE", "silent")
    assert examine(capsys, "--url", "http://127.0.0.1:9")["spool"][0] == "ok"


def test_what_ended_programs_left_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XRAY_SPOOL_DIR", str(tmp_path))
    url = "http://127.0.0.1:9"
    program = f"import xray\nwith xray.XRay('p', url={url!r}).run(): pass"
    subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    _, detail, _ = examine(capsys, "--url", url)["spool"]
    assert detail.endswith("; 2 records wait; 2 of ended programs, for `xray sync`")


def test_no_server_is_a_problem_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    checks = examine(capsys, "--url", f"http://127.0.0.1:{port}")
    verdict, detail, todo = checks["connection"]
    assert (verdict, detail) == ("problem", f"127.0.0.1:{port}: connection refused")
    assert todo == "Start a server with `xray serve`, or change --url."
    assert checks["server"][0] == "skipped"
    assert main(["doctor", "--url", f"http://127.0.0.1:{port}"]) == 1
    assert capsys.readouterr().out.endswith("\n\nThere is 1 problem.\n")


def test_a_name_nobody_knows_is_a_problem(capsys: pytest.CaptureFixture[str]) -> None:
    checks = examine(capsys, "--url", "http://nowhere.invalid")
    assert checks["name"][0] == "problem"
    assert "nowhere.invalid" in checks["name"][1]
    assert "connection" not in checks


def test_something_else_at_the_address_is_a_problem(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("/health", Answer(b"<html>hello</html>"))
    checks = examine(capsys, "--url", server.url)
    assert checks["health"][:2] == ("problem", "the answer is not X-Ray's")
    assert "key" not in checks


def test_a_key_that_is_missing_or_wrong_is_a_problem(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("/v1/runs", problem(401, "unauthorized", "This server wants its key."))
    checks = examine(capsys, "--url", server.url)
    assert checks["key"][:2] == ("problem", "This server wants its key.")
    assert "XRAY_API_KEY" in checks["key"][2]
    assert checks["version"][0] == "skipped"


def test_the_key_itself_is_never_shown(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_API_KEY", "hunter2-hunter2")
    assert main(["doctor", "--url", server.url]) == 0
    out = capsys.readouterr().out
    assert "a key of 15 characters (XRAY_API_KEY)" in out
    assert "the server takes it" in out
    assert "hunter2" not in out


def test_another_version_at_the_other_end_is_a_problem(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("/openapi.json", {"info": {"version": "2"}})
    verdict, detail, _ = examine(capsys, "--url", server.url)["version"]
    assert verdict == "problem"
    assert detail == "the server speaks version 2 of the API, this is version 1"


def test_a_run_that_cannot_be_written_is_a_problem(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = examine(capsys, "--url", server.url, "--write")
    assert checks["round trip"][0] == "problem"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://files", "'ftp://files' is not the address of a server."),
        ("http://ann:pw@host", "The address of the server holds a name or password."),
        ("sqlite:x.db", "'sqlite:x.db' names no database file."),
    ],
)
def test_an_address_that_is_none_is_a_problem(
    capsys: pytest.CaptureFixture[str], url: str, said: str
) -> None:
    checks = examine(capsys, "--url", url)
    assert checks["address"][:2] == ("problem", said)
    assert "pw" not in str(checks)


def test_settings_say_where_they_came_from_and_what_is_wrong_with_them(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_URL", server.url)
    monkeypatch.setenv("XRAY_CAPTURE", "evrything")
    monkeypatch.setenv("XRAY_OFFLINE_MODE", "silent")
    monkeypatch.setenv("XRAY_API_KYE", "typo")
    checks = examine(capsys)
    assert checks["XRAY_URL"] == ("ok", f"{server.url} (XRAY_URL)", "")
    assert checks["XRAY_OFFLINE_MODE"] == ("ok", "silent (XRAY_OFFLINE_MODE)", "")
    assert checks["XRAY_CAPTURE"][0] == "problem"
    assert "minimal, sample, full" in checks["XRAY_CAPTURE"][2]
    assert checks["XRAY_API_KYE"][0] == "problem"
    assert "did you mean XRAY_API_KEY?" in checks["XRAY_API_KYE"][1]


@pytest.mark.parametrize("name", sorted({*VARIABLES.values()} - {"XRAY_URL", "XRAY_API_KEY"}))
def test_every_variable_a_client_reads_is_looked_at(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    assert name not in examine(capsys)
    bad = "two\nlines"
    monkeypatch.setenv(name, bad)
    verdict, detail, todo = examine(capsys)[name]
    assert (verdict, detail) == ("problem", f"{bad!r} cannot be used")
    assert todo.startswith("It must be ")


def test_the_file_of_settings_must_be_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "xray.toml"
    monkeypatch.setenv("XRAY_CONFIG", str(file))
    assert examine(capsys)["XRAY_CONFIG"][:2] == ("problem", f"there is no file {file}")
    file.write_text('version = "7"\n', "utf-8")
    assert examine(capsys)["XRAY_CONFIG"][0] == "ok"


def test_the_default_address_is_called_a_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert examine(capsys)["XRAY_URL"][1] == "http://127.0.0.1:8000 (default)"


@pytest.mark.parametrize(
    ("server_s", "verdict", "said"),
    [
        (1000.0, "ok", "agrees with the server's"),
        (1004.0, "ok", "agrees with the server's"),
        (1060.0, "problem", "this machine is 59.5 s behind the server"),
        (900.0, "problem", "this machine is 1 min 39 s ahead of the server"),
    ],
)
def test_a_clock_that_is_off_is_a_problem(server_s: float, verdict: str, said: str) -> None:
    date = formatdate(server_s, usegmt=True)
    checkpoint = check_clock(date, asked_s=1000.2, answered_s=1000.5)
    assert (checkpoint.verdict, checkpoint.detail) == (verdict, said)


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_a_server_without_a_clock_is_no_problem(date: str | None) -> None:
    assert check_clock(date, 0, 0).verdict == "skipped"


def test_doctor_works_with_the_core_install_alone(server: ScriptedServer) -> None:
    program = (
        "import sys\n"
        "for name in ('fastapi', 'starlette', 'uvicorn', 'sqlalchemy', 'zstandard'):\n"
        "    sys.modules[name] = None\n"
        "from xray.cli.main import main\n"
        f"sys.exit(main(['doctor', '--url', {server.url!r}]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stderr == ""
    assert done.returncode == 0


def test_a_file_that_does_not_exist_yet_is_no_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "runs.db"
    checks = examine(capsys, "--store", f"sqlite:///{path}")
    assert checks["XRAY_URL"] == ("ok", f"sqlite:///{path} (--store)", "")
    assert checks["file"] == ("ok", f"{path} is made by the first record", "")
    assert checks["folder"][1] == f"{tmp_path} can be written; the rest is made"
    assert checks["round trip"][0] == "skipped"
    assert not path.parent.exists()
    assert "connection" not in checks


def test_a_run_is_written_into_a_file_and_read_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_URL", f"sqlite:///{tmp_path}/runs.db")
    checks = examine(capsys, "--write")
    assert checks["round trip"][0] == "ok"
    assert re.match(r".*/runs.db: 1 run, \d+ kB$", examine(capsys)["file"][1])
    rival = FileLock(tmp_path / "runs.db")
    assert "a process writes runs.db" in examine(capsys)["writer"][1]
    rival.release()
    assert examine(capsys)["writer"][1] == "no process writes it at the moment"


def test_a_file_that_is_none_of_ours_is_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("notes" * 1000)
    checks = examine(capsys, "--store", f"sqlite:///{path}", "--write")
    assert checks["file"][:2] == ("problem", f"{path} is not an X-Ray database.")
    assert "round trip" not in checks
    assert path.read_text() == "notes" * 1000


def test_a_folder_that_cannot_be_made_is_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").touch()
    checks = examine(capsys, "--store", f"sqlite:///{tmp_path}/taken/runs.db")
    assert checks["folder"][0] == "problem"


def test_without_the_extra_the_packages_are_the_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xray.cli.file_checks._NEEDED", ("sqlalchemy", "no_such_package"))
    verdict, detail, todo = examine(capsys, "--store", f"sqlite:///{tmp_path}/a.db")["packages"]
    assert (verdict, detail) == ("problem", "no_such_package missing, which a database file needs")
    assert "pip install 'xray-forensics[server]'" in todo
