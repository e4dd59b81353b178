"""The case file of a run: what an engineer attaches to an incident, made for paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.requests import Request

from xray import reading
from xray.model.answers import FindingList, Why
from xray.model.clock import from_wall_us
from xray.model.records import RunDetail, Step
from xray.questions import run_path, why_request
from xray.store.protocol import Store
from xray.web.addresses import run_page, runs_page
from xray.web.asked import read_asked
from xray.web.page import Call, Link, Page
from xray.web.pages.run import RunModel, count_decided, model_run
from xray.web.site import site_of

_MAX_ANSWERS: Final = 3
_MAX_ASKED: Final = 8
"""Candidates whose way through the run is told; more of them are named by number."""


@dataclass(frozen=True, slots=True)
class CaseModel:
    """What is told of a run to somebody who was not there.

    Args:
        page: what the page of the run shows.
        findings: what deserves a look in it, all of it.
        told: why each candidate in question ended as it did.
        untold: how many more of them there are.
        limits: what was not recorded, in sentences; empty where everything was.
        made_at: when it was made.
    """

    page: RunModel
    findings: FindingList
    told: Sequence[Why]
    untold: int
    limits: Sequence[str]
    made_at: datetime

    @property
    def run(self) -> RunDetail:
        """The run."""
        return self.page.run


async def draw_case(request: Request) -> Page:
    """The case file of one run."""
    run_id = reading.read_id(request.path_params["run_id"])
    asked = [value for name, value in read_asked(request) if name == "candidate"]
    site = site_of(request)
    now_us = site.clock.wall_us()
    model = await site.read(lambda store: model_case(store, run_id, asked, now_us))
    pipeline, short_id = model.run.pipeline, model.page.short_id
    return Page(
        template="case.html",
        title=f"Case file {pipeline} {short_id}",
        model=model,
        section="runs",
        calls=(
            Call(run_path(run_id), (), f"client.run({run_id!r})"),
            Call(run_path(run_id, "findings"), (), f"client.findings({run_id!r})"),
            *(
                Call(
                    *why_request(run_id, one.candidate_id),
                    f"client.why({run_id!r}, {one.candidate_id!r})",
                )
                for one in model.told
            ),
        ),
        trail=(
            Link("Runs", runs_page()),
            Link(pipeline, runs_page(pipeline=pipeline)),
            Link(short_id, run_page(run_id)),
        ),
    )


def model_case(store: Store, run_id: str, asked: Sequence[str], now_us: int) -> CaseModel:
    """What the case file of a run says.

    Args:
        store: where the run is kept.
        run_id: the run.
        asked: candidates that are in question besides those labelled and those selected.
        now_us: the time, in microseconds since 1970.
    """
    page = model_run(store, run_id, now_us)
    wanted = list_asked(page, asked)
    told = [
        reading.explain_candidate(store, run_id, [("candidate", one)])
        for one in wanted[:_MAX_ASKED]
    ]
    return CaseModel(
        page=page,
        findings=page.findings or reading.list_findings(store, run_id),
        told=told,
        untold=len(wanted) - len(told) + max(0, _count_answers(page) - _MAX_ANSWERS),
        limits=list(tell_limits(page.run)),
        made_at=from_wall_us(now_us),
    )


def list_asked(page: RunModel, asked: Sequence[str]) -> list[str]:
    """The candidates in question: those asked for, those labelled, bad ones first, the outcome."""
    labelled = [label for label in page.run.labels if label.candidate_id is not None]
    labelled.sort(key=lambda label: label.label != "bad")
    ids = [
        *asked,
        *(label.candidate_id or "" for label in labelled),
        *page.answers[:_MAX_ANSWERS],
    ]
    return list(dict.fromkeys(ids))


def _count_answers(page: RunModel) -> int:
    return len(page.answers) + page.more_answers


def tell_limits(run: RunDetail) -> Iterator[str]:
    """What was not recorded of a run and its steps, in sentences."""
    if run.status == "running":
        yield "The run had not ended: what it did later is not in here."
    if run.status == "abandoned":
        yield "The run never told how it ended."
    if run.weight != 1:
        yield f"Runs are sampled: this one stands for {run.weight:g}."
    yield from _tell_cuts("The run", run.omissions)
    for step in run.steps:
        yield from _tell_step(step)


def _tell_step(step: Step) -> Iterator[str]:
    decided = count_decided(step)
    kept = decided - step.omissions.get("sampled_out", 0)
    if not decided:
        yield f"{step.name} recorded no candidate by itself, which is not to have rejected none."
    elif step.coverage == "named" and kept < decided:
        yield (
            f"{step.name} kept the detail of {kept:,} of {decided:,} candidates; of the others "
            "verdict and reason are known."
        )
    elif step.coverage == "sampled":
        said = f"{kept:,} of {decided:,}" if kept < decided else f"a sample of {decided:,}"
        yield (
            f"{step.name} kept the detail of {said} candidates; the others are counted, and which "
            "they are is not known."
        )
    elif step.coverage in ("logged", "none"):
        yield f"{step.name} counted {decided:,} decisions; about whom they are is not known."
    if step.rate_basis not in (None, "counted"):
        yield f"The rejection rate of {step.name} is {step.rate_basis}, not counted."
    for absent in step.incomplete:
        yield f"{step.name} did not record {absent}."
    yield from _tell_cuts(step.name, step.omissions)


def _tell_cuts(name: str, omissions: dict[str, int]) -> Iterator[str]:
    cuts = [f"{kind} {count:,}" for kind, count in omissions.items() if kind != "sampled_out"]
    if cuts:
        yield f"{name} left out values: {', '.join(cuts)}."
