"""Browsers that come to an address of the API without a version are shown the page of it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from xray.server.operations import Handler
from xray.web.addresses import ROOT
from xray.web.routes import has_page


def prefer_page(handle: Handler) -> Handler:
    """A handler that sends who takes HTML to the page, and others to *handle*."""

    async def answer(request: Request) -> Response:
        page = ROOT + request.url.path
        if "text/html" not in request.headers.get("accept", "") or not has_page(page):
            return await handle(request)
        query = request.url.query
        return RedirectResponse(f"{page}?{query}" if query else page, status_code=303)

    return answer
