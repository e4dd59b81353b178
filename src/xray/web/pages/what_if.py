"""What a run would have decided with other limits: the limits to move, and who would flip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from typing import Any, Final

import msgspec
from starlette.requests import Request

from xray import reading
from xray.forensics.case import Case
from xray.forensics.evidence import RunEvidence
from xray.forensics.limits import is_number, operator_of
from xray.forensics.redeciding import StepEvidence
from xray.forensics.what_if import try_limits
from xray.model.checked import count_step
from xray.model.labels import LabelsAsked, words_by_candidate
from xray.model.operators import ORDERINGS
from xray.model.records import Step
from xray.model.sayings import MIN_SHORT_ID
from xray.model.what_if import CurvePoint, StepWhatIf, WhatIf
from xray.query.what_if_parameters import read_limits
from xray.questions import run_path, spell_limits, what_if_request
from xray.reading import Parameters
from xray.store.protocol import Store
from xray.web.addresses import page_of, run_page, runs_page
from xray.web.asked import read_asked
from xray.web.charts.curve import Curve, lay_curve
from xray.web.page import Call, Link, Page
from xray.web.site import site_of

FIELD: Final = "limit="
"""How a form names the limit of a check: `limit=price` and `120` are `limit=price=120` in a URL."""

SIGNS: Final = {"<=": "≤", ">=": "≥", "!=": "≠", "==": "="}
_SLIDER_STOPS: Final = 200
_MAX_SPAN: Final = 1e15
_SHOWN_LIMITS: Final = 3


@dataclass(frozen=True, slots=True)
class LimitField:
    """One check whose limit can be moved.

    Args:
        check: its name.
        step: the first step that put candidates to it.
        other_steps: the names of others that did.
        field: what it observes.
        sign: how that is compared.
        was: the limit that was recorded, as text; empty where candidates had limits of their own.
        were: some of these, as text.
        tried: the limit that is tried, as text; empty where none is.
        rejected: how many candidates the steps rejected for it.
        low: the lowest number it observed or held candidates to; None where it compares no numbers.
        high: the highest.
        stop: by how much a slider moves it.
    """

    check: str
    step: Step
    other_steps: Sequence[str]
    field: str
    sign: str
    was: str
    were: Sequence[str]
    tried: str
    rejected: int
    low: float | None = None
    high: float | None = None
    stop: float | None = None


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What one step would have decided.

    Args:
        step: the answer about it.
        sign: how its check compares, where one limit is tried.
        curve: how many it would keep at other limits.
    """

    step: StepWhatIf
    sign: str
    curve: Curve | None


@dataclass(frozen=True, slots=True)
class WhatIfModel:
    """What a run would have decided with other limits.

    Args:
        run_id: the run.
        pipeline: its pipeline.
        short_id: the beginning of its id.
        fields: the checks whose limits can be moved, those that rejected most first.
        fixed: how many checks compare nothing with a limit.
        answer: what it would have decided; None while no limit is tried.
        outcomes: the same step by step; without a limit, of the one that is proposed.
        rescored: the later steps of which only a rerun can tell, by name and id.
        path: where the form asks.
        of_runs: the page that tries the same over all runs of the pipeline; empty while no limit
            is tried.
    """

    run_id: str
    pipeline: str
    short_id: str
    fields: Sequence[LimitField]
    fixed: int
    answer: WhatIf | None
    outcomes: Sequence[StepOutcome]
    rescored: Sequence[tuple[str, str]]
    path: str
    of_runs: str


async def draw_what_if(request: Request) -> Page:
    """The page that says what a run would have decided with other limits."""
    run_id = reading.read_id(request.path_params["run_id"])
    asked = join_fields(read_asked(request))
    model = await site_of(request).read(lambda store: model_what_if(store, run_id, asked))
    limits = [value for _, value in asked]
    named = ", ".join(f"{one.check}={one.tried}" for one in model.fields if one.tried)
    return Page(
        template="what_if.html",
        title=f"{named or 'Other limits'}: what if in {model.pipeline} {model.short_id}",
        model=model,
        section="runs",
        calls=(Call(*what_if_request(run_id, limits), spell_what_if(run_id, asked)),)
        if limits
        else (),
        trail=(
            Link("Runs", runs_page()),
            Link(model.pipeline, runs_page(pipeline=model.pipeline)),
            Link(model.short_id, run_page(run_id)),
        ),
    )


def find_what_if(step: Step) -> str:
    """The page that moves the limits of *step*; empty where its samples show none.

    The limit that most were rejected by stands there as it was, so that its curve is seen first.
    """
    rejections = sorted(step.rejections.values(), key=lambda one: -one.count)
    checks = [check for one in rejections for row in one.samples for check in row.checks]
    if not any(check.op is not None for check in checks):
        return ""
    moved = next((one for one in checks if one.op in ORDERINGS and is_number(one.limit)), None)
    limits = [] if moved is None else spell_limits({moved.name: moved.limit})
    return page_of(*what_if_request(step.run_id, limits))


def join_fields(asked: Parameters) -> Parameters:
    """The parameters as the API takes them, where a form gave a limit in a field of its own."""
    return [
        ("limit", f"{name.removeprefix(FIELD)}={value}")
        if name.startswith(FIELD)
        else (name, value)
        for name, value in asked
    ]


def spell_what_if(run_id: str, asked: Parameters) -> str:
    """The question as an expression of `client`."""
    return f"client.what_if({run_id!r}, **{read_limits(asked)!r})"


