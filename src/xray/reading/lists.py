"""Lists of records, single records and figures: what a URL asks, read from a store."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec
from msgspec import Struct, structs

from xray.errors import InvalidQueryError, NotFoundError
from xray.model.aggregates import Aggregate
from xray.model.counts import score_value
from xray.model.ids import parse_uuid
from xray.model.labels import LabelsAsked
from xray.model.outline import StepOutline
from xray.model.records import Decision, Page, Run, RunDetail, Scan, Step
from xray.query.aggregate_parameters import aggregate_from_parameters
from xray.query.cursor import encode_cursor
from xray.query.figures import answer_groups
from xray.query.parameters import plan_from_parameters
from xray.store.protocol import Store

Parameters = Sequence[tuple[str, str]]
"""Names and values of the query of a URL, in order."""

PREFIX: Final = "run_id_prefix"
_MAX_PREFIX_MATCHES: Final = 40
_MAX_SHOWN_LABELS: Final = 200
_ID_BEGINNING: Final = re.compile(r"[0-9a-fA-F-]{1,36}\Z")


class RunList(Struct, frozen=True, kw_only=True):
    """Runs, newest first; `complete` is false when the search stopped at its budget.

    `scan` says how far a search came that no index could answer.
    """

    runs: list[Run]
    next_cursor: str | None = None
    total: int | None = None
    total_is_exact: bool = False
    complete: bool = True
    scan: Scan | msgspec.UnsetType = msgspec.UNSET


class StepList(Struct, frozen=True, kw_only=True):
    """Steps, newest first; `complete` is false when the search stopped at its budget.

    `scan` says how far a search came that no index could answer.
    """

    steps: list[Step]
    next_cursor: str | None = None
    total: int | None = None
    total_is_exact: bool = False
    complete: bool = True
    scan: Scan | msgspec.UnsetType = msgspec.UNSET


class DecisionList(Struct, frozen=True, kw_only=True):
    """Decisions; `complete` is false when the search stopped at its budget.

    `scan` says how far a search came that no index could answer.
    """

    decisions: list[Decision]
    next_cursor: str | None = None
    total: int | None = None
    total_is_exact: bool = False
    complete: bool = True
    scan: Scan | msgspec.UnsetType = msgspec.UNSET


def list_runs(store: Store, parameters: Parameters, now_us: int) -> RunList:
    """Runs that meet *parameters*, newest first."""
    prefixes = [value for name, value in parameters if name == PREFIX]
    if prefixes:
        matches = _match_prefixes(store, prefixes)
        if not matches:
            return RunList(runs=[], total=0, total_is_exact=True)
        others = [(name, value) for name, value in parameters if name != PREFIX]
        parameters = [*others, *(("run_id", run_id) for run_id in matches)]
    page = store.runs(plan_from_parameters("run", parameters, now_us))
    return RunList(
        runs=page.items,
        next_cursor=page.next_cursor,
        total=page.total,
        total_is_exact=page.total_is_exact,
        complete=page.complete,
        scan=_scan_of(page),
    )


def _match_prefixes(store: Store, prefixes: Sequence[str]) -> list[str]:
    matches: list[str] = []
    for prefix in prefixes:
        if not _ID_BEGINNING.match(prefix):
            raise InvalidQueryError(
                f"{PREFIX}={prefix[:100]!r} begins no id: ids of runs are UUIDs.",
                code="invalid_id",
            )
        matches.extend(store.run_ids(prefix.lower(), _MAX_PREFIX_MATCHES - len(matches)))
    return matches


def list_steps(store: Store, parameters: Parameters, now_us: int) -> StepList:
    """Steps of all runs that meet *parameters*, newest first."""
    page = store.steps(plan_from_parameters("step", parameters, now_us))
    return StepList(
        steps=page.items,
        next_cursor=page.next_cursor,
        total=page.total,
        total_is_exact=page.total_is_exact,
        complete=page.complete,
        scan=_scan_of(page),
    )


def list_decisions(store: Store, parameters: Parameters, now_us: int) -> DecisionList:
    """Decisions that meet *parameters*."""
    page = store.decisions(plan_from_parameters("decision", parameters, now_us))
    return DecisionList(
        decisions=page.items,
        next_cursor=page.next_cursor,
        total=page.total,
        total_is_exact=page.total_is_exact,
        complete=page.complete,
        scan=_scan_of(page),
    )


def aggregate(store: Store, parameters: Parameters, now_us: int) -> Aggregate:
    """Figures of groups of the records that meet *parameters*."""
    plan = aggregate_from_parameters(parameters, now_us)
    counted = store.aggregate(plan)
    cursor = None
    if counted.end is not None:
        cursor = encode_cursor(counted.end, plan.rows, plan.identify())
    is_part = cursor is not None or plan.rows.after is not None
    return answer_groups(counted.groups, scan=counted.scan, next_cursor=cursor, is_part=is_part)


_Record = TypeVar("_Record")


def _scan_of(page: Page[_Record]) -> Scan | msgspec.UnsetType:
    return page.scan or msgspec.UNSET


def find_run(store: Store, run_id: str) -> Run:
    """The run.

    Raises:
        NotFoundError: there is none of that id.
    """
    run = store.run(run_id)
    if run is None:
        raise NotFoundError(
            f"There is no run {run_id}.",
            hint="GET /v1/runs lists the runs there are.",
            code="run_not_found",
        )
    return run


def show_run(store: Store, run_id: str) -> RunDetail:
    """One run with its steps in order, and its labels."""
    run = find_run(store, run_id)
    return RunDetail(
        **structs.asdict(run),
        steps=store.steps_of_run(run_id),
        labels=store.labels(LabelsAsked(run_ids=(run_id,), limit=_MAX_SHOWN_LABELS)),
    )


def show_step(store: Store, step_id: str) -> Step:
    """One step with samples of what it rejected.

    Raises:
        NotFoundError: there is none of that id.
    """
    step = store.step(step_id)
    if step is None:
        raise _no_step(step_id)
    return step


def _no_step(step_id: str) -> NotFoundError:
    return NotFoundError(
        f"There is no step {step_id}.",
        hint="GET /v1/steps lists the steps there are.",
        code="step_not_found",
    )


def outline_step(store: Store, step_id: str) -> StepOutline:
    """Every stored decision of a step, in columns.

    Raises:
        NotFoundError: there is no step of that id.
    """
    if store.step(step_id) is None:
        raise _no_step(step_id)
    table = store.decisions_of_step(step_id)
    verdicts, verdict = _number(table.verdicts)
    reasons, reason = _number(table.reasons)
    scores = [score_value(score) for score in table.scores]
    ranks = list(table.ranks)
    return StepOutline(
        step_id=step_id,
        count=len(table),
        candidate_ids=list(table.candidate_ids),
        verdicts=verdicts,
        verdict=verdict,
        reasons=reasons,
        reason=reason,
        scores=scores if any(score is not None for score in scores) else [],
        ranks=ranks if any(rank is not None for rank in ranks) else [],
        examples=[place for place, is_logged in enumerate(table.logged) if is_logged],
    )


def pick_decisions(store: Store, step_id: str, places: Sequence[int]) -> list[Decision]:
    """The decisions of a step at some places of its outline."""
    table = store.decisions_of_step(step_id)
    return [table.row(place) for place in places if 0 <= place < len(table)]


_Word = TypeVar("_Word")


def _number(words: Sequence[_Word]) -> tuple[list[_Word], list[int]]:
    """The different *words*, and for each of *words* its place among them."""
    places = {word: place for place, word in enumerate(dict.fromkeys(words))}
    return list(places), [places[word] for word in words]


def read_id(text: str) -> str:
    """The run's or step's id that *text* is.

    Raises:
        InvalidQueryError: it is no UUID.
    """
    canonical = parse_uuid(text)
    if canonical is None:
        raise InvalidQueryError(
            f"{text[:100]!r} is not an id: ids of runs and steps are UUIDs.",
            hint="GET /v1/runs lists the runs there are.",
            code="invalid_id",
        )
    return canonical
