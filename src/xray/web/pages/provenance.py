"""What an item of a run came from, and everything it brought."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from xray import reading
from xray.forensics.case import Case
from xray.model.lineage import Lineage
from xray.model.sayings import MIN_SHORT_ID
from xray.questions import provenance_request
from xray.reading import Parameters
from xray.store.protocol import Store
from xray.web.addresses import run_page, runs_page
from xray.web.asked import read_asked
from xray.web.page import Call, Link, Page
from xray.web.pages.lineage_graph import LineageGraph, draw_lineage
from xray.web.site import site_of


@dataclass(frozen=True, slots=True)
class ProvenanceModel:
    """What an item came from and brought.

    Args:
        lineage: the answer.
        short_id: the beginning of the run's id.
        drawn: the same as a graph; None where there is nothing to draw.
    """

    lineage: Lineage
    short_id: str
    drawn: LineageGraph | None


async def draw_provenance(request: Request) -> Page:
    """The page that says what an item came from and what it brought."""
    run_id = reading.read_id(request.path_params["run_id"])
    asked = read_asked(request)
    model = await site_of(request).read(lambda store: model_provenance(store, run_id, asked))
    lineage, short_id = model.lineage, model.short_id
    item = lineage.candidate_id
    return Page(
        template="provenance.html",
        title=f"{item}: origin and yield in {lineage.pipeline} {short_id}",
        model=model,
        section="runs",
        calls=(
            Call(*provenance_request(run_id, item), f"client.provenance({run_id!r}, {item!r})"),
        ),
        trail=(
            Link("Runs", runs_page()),
            Link(lineage.pipeline, runs_page(pipeline=lineage.pipeline)),
            Link(short_id, run_page(run_id)),
        ),
    )


def model_provenance(store: Store, run_id: str, asked: Parameters) -> ProvenanceModel:
    """What the page of an item's origin and yield shows."""
    lineage = reading.trace_candidate(store, run_id, asked)
    evidence = reading.open_run(store, run_id)
    drawn = draw_lineage(Case.of(evidence), lineage) if lineage.is_recorded else None
    return ProvenanceModel(lineage, run_id[:MIN_SHORT_ID], drawn)
