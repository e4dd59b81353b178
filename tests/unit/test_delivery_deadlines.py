"""An exchange ends at its deadline at whatever stage a server, or a proxy, lets time pass."""

import gc
import os
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fault.certificates import make_certificate
from xray.delivery.exchange.transport import MAX_ANSWER_BYTES, HttpTransport, TransportError
from xray.delivery.settings import DeliverySettings
from xray.testing import Answer, FaultServer
from xray.testing.proxy import FaultProxy
from xray.testing.wire_faults import Break, Drip, Garbage

DEADLINE_S = 1.0
# Whatever is not bounded takes minutes, a busy machine takes seconds.
BUSY_S = 20.0


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def check_bounded(settings: DeliverySettings, body: bytes = b"body") -> None:
    with closing(HttpTransport(settings)) as transport:
        began_s = time.monotonic()
        with pytest.raises(TransportError) as caught:
            transport.post(body, {}, DEADLINE_S)
        assert time.monotonic() - began_s < BUSY_S
        assert not caught.value.is_lasting


@contextmanager
def dripping_server(content: bytes) -> Iterator[int]:
    """Says *content* over and over, a few bytes at a time; the port."""
    is_over = threading.Event()
    until_s = time.monotonic() + 3 * BUSY_S

    def serve(listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                while not is_over.wait(0.1) and time.monotonic() < until_s:
                    connection.sendall(content)
        except OSError:
            pass

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            is_over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_connection_that_is_never_opened() -> None:
    with FaultProxy(9) as proxy:
        proxy.ignore()
        check_bounded(DeliverySettings(url=proxy.url))


def test_a_handshake_that_is_never_answered(tmp_path: Path) -> None:
    with FaultServer() as server, FaultProxy(server.port) as proxy:
        proxy.always(Break("request", 0, "hang"))
        check_bounded(DeliverySettings(url=proxy.url.replace("http", "https")))


def test_a_handshake_that_drips(tmp_path: Path) -> None:
    made = make_certificate(tmp_path / "made", "IP:127.0.0.1")
    with FaultServer(tls=made.of_server) as server, FaultProxy(server.port) as proxy:
        proxy.always(Drip("answer", 0.1))
        url = f"https://127.0.0.1:{proxy.port}"
        check_bounded(DeliverySettings(url=url, ca_file=str(made.file)))


def test_a_connection_that_is_opened_when_time_is_over_leaves_no_socket_to_the_collector(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda ignored: left.append(ignored.exc_value))
    connect = socket.create_connection
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        transport = HttpTransport(
            DeliverySettings(url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        )

        def connect_too_late(*args: Any, **named: Any) -> socket.socket:
            sock = connect(*args, **named)
            transport._deadline.set(0)
            return sock

        monkeypatch.setattr(socket, "create_connection", connect_too_late)
        with pytest.raises(TransportError):
            transport.post(b"body", {}, BUSY_S)
        transport.close()
        gc.collect()
    assert not left


def test_a_connection_that_is_reset_before_its_handshake_leaves_no_socket_to_the_collector(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda ignored: left.append(ignored.exc_value))
    connect = socket.create_connection
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def connect_and_be_reset(*args: Any, **named: Any) -> socket.socket:
            sock = connect(*args, **named)
            accepted, _ = listener.accept()
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()
            assert select.select([sock], [], [], BUSY_S)[0]
            return sock

        monkeypatch.setattr(socket, "create_connection", connect_and_be_reset)
        port = listener.getsockname()[1]
        transport = HttpTransport(DeliverySettings(url=f"https://127.0.0.1:{port}"))
        with pytest.raises(TransportError, match="reset"):
            transport.post(b"body", {}, BUSY_S)
        transport.close()
        gc.collect()
    assert not left


def test_a_request_that_is_read_slowly_under_tls(tmp_path: Path) -> None:
    made = make_certificate(tmp_path / "made", "IP:127.0.0.1")
    with FaultServer(tls=made.of_server) as server, FaultProxy(server.port) as proxy:
        proxy.always(Drip("request", 0.05, 16 << 10))
        url = f"https://127.0.0.1:{proxy.port}"
        settings = DeliverySettings(url=url, ca_file=str(made.file))
        check_bounded(settings, os.urandom(1 << 20) * 48)


@pytest.mark.parametrize(
    "content",
    [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 100 Continue\r\n\r\n", b"x" * 30, b"X-Line: 1\r\n"],
)
def test_an_answer_without_end(content: bytes) -> None:
    with dripping_server(content) as port:
        check_bounded(DeliverySettings(url=f"http://127.0.0.1:{port}"))


def test_a_proxy_that_never_comes_to_the_point(monkeypatch: pytest.MonkeyPatch) -> None:
    with dripping_server(b"X") as port:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        check_bounded(DeliverySettings(url="https://xray.invalid"))


def test_of_an_endless_answer_no_more_is_read_than_may_be() -> None:
    endless = b"HTTP/1.1 503 No\r\n\r\n" + b"x" * (50 << 20)
    with FaultServer() as server, FaultProxy(server.port) as proxy:
        proxy.always(Garbage(endless))
        with closing(HttpTransport(DeliverySettings(url=proxy.url))) as transport:
            answer = transport.post(b"body", {}, BUSY_S)
    assert (answer.status, answer.is_complete) == (503, False)
    assert len(answer.body) == MAX_ANSWER_BYTES


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("is_same_origin", [True, False])
def test_a_redirect_is_never_followed_and_no_key_leaves_the_origin(
    status: int, is_same_origin: bool
) -> None:
    with FaultServer() as server, FaultServer() as other:
        origin = server.url if is_same_origin else other.url
        server.always(Answer(status, headers={"Location": f"{origin}/v1/batches"}))
        settings = DeliverySettings(url=server.url, api_key="key-1")
        with closing(HttpTransport(settings)) as transport:
            assert transport.post(b"body", {}, BUSY_S).status == status
        assert len(server.requests) == 1
        assert other.requests == []