def model_what_if(store: Store, run_id: str, asked: Parameters) -> WhatIfModel:
    """What the page of other limits shows."""
    limits = read_limits(asked) if asked else {}
    evidence = reading.open_run(store, run_id)
    case = Case.of(evidence)
    known = [
        StepEvidence(count_step(step), case.flow.ledger(step).outlines, evidence.sketches(step))
        for step in case.flow.deciding_steps
    ]
    fields, fixed = list_fields(case.flow.deciding_steps, known, limits)
    labels = store.labels(LabelsAsked(run_ids=(run_id,), is_of_run=False)) if limits else []
    answer = try_limits(evidence, limits, words_by_candidate(labels)) if limits else None
    shown = answer or _propose(evidence, fields)
    names = {} if answer is None else {step.name: step.step_id for step in evidence.steps}
    return WhatIfModel(
        run_id=run_id,
        pipeline=evidence.run.pipeline,
        short_id=run_id[:MIN_SHORT_ID],
        fields=fields,
        fixed=fixed,
        answer=answer,
        outcomes=[]
        if shown is None
        else [draw_step(step, is_tried=answer is not None) for step in shown.steps],
        rescored=[] if answer is None else [(name, names[name]) for name in answer.rescored],
        path=page_of(run_path(run_id, "what-if")),
        of_runs=page_of("/v1/what-if", [("pipeline", evidence.run.pipeline), *asked])
        if limits
        else "",
    )


def _propose(evidence: RunEvidence, fields: Sequence[LimitField]) -> WhatIf | None:
    """The check that rejected most, with the limit that was recorded, as somewhere to begin."""
    first = next((one for one in fields if one.low is not None and one.was), None)
    return None if first is None else try_limits(evidence, {first.check: float(first.was)})


def list_fields(
    steps: Sequence[Step], known: Sequence[StepEvidence], limits: Mapping[str, Any]
) -> tuple[list[LimitField], int]:
    """The checks whose limits can be moved, and how many others there are.

    Args:
        steps: the steps that decided.
        known: what is known of their checks, in the same order.
        limits: the limits that are tried, by the name of a check or its field.
    """
    holders: dict[str, list[tuple[Step, StepEvidence]]] = {}
    for step, there in zip(steps, known, strict=True):
        for name in there.checks:
            holders.setdefault(name, []).append((step, there))
    fields = [
        _describe(name, held, limits)
        for name, held in holders.items()
        if operator_of(held[0][1].checks[name]) is not None and "=" not in name
    ]
    fields.sort(key=lambda one: (-one.rejected, one.step.ordinal, one.check))
    return fields, len(holders) - len(fields)


def _describe(
    name: str, held: Sequence[tuple[Step, StepEvidence]], limits: Mapping[str, Any]
) -> LimitField:
    step, there = held[0]
    check = there.checks[name]
    op = operator_of(check)
    were = [limit for _, one in held for limit in one.limits_of(name)]
    tried = limits.get(name, limits.get(check.field or name))
    numbers = [one for one in were if is_number(one) and isfinite(one)]
    span = (
        _measure(name, held, [*numbers, *([tried] if is_number(tried) else [])])
        if op in ORDERINGS and numbers
        else (None, None, None)
    )
    return LimitField(
        check=name,
        step=step,
        other_steps=[one.name for one, _ in held[1:]],
        field=check.field or name,
        sign=SIGNS.get(op or "", op or ""),
        was=spell_limit(were[0]) if len(were) == 1 else "",
        were=[] if len(were) == 1 else [spell_limit(one) for one in were[:_SHOWN_LIMITS]],
        tried="" if tried is None else spell_limit(tried),
        rejected=sum(one.counts.reasons.get(name, 0) for _, one in held),
        low=span[0],
        high=span[1],
        stop=span[2],
    )


def _measure(
    name: str, held: Sequence[tuple[Step, StepEvidence]], limits: Sequence[float]
) -> tuple[float | None, float | None, float | None]:
    """From where to where a slider moves a limit, and in which steps."""
    seen = list(limits)
    for _, there in held:
        seen += there.observed_by(name)
        for passed in (True, False):
            sketch = there.sketch(name, passed=passed)
            seen += [sketch.least, sketch.greatest] if sketch is not None else []
    low, high = min(seen), max(seen)
    if not 0 < high - low < _MAX_SPAN:
        return (None, None, None)
    stop = 10.0 ** floor(log10((high - low) / _SLIDER_STOPS))
    if all(float(one).is_integer() for one in seen):
        stop = max(1.0, stop)
    return round(floor(low / stop) * stop, 12), round(ceil(high / stop) * stop, 12), stop


def spell_limit(limit: Any) -> str:
    """A limit as a URL has it."""
    return limit if isinstance(limit, str) else msgspec.json.encode(limit).decode()


def draw_step(step: StepWhatIf, *, is_tried: bool = True) -> StepOutcome:
    """One step with its curve; without the mark of what is tried where nothing is."""
    change = step.changes[0]
    was = now = None
    if is_number(change.was) and isfinite(change.was):
        was = CurvePoint(change.was, step.kept, step.kept)
    if is_tried and is_number(change.now) and isfinite(change.now):
        now = CurvePoint(change.now, step.least, step.most)
    return StepOutcome(
        step=step,
        sign=SIGNS.get(change.op, change.op),
        curve=lay_curve(step.curve, was, now) if step.curve else None,
    )
