"""Who is served: the key, the connection's own address, the Host and the Origin."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from xray.errors import ForbiddenError, UnauthorizedError, XRayError
from xray.model.clock import Clock
from xray.server.problems import answer_problem
from xray.server.sessions import is_token, read_cookie
from xray.server.settings import LOOPBACK_HOSTS, ServerSettings
from xray.web.addresses import LOGIN, is_page
from xray.web.assets import FOLDER
from xray.wire.address import is_loopback

OPEN_PATHS: Final = frozenset({"/health"})
_KEYLESS_PATHS: Final = (LOGIN, f"{FOLDER}/")
_READING_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST: Final = re.compile(
    r"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[0-9a-z._-]+))(?::[0-9]{1,5})?\Z"
)


class Gate:
    """Lets a request through to *app*, or answers why not, before anything of it is read.

    Without a key only connections that reach this machine by a loopback address are served,
    however the server was started. Names in `Host` are checked because any web page can make a
    browser reach loopback under a name of its own; `Origin` because it can make it write there.
    A browser that logged in has a session instead of the key: it reads, and writes by pages.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings, clock: Clock) -> None:
        self._app = app
        self._clock = clock
        self._key = None if settings.api_key is None else settings.api_key.encode("ascii")
        own = () if is_any_address(settings.host) else (settings.host.strip("[]").lower(),)
        self._hosts = frozenset((*LOOPBACK_HOSTS, *settings.allowed_hosts, *own))
        self._origins = frozenset(settings.allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "http":
            error = self._refusal(scope)
            if error is not None:
                await _answer(scope, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> XRayError | None:
        if self._key is None and not is_local_connection(scope.get("server")):
            return ForbiddenError(
                "This server has no key, so it serves connections from its own machine only.",
                hint="Reach it as http://127.0.0.1, or set XRAY_API_KEY.",
                code="exposed_without_key",
            )
        if scope["path"] in OPEN_PATHS:
            return None
        path = scope["path"]
        host, origin, authorization, cookie = _read_headers(scope["headers"])
        if host is None or host_name(host) not in self._hosts:
            return ForbiddenError(
                "This server is not served under the name in the Host header.",
                hint="Name it in XRAY_ALLOWED_HOSTS if it is yours.",
                code="host_not_allowed",
            )
        is_write = scope["method"] not in _READING_METHODS
        if is_write and origin is not None and not self._is_known_origin(origin, host):
            return ForbiddenError(
                "Pages of another origin may not write here.",
                hint="Name its host in XRAY_ALLOWED_HOSTS if it is yours.",
                code="origin_not_allowed",
            )
        if is_write and origin is None and is_page(path):
            return ForbiddenError(
                "Pages take what their own forms send, and browsers say where a form comes from.",
                hint="Write by the API under /v1 instead.",
                code="origin_missing",
            )
        if self._key is None or path.startswith(_KEYLESS_PATHS):
            return None
        is_allowed = _is_key(authorization, self._key) or (
            self._is_session(cookie) and (not is_write or is_page(path))
        )
        if not is_allowed:
            return UnauthorizedError(
                "This server wants its key.", hint="Send Authorization: Bearer <XRAY_API_KEY>."
            )
        return None

    def _is_session(self, cookie: str) -> bool:
        assert self._key is not None
        token = read_cookie(cookie) if cookie else ""
        return bool(token) and is_token(token, self._key, self._clock.wall_us() // 1_000_000)

    def _is_known_origin(self, origin: str, host: str) -> bool:
        scheme, _, rest = origin.partition("://")
        if scheme not in ("http", "https"):
            return False
        return rest.lower() == host.lower() or host_name(rest) in self._origins


def is_local_connection(server: tuple[str, int | None] | None) -> bool:
    """Whether a connection to *server*, as ASGI gives it, can only come from this machine."""
    if server is None:
        return False
    host, port = server
    return port is None or is_loopback(host)


def is_any_address(host: str) -> bool:
    """Whether listening on *host* means every address of the machine."""
    return host.strip("[]") in ("", "0.0.0.0", "::")  # noqa: S104  (compared, not bound)


def host_name(host: str) -> str:
    """The name in a Host header without port, brackets and final dot; empty when it is none."""
    found = _HOST.match(host.lower())
    return "" if found is None else (found["address"] or found["name"]).removesuffix(".")


def _answer(scope: Scope, error: XRayError) -> Response:
    """The refusal; a page's reader without a key is asked for it."""
    path = scope["path"]
    if not (isinstance(error, UnauthorizedError) and is_page(path)):
        return answer_problem(error)
    query = scope["query_string"].decode("latin-1")
    wanted = f"{path}?{query}" if query else path
    return RedirectResponse(f"{LOGIN}?{urlencode({'next': wanted})}", status_code=303)


def _read_headers(
    headers: Iterable[tuple[bytes, bytes]],
) -> tuple[str | None, str | None, bytes, str]:
    """Host, origin, authorization, cookies; a header that comes twice is as good as a wrong one."""
    hosts: list[str] = []
    origins: list[str] = []
    keys: list[bytes] = []
    cookies: list[str] = []
    for name, value in headers:
        if name == b"host":
            hosts.append(value.decode("latin-1"))
        elif name == b"origin":
            origins.append(value.decode("latin-1"))
        elif name == b"authorization":
            keys.append(value)
        elif name == b"cookie":
            cookies.append(value.decode("latin-1"))
    return (
        hosts[0] if len(hosts) == 1 else None,
        ",".join(origins) if origins else None,
        keys[0] if len(keys) == 1 else b"",
        "; ".join(cookies),
    )


def _is_key(authorization: bytes, key: bytes) -> bool:
    scheme, _, sent = authorization.partition(b" ")
    is_bearer = scheme.lower() == b"bearer"
    return hmac.compare_digest(sent.strip(), key) and is_bearer
