"""A coding agent on the official MCP client, from bad runs to the keyword that caused them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client as AgentClient
from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.types import CallToolResult, TextContent

from tests.fault.file_programs import environment, run_program
from xray.client import Client
from xray.local import LocalClient
from xray.mcp.tools import OpenClient, build_server
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings

DEMO = Path(__file__).parents[2] / "examples" / "scenario_bad_match_demo.py"
READING_TOOLS = {
    "find_runs", "findings", "why", "provenance", "diff", "what_if", "show_run", "compare",
    "aggregate", "baselines", "audit",
}  # fmt: skip
LARGE = """
for limit in (9, 19):
    with x.run(input={"title": "lamp"}, params={"limit": limit}) as run:
        with run.step("search", step_type="retrieve") as step:
            for number in range(100):
                step.accept(f"p{number}", attributes={"note": "n" * 200})
        for part in range(60):
            with run.step(f"affordable_{part}", step_type="filter", takes="search") as step:
                for number in range(100):
                    if step.check(f"p{number}", f"too_dear_{part}", observed=number, op="<=",
                                  limit=limit, field="price"):
                        step.accept(f"p{number}")
                    else:
                        step.reject(f"p{number}")
assert xray.flush(timeout_s=50).is_complete
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("mcp") / "runs.db"
    assert run_program(path, LARGE) == ("", "", 0)
    variables = {**environment(path), "XRAY_URL": f"sqlite:///{path}"}
    command = [sys.executable, str(DEMO)]
    subprocess.run(command, env=variables, check=True, capture_output=True, timeout=60)
    place = f"sqlite:///{path}"
    with LocalClient(place) as client:
        for run in client.runs(pipeline="competitor_selection").items:
            is_bad = "laptop_stand" in run.output["selected"]
            client.label(run.run_id, "bad" if is_bad else "good", note="looked at", by="ann")
    return place


