"""What many runs would have decided with other limits, summed up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

from starlette.requests import Request

from xray import reading
from xray.forensics.limits import is_number
from xray.model.sayings import shorten_ids
from xray.model.what_if import CurvePoint
from xray.model.what_if_runs import Blindness, Doubt, RunChange, StepOfRuns, WhatIfOfRuns
from xray.query.what_if_parameters import read_limits
from xray.questions import spell_limits, what_if_request
from xray.reading import Parameters
from xray.store.protocol import Store
from xray.web.addresses import page_of, runs_page
from xray.web.asked import read_asked
from xray.web.charts.curve import Curve, lay_curve
from xray.web.page import Call, Link, Page
from xray.web.pages.what_if import SIGNS, join_fields
from xray.web.site import site_of

PATH: Final = "/v1/what-if"
WHY_NOT: Final[dict[Blindness, str]] = {
    "no_such_check": "recorded no such check",
    "not_kept": "kept counts only",
    "no_evidence": "rejected for it without saying what was observed",
    "not_comparable": "compare it with something else",
}
DOUBTS: Final[dict[Doubt, str]] = {
    "skipped": "did not put every candidate to every check",
    "hidden": "kept a sample of their rows",
    "silent": "recorded checks of rejected candidates alone",
    "overruled": "kept candidates that failed the check",
}


@dataclass(frozen=True, slots=True)
class StepCurve:
    """The steps of one name over all runs.

    Args:
        step: what they would have decided.
        sign: how the check compares.
        curve: how many they would keep at other limits; None where several limits are tried.
    """

    step: StepOfRuns
    sign: str
    curve: Curve | None


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run that would have decided otherwise.

    Args:
        change: how.
        short_id: as much of its id as tells it from the others.
        href: the page that tries the same limits on it alone.
    """

    change: RunChange
    short_id: str
    href: str


@dataclass(frozen=True, slots=True)
class WhatIfRunsModel:
    """What many runs would have decided with other limits.

    Args:
        asked: the parameters.
        limits: the limits, as the form spells them.
        answer: what they would have decided; None while no limit is named.
        steps: the steps concerned.
        runs: the runs in which most would change.
        unjudged: why others could not be judged, and how many.
        doubts: why numbers are bounds, and in how many runs.
        next_page: goes on where the search stopped.
        first_page: the newest runs; None where these are they.
    """

    asked: Parameters
    limits: Sequence[str]
    answer: WhatIfOfRuns | None
    steps: Sequence[StepCurve] = ()
    runs: Sequence[RunLine] = ()
    unjudged: Sequence[tuple[str, int]] = ()
    doubts: Sequence[tuple[str, int]] = ()
    next_page: str | None = None
    first_page: str | None = None

    def given(self, name: str) -> str:
        """The value of a parameter; empty where it is not given."""
        return next((value for key, value in self.asked if key == name), "")


async def draw_what_if_runs(request: Request) -> Page:
    """The page that says what many runs would have decided with other limits."""
    asked = join_fields(read_asked(request))
    site = site_of(request)
    now_us = site.clock.wall_us()
    model = await site.read(lambda store: model_what_if_runs(store, asked, now_us))
    python = f"client.try_limits({list(asked)!r}, is_whole=False, note_part=print)"
    return Page(
        template="what_if_runs.html",
        title=f"What if {', '.join(model.limits) or 'a limit were another'}",
        model=model,
        section="runs",
        calls=(Call(PATH, asked, python),) if model.answer else (),
        trail=(Link("Runs", runs_page()),),
    )


def model_what_if_runs(store: Store, asked: Parameters, now_us: int) -> WhatIfRunsModel:
    """What the page of other limits over many runs shows."""
    limits = [value for name, value in asked if name == "limit"]
    if not limits:
        return WhatIfRunsModel(asked, limits, None)
    answer = reading.try_limits_on_runs(store, asked, now_us)
    others = [pair for pair in asked if pair[0] != "cursor"]
    spelled = spell_limits(read_limits([("limit", limit) for limit in limits]))
    ids = shorten_ids([one.run_id for one in answer.examples])
    return WhatIfRunsModel(
        asked=asked,
        limits=limits,
        answer=answer,
        steps=[_draw_step(step) for step in answer.steps],
        runs=[
            RunLine(one, ids[one.run_id], page_of(*what_if_request(one.run_id, spelled)))
            for one in answer.examples
        ],
        unjudged=[(WHY_NOT[one.why], one.runs) for one in answer.unjudged],
        doubts=[(DOUBTS[doubt], count) for doubt, count in answer.doubts.items()],
        next_page=page_of(PATH, [*others, ("cursor", answer.next_cursor)])
        if answer.next_cursor
        else None,
        first_page=page_of(PATH, others) if len(others) < len(asked) else None,
    )


def _draw_step(step: StepOfRuns) -> StepCurve:
    change = step.changes[0]
    was = now = None
    if len(change.was) == 1 and change.is_was_whole and _is_finite(change.was[0]):
        was = CurvePoint(change.was[0], step.kept, step.kept)
    if _is_finite(change.now):
        now = CurvePoint(change.now, step.least, step.most)
    curve = lay_curve(step.curve, was, now) if step.curve else None
    return StepCurve(step, SIGNS.get(change.op, change.op), curve)


def _is_finite(value: object) -> bool:
    return isinstance(value, (int, float)) and is_number(value) and isfinite(value)
