"""Every Python and shell snippet of the documents does what a reader would see it do."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path

import pytest
import urllib3

import xray
from tests.docs.fences import ROOT, Fence, blocks
from xray.capture import guard
from xray.cli.main import build_command_parser, find_command, load_command
from xray.client import Client
from xray.local import LocalClient
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.settings import VARIABLES

# What the three-line example leaves to its reader.
SUPPLIED = {"data": {"query": "case"}, "my_existing_code": lambda: {"selected": "case_1"}}
SECTIONS = [
    pytest.param(list(group), id=f"{document}: {section}")
    for (document, section), group in groupby(
        blocks("python"), key=lambda fence: (fence.document, fence.section)
    )
]
COMMANDS = [
    pytest.param(line, id=f"{fence.document}:{fence.line} {line[:40]}")
    for fence in blocks("bash", "console", "sh", "shell")
    for text in fence.text.replace("\\\n", " ").splitlines()
    if (line := text.removeprefix("$ ").strip())
    if (text.startswith("$ ") or fence.language != "console") and not line.startswith("#")
]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Client]:
    settings = ServerSettings(store="memory:", port=0)
    xray.close(timeout_s=0)
    with BackgroundServer(settings) as server, Client(server.url) as client:
        for variable in VARIABLES.values():
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("XRAY_URL", server.url)
        monkeypatch.chdir(tmp_path)
        with guard.raising():
            yield client
        xray.close()


def test_the_documents_have_snippets_of_both_kinds() -> None:
    assert SECTIONS
    assert COMMANDS


@pytest.mark.parametrize("fences", SECTIONS)
def test_the_python_of_a_section_runs_and_is_recorded(fences: list[Fence], client: Client) -> None:
    namespace: dict[str, object] = dict(SUPPLIED)
    lost_before = xray.stats().total_lost
    for fence in fences:
        code = compile("\n" * fence.line + fence.text, fence.document, "exec")
        exec(code, namespace)
    assert xray.flush(timeout_s=10).is_complete
    assert xray.stats().total_lost == lost_before
    if any(re.search(r"\.run\(|xray_run\(", fence.text) for fence in fences):
        file = re.search(r'"(sqlite:///[^"]+)"', "".join(fence.text for fence in fences))
        with LocalClient(file[1]) if file else nullcontext(client) as asked:
            found = asked.runs().items
        assert found
        assert {run.status for run in found} == {"completed"}


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_one_that_exists(line: str, client: Client) -> None:
    words = shlex.split(line, comments=True)
    program, arguments = Path(words[0]).name, words[1:]
    if program == "curl":
        assert_answered(next(word for word in arguments if not word.startswith("-")), client)
    elif program == "make":
        assert arguments[0] in TARGETS
    elif program == "xray":
        command = find_command(arguments[0])
        assert command is not None, f"no command {arguments[0]}"
        parser = build_command_parser(command, load_command(command))
        parse = parser.parse_intermixed_args if command.takes_filters else parser.parse_args
        parse(arguments[1:])
    elif program in ("python", "python3"):
        script = next(word for word in arguments if word.endswith(".py"))
        assert (ROOT / script).is_file()
    else:
        assert (program, *arguments[:1]) in {("pip", "install"), ("export", *arguments[:1])}


def assert_answered(address: str, client: Client) -> None:
    with xray.XRay("my_pipeline").run() as run:
        pass
    assert xray.flush(timeout_s=10).is_complete
    route = re.sub(r"^(https?://[^/]+|\$XRAY_URL)", "", address).replace("{run_id}", run.run_id)
    assert route.startswith("/")
    with urllib3.PoolManager() as pool:
        reply = pool.request("GET", f"{client.url}{route}", retries=False, timeout=10)
        assert reply.status == 200, reply.data
