"""A page: what it is called, where it stands, what it shows, and which call yields that."""

from __future__ import annotations

import gzip
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from xray.model.clock import from_wall_us
from xray.questions import Pairs
from xray.web.addresses import join_query
from xray.web.rendering import render
from xray.web.site import site_of

_LEAST_COMPRESSED_BYTES: Final = 1_000
_COMPRESSION: Final = 5
# Recorded text may come from anywhere: nothing of it may run, load or be framed.
_POLICY: Final = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_PAGE_HEADERS: Final = {
    **HEADERS,
    # Asked again each time, and yet kept for the way back, which `no-store` forbids.
    "Cache-Control": "private, no-cache",
    "Vary": "Accept-Encoding, Cookie",
}


@dataclass(frozen=True, slots=True)
class Link:
    """A text that leads somewhere."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the read API that yields what a page shows.

    Args:
        path: its path.
        pairs: its parameters.
        python: the same as an expression of `client`, an `xray.Client`.
    """

    path: str
    pairs: Pairs
    python: str

    @property
    def address(self) -> str:
        """Path and parameters as in a URL."""
        return join_query(self.path, self.pairs)

    def as_curl(self, server: str) -> str:
        """The call for a shell."""
        key = ' -H "Authorization: Bearer $XRAY_API_KEY"'
        return f"curl -s{key} {shlex.quote(server + self.address)}"

    def as_python(self, server: str) -> str:
        """The call for a notebook."""
        return f"import xray\n\nwith xray.Client({server!r}) as client:\n    print({self.python})"


@dataclass(frozen=True, slots=True)
class Page:
    """What a template draws.

    Args:
        template: its file in `templates/`.
        title: begins with what tells the page from others.
        model: what it shows.
        section: the part of the site it belongs to, marked in the header.
        calls: the calls that yield what it shows, the main one first.
        trail: the pages above it, the topmost first.
        status: the HTTP status.
    """

    template: str
    title: str
    model: object
    section: str = ""
    calls: Sequence[Call] = ()
    trail: Sequence[Link] = field(default=())
    status: int = 200


def spell_call(verb: str, pairs: Pairs) -> str:
    """A list as an expression of `client`."""
    if not pairs:
        return f"client.{verb}()"
    spelled = ", ".join(f"{name!r}: {value!r}" for name, value in pairs)
    return f"client.{verb}(**{{{spelled}}})"


def respond(request: Request, page: Page) -> Response:
    """*page* as HTML, compressed where the browser takes it."""
    content = render(
        page.template,
        page=page,
        model=page.model,
        server=str(request.base_url).rstrip("/"),
        now=from_wall_us(site_of(request).clock.wall_us()),
    ).encode()
    headers = dict(_PAGE_HEADERS)
    is_taken = "gzip" in request.headers.get("accept-encoding", "")
    if is_taken and len(content) > _LEAST_COMPRESSED_BYTES:
        content = gzip.compress(content, _COMPRESSION, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(content, page.status, headers, media_type="text/html")
