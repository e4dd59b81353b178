"""Talks to a server over real HTTP, and to an app without any, in the words of the tests."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
import urllib3
from starlette.types import ASGIApp, Message

from xray.model.facts import Fact
from xray.model.ids import new_uuid7
from xray.wire.codec import encode_fact, frame_batch

Json = Any


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Json:
        return msgspec.json.decode(self.content)

    @property
    def problem(self) -> Json:
        """The body, checked to be the one error shape."""
        assert self.headers["content-type"] == "application/problem+json", self.content
        body = self.json
        told = set(body) - {"errors", "at", "parameter"}
        assert told == {"type", "title", "status", "code", "detail", "hint"}
        assert body["status"] == self.status
        assert body["type"] == f"urn:xray:problem:{body['code']}"
        assert body["detail"]
        assert "Traceback" not in self.content.decode()
        return body


class Api:
    """One server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._pool = urllib3.PoolManager(retries=False, timeout=10)

    def close(self) -> None:
        self._pool.clear()

    def ask(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = dict(headers or {})
        if body is not None:
            content = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        reply = self._pool.request(
            method, self.url + path, body=content, headers=sent, redirect=False
        )
        return Answer(
            reply.status, {name.lower(): value for name, value in reply.headers.items()}, reply.data
        )

    def get(self, path: str, **params: str) -> Answer:
        return self.ask("GET", path + ("?" + urlencode(params) if params else ""))

    def post(self, path: str, body: Json) -> Answer:
        return self.ask("POST", path, body)

    def send(self, facts: Sequence[Fact], **headers: str) -> Answer:
        content = frame_batch(new_uuid7(), "test", [encode_fact(fact) for fact in facts])
        return self.ask(
            "POST",
            "/v1/batches",
            content=content,
            headers={"Content-Type": "application/msgpack", **headers},
        )

    def create_run(self, **body: Json) -> str:
        answer = self.post("/v1/runs", {"pipeline": "search", **body})
        assert answer.status == 201, answer.content
        run_id: str = answer.json["run_id"]
        return run_id

    def create_step(self, **body: Json) -> str:
        answer = self.post("/v1/steps", body)
        assert answer.status == 201, answer.content
        step_id: str = answer.json["step_id"]
        return step_id


def ask_app(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    query: str = "",
    content: bytes = b"",
    headers: Mapping[str, str] | None = None,
    server: tuple[str, int | None] | None = ("127.0.0.1", 8000),
) -> Answer:
    """What *app* answers to a connection that came in at the address *server*.

    An error that the app answers and then raises for the server's log is not raised here.
    """
    named = {"host": "localhost:8000", **(headers or {})}
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in named.items() if value]
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": pairs,
        "client": ("127.0.0.1", 50_000),
        "server": server,
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    async def serve() -> None:
        await app(scope, receive, send)

    with contextlib.suppress(ZeroDivisionError):
        asyncio.run(serve())
    start = next(message for message in sent if message["type"] == "http.response.start")
    return Answer(
        start["status"],
        {name.decode(): value.decode() for name, value in start["headers"]},
        b"".join(message.get("body", b"") for message in sent),
    )
