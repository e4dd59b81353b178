"""Steps across pipelines, and decisions across runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request

from xray import reading
from xray.model.records import Decision, Run, Step
from xray.reading import Parameters
from xray.store.protocol import Store
from xray.web.asked import Listed, describe, read_asked
from xray.web.page import Call, Page, spell_call
from xray.web.site import site_of


@dataclass(frozen=True, slots=True)
class StepsModel:
    """Steps that meet the question."""

    steps: Sequence[Step]
    listed: Listed


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One decision, with the step and the run it was made in, as far as those have arrived."""

    decision: Decision
    step: Step | None
    run: Run | None


@dataclass(frozen=True, slots=True)
class DecisionsModel:
    """Decisions that meet the question."""

    rows: Sequence[DecisionRow]
    listed: Listed


async def draw_steps(request: Request) -> Page:
    """The page of steps that meet the parameters of the URL, of all pipelines."""
    asked = read_asked(request)
    site = site_of(request)
    now_us = site.clock.wall_us()
    model = await site.read(lambda store: model_steps(store, asked, now_us))
    return Page(
        template="steps.html",
        title="Steps",
        model=model,
        section="steps",
        calls=(Call("/v1/steps", asked, spell_call("steps", asked)),),
    )


def model_steps(store: Store, asked: Parameters, now_us: int) -> StepsModel:
    """What the page of steps shows."""
    found = reading.list_steps(store, asked, now_us)
    listed = describe("/v1/steps", asked, found, len(found.steps))
    return StepsModel(found.steps, listed)


async def draw_decisions(request: Request) -> Page:
    """The page of decisions that meet the parameters of the URL, of all runs."""
    asked = read_asked(request)
    site = site_of(request)
    now_us = site.clock.wall_us()
    model = await site.read(lambda store: model_decisions(store, asked, now_us))
    return Page(
        template="decisions.html",
        title=model.listed.given("candidate_id") or "Decisions",
        model=model,
        section="decisions",
        calls=(Call("/v1/decisions", asked, spell_call("decisions", asked)),),
    )


def model_decisions(store: Store, asked: Parameters, now_us: int) -> DecisionsModel:
    """What the page of decisions shows."""
    found = reading.list_decisions(store, asked, now_us)
    steps = {step_id: store.step(step_id) for step_id in {row.step_id for row in found.decisions}}
    runs = {run_id: store.run(run_id) for run_id in {row.run_id for row in found.decisions}}
    listed = describe("/v1/decisions", asked, found, len(found.decisions))
    rows = [DecisionRow(one, steps[one.step_id], runs[one.run_id]) for one in found.decisions]
    return DecisionsModel(rows, listed)
