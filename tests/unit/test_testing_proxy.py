"""The fault proxy of the kit: what each fault does to the two ends of a connection."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import msgspec
import pytest

from xray.model.facts import Receipt, RunStarted
from xray.model.ids import new_uuid7
from xray.testing import (
    Answer,
    AnswerTwice,
    Break,
    Delay,
    Drip,
    FaultProxy,
    FaultServer,
    Garbage,
    Late,
    Repeat,
)
from xray.wire.codec import encode_fact, frame_batch

WAIT_S = 30.0


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture
def proxy(server: FaultServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.port) as proxy:
        yield proxy


def make_request() -> bytes:
    fact = RunStarted(run_id=new_uuid7(), pipeline="p", started_at_us=1)
    body = frame_batch(new_uuid7(), "test", [encode_fact(fact)])
    head = [
        "POST /v1/batches HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/msgpack",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


def open_connection(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), WAIT_S)


def converse(proxy: FaultProxy, request: bytes) -> bytes:
    """Everything that comes back until the connection ends; one that is reset raises."""
    with open_connection(proxy) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    said = b""
    while piece := connection.recv(1 << 16):
        said += piece
    return said


def read_receipt(said: bytes) -> Receipt:
    return msgspec.json.decode(said.partition(b"\r\n\r\n")[2], type=Receipt)


def test_a_good_proxy_carries_any_number_of_requests(
    server: FaultServer, proxy: FaultProxy
) -> None:
    with open_connection(proxy) as connection:
        for count in (1, 2):
            connection.sendall(make_request())
            assert server.wait_for(count, WAIT_S)
    assert proxy.connections == 1


@pytest.mark.parametrize("after_bytes", [0, 1, 100])
@pytest.mark.parametrize("way", ["reset", "close"])
def test_a_request_that_breaks_never_arrives(
    server: FaultServer, proxy: FaultProxy, after_bytes: int, way: str
) -> None:
    proxy.script(Break("request", after_bytes, way))  # type: ignore[arg-type]
    if way == "reset":
        with pytest.raises(OSError):
            converse(proxy, make_request())
    else:
        # The system resets what is closed while bytes wait that nobody read.
        with suppress(OSError):
            assert converse(proxy, make_request()) == b""
    assert server.facts == {}


@pytest.mark.parametrize("after_bytes", [0, 1, 20])
def test_an_answer_that_breaks_comes_up_to_that_byte(
    server: FaultServer, proxy: FaultProxy, after_bytes: int
) -> None:
    proxy.script(Break("answer", after_bytes, "close"))
    assert len(converse(proxy, make_request())) == after_bytes
    assert len(server.facts) == 1


@pytest.mark.parametrize("side", ["request", "answer"])
def test_what_hangs_says_nothing_more_until_it_is_cut(
    server: FaultServer, proxy: FaultProxy, side: str
) -> None:
    proxy.script(Break(side, 10, "hang"))  # type: ignore[arg-type]
    with open_connection(proxy) as connection:
        connection.sendall(make_request())
        if side == "answer":
            assert connection.recv(10) == b"HTTP/1.1 2"
        connection.settimeout(0.05)
        with pytest.raises(TimeoutError):
            read_all(connection)
        proxy.cut()
        connection.settimeout(WAIT_S)
        with pytest.raises(ConnectionResetError):
            connection.recv(100)


def test_half_closing_the_answer_leaves_the_request_open(
    server: FaultServer, proxy: FaultProxy
) -> None:
    proxy.script(Break("answer", 1, "half_close"))
    with open_connection(proxy) as connection:
        connection.sendall(make_request())
        assert read_all(connection) == b"H"
        connection.sendall(make_request())
        assert server.wait_for(2, WAIT_S)


@pytest.mark.parametrize("side", ["request", "answer"])
def test_what_drips_arrives_whole(server: FaultServer, proxy: FaultProxy, side: str) -> None:
    proxy.script(Drip(side, 0.001, 7))  # type: ignore[arg-type]
    assert read_receipt(converse(proxy, make_request())).accepted == 1


@pytest.mark.parametrize("side", ["connection", "request", "answer"])
def test_what_is_delayed_arrives_later(server: FaultServer, proxy: FaultProxy, side: str) -> None:
    proxy.script(Delay(side, 0.1))  # type: ignore[arg-type]
    began_s = time.monotonic()
    assert read_receipt(converse(proxy, make_request())).accepted == 1
    assert time.monotonic() - began_s >= 0.1


@pytest.mark.parametrize("is_forwarded", [True, False])
def test_garbage_stands_in_for_the_answer(
    server: FaultServer, proxy: FaultProxy, is_forwarded: bool
) -> None:
    proxy.script(Garbage(b"SSH-2.0\r\n", is_forwarded))
    assert converse(proxy, make_request()) == b"SSH-2.0\r\n"
    assert len(server.facts) == is_forwarded


def test_an_answer_of_the_test_s_own_stores_nothing(server: FaultServer, proxy: FaultProxy) -> None:
    proxy.script(Answer(503, b"no", {"Retry-After": "2"}))
    said = converse(proxy, make_request())
    assert said.startswith(b"HTTP/1.1 503 ")
    assert said.endswith(b"\r\nRetry-After: 2\r\n\r\nno")
    assert server.requests == []


def test_an_answer_may_come_twice(server: FaultServer, proxy: FaultProxy) -> None:
    proxy.script(AnswerTwice())
    said = converse(proxy, make_request())
    assert said[: len(said) // 2] == said[len(said) // 2 :]
    assert server.arrivals == 1


def test_a_request_may_arrive_twice_and_is_stored_once(
    server: FaultServer, proxy: FaultProxy
) -> None:
    proxy.script(Repeat())
    receipt = read_receipt(converse(proxy, make_request()))
    assert (receipt.accepted, receipt.duplicate) == (0, 1)
    assert (server.arrivals, len(server.facts)) == (2, 1)


def test_a_request_may_arrive_after_its_client_was_cut_off(
    server: FaultServer, proxy: FaultProxy
) -> None:
    proxy.script(Late(0.1))
    with pytest.raises(OSError):
        converse(proxy, make_request())
    assert server.wait_for(1, WAIT_S)


def test_a_fault_holds_until_the_proxy_recovers(server: FaultServer, proxy: FaultProxy) -> None:
    proxy.always(Answer(503))
    for _ in range(2):
        assert converse(proxy, make_request()).startswith(b"HTTP/1.1 503 ")
    proxy.recover()
    assert read_receipt(converse(proxy, make_request())).accepted == 1


def test_a_proxy_refuses_or_ignores_connections_until_it_listens(
    server: FaultServer, proxy: FaultProxy
) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        open_connection(proxy)
    proxy.ignore()
    with closing(socket.socket()) as ignored:
        ignored.settimeout(0.1)
        with pytest.raises(TimeoutError):
            ignored.connect(("127.0.0.1", proxy.port))
    proxy.listen()
    assert read_receipt(converse(proxy, make_request())).accepted == 1
    assert proxy.wait_for_connections(1, WAIT_S)
    assert not proxy.wait_for_connections(1_000, 0.01)
