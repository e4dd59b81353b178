"""A browser trades the server's key for a session; nobody else can use or make one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.contract.http.api import Answer, Api, ask_app
from xray.server.app import create_app
from xray.server.serving import BackgroundServer
from xray.server.sessions import COOKIE, LIFETIME_S, is_token, make_token
from xray.server.settings import ServerSettings
from xray.store.memory import MemoryStore
from xray.testing import FakeClock

KEY = "xr_local_0123456789abcdef"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Api]:
    settings = ServerSettings(store="memory:", port=0, api_key=KEY)
    with BackgroundServer(settings) as server, closing(Api(server.url)) as api:
        yield api


def log_in(api: Api, key: str = KEY, wanted: str = "/ui/steps?name=a", **headers: str) -> Answer:
    content = f"key={key}&next={wanted.replace('?', '%3F').replace('=', '%3D')}".encode()
    return api.ask("POST", "/ui/login", content=content, headers={"Origin": api.url, **headers})


def session_of(answer: Answer) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


def test_a_page_asks_for_the_key_and_goes_on_to_where_the_browser_was_going(guarded: Api) -> None:
    refused = guarded.ask("GET", "/ui/steps?name=a")
    assert refused.status == 303
    asked = urlsplit(refused.headers["location"])
    assert (asked.path, parse_qs(asked.query)["next"]) == ("/ui/login", ["/ui/steps?name=a"])
    page = guarded.ask("GET", refused.headers["location"])
    assert (page.status, b"XRAY_API_KEY" in page.content) == (200, True)
    answer = log_in(guarded)
    assert (answer.status, answer.headers["location"]) == (303, "/ui/steps?name=a")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert KEY not in cookie
    shown = guarded.ask("GET", "/ui/steps?name=a", headers={"Cookie": session_of(answer)})
    assert shown.status == 200


def test_a_wrong_key_gives_no_session(guarded: Api) -> None:
    answer = log_in(guarded, "wrong")
    assert answer.status == 401
    assert "set-cookie" not in answer.headers
    assert b"That is not the key" in answer.content


def test_a_session_reads_the_api_but_writes_only_by_pages(guarded: Api) -> None:
    cookie = {"Cookie": session_of(log_in(guarded))}
    assert guarded.ask("GET", "/v1/runs", headers=cookie).status == 200
    assert guarded.ask("POST", "/v1/runs", {"pipeline": "p"}, headers=cookie).status == 401


@pytest.mark.parametrize("wanted", ["//evil.example/ui", "https://evil.example", "/ui/\\evil", ""])
def test_nobody_is_sent_to_another_site(guarded: Api, wanted: str) -> None:
    assert log_in(guarded, wanted=wanted).headers["location"] == "/ui/runs"


def test_forms_of_other_sites_and_of_no_site_are_refused(guarded: Api) -> None:
    content = f"key={KEY}".encode()
    foreign = {"Origin": "https://evil.example"}
    assert guarded.ask("POST", "/ui/login", content=content, headers=foreign).status == 403
    assert guarded.ask("POST", "/ui/login", content=content).status == 403


def test_logging_out_takes_the_session_back(guarded: Api) -> None:
    cookie = session_of(log_in(guarded))
    headers = {"Cookie": cookie, "Origin": guarded.url}
    answer = guarded.ask("POST", "/ui/logout", headers=headers)
    assert f"{COOKIE}=;" in answer.headers["set-cookie"]
    assert "Max-Age=0" in answer.headers["set-cookie"]


def test_a_token_ends_and_another_key_or_moment_makes_none_of_it() -> None:
    token = make_token(b"key", 1_000)
    assert is_token(token, b"key", 1_000 + LIFETIME_S - 1)
    assert not is_token(token, b"key", 1_000 + LIFETIME_S)
    assert not is_token(token, b"other", 1_000)
    until, _, signature = token.partition(".")
    assert not is_token(f"{int(until) + 1}.{signature}", b"key", 1_000)
    for wrong in ("", ".", f"{until}.", f"{until}.{'ä' * 64}", "x.y", f"²{until}.{signature}"):
        assert not is_token(wrong, b"key", 1_000)


def test_a_session_that_ended_is_asked_for_the_key_again() -> None:
    clock = FakeClock()
    settings = ServerSettings(store="memory:", api_key=KEY)
    app = create_app(settings, MemoryStore(), clock=clock)
    cookie = f"{COOKIE}={make_token(KEY.encode(), clock.wall_us() // 1_000_000)}"
    assert ask_app(app, "GET", "/ui/runs", headers={"cookie": cookie}).status == 200
    clock.set_wall(clock.wall_us() + LIFETIME_S * 1_000_000)
    assert ask_app(app, "GET", "/ui/runs", headers={"cookie": cookie}).status == 303
