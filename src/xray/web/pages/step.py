"""One step: what it did to its candidates, and why it rejected those it rejected."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from xray import reading
from xray.model.records import Decision, Step
from xray.model.sayings import MIN_SHORT_ID
from xray.reading import Parameters
from xray.store.protocol import Store
from xray.web.addresses import run_page, runs_page
from xray.web.asked import Listed, describe, read_asked
from xray.web.charts.shares import ShareBar, lay_shares
from xray.web.page import Call, Link, Page, spell_call
from xray.web.pages.what_if import find_what_if
from xray.web.site import site_of

_MAX_COLUMNS: Final = 5
_MAX_ROWS: Final = 200
_OF_THE_TABLE: Final = ("sort", "row")
"""What the script that scrolls the table keeps in the URL: the API knows none of it."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What a table of decisions shows beside candidate and verdict; none of it stands empty.

    Args:
        attributes: the attributes that most of the decisions have, in the order of recording.
        filled: which of `reason`, `rank`, `score`, `evidence` and `origin` the step recorded.
    """

    attributes: Sequence[str]
    filled: frozenset[str]


@dataclass(frozen=True, slots=True)
class StepModel:
    """One step with part of its decisions.

    Args:
        step: the step.
        decided: how many candidates it decided.
        detailed: of how many of them the detail was kept.
        reasons: why it rejected, as bars of all it decided.
        decisions: the part of its decisions that the URL asks for.
        listed: how many they are of how many.
        columns: what stands beside each of them.
        before: the step before it.
        after: the step after it.
        find: what the ids that are shown contain.
        is_wide: there are more decisions than one part of the list shows.
        what_if: the page that moves its limits; empty where it has none.
    """

    step: Step
    decided: int
    detailed: int
    reasons: Sequence[ShareBar]
    decisions: Sequence[Decision]
    listed: Listed
    columns: Columns
    before: Step | None
    after: Step | None
    find: str = ""
    is_wide: bool = False
    what_if: str = ""


@dataclass(frozen=True, slots=True)
class RowsModel:
    """Some decisions of a step, as rows of its table."""

    decisions: Sequence[Decision]
    columns: Columns


async def draw_step(request: Request) -> Page:
    """The page of one step."""
    step_id = reading.read_id(request.path_params["step_id"])
    asked, find = read_finding(read_asked(request))
    site = site_of(request)
    now_us = site.clock.wall_us()
    model = await site.read(lambda store: model_step(store, step_id, asked, now_us, find))
    step = model.step
    short_id = step.run_id[:MIN_SHORT_ID]
    of_step = [("step_id", step_id), *asked]
    return Page(
        template="step.html",
        title=f"{step.name} in {step.pipeline} {short_id}",
        model=model,
        section="runs",
        calls=(
            Call("/v1/decisions", of_step, spell_call("decisions", of_step)),
            Call(f"/v1/steps/{step_id}", (), f"client.step({step_id!r})"),
        ),
        trail=(
            Link("Runs", runs_page()),
            Link(step.pipeline, runs_page(pipeline=step.pipeline)),
            Link(short_id, run_page(step.run_id)),
        ),
    )


def model_step(
    store: Store, step_id: str, asked: Parameters, now_us: int, find: str = ""
) -> StepModel:
    """What the page of a step shows."""
    step = reading.show_step(store, step_id)
    found = reading.list_decisions(store, [("step_id", step_id), *asked], now_us)
    neighbours = store.steps_of_run(step.run_id, is_sampled=False)
    place = next((at for at, one in enumerate(neighbours) if one.step_id == step_id), 0)
    counts = step.counts
    decided = counts.rejected + counts.accepted + counts.selected
    reasons = {reason: one.count for reason, one in step.rejections.items()}
    return StepModel(
        step=step,
        decided=decided,
        detailed=decided - step.omissions.get("sampled_out", 0),
        reasons=lay_shares(reasons, decided),
        decisions=found.decisions,
        listed=describe(f"/v1/steps/{step_id}", asked, found, len(found.decisions)),
        columns=choose_columns(step, found.decisions),
        before=neighbours[place - 1] if place > 0 else None,
        after=neighbours[place + 1] if place + 1 < len(neighbours) else None,
        find=find,
        is_wide=found.next_cursor is not None or any(name == "cursor" for name, _ in asked),
        what_if=find_what_if(step),
    )


def choose_columns(step: Step, decisions: Sequence[Decision]) -> Columns:
    """What stands beside each of the *decisions* of a step, of which they may be a part."""
    counts = Counter(name for row in decisions for name in row.attributes)
    common = {name for name, _ in counts.most_common(_MAX_COLUMNS)}
    filled = {
        "reason": bool(step.rejections) or any(row.reason for row in decisions),
        "rank": any(row.rank is not None for row in decisions),
        "score": any(row.score is not None for row in decisions),
        "evidence": bool(step.checks) or any(map(_has_evidence, decisions)),
        "origin": bool(step.origins) or any(row.origin for row in decisions),
    }
    return Columns(
        attributes=[name for name in counts if name in common],
        filled=frozenset(name for name, is_filled in filled.items() if is_filled),
    )


def _has_evidence(row: Decision) -> bool:
    return bool(row.checks or row.reasoning or row.merged_into)


def read_finding(asked: Parameters) -> tuple[Parameters, str]:
    """The parameters as the API takes them, and the part of an id that was looked for.

    The page has a field for a part of the id where the API has the query language.
    """
    find = next((value for name, value in asked if name == "find"), "")
    others = [pair for pair in asked if pair[0] not in ("find", *_OF_THE_TABLE)]
    if find:
        others.append(("q", f"candidate_id contains {json.dumps(find, ensure_ascii=False)}"))
    return others, find


async def draw_rows(request: Request) -> Page:
    """Rows of the table of a step's decisions, by their places, for the script that scrolls it."""
    step_id = reading.read_id(request.path_params["step_id"])
    named = request.query_params.get("at", "").split(",")
    places = [int(place) for place in named[:_MAX_ROWS] if place.isdecimal()]
    columns = Columns(
        attributes=request.query_params.getlist("column"),
        filled=frozenset(request.query_params.getlist("with")),
    )
    decisions = await site_of(request).read(
        lambda store: reading.pick_decisions(store, step_id, places)
    )
    return Page(template="rows.html", title="", model=RowsModel(decisions, columns))
