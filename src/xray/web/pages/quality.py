"""How well steps keep what somebody labelled good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from xray import reading
from xray.model.quality import Measure, Quality, StepQuality
from xray.reading import Parameters
from xray.store.protocol import Store
from xray.web.addresses import runs_page
from xray.web.asked import read_asked
from xray.web.charts.parts import Part, lay_parts
from xray.web.charts.ranges import Range, lay_range
from xray.web.page import Call, Link, Page
from xray.web.site import site_of

PATH: Final = "/v1/quality"
BAR_WIDTH: Final = 110.0
RANGE_WIDTH: Final = 90.0


@dataclass(frozen=True, slots=True)
class MeasureBar:
    """One figure of a step with its bounds.

    Args:
        measure: the figure.
        range: where it and its bounds stand.
    """

    measure: Measure
    range: Range


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step.

    Args:
        step: how well it keeps what is good.
        good: the good that came there: kept, dropped, not known; as pieces of a bar.
        bad: the same of the bad.
        recall: the share of the good that it kept.
        precision: the share of the labelled it kept that is good.
        others: the figures that not every step has, by name.
    """

    step: StepQuality
    good: Sequence[Part]
    bad: Sequence[Part]
    recall: MeasureBar | None
    precision: MeasureBar | None
    others: Sequence[tuple[str, Measure]]


@dataclass(frozen=True, slots=True)
class QualityModel:
    """How well pipelines keep what is labelled good.

    Args:
        asked: the parameters.
        quality: the answer.
        rows: the steps.
    """

    asked: Parameters
    quality: Quality
    rows: Sequence[StepRow]
    bar_width: float = BAR_WIDTH
    range_width: float = RANGE_WIDTH

    def given(self, name: str) -> str:
        """The value of a parameter; empty where it is not given."""
        return next((value for key, value in self.asked if key == name), "")


async def draw_quality(request: Request) -> Page:
    """The page that says how well steps keep what is labelled good."""
    asked = read_asked(request)
    site = site_of(request)
    now_us = site.clock.wall_us()
    model = await site.read(lambda store: model_quality(store, asked, now_us))
    return Page(
        template="quality.html",
        title="What is kept of the good",
        model=model,
        section="runs",
        calls=(Call(PATH, asked, spell_quality(asked)),),
        trail=(Link("Runs", runs_page()),),
    )


def spell_quality(asked: Parameters) -> str:
    """The question as an expression of `client`."""
    named = dict(asked)
    told = [repr(named.get("q", ""))]
    told += [f"{name}={named[name]}" for name in ("k", "runs") if name in named]
    return f"client.quality({', '.join(told)})"


def model_quality(store: Store, asked: Parameters, now_us: int) -> QualityModel:
    """What the page of what is kept of the good shows."""
    quality = reading.rate_quality(store, asked, now_us)
    return QualityModel(asked, quality, [_describe(step, quality.k) for step in quality.steps])


def _describe(step: StepQuality, k: int) -> StepRow:
    others = (
        ("of all good, still there", step.recall_so_far),
        (f"good on the first {k} ranks", step.precision_at_k),
        ("mean reciprocal rank", step.reciprocal_rank),
        ("NDCG", step.ndcg),
    )
    good, bad = (
        lay_parts((counts.kept, counts.dropped, counts.unknown), BAR_WIDTH)
        for counts in (step.good, step.bad)
    )
    return StepRow(
        step=step,
        good=good,
        bad=bad,
        recall=_lay(step.recall),
        precision=_lay(step.precision),
        others=[(name, measure) for name, measure in others if measure is not None],
    )


def _lay(measure: Measure | None) -> MeasureBar | None:
    if measure is None:
        return None
    return MeasureBar(measure, lay_range(measure.value, measure.least, measure.most, RANGE_WIDTH))
