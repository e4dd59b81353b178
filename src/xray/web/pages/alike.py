"""Candidates like one that a run decided otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from xray import reading
from xray.model.neighbours import Neighbours
from xray.model.sayings import MIN_SHORT_ID
from xray.questions import alike_request
from xray.web.addresses import run_page, runs_page, why_page
from xray.web.asked import read_asked
from xray.web.page import Call, Link, Page
from xray.web.site import site_of


@dataclass(frozen=True, slots=True)
class AlikeModel:
    """Candidates like one that were decided otherwise.

    Args:
        found: the answer.
    """

    found: Neighbours


async def draw_alike(request: Request) -> Page:
    """The page of candidates like one that a run decided otherwise."""
    run_id = reading.read_id(request.path_params["run_id"])
    asked = read_asked(request)
    found = await site_of(request).read(lambda store: reading.find_alike(store, run_id, asked))
    candidate, short_id = found.candidate_id, run_id[:MIN_SHORT_ID]
    return Page(
        template="alike.html",
        title=f"Like {candidate} in {found.pipeline} {short_id}",
        model=AlikeModel(found),
        section="runs",
        calls=(call_alike(run_id, candidate),),
        trail=(
            Link("Runs", runs_page()),
            Link(found.pipeline, runs_page(pipeline=found.pipeline)),
            Link(short_id, run_page(run_id)),
            Link(candidate, why_page(run_id, candidate)),
        ),
    )


def call_alike(run_id: str, candidate: str) -> Call:
    """The call that yields them."""
    return Call(*alike_request(run_id, candidate), f"client.alike({run_id!r}, {candidate!r})")
