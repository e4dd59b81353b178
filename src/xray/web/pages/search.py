"""The search box: whatever a person holds in hand, found among runs, candidates and steps."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from xray import reading
from xray.model.aggregates import Aggregate
from xray.model.ids import parse_uuid
from xray.model.records import Decision, Run
from xray.model.sayings import shorten_ids
from xray.query.tokens import say_text
from xray.store.protocol import Store
from xray.web.addresses import (
    run_page,
    runs_page,
    search_page,
    step_page,
    steps_page,
    why_page,
)
from xray.web.page import Call, Page, spell_call
from xray.web.site import site_of

_ID_BEGINNING: Final = re.compile(r"[0-9a-fA-F][0-9a-fA-F-]{3,35}\Z")
_MAX_ASKED: Final = 300
_MAX_RUNS: Final = 20
_MAX_DECISIONS: Final = 100
_TEXT_RUNS: Final = 200
"""How many of the newest runs are read for the text: what that costs is bounded by the 2 KB that a
list keeps of an output, and by what pipelines send as input."""


@dataclass(frozen=True, slots=True)
class RunHit:
    """A run that was found.

    Args:
        run: the run.
        short_id: as much of its id as tells it from the others.
        why: what of it is what was searched for.
    """

    run: Run
    short_id: str
    why: str


@dataclass(frozen=True, slots=True)
class CandidateHit:
    """A candidate that was found in a run.

    Args:
        last: what the last step that decided about it said.
        decided: how many decisions of the run about it were found.
        run: the run; None where it has not arrived.
        short_id: as much of the run's id as tells it from the others.
        href: the page that says why it ended so.
    """

    last: Decision
    decided: int
    run: Run | None
    short_id: str
    href: str


@dataclass(frozen=True, slots=True)
class NameHit:
    """A name that runs or steps have.

    Args:
        name: the name.
        pipeline: for a step's name, the pipeline.
        count: how many have it.
        href: the list of them.
    """

    name: str
    pipeline: str
    count: int | float
    href: str


@dataclass(frozen=True, slots=True)
class SearchModel:
    """What was found, and what was not looked at.

    Args:
        asked: what was searched for; empty where nothing was.
        runs: runs by id, by correlation id and by their input and output.
        pipelines: pipelines of that name.
        candidates: runs that decided about the candidate of that id.
        decisions: how many decisions about it there are, as far as counted.
        is_decisions_exact: whether that is all.
        steps: names of steps.
        only: the page of the one thing that was meant, where that is plain.
        missed: what was not searched, in sentences.
        further: searches older inputs and outputs; None where all were searched.
        calls: the calls that yield this.
    """

    asked: str
    runs: Sequence[RunHit] = ()
    pipelines: Sequence[NameHit] = ()
    candidates: Sequence[CandidateHit] = ()
    decisions: int = 0
    is_decisions_exact: bool = True
    steps: Sequence[NameHit] = ()
    only: str | None = None
    missed: Sequence[str] = ()
    further: str | None = None
    calls: Sequence[Call] = field(default=())

    @property
    def is_none(self) -> bool:
        """Whether nothing was found."""
        return not (self.runs or self.pipelines or self.candidates or self.steps)


async def draw_search(request: Request) -> Page | Response:
    """The page of what was found; the thing itself where only one is meant."""
    asked = request.query_params.get("q", "").strip()[:_MAX_ASKED]
    cursor = request.query_params.get("cursor", "")
    site = site_of(request)
    now_us = site.clock.wall_us()
    model = await site.read(lambda store: model_search(store, asked, now_us, cursor))
    if model.only is not None:
        return RedirectResponse(model.only, status_code=303)
    return Page(
        template="search.html",
        title=f"Search for {asked}" if asked else "Search",
        model=model,
        section="search",
        calls=model.calls,
    )


def model_search(store: Store, asked: str, now_us: int, cursor: str = "") -> SearchModel:
    """What the page of a search shows.

    Args:
        store: where records are.
        asked: what is searched for.
        now_us: the time.
        cursor: where the search of inputs and outputs goes on.
    """
    if not asked:
        return SearchModel(asked)
    opened = _open_by_id(store, asked)
    if opened is not None:
        return SearchModel(asked, only=opened)
    named = _name_ids(store, asked)
    candidate = [("candidate_id", asked), ("limit", str(_MAX_DECISIONS))]
    decided = reading.list_decisions(store, candidate, now_us)
    by_pipeline = [
        ("of", "runs"),
        ("q", f"pipeline contains {say_text(asked)}"),
        ("by", "pipeline"),
    ]
    pipelines = reading.aggregate(store, by_pipeline, now_us)
    by_name = [("of", "steps"), ("q", f"name contains {say_text(asked)}"), ("by", "pipeline,name")]
    steps = reading.aggregate(store, by_name, now_us)
    candidates = _group_decisions(store, decided.decisions)
    pipeline_hits = _name_pipelines(pipelines)
    step_hits = _name_steps(steps)
    only = _open_only(asked, [run for run, _ in named], candidates, [*pipeline_hits, *step_hits])
    if only is not None and not cursor:
        return SearchModel(asked, only=only)
    newest = [("limit", str(_TEXT_RUNS)), *([("cursor", cursor)] if cursor else [])]
    read = reading.list_runs(store, newest, now_us)
    told = [(run, why) for run in read.runs if (why := _find_text(run, asked))]
    further = None
    if read.next_cursor is not None:
        further = search_page(q=asked, cursor=read.next_cursor)
    calls = [
        *([_call("runs", _ask_ids([run.run_id for run, _ in named]))] if named else []),
        _call("decisions", candidate),
        Call("/v1/aggregate", by_pipeline, spell_call("aggregate", by_pipeline)),
        Call("/v1/aggregate", by_name, spell_call("aggregate", by_name)),
        _call("runs", newest),
    ]
    return SearchModel(
        asked=asked,
        runs=_hit_runs([*named, *told]),
        pipelines=pipeline_hits,
        candidates=candidates[:_MAX_RUNS],
        decisions=decided.total if decided.total is not None else len(decided.decisions),
        is_decisions_exact=decided.total_is_exact,
        steps=step_hits,
        missed=_say_missed(read.runs, read.next_cursor, pipelines, steps, bool(cursor)),
        further=further,
        calls=calls,
    )


def _open_by_id(store: Store, asked: str) -> str | None:
    """The page of the run or the step whose whole id *asked* is."""
    canonical = parse_uuid(asked)
    if canonical is None:
        return None
    if store.run(canonical) is not None:
        return run_page(canonical)
    return step_page(canonical) if store.step(canonical) is not None else None


def _open_only(
    asked: str,
    runs: Sequence[Run],
    candidates: Sequence[CandidateHit],
    names: Sequence[NameHit],
) -> str | None:
    """The page of what was found where it is one thing, and called *asked* to the letter."""
    pages = [
        *(run_page(run.run_id) for run in runs),
        *(hit.href for hit in candidates),
        *(hit.href for hit in names),
    ]
    is_exact = not names or names[0].name == asked
    return pages[0] if len(pages) == 1 and is_exact else None


def _name_ids(store: Store, asked: str) -> list[tuple[Run, str]]:
    """Runs whose id begins with *asked*, or that have it as an id in another system."""
    begun = store.run_ids(asked.lower(), _MAX_RUNS) if _ID_BEGINNING.match(asked) else []
    reasons = dict.fromkeys(begun, "its id begins so")
    for run_id in store.correlated(asked, _MAX_RUNS):
        reasons.setdefault(run_id, "its id in another system")
    runs = [(store.run(run_id), why) for run_id, why in reasons.items()]
    return [(run, why) for run, why in runs if run is not None]


def _find_text(run: Run, asked: str) -> str:
    """Where in a run the text *asked* stands; empty where it does not."""
    wanted = asked.casefold()
    places = (("output", run.output), ("input", run.input))
    found = [name for name, value in places if value is not None and wanted in _spell(value)]
    if run.error is not None and wanted in f"{run.error.type}: {run.error.message}".casefold():
        found.append("error")
    return f"in its {' and '.join(found)}" if found else ""


def _spell(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.casefold()


def _hit_runs(found: Sequence[tuple[Run, str]]) -> list[RunHit]:
    reasons: dict[str, list[str]] = {}
    for run, why in found:
        reasons.setdefault(run.run_id, []).append(why)
    runs = {run.run_id: run for run, _ in found}
    ids = shorten_ids(list(runs))
    return [RunHit(run, ids[key], ", ".join(reasons[key])) for key, run in runs.items()]


def _group_decisions(store: Store, decisions: Sequence[Decision]) -> list[CandidateHit]:
    by_run: dict[str, list[Decision]] = {}
    for one in decisions:
        by_run.setdefault(one.run_id, []).append(one)
    ids = shorten_ids(list(by_run))
    hits: list[CandidateHit] = []
    for run_id, found in by_run.items():
        places = {
            step.step_id: step.ordinal for step in store.steps_of_run(run_id, is_sampled=False)
        }
        last = max(found, key=lambda one: places.get(one.step_id, -1))
        run = store.run(run_id)
        href = why_page(run_id, last.candidate_id)
        hits.append(CandidateHit(last, len(found), run, ids[run_id], href))
    return hits


def _name_pipelines(found: Aggregate) -> list[NameHit]:
    named = [(group.group["pipeline"], group.count) for group in found.groups]
    return [
        NameHit(name, "", count, runs_page(pipeline=name))
        for name, count in named
        if isinstance(name, str)
    ]


def _name_steps(found: Aggregate) -> list[NameHit]:
    hits: list[NameHit] = []
    for group in found.groups:
        pipeline, name = group.group["pipeline"], group.group["name"]
        if isinstance(pipeline, str) and isinstance(name, str):
            href = steps_page(**{"run.pipeline": pipeline, "name": name})
            hits.append(NameHit(name, pipeline, group.count, href))
    return hits


def _say_missed(
    runs: Sequence[Run],
    next_cursor: str | None,
    pipelines: Aggregate,
    steps: Aggregate,
    is_further: bool,
) -> list[str]:
    missed: list[str] = []
    if next_cursor is not None and runs:
        which = f"{len(runs):,} older" if is_further else f"the {len(runs):,} newest"
        missed.append(
            f"Inputs, outputs and errors were read of {which} runs, back to"
            f" {_say_moment(runs[-1].started_at)}."
        )
    for noun, found in (("pipelines", pipelines), ("steps", steps)):
        if not found.complete and found.scan is not None:
            back = found.scan.back_to
            until = "" if back is None else f", back to {_say_moment(back)}"
            missed.append(f"Names of {noun} were read of {found.scan.rows:,} records{until}.")
    missed.append(
        "Of outputs the first 2 KB are read; attributes and reasonings of candidates are asked"
        " with the query language, and candidates by their whole id."
    )
    return missed


def _say_moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _ask_ids(run_ids: Sequence[str]) -> list[tuple[str, str]]:
    return [("q", f"run_id in ({', '.join(map(say_text, run_ids))})")]


def _call(verb: str, pairs: Sequence[tuple[str, str]]) -> Call:
    return Call(f"/v1/{verb}", pairs, spell_call(verb, pairs))
