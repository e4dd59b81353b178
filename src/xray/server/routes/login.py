"""`/ui/login`: a browser trades the server's key for a session."""

from __future__ import annotations

import hmac
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from xray.server.context import context_of, read_content
from xray.server.sessions import make_token, spell_cookie
from xray.web.addresses import LOGIN, LOGOUT, is_page, runs_page
from xray.web.page import respond
from xray.web.pages.login import login_page

_US_PER_S: Final = 1_000_000


async def show_login(request: Request) -> Response:
    """The page that asks for the key."""
    return respond(request, login_page(_way_back(request.query_params.get("next", ""))))


async def log_in(request: Request) -> Response:
    """Give a session for the right key, and go on to where the browser was going."""
    async with read_content(request) as content:
        sent = parse_qs(content.decode("utf-8", "replace"), max_num_fields=10)
    way_back = _way_back(sent.get("next", [""])[0])
    context = context_of(request)
    key = (context.settings.api_key or "").encode("ascii")
    if not key or not hmac.compare_digest(sent.get("key", [""])[0].strip().encode(), key):
        return respond(request, login_page(way_back, is_refused=True))
    token = make_token(key, context.clock.wall_us() // _US_PER_S)
    return _go_on(request, way_back, token)


async def log_out(request: Request) -> Response:
    """Take the session back."""
    return _go_on(request, LOGIN, "")


def _go_on(request: Request, target: str, token: str) -> Response:
    response = RedirectResponse(target, status_code=303)
    cookie = spell_cookie(token, is_encrypted=request.url.scheme == "https")
    response.headers["Set-Cookie"] = cookie
    return response


def _way_back(asked: str) -> str:
    # Only to a page of this server: nobody is sent elsewhere by a link that looks like ours.
    is_safe = is_page(asked.partition("?")[0]) and asked.isprintable() and "\\" not in asked
    return asked if is_safe else runs_page()


ROUTES: Final = (
    Route(LOGIN, show_login, methods=["GET"]),
    Route(LOGIN, log_in, methods=["POST"]),
    Route(LOGOUT, log_out, methods=["POST"]),
)
