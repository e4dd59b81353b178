"""`POST /ui/labels`: a form of a page says that a run, or a candidate in it, is good or bad."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from xray import reading
from xray.model.labels import LabelRequest
from xray.server.context import context_of, read_content
from xray.web.addresses import page_of, run_page, why_page

_MAX_FIELDS: Final = 10


async def take_label(request: Request) -> Response:
    """Store what the form says, and show again what it was said of.

    Without a label the one that holds is taken back.
    """
    context = context_of(request)
    async with read_content(request) as content:
        sent = parse_qs(content.decode("utf-8", "replace"), max_num_fields=_MAX_FIELDS)
    given = {name: values[0] for name, values in sent.items()}
    asked = LabelRequest(
        run_id=given.get("run_id", ""),
        candidate_id=given.get("candidate_id"),
        label=given.get("label"),
        note=given.get("note", "").strip() or None,
    )
    now_us = context.clock.wall_us()
    facts = await context.read(lambda store: reading.make_labels(store, asked, now_us))
    await context.write(facts)
    run_id, candidate_id = facts[0].subject
    shown = run_page(run_id) if candidate_id is None else why_page(run_id, candidate_id)
    return RedirectResponse(shown, status_code=303)


ROUTES: Final = (Route(page_of("/v1/labels"), take_label, methods=["POST"]),)
