"""`xray spool` and `xray sync`, on the spool of a program that ended during an outage."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from xray.cli.main import NO_SERVER, main
from xray.testing import Answer, FaultServer

RECORD = """
import sys, xray
x = xray.XRay("p", url=sys.argv[1])
for number in range(int(sys.argv[2])):
    with x.run() as run:
        with run.step("filter", step_type="filter") as step:
            step.reject("a", "why")
"""
FACTS = 3


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XRAY_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.delenv("COLUMNS", raising=False)
    return tmp_path / "spool"


def leave(server: FaultServer, runs: int, place: Path) -> None:
    """What a program leaves that ends while the server refuses."""
    server.refuse()
    subprocess.run(
        [sys.executable, "-c", RECORD, server.url, str(runs)],
        env={**os.environ, "XRAY_SPOOL_DIR": str(place)}, capture_output=True, check=True,
    )  # fmt: skip
    server.listen()


def files_below(place: Path) -> list[Path]:
    return [path for path in place.rglob("*") if path.is_file()]


def test_a_sync_delivers_what_a_program_left_and_says_so(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FaultServer() as server:
        leave(server, 40, place)
        assert main(["spool", "--url", server.url]) == 0
        told = capsys.readouterr().out
        assert "120 records wait for" in told
        assert "it ended; `xray sync` delivers them" in told
        assert main(["sync", "--url", server.url]) == 0
        assert capsys.readouterr().out == f"120 records (40 decisions) went to {server.url}.\n"
        assert len(server.facts) == 40 * FACTS
        assert files_below(place) == []
        assert main(["sync", "--url", server.url]) == 0
        assert main(["spool", "--url", server.url]) == 0
        assert capsys.readouterr().out == f"Nothing waits for {server.url}.\n" * 2


def test_a_sync_to_a_server_that_is_away_leaves_everything_and_says_why(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FaultServer() as server:
        leave(server, 5, place)
        server.refuse()
        assert main(["sync", "--url", server.url]) == NO_SERVER
        assert "15 records still waiting" in capsys.readouterr().out
        server.listen()
        server.always(Answer(401))
        assert main(["sync", "--url", server.url, "--json"]) == NO_SERVER
        outcome = json.loads(capsys.readouterr().out)
        assert outcome == {"delivered": 0, "decisions": 0, "lost": {}, "left": 15,
                           "problem": "HTTP 401"}  # fmt: skip
        server.always(None)
        assert main(["sync", "--url", server.url, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["delivered"] == 15


@pytest.mark.parametrize("is_whole_spool", [True, False])
def test_a_spool_copied_from_elsewhere_can_be_delivered(
    is_whole_spool: bool, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FaultServer() as server, FaultServer() as other:
        leave(server, 7, place)
        copied = tmp_path / "copy"
        shutil.copytree(place, copied)
        target, url = (
            (copied, server.url) if is_whole_spool else (next(copied.iterdir()), other.url)
        )
        assert main(["spool", "--from", str(target), "--url", url, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["orphaned_records"] == 21
        assert main(["sync", "--from", str(target), "--url", url]) == 0
        assert len((server if is_whole_spool else other).facts) == 7 * FACTS
        assert files_below(copied) == []
        assert files_below(place)


def test_what_a_server_refuses_is_set_aside_and_shown(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FaultServer() as server:
        leave(server, 1, place)
        server.always(Answer(422, b'{"code": "too_deep"}'))
        assert main(["sync", "--url", server.url]) == 0
        assert "3 records could not be delivered: rejected:too_deep." in capsys.readouterr().out
        assert main(["spool", "--url", server.url]) == 0
        told = capsys.readouterr().out
        assert "Set aside, counted as lost" in told
        assert "too_deep: 3 files" in told
        assert f"Nothing waits for {server.url}." in told


def test_a_running_program_s_records_are_left_to_it(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FaultServer() as server:
        server.refuse()
        program = RECORD + "\nimport time; time.sleep(1); print('ready', flush=True); input()"
        process = subprocess.Popen(
            [sys.executable, "-c", program, server.url, "4"],
            env={**os.environ, "XRAY_SPOOL_DIR": str(place)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert main(["spool", "--url", server.url]) == 0
        assert "it runs and delivers them" in capsys.readouterr().out
        assert main(["sync", "--url", server.url]) == 0
        assert capsys.readouterr().out == f"Nothing waits for {server.url}.\n"
        process.communicate("\n", timeout=20)
        server.listen()
        assert main(["sync", "--url", server.url]) == 0
        assert len(server.facts) == 4 * FACTS
