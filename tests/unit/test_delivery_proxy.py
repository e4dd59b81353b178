"""An exchange through a proxy, and the turns that an exchange leaves to the pipeline."""

from __future__ import annotations

import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from xray.delivery.exchange import connections, transport
from xray.delivery.exchange.transport import HttpTransport
from xray.delivery.settings import DeliverySettings
from xray.delivery.turns import give_way
from xray.testing import FaultServer

ENDLESS_S = 1_000.0
BODY = b"x" * 100_000


class PlainProxy(HTTPServer):
    """Answers in the place of whatever server it is asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str | None, int]] = []


class _Handler(BaseHTTPRequestHandler):
    server: PlainProxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        login = self.headers.get("Proxy-Authorization")
        self.server.asked.append((self.path, login, len(body)))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[PlainProxy]:
    for name in ("https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with PlainProxy() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("login", ["", "user:pass@"])
def test_a_proxy_is_told_the_whole_address_and_who_asks(
    proxy: PlainProxy, monkeypatch: pytest.MonkeyPatch, login: str
) -> None:
    monkeypatch.setenv("http_proxy", f"http://{login}127.0.0.1:{proxy.server_port}")
    settings = DeliverySettings(url="http://xray.example.org:8000/below")
    client = HttpTransport(settings)
    assert [client.post(BODY, {}, 30).status for _ in range(2)] == [200, 200]
    client.close()
    said = f"Basic {b64encode(b'user:pass').decode()}" if login else None
    asked = ("http://xray.example.org:8000/below/v1/batches", said, len(BODY))
    assert proxy.asked == [asked] * 2


def test_who_gives_way_lets_a_thread_run_that_waits_for_the_interpreter() -> None:
    gate = threading.Lock()
    gate.acquire()
    has_run: list[bool] = []

    def run() -> None:
        with gate:
            has_run.append(True)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    interval_s = sys.getswitchinterval()
    # Who computes now keeps the interpreter, unless he lets go of it.
    sys.setswitchinterval(ENDLESS_S)
    try:
        gate.release()
        for _ in range(10_000):
            give_way()
            if has_run:
                break
        found = list(has_run)
    finally:
        sys.setswitchinterval(interval_s)
    assert found == [True]
    thread.join()


def test_an_exchange_gives_way_before_during_and_after_what_it_computes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns: list[str] = []
    for module in (transport, connections):
        monkeypatch.setattr(module, "give_way", lambda name=module.__name__: turns.append(name))
    with FaultServer() as server:
        client = HttpTransport(DeliverySettings(url=server.url))
        client.post(BODY, {}, 30)
        client.close()
    assert turns[0] == turns[-1] == transport.__name__
    assert turns.count(connections.__name__) >= 2
