"""A real HTTP server on loopback that answers what a test tells it to, and remembers what came."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec


@dataclass(frozen=True)
class Asked:
    """One request: its path, its parameters in order, and its headers in lower case."""

    path: str
    parameters: list[tuple[str, str]]
    headers: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """One answer: any object is encoded as JSON, bytes go out as they are."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else msgspec.json.encode(self.body)


def problem(status: int, code: str, detail: str, hint: str = "") -> Answer:
    """A refusal as the server words it."""
    body = {"title": "Refused", "status": status, "code": code, "detail": detail, "hint": hint}
    return Answer(body, status, {"Content-Type": "application/problem+json"})


Script = Callable[[Asked], Answer]


class ScriptedServer:
    """Answers by path; what nobody scripted is the server's own 404."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._scripts: dict[str, Script] = {}
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(parts.path, parse_qsl(parts.query), headers)
                script.asked.append(asked)
                answer = script.answer(asked)
                body = answer.encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def on(self, path: str, answer: Any) -> None:
        """Answer *path* with a record, an `Answer`, or what a function makes of the request."""
        if callable(answer):
            self._scripts[path] = answer
        else:
            wrapped = answer if isinstance(answer, Answer) else Answer(answer)
            self._scripts[path] = lambda _: wrapped

    def answer(self, asked: Asked) -> Answer:
        script = self._scripts.get(asked.path)
        if script is None:
            return problem(404, "no_such_route", f"There is no {asked.path}.")
        return script(asked)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)


@contextmanager
def open_scripted_server() -> Iterator[ScriptedServer]:
    """A scripted server for as long as the block runs."""
    server = ScriptedServer()
    try:
        yield server
    finally:
        server.close()
