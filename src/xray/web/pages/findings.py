"""What deserves a look in one run."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from xray import reading
from xray.model.answers import FindingList
from xray.model.records import Run
from xray.model.sayings import MIN_SHORT_ID
from xray.questions import run_path
from xray.store.protocol import Store
from xray.web.addresses import run_page, runs_page
from xray.web.page import Call, Link, Page
from xray.web.site import site_of


@dataclass(frozen=True, slots=True)
class FindingsModel:
    """What deserves a look in a run.

    Args:
        run: the run.
        findings: the answer.
    """

    run: Run
    findings: FindingList


async def draw_findings(request: Request) -> Page:
    """The page of what deserves a look in a run."""
    run_id = reading.read_id(request.path_params["run_id"])
    model = await site_of(request).read(lambda store: model_findings(store, run_id))
    pipeline, short_id = model.run.pipeline, run_id[:MIN_SHORT_ID]
    return Page(
        template="findings.html",
        title=f"Findings in {pipeline} {short_id}",
        model=model,
        section="runs",
        calls=(Call(run_path(run_id, "findings"), (), f"client.findings({run_id!r})"),),
        trail=(
            Link("Runs", runs_page()),
            Link(pipeline, runs_page(pipeline=pipeline)),
            Link(short_id, run_page(run_id)),
        ),
    )


def model_findings(store: Store, run_id: str) -> FindingsModel:
    """What the page of findings shows."""
    return FindingsModel(reading.find_run(store, run_id), reading.list_findings(store, run_id))
