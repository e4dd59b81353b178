"""One candidate's way through a run: why it ended as it did, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from xray import reading
from xray.model.answers import Why
from xray.model.sayings import MIN_SHORT_ID
from xray.questions import provenance_request, why_request
from xray.web.addresses import run_page, runs_page
from xray.web.asked import read_asked
from xray.web.page import Call, Link, Page
from xray.web.site import site_of


@dataclass(frozen=True, slots=True)
class WhyModel:
    """Why a candidate ended as it did.

    Args:
        why: the answer.
        short_id: the beginning of the run's id.
    """

    why: Why
    short_id: str


async def draw_why(request: Request) -> Page:
    """The page that says why a candidate ended as it did."""
    run_id = reading.read_id(request.path_params["run_id"])
    asked = read_asked(request)
    why = await site_of(request).read(lambda store: reading.explain_candidate(store, run_id, asked))
    candidate = why.candidate_id
    short_id = run_id[:MIN_SHORT_ID]
    return Page(
        template="why.html",
        title=f"{candidate} in {why.pipeline} {short_id}",
        model=WhyModel(why, short_id),
        section="runs",
        calls=(
            Call(*why_request(run_id, candidate), f"client.why({run_id!r}, {candidate!r})"),
            Call(
                *provenance_request(run_id, candidate),
                f"client.provenance({run_id!r}, {candidate!r})",
            ),
        ),
        trail=(
            Link("Runs", runs_page()),
            Link(why.pipeline, runs_page(pipeline=why.pipeline)),
            Link(short_id, run_page(run_id)),
        ),
    )
