"""What somebody said of runs and candidates: good or bad, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from xray import reading
from xray.model.labels import Label
from xray.model.records import Run
from xray.reading import Parameters
from xray.store.protocol import Store
from xray.web.addresses import runs_page
from xray.web.asked import Listed, read_asked
from xray.web.page import Call, Link, Page, spell_call
from xray.web.site import site_of

PATH: Final = "/v1/labels"


@dataclass(frozen=True, slots=True)
class LabelsModel:
    """Labels that meet the question, newest first.

    Args:
        labels: the labels.
        runs: the runs they are about, as far as those have arrived.
        listed: how many they are of how many.
    """

    labels: Sequence[Label]
    runs: Mapping[str, Run | None]
    listed: Listed


async def draw_labels(request: Request) -> Page:
    """The page of labels that meet the parameters of the URL."""
    asked = read_asked(request)
    site = site_of(request)
    now_us = site.clock.wall_us()
    model = await site.read(lambda store: model_labels(store, asked, now_us))
    return Page(
        template="labels.html",
        title="Labels",
        model=model,
        section="runs",
        calls=(Call(PATH, asked, spell_call("labels", asked)),),
        trail=(Link("Runs", runs_page()),),
    )


def model_labels(store: Store, asked: Parameters, now_us: int) -> LabelsModel:
    """What the page of labels shows."""
    found = reading.list_labels(store, asked, now_us)
    listed = Listed(
        path=PATH,
        asked=asked,
        shown=len(found.labels),
        total=found.total,
        total_is_exact=found.total_is_exact,
        next_cursor=found.next_cursor,
        complete=found.complete,
    )
    run_ids = {label.run_id for label in found.labels}
    return LabelsModel(found.labels, {run_id: store.run(run_id) for run_id in run_ids}, listed)
