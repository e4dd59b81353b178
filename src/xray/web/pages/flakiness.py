"""How far runs on the same input decide alike, and where they begin not to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from xray import reading
from xray.model.flakiness import Flakiness, FlakinessReport, Flip, StepFlakiness
from xray.model.sayings import shorten_ids
from xray.reading import Parameters
from xray.store.protocol import Store
from xray.web.addresses import diff_page, runs_page
from xray.web.asked import read_asked
from xray.web.charts.parts import Part, lay_parts
from xray.web.page import Call, Link, Page
from xray.web.site import site_of

PATH: Final = "/v1/flakiness"
BAR_WIDTH: Final = 120.0
_RUNS: Final = "20"
_WHOLE_INPUTS: Final = 3
_SOURCE_FLIPS: Final = 10
_OTHER_FLIPS: Final = 3


@dataclass(frozen=True, slots=True)
class FlipRow:
    """A candidate that was kept in some runs and not in others.

    Args:
        flip: in how many.
        parts: the runs that kept it, dropped it, never had it, as pieces of a bar.
        diff: the page that compares a run that kept it with one that did not; may be empty.
    """

    flip: Flip
    parts: Sequence[Part]
    diff: str


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step over the runs of an input.

    Args:
        step: how far it decided alike.
        is_source: it is the first that decided differently about the same candidates.
        parts: of its candidates those that flip at the step itself, those that flip because of
            steps before it, and those that do not, as pieces of a bar.
        flips: candidates that flip.
    """

    step: StepFlakiness
    is_source: bool
    parts: Sequence[Part]
    flips: Sequence[FlipRow]


@dataclass(frozen=True, slots=True)
class InputRow:
    """One input that was given more than once.

    Args:
        measured: how far its runs decide alike.
        short_ids: as much of their ids as tells them apart.
        steps: the steps.
        is_whole: it is one of the flakiest, which are shown step by step.
    """

    measured: Flakiness
    short_ids: dict[str, str]
    steps: Sequence[StepRow]
    is_whole: bool

    @property
    def diff(self) -> str:
        """The page that compares two of its runs that decided differently; may be empty."""
        return next((flip.diff for row in self.steps for flip in row.flips if flip.diff), "")

    @property
    def is_steady(self) -> bool:
        """Whether all of its runs decided alike, as far as that is known."""
        return not any(row.step.flips for row in self.steps)


@dataclass(frozen=True, slots=True)
class FlakinessModel:
    """How far runs on the same input decide alike.

    Args:
        q: which runs.
        runs: how many of the newest were wanted.
        report: the answer.
        inputs: the inputs that were given more than once.
    """

    q: str
    runs: str
    report: FlakinessReport
    inputs: Sequence[InputRow]
    bar_width: float = BAR_WIDTH


async def draw_flakiness(request: Request) -> Page:
    """The page that says how far runs on the same input decide alike."""
    asked = read_asked(request)
    site = site_of(request)
    now_us = site.clock.wall_us()
    model = await site.read(lambda store: model_flakiness(store, asked, now_us))
    return Page(
        template="flakiness.html",
        title="Runs on the same input",
        model=model,
        section="runs",
        calls=(Call(PATH, asked, f"client.flakiness({model.q!r}, {model.runs})"),),
        trail=(Link("Runs", runs_page()),),
    )


def model_flakiness(store: Store, asked: Parameters, now_us: int) -> FlakinessModel:
    """What the page of runs on the same input shows."""
    report = reading.measure_flakiness(store, asked, now_us)
    named = dict(asked)
    return FlakinessModel(
        q=named.get("q", ""),
        runs=named.get("runs", _RUNS),
        report=report,
        inputs=[
            _describe(measured, is_whole=place < _WHOLE_INPUTS)
            for place, measured in enumerate(report.inputs)
        ],
    )


def _describe(measured: Flakiness, *, is_whole: bool) -> InputRow:
    return InputRow(
        measured=measured,
        short_ids=shorten_ids(measured.run_ids),
        steps=[_describe_step(step, measured.source) for step in measured.steps],
        is_whole=is_whole,
    )


def _describe_step(step: StepFlakiness, source: str | None) -> StepRow:
    steady = step.candidates - step.flips
    is_source = step.name == source
    return StepRow(
        step=step,
        is_source=is_source,
        parts=lay_parts((step.own_flips, step.flips - step.own_flips, steady), BAR_WIDTH),
        flips=[
            FlipRow(
                flip,
                lay_parts((flip.kept, flip.dropped, flip.absent), BAR_WIDTH),
                diff_page(flip.kept_in, flip.missed_in) if flip.missed_in else "",
            )
            for flip in step.examples[: _SOURCE_FLIPS if is_source else _OTHER_FLIPS]
        ],
    )
