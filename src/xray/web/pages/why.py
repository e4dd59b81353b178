"""One candidate's way through a run: why it ended as it did, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from xray import reading
from xray.model.answers import Why
from xray.model.neighbours import Neighbours
from xray.model.sayings import MIN_SHORT_ID
from xray.questions import provenance_request, why_request
from xray.store.protocol import Store
from xray.web.addresses import run_page, runs_page
from xray.web.asked import read_asked
from xray.web.page import Call, Link, Page
from xray.web.pages.alike import call_alike
from xray.web.pages.run import MOST_DECIDED, count_decided
from xray.web.site import site_of


@dataclass(frozen=True, slots=True)
class WhyModel:
    """Why a candidate ended as it did.

    Args:
        why: the answer.
        short_id: the beginning of the run's id.
        alike: candidates like it that were decided otherwise; None where so much was decided that
            they come when the rest of the page stands.
    """

    why: Why
    short_id: str
    alike: Neighbours | None


def model_why(store: Store, run_id: str, asked: reading.Parameters) -> WhyModel:
    """What the page of a candidate's way through a run shows."""
    why = reading.explain_candidate(store, run_id, asked)
    decided = sum(map(count_decided, reading.open_run(store, run_id).steps))
    alike = None
    if why.journey and decided <= MOST_DECIDED:
        alike = reading.find_alike(store, run_id, [("candidate", why.candidate_id)])
    return WhyModel(why, run_id[:MIN_SHORT_ID], alike)


async def draw_why(request: Request) -> Page:
    """The page that says why a candidate ended as it did."""
    run_id = reading.read_id(request.path_params["run_id"])
    asked = read_asked(request)
    model = await site_of(request).read(lambda store: model_why(store, run_id, asked))
    why, short_id = model.why, model.short_id
    candidate = why.candidate_id
    return Page(
        template="why.html",
        title=f"{candidate} in {why.pipeline} {short_id}",
        model=model,
        section="runs",
        calls=(
            Call(*why_request(run_id, candidate), f"client.why({run_id!r}, {candidate!r})"),
            Call(
                *provenance_request(run_id, candidate),
                f"client.provenance({run_id!r}, {candidate!r})",
            ),
            call_alike(run_id, candidate),
        ),
        trail=(
            Link("Runs", runs_page()),
            Link(why.pipeline, runs_page(pipeline=why.pipeline)),
            Link(short_id, run_page(run_id)),
        ),
    )
