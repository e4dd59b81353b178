"""Runs are told as they begin and change, as soon as that is durable."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import urllib3

from tests.contract.http.api import Api
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings


@pytest.fixture
def server() -> Iterator[BackgroundServer]:
    with BackgroundServer(ServerSettings(store="memory:", port=0)) as server:
        yield server


@pytest.fixture
def api(server: BackgroundServer) -> Iterator[Api]:
    with closing(Api(server.url)) as api:
        yield api


class Stream:
    """Reads events one by one."""

    def __init__(self, answer: urllib3.BaseHTTPResponse) -> None:
        self.last_id = ""
        self._lines = (line for chunk in answer.stream(1) for line in [chunk])
        self._buffer = b""

    def event(self) -> dict[str, str]:
        """The next event that says something."""
        while True:
            while b"\n\n" not in self._buffer:
                self._buffer += next(self._lines)
            text, _, self._buffer = self._buffer.partition(b"\n\n")
            fields: dict[str, str] = {}
            for line in text.decode().split("\n"):
                name, _, value = line.partition(": ")
                fields[name] = f"{fields[name]}\n{value}" if name in fields else value
            self.last_id = fields.get("id", self.last_id)
            if "event" in fields:
                return fields


@contextmanager
def follow(url: str, since: str = "") -> Iterator[Stream]:
    headers = {"Last-Event-ID": since} if since else {}
    with urllib3.PoolManager(timeout=10) as pool:
        answer = pool.request("GET", url, headers=headers, preload_content=False)
        assert answer.headers["content-type"].startswith("text/event-stream")
        stream = Stream(answer)
        # The first lines come at once, so that who asked knows that it is heard.
        while b"\n\n" not in stream._buffer:
            stream._buffer += next(stream._lines)
        yield stream
        answer.close()


def make_run(api: Api, pipeline: str) -> str:
    return str(api.ask("POST", "/v1/runs", {"pipeline": pipeline, "status": "running"}).json["id"])


def test_a_run_is_told_when_it_begins_and_when_it_ends(server: BackgroundServer, api: Api) -> None:
    with follow(f"{server.url}/v1/live") as stream:
        run_id = make_run(api, "search")
        began = stream.event()
        assert began["event"] == "runs"
        assert [run["run_id"] for run in json.loads(began["data"])["runs"]] == [run_id]
        api.ask("PATCH", f"/v1/runs/{run_id}", {"status": "completed"})
        assert json.loads(stream.event()["data"])["runs"][0]["status"] == "completed"


def test_only_runs_that_meet_the_filter_are_told(server: BackgroundServer, api: Api) -> None:
    with follow(f"{server.url}/v1/live?pipeline=wanted") as stream:
        make_run(api, "other")
        run_id = make_run(api, "wanted")
        told = json.loads(stream.event()["data"])["runs"]
        assert [run["run_id"] for run in told] == [run_id]


def test_who_comes_back_is_told_what_happened_meanwhile(server: BackgroundServer, api: Api) -> None:
    with follow(f"{server.url}/v1/live") as stream:
        make_run(api, "first")
        stream.event()
        since = stream.last_id
    run_id = make_run(api, "second")
    with follow(f"{server.url}/v1/live", since) as stream:
        told = json.loads(stream.event()["data"])["runs"]
        assert [run["run_id"] for run in told] == [run_id]


def test_pages_are_told_rows(server: BackgroundServer, api: Api) -> None:
    with follow(f"{server.url}/ui/runs/live?q=pipeline+%3D+'a<b'") as stream:
        run_id = make_run(api, "a<b")
        row = stream.event()["data"]
        assert f'data-run="{run_id}"' in row
        assert "a&lt;b" in row


def test_a_filter_that_is_none_is_refused_before_anything_is_told(api: Api) -> None:
    answer = api.get("/v1/live?q=pipelin+%3D+1")
    assert (answer.status, answer.problem["code"]) == (400, "invalid_query")


def test_a_server_that_stops_lets_listeners_go() -> None:
    server = BackgroundServer(ServerSettings(store="memory:", port=0))
    with follow(f"{server.url}/v1/live") as stream:
        server.close()
        assert list(stream._lines) is not None