class Agent:
    """Calls tools as a coding agent does, and holds the server to its budgets."""

    def __init__(self, session: ClientSession | AgentClient) -> None:
        self.session = session

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        result = await self.session.call_tool(tool, arguments)
        assert isinstance(result, CallToolResult)
        return result

    async def ask(self, tool: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
        result = await self.call(tool, **arguments)
        assert not result.is_error, text_of(result)
        assert result.structured_content is not None
        assert len(text_of(result)) < 8_000
        assert len(json.dumps(result.structured_content)) < 12_000
        return text_of(result), result.structured_content


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@asynccontextmanager
async def agent_on(*options: str) -> AsyncIterator[Agent]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("XRAY_")}
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "xray.cli.main", "mcp", *options], env=kept
    )
    async with (
        stdio_client(parameters) as (read, write),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield Agent(session)


@asynccontextmanager
async def agent_beside(open_client: OpenClient) -> AsyncIterator[Agent]:
    """An agent on a server of this process, for what the pipes make no difference to."""
    async with AgentClient(build_server(open_client)) as session:
        yield Agent(session)


async def test_an_agent_goes_from_a_bad_run_to_the_keyword_that_caused_it(recorded: str) -> None:
    async with agent_on("--store", recorded) as agent:
        # It knows nothing of the pipeline: whatever is proposed first, it asks.
        text, found = await agent.ask("find_runs", q="label = 'bad'")
        assert [run["label"] for run in found["data"]["items"]] == ["bad"]
        asked = ["find_runs"]
        while asked[-1] != "provenance" and len(asked) < 6:
            question = found["next"][0]
            asked.append(question["tool"])
            text, found = await agent.ask(question["tool"], **question["arguments"])
    assert asked == ["find_runs", "findings", "why", "provenance"]
    assert question["arguments"]["item"] == "stand"
    assert found["answer"] == (
        'keyword "stand": 40 retrieved, 22 kept by filter_candidates, 5 kept by rank_candidates, '
        "1 selected, and it is the winner."
    )
    assert found["certainty"] == "known"
    assert found["data"]["answers"] == ["laptop_stand_132"]
    assert found["request"].endswith("/provenance?candidate=stand")
    assert found["answer"] in text


async def test_a_server_is_asked_as_a_file_is_and_every_tool_only_reads(recorded: str) -> None:
    with BackgroundServer(ServerSettings(store=recorded, port=0)) as server:
        async with (
            agent_on("--url", server.url) as by_http,
            agent_on("--store", recorded) as by_file,
        ):
            tools = (await by_http.session.list_tools()).tools
            assert {tool.name for tool in tools} == READING_TOOLS
            for tool in tools:
                assert tool.annotations is not None
                assert tool.annotations.read_only_hint
                assert tool.description
                given = tool.input_schema["properties"].values()
                assert all(one.get("description") for one in given)
            for tool, arguments in [
                ("find_runs", {"limit": 20}),
                ("findings", {"run": "last"}),
                ("show_run", {"run": "last"}),
                ("why", {"run": "last", "candidate": "laptop_stand_132"}),
                ("what_if", {"run": "last", "limits": ["price_too_high=30"]}),
                ("what_if", {"q": "pipeline = 'p'", "limits": ["too_dear_3=30"]}),
                ("baselines", {"pipeline": "competitor_selection"}),
                ("audit", {"q": "label = 'good' or label = 'bad'"}),
                ("compare", {"a": "params.limit = 9", "b": "params.limit = 19"}),
                (
                    "aggregate",
                    {"of": "steps", "by": ["step_type"], "figures": ["mean(rejection_rate)"]},
                ),
            ]:
                text, found = await by_http.ask(tool, **arguments)
                assert (text, found) == await by_file.ask(tool, **arguments)
                assert text.startswith(found["answer"])
            text, _ = await by_http.ask("why", run="last", candidate="laptop_stand_132")
            assert "labelled bad by ann: the run; looked at" in text
            with Client(server.url) as client:
                a, b = (run.run_id for run in client.runs(pipeline="p").items)
            text, found = await by_http.ask("diff", a=a, b=b)
            assert "params.limit: 19 → 9" in text
            assert found["next"][0]["tool"] == "why"


async def test_whatever_an_answer_proposes_can_be_asked(recorded: str) -> None:
    with LocalClient(recorded) as client:
        large = client.runs(pipeline="p", limit=1).items[0].run_id
    async with agent_beside(lambda: LocalClient(recorded)) as agent:
        waiting: list[dict[str, Any]] = [
            {"tool": "find_runs", "arguments": {"limit": 1}},
            {"tool": "find_runs", "arguments": {"q": "pipeline = 'nobody'"}},
            {"tool": "why", "arguments": {"run": large, "candidate": "p50"}},
            {"tool": "why", "arguments": {"run": "last", "candidate": "LAPTOP-STAND-132"}},
            {"tool": "provenance", "arguments": {"run": "last", "item": "stnad"}},
            {"tool": "compare", "arguments": {"a": "params.limit = 9", "b": "params.limit = 19"}},
        ]
        asked: dict[str, str] = {}
        for question in waiting:
            key = json.dumps(question["arguments"], sort_keys=True) + question["tool"]
            if key in asked or len(asked) >= 40:
                continue
            _, found = await agent.ask(question["tool"], **question["arguments"])
            asked[key] = question["tool"]
            waiting += found["next"]
    assert {"find_runs", "findings", "why", "provenance", "what_if"} <= set(asked.values())


async def test_a_long_answer_comes_in_pages_and_says_what_it_leaves_out(recorded: str) -> None:
    async with agent_beside(lambda: LocalClient(recorded)) as agent:
        _, found = await agent.ask("find_runs", q="pipeline = 'p'", limit=1)
        run = found["data"]["items"][0]["run_id"]
        pages = []
        text, found = await agent.ask("show_run", run=run)
        for page in range(1, found["pages"] + 1):
            text, found = await agent.ask("show_run", run=run, page=page)
            pages.append(text)
        assert len(pages) > 1
        assert "ask the same with page=2" in pages[0]
        assert "ask the same" not in pages[-1]
        whole = "\n".join(pages)
        assert all(whole.count(f" affordable_{part} (") == 1 for part in range(60))
        assert found["left_out"]
        beyond, found = await agent.ask("show_run", run=run, page=1000)
        assert (beyond, found["page"]) == (pages[-1], len(pages))


async def test_what_cannot_be_answered_is_an_error_that_says_what_to_do(recorded: str) -> None:
    async with agent_beside(lambda: LocalClient(recorded)) as agent:
        for tool, arguments, said in [
            ("find_runs", {"q": "stattus = 'x'"}, "Did you mean status?"),
            ("why", {"run": "f00", "candidate": "p"}, "No run begins with 'f00'"),
            ("what_if", {"limits": ["price=1"]}, "Give run= for one run"),
            ("aggregate", {"of": "runs", "figures": ["mean"]}, "mean(rejection_rate)"),
        ]:
            result = await agent.call(tool, **arguments)
            assert result.is_error
            assert said in text_of(result)
            assert result.structured_content is not None
            assert result.structured_content["code"]
        # The server lives on.
        await agent.ask("find_runs")


async def test_a_server_that_is_down_is_told_with_each_question() -> None:
    async with agent_beside(lambda: Client("http://127.0.0.1:9")) as agent:
        result = await agent.call("find_runs")
        assert result.is_error
        assert "xray serve" in text_of(result)


def test_without_the_extra_the_command_names_what_to_install() -> None:
    program = "import sys; sys.modules['mcp'] = None; from xray.cli.main import main; "
    command = [sys.executable, "-c", program + "sys.exit(main(['mcp']))"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'xray-forensics[mcp]'" in done.stderr
