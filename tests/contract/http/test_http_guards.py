"""Who is served: key, local address, Host and Origin, checked before a request is read."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest
from fastapi import FastAPI

from tests.contract.http.api import Api, ask_app
from xray.errors import ConfigurationError
from xray.server.app import create_app
from xray.server.auth import is_local_connection
from xray.server.serving import BackgroundServer, check_exposure, listen
from xray.server.settings import ServerSettings
from xray.store.memory import MemoryStore
from xray.wire.address import is_loopback

KEY = "xr_local_0123456789abcdef"
OUTSIDE = ("192.0.2.7", 8000)


def make_app(**settings: object) -> FastAPI:
    return create_app(ServerSettings(store="memory:", **settings), MemoryStore())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("server", "is_local"),
    [
        (("127.0.0.1", 8000), True),
        (("127.8.9.1", 8000), True),
        (("::1", 8000), True),
        (("::ffff:127.0.0.1", 8000), True),
        (("/run/xray.sock", None), True),
        (("192.0.2.7", 8000), False),
        (("0.0.0.0", 8000), False),
        (("2001:db8::1", 8000), False),
        (("::ffff:192.0.2.7", 8000), False),
        (("fe80::1%eth0", 8000), False),
        (("xray.example", 8000), False),
        (None, False),
    ],
)
def test_only_loopback_addresses_are_local(
    server: tuple[str, int | None] | None, is_local: bool
) -> None:
    assert is_local_connection(server) is is_local


@pytest.mark.parametrize("path", ["/", "/v1/runs", "/runs", "/health", "/openapi.json"])
@pytest.mark.parametrize("server", [OUTSIDE, None])
def test_without_a_key_connections_from_elsewhere_are_refused(
    path: str, server: tuple[str, int] | None
) -> None:
    answer = ask_app(make_app(), "GET", path, server=server)
    assert (answer.status, answer.problem["code"]) == (403, "exposed_without_key")
    assert "XRAY_API_KEY" in answer.problem["hint"]


def test_a_server_on_every_address_is_reached_by_loopback_and_by_no_other() -> None:
    app = make_app(host="0.0.0.0")
    outside = own_address()
    settings = ServerSettings(store="memory:", host="0.0.0.0", api_key=KEY, port=0)
    with BackgroundServer(settings, app=app) as server:
        with closing(Api(f"http://127.0.0.1:{server.port}")) as api:
            assert api.get("/v1/runs").status == 200
        if outside is not None:
            with closing(Api(f"http://{outside}:{server.port}")) as api:
                answer = api.ask("GET", "/v1/runs", headers={"Host": "localhost"})
                assert (answer.status, answer.problem["code"]) == (403, "exposed_without_key")


def own_address() -> str | None:
    """An address of this machine that is not a loopback one, where it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return None if is_loopback(address) else address


@pytest.mark.parametrize(
    "authorization",
    ["", KEY, f"Basic {KEY}", "Bearer", "Bearer ", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", "é"],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/runs"), ("POST", "/v1/batches")])
def test_a_request_without_the_key_is_unauthorized(
    authorization: str, method: str, path: str
) -> None:
    app = make_app(api_key=KEY)
    answer = ask_app(app, method, path, headers={"authorization": authorization})
    assert (answer.status, answer.problem["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert KEY not in answer.content.decode()


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
@pytest.mark.parametrize("server", [OUTSIDE, ("127.0.0.1", 8000)])
def test_the_key_opens_the_server_from_everywhere(
    scheme: str, server: tuple[str, int | None]
) -> None:
    app = make_app(api_key=KEY, allowed_hosts=("xray.example",))
    headers = {"authorization": f"{scheme} {KEY}", "host": "xray.example"}
    assert ask_app(app, "GET", "/v1/runs", headers=headers, server=server).status == 200


def test_health_needs_neither_key_nor_name() -> None:
    app = make_app(api_key=KEY)
    answer = ask_app(app, "GET", "/health", headers={"host": "10.0.0.1"}, server=OUTSIDE)
    assert (answer.status, answer.content) == (200, b'{"status":"ok"}')


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8000", "localhost.", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:80"],
)
def test_loopback_names_are_answered(host: str) -> None:
    assert ask_app(make_app(), "GET", "/v1/runs", headers={"host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "xlocalhost",
        "0.0.0.0",
        "[::1].evil.example",
        "::1",
        "localhost@evil.example",
        "localhost:8000:evil",
        "localhost, evil.example",
        "evil.example#localhost",
    ],
)
def test_any_other_name_is_refused(host: str) -> None:
    answer = ask_app(make_app(), "GET", "/v1/runs", headers={"host": host})
    assert (answer.status, answer.problem["code"]) == (403, "host_not_allowed")
    assert "XRAY_ALLOWED_HOSTS" in answer.problem["hint"]


def test_names_that_were_allowed_are_answered() -> None:
    app = make_app(allowed_hosts=("xray.example", "testserver"))
    for host in ("xray.example:443", "XRAY.example", "testserver"):
        assert ask_app(app, "GET", "/v1/runs", headers={"host": host}).status == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://localhost:3000",
        "null",
        "http://localhost:8000.evil.example",
        "file://localhost:8000",
        "localhost:8000",
    ],
)
def test_a_page_of_another_origin_may_not_write(origin: str) -> None:
    app = make_app()
    for method, path in (("POST", "/v1/runs"), ("POST", "/v1/batches"), ("PATCH", "/v1/runs/x")):
        answer = ask_app(app, method, path, content=b"{}", headers={"origin": origin})
        assert (answer.status, answer.problem["code"]) == (403, "origin_not_allowed")
    assert ask_app(app, "GET", "/v1/runs", headers={"origin": origin}).status == 200


@pytest.mark.parametrize("origin", ["http://localhost:8000", "https://xray.example"])
def test_a_page_of_the_server_itself_may_write(origin: str) -> None:
    answer = ask_app(
        make_app(allowed_hosts=("xray.example",)),
        "POST",
        "/v1/runs",
        content=b'{"pipeline": "p"}',
        headers={"origin": origin},
    )
    assert answer.status == 201


def test_no_other_page_is_told_that_it_may_read() -> None:
    answer = ask_app(make_app(), "GET", "/v1/runs", headers={"origin": "http://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_refused_request_is_not_read() -> None:
    app = make_app(api_key=KEY)
    answer = ask_app(app, "POST", "/v1/runs", content=b"{")
    assert answer.status == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "xray.example", ""])
def test_listening_beyond_this_machine_needs_a_key(host: str) -> None:
    with pytest.raises(ConfigurationError, match="Without a key"):
        check_exposure(ServerSettings(host=host))
    check_exposure(ServerSettings(host=host, api_key=KEY))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]"])
def test_listening_on_this_machine_needs_none(host: str) -> None:
    check_exposure(ServerSettings(host=host))


def test_an_address_that_is_taken_is_said_in_one_sentence() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(ConfigurationError) as caught:
        listen("127.0.0.1", taken.getsockname()[1])
    assert caught.value.code == "address_in_use"
    assert "XRAY_PORT" in caught.value.hint
