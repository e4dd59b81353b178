"""The exchange with a server: proxies, names that are not looked up, and deadlines."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from xray.delivery.delivery import Delivery
from xray.delivery.exchange import connections
from xray.delivery.exchange.proxies import find_proxy
from xray.delivery.exchange.transport import HttpTransport, TransportError
from xray.delivery.settings import DeliverySettings
from xray.model.facts import RunStarted
from xray.model.ids import new_uuid7
from xray.testing import FaultServer

PROXY = "http://proxy.example:3128"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, None),
        ({"https_proxy": PROXY}, PROXY),
        ({"HTTPS_PROXY": PROXY}, PROXY),
        ({"https_proxy": "", "HTTPS_PROXY": PROXY}, PROXY),
        ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other.example"}, PROXY),
        ({"all_proxy": PROXY}, PROXY),
        ({"http_proxy": PROXY}, None),
        ({"https_proxy": "proxy.example:3128"}, PROXY),
    ],
)
def test_the_proxy_is_the_one_the_environment_names(
    environ: dict[str, str], proxy: str | None
) -> None:
    assert find_proxy("https", "xray.example.org", None, environ) == proxy


@pytest.mark.parametrize(
    ("exempt", "host", "is_direct"),
    [
        ("*", "xray.example.org", True),
        ("example.org", "xray.example.org", True),
        (".example.org", "xray.example.org", True),
        ("*.example.org", "xray.example.org", True),
        ("other.org, XRAY.example.org", "xray.example.org", True),
        ("ample.org", "xray.example.org", False),
        ("example.org.evil", "xray.example.org", False),
        ("xray.example.org:443", "xray.example.org", True),
        ("xray.example.org:8443", "xray.example.org", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("fd00::/8", "fd00::1", True),
        ("[fd00::1]", "fd00::1", True),
        ("10.0.0.0/8", "10.example.org", False),
        (",, ,", "xray.example.org", False),
        (".", "xray.example.org", False),
    ],
)
def test_exempt_servers_are_reached_directly(exempt: str, host: str, is_direct: bool) -> None:
    found = find_proxy("https", host, None, {"https_proxy": PROXY, "no_proxy": exempt})
    assert (found is None) is is_direct


def test_a_web_server_s_callers_cannot_choose_the_proxy() -> None:
    environ = {"HTTP_PROXY": "http://evil.example", "REQUEST_METHOD": "GET"}
    assert find_proxy("http", "xray.example.org", None, environ) is None


def test_this_machine_is_never_reached_through_a_proxy(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    delivery = Delivery(DeliverySettings(url=server.url))
    delivery.put(RunStarted(run_id=new_uuid7(), pipeline="p", started_at_us=1))
    assert delivery.flush(5).is_complete
    delivery.close()
    assert len(server.facts) == 1


def test_records_go_through_the_proxy_to_the_server_s_address(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url.replace("http://", "http://name:pass@"))
    delivery = Delivery(DeliverySettings(url="http://xray.invalid:8000/base"))
    delivery.put(RunStarted(run_id=new_uuid7(), pipeline="p", started_at_us=1))
    assert delivery.flush(5).is_complete
    delivery.close()
    [request] = server.requests
    assert request.path == "http://xray.invalid:8000/base/v1/batches"
    assert request.headers["host"] == "xray.invalid:8000"
    assert request.headers["proxy-authorization"].startswith("Basic ")


def test_an_exchange_ends_in_time_although_the_name_service_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_end = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        may_end.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    transport = HttpTransport(DeliverySettings(url="http://xray.invalid"))
    try:
        for _ in range(6):
            before_s = time.monotonic()
            with pytest.raises(TransportError) as caught:
                transport.post(b"", {}, 0.1)
            assert time.monotonic() - before_s < 2
            assert not caught.value.is_lasting
        waiting = [thread for thread in threading.enumerate() if thread.name == "xray-look-up"]
        assert len(waiting) == 4
    finally:
        may_end.set()
        for thread in waiting:
            thread.join(5)


def test_a_name_service_that_answers_again_is_heard_though_earlier_askers_hang_for_ever(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()
    hanging: list[threading.Thread] = []
    real = socket.getaddrinfo

    def find(host: object, *args: object, **kwargs: object) -> object:
        if host == "xray.invalid" and len(hanging) < 4:
            hanging.append(threading.current_thread())
            may_end.wait(60)
        return real("127.0.0.1", *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(socket, "getaddrinfo", find)
    transport = HttpTransport(DeliverySettings(url=f"http://xray.invalid:{server.port}"))
    try:
        for _ in range(5):
            with pytest.raises(TransportError):
                transport.post(b"", {}, 0.1)
        assert len(hanging) == 4
        monkeypatch.setattr(connections, "_LOOK_UP_PATIENCE_S", 0.0)
        assert transport.post(b"not a batch", {}, 5).status == 400
    finally:
        may_end.set()
        for thread in hanging:
            thread.join(5)
    transport.close()


def test_a_name_nobody_knows_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(TransportError, match="NameResolutionError"):
        HttpTransport(DeliverySettings(url="http://xray.invalid")).post(b"", {}, 1)


def test_every_address_of_a_name_is_tried(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def find(host: object, *args: object, **kwargs: object) -> object:
        if host != "xray.invalid":
            return real(host, *args, **kwargs)  # type: ignore[call-overload]
        return [(0, 0, 0, "", ("127.0.0.2", 0)), (0, 0, 0, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", find)
    transport = HttpTransport(DeliverySettings(url=f"http://xray.invalid:{server.port}"))
    assert transport.post(b"not a batch", {}, 5).status == 400
    transport.close()


GARBAGE = {
    "no colon": b"this is no header\r\n",
    "a space before the colon": b"Server : x\r\n",
    "it begins with a continuation": b"\tx\r\n",
    "bytes": b"\xff\xfe\x00: \x80\r\n",
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_headers_that_are_none_say_nothing_in_the_log_of_the_program(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + GARBAGE[kind] + b"\r\n{}"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                peer, _address = listener.accept()
                with peer:
                    peer.recv(65_536)
                    peer.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        for _ in range(2):
            transport = HttpTransport(DeliverySettings(url=url))
            assert transport.post(b"x", {}, 30).status == 200
            transport.close()
        thread.join()
    assert caplog.messages == []
