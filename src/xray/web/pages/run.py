"""One run: what went in, what came out, where to look first, and its steps as a funnel in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request

from xray import reading
from xray.model.answers import FindingList
from xray.model.nesting import measure_depths
from xray.model.records import RunDetail, Step
from xray.model.sayings import MIN_SHORT_ID
from xray.questions import run_path
from xray.store.protocol import Store
from xray.web.addresses import runs_page
from xray.web.charts.funnel import FunnelBar, lay_funnel
from xray.web.charts.waterfall import TimeBar, lay_waterfall
from xray.web.page import Call, Link, Page
from xray.web.pages.counterparts import Counterpart, find_counterparts
from xray.web.pages.what_if import find_what_if
from xray.web.site import site_of

_TOP_REASONS = 3
_MAX_ANSWERS = 12
MOST_DECIDED = 5_000


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of the run.

    Args:
        step: the step.
        depth: in how many other steps it stands.
        bar: how many came in and went on.
        time: when it ran.
        reasons: why it rejected most, with how many, the commonest first.
        more_reasons: how many others there are.
    """

    step: Step
    depth: int
    bar: FunnelBar
    time: TimeBar
    reasons: Sequence[tuple[str, int]]
    more_reasons: int


@dataclass(frozen=True, slots=True)
class RunModel:
    """One run.

    Args:
        run: the run.
        short_id: the beginning of its id.
        rows: its steps in order.
        findings: what deserves a look in it; None where so much was decided that it is looked
            for when the rest of the page stands.
        decided: how many decisions its steps made.
        answers: the candidates its last deciding step selected, up to twelve.
        more_answers: how many more there are.
        facts: what else was told of it, by name.
        counterparts: runs that it is worth comparing with.
        has_limits: some step recorded a check with a limit, which could be another.
    """

    run: RunDetail
    short_id: str
    rows: Sequence[StepRow]
    findings: FindingList | None
    decided: int
    answers: Sequence[str]
    more_answers: int
    facts: Mapping[str, object]
    counterparts: Sequence[Counterpart]
    has_limits: bool


async def draw_run(request: Request) -> Page:
    """The page of one run."""
    run_id = reading.read_id(request.path_params["run_id"])
    site = site_of(request)
    now_us = site.clock.wall_us()
    model = await site.read(lambda store: model_run(store, run_id, now_us))
    pipeline = model.run.pipeline
    return Page(
        template="run.html",
        title=f"{pipeline} {model.short_id}",
        model=model,
        section="runs",
        calls=(
            Call(run_path(run_id), (), f"client.run({run_id!r})"),
            Call(run_path(run_id, "findings"), (), f"client.findings({run_id!r})"),
        ),
        trail=(Link("Runs", runs_page()), Link(pipeline, runs_page(pipeline=pipeline))),
    )


def model_run(store: Store, run_id: str, now_us: int) -> RunModel:
    """What the page of a run shows."""
    run = reading.show_run(store, run_id)
    selected = list_answers(run.steps)
    decided = sum(count_decided(step) for step in run.steps)
    return RunModel(
        run=run,
        short_id=run_id[:MIN_SHORT_ID],
        rows=_rows(run),
        findings=reading.list_findings(store, run_id) if decided <= MOST_DECIDED else None,
        decided=decided,
        answers=selected[:_MAX_ANSWERS],
        more_answers=max(0, len(selected) - _MAX_ANSWERS),
        facts=_facts(run),
        counterparts=find_counterparts(store, run, now_us),
        has_limits=any(map(find_what_if, run.steps)),
    )


def count_decided(step: Step) -> int:
    """How many candidates a step decided."""
    return step.counts.rejected + step.counts.accepted + step.counts.selected


def list_answers(steps: Sequence[Step]) -> list[str]:
    """What the last step that selected anything selected."""
    decided = [step.decision for step in steps if step.decision is not None]
    if not decided:
        return []
    selected = decided[-1].selected
    return [selected] if isinstance(selected, str) else selected


def _rows(run: RunDetail) -> list[StepRow]:
    bars = lay_funnel(run.steps)
    times = lay_waterfall(run.started_at, run.duration_ms, run.steps)
    depths = measure_depths(run.steps)
    return [
        _row(step, depths[step.step_id], bar, time)
        for step, bar, time in zip(run.steps, bars, times, strict=True)
    ]


def _row(step: Step, depth: int, bar: FunnelBar, time: TimeBar) -> StepRow:
    counts = sorted(
        ((reason, one.count) for reason, one in step.rejections.items()),
        key=lambda pair: (-pair[1], pair[0]),
    )
    return StepRow(
        step=step,
        depth=depth,
        bar=bar,
        time=time,
        reasons=counts[:_TOP_REASONS],
        more_reasons=max(0, len(counts) - _TOP_REASONS),
    )


def _facts(run: RunDetail) -> dict[str, object]:
    told: dict[str, object] = {
        "params": run.params,
        "metadata": run.metadata,
        "tags": run.tags,
        "correlation": run.correlation,
        "repository": run.repository,
        "key": run.key,
        "left out": run.omissions,
    }
    if run.weight != 1:
        told["stands for"] = f"{run.weight:g} runs"
    if run.kept_for is not None:
        told["kept for"] = run.kept_for
    return {name: value for name, value in told.items() if value}
