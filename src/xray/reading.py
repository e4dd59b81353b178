"""The read API without HTTP: whoever asks, a server's route or a program with a database file.

Lists take the parameters of their URL; errors are those the API answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeVar
from urllib.parse import unquote

import msgspec
from msgspec import Struct, structs

from xray.errors import InvalidQueryError, NotFoundError
from xray.forensics.attention import count_first, order_findings
from xray.forensics.comparing import compare_groups as compare_queries
from xray.forensics.deviations import find_deviations
from xray.forensics.diff import compare_runs
from xray.forensics.evidence import load_evidence
from xray.forensics.findings import find
from xray.forensics.flakiness import group_by_input, report_flakiness
from xray.forensics.flakiness import measure_flakiness as find_flakiness
from xray.forensics.lineage import trace_lineage
from xray.forensics.usual import load_baselines
from xray.forensics.verification import verify
from xray.forensics.what_if import try_limits as redecide
from xray.forensics.what_if_runs import LimitTrial, list_checks
from xray.forensics.why import explain
from xray.model.aggregates import Aggregate
from xray.model.answers import FindingList, Why
from xray.model.comparison import Comparison
from xray.model.differences import RunDiff
from xray.model.flakiness import FlakinessReport
from xray.model.ids import parse_uuid
from xray.model.lineage import Lineage
from xray.model.records import Decision, Page, Run, RunDetail, Scan, Step
from xray.model.verification import Verification
from xray.model.what_if import WhatIf
from xray.model.what_if_runs import WhatIfOfRuns
from xray.query.aggregate_parameters import aggregate_from_parameters
from xray.query.cursor import encode_cursor
from xray.query.figures import answer_groups
from xray.query.parameters import plan_from_parameters
from xray.query.what_if_parameters import plan_limits, read_limits
from xray.query.what_if_parts import answer_totals
from xray.store.protocol import Store

Parameters = Sequence[tuple[str, str]]

PREFIX: Final = "run_id_prefix"
_MAX_PREFIX_MATCHES: Final = 40
_FLAKINESS_RUNS: Final = 20
_MAX_FLAKINESS_RUNS: Final = 100
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
    """One run with its steps in order."""
    run = find_run(store, run_id)
    return RunDetail(**structs.asdict(run), steps=store.steps_of_run(run_id))


def show_step(store: Store, step_id: str) -> Step:
    """One step with samples of what it rejected.

    Raises:
        NotFoundError: there is none of that id.
    """
    step = store.step(step_id)
    if step is None:
        raise NotFoundError(
            f"There is no step {step_id}.",
            hint="GET /v1/steps lists the steps there are.",
            code="step_not_found",
        )
    return step


def explain_candidate(store: Store, run_id: str, parameters: Parameters) -> Why:
    """Why the candidate that *parameters* name ended as it did in a run."""
    candidate_id = _read_candidate(parameters)
    return explain(load_evidence(store, run_id), candidate_id)


def trace_candidate(store: Store, run_id: str, parameters: Parameters) -> Lineage:
    """What the item that *parameters* name came from and what it brought in a run."""
    item = _read_candidate(parameters)
    return trace_lineage(load_evidence(store, run_id), item)


def _read_candidate(parameters: Parameters) -> str:
    unknown = [name for name, _ in parameters if name not in ("candidate", "candidate_id")]
    if unknown:
        raise InvalidQueryError(
            f"There is no parameter {unknown[0][:100]!r} here.", hint="There is candidate=."
        )
    named = dict(parameters)
    candidate_id = named.get("candidate") or named.get("candidate_id")
    if not candidate_id:
        raise InvalidQueryError(
            "It is not said which candidate is meant.",
            hint="Give its id: ?candidate=….",
            code="missing_parameter",
        )
    return candidate_id


def diff_runs(store: Store, parameters: Parameters) -> RunDiff:
    """How the two runs that *parameters* name differ.

    Raises:
        InvalidQueryError: it is not said which runs, or in a way that names none.
    """
    unknown = [name for name, _ in parameters if name not in ("a", "b")]
    if unknown:
        raise InvalidQueryError(
            f"There is no parameter {unknown[0][:100]!r} here.", hint="There are a= and b=."
        )
    named = dict(parameters)
    if not named.get("a") or not named.get("b"):
        raise InvalidQueryError(
            "It is not said which two runs are meant.",
            hint="Give their ids: ?a=…&b=….",
            code="missing_parameter",
        )
    a, b = (load_evidence(store, read_id(named[name])) for name in ("a", "b"))
    return compare_runs(a, b)


def compare_groups(store: Store, parameters: Parameters, now_us: int) -> Comparison:
    """How the runs of the two queries that *parameters* hold differ.

    Raises:
        InvalidQueryError: a query is missing or is none.
    """
    named = dict(parameters)
    unknown = [name for name in named if name not in ("a", "b", "cursor")]
    if unknown:
        raise InvalidQueryError(
            f"There is no parameter {unknown[0][:100]!r} here.",
            hint="There are a=, b= and cursor=.",
        )
    if "a" not in named or "b" not in named:
        raise InvalidQueryError(
            "It is not said which two groups of runs are meant.",
            hint="Give a query for each: ?a=…&b=…; an empty one means all runs.",
            code="missing_parameter",
        )
    return compare_queries(store, named["a"], named["b"], now_us, cursor=named.get("cursor"))


def try_limits(store: Store, run_id: str, parameters: Parameters) -> WhatIf:
    """What a run would have decided with the limits that *parameters* name.

    Raises:
        InvalidQueryError: it is not said which limits, or no step checked such a thing.
    """
    limits = read_limits(parameters)
    return redecide(load_evidence(store, run_id), limits)


def try_limits_on_runs(store: Store, parameters: Parameters, now_us: int) -> WhatIfOfRuns:
    """What the runs that meet *parameters* would have decided with the limits they name.

    Raises:
        InvalidQueryError: it is not said which limits, or several checks of a run read a field.
    """
    plan = plan_limits(parameters, now_us)
    trial = LimitTrial(plan.limits)
    visited = store.check_runs(plan.runs, trial.words, trial.add)
    cursor = None
    if visited.end is not None:
        cursor = encode_cursor(visited.end, plan.runs, plan.identify())
    is_part = cursor is not None or plan.runs.after is not None
    totals = trial.totals()
    if not totals.judged.stored and plan.runs.after is None:
        totals = totals + list_checks(store, plan.runs, totals)
    return answer_totals(totals, scan=visited.scan, next_cursor=cursor, is_part=is_part)


def measure_flakiness(store: Store, parameters: Parameters, now_us: int) -> FlakinessReport:
    """How far the newest runs that meet *parameters* decide alike where their input is the same.

    Raises:
        InvalidQueryError: the query is none, or the number of runs is no number from 2 to 100.
    """
    unknown = [name for name, _ in parameters if name not in ("q", "runs")]
    named = dict(parameters)
    wanted = named.get("runs", str(_FLAKINESS_RUNS))
    if unknown or not wanted.isdecimal() or not 2 <= int(wanted) <= _MAX_FLAKINESS_RUNS:
        raise InvalidQueryError(
            f"There is no parameter {unknown[0][:100]!r} here."
            if unknown
            else f"runs={wanted[:100]!r} is no number from 2 to {_MAX_FLAKINESS_RUNS}.",
            hint="There are q= and runs=.",
            code="invalid_parameter",
        )
    asked = [("q", named.get("q", "")), ("limit", wanted)]
    listed = store.runs(plan_from_parameters("run", asked, now_us)).items
    groups = group_by_input(listed)
    repeated = [group for group in groups if len(group) > 1]
    measured = [
        find_flakiness([load_evidence(store, run.run_id) for run in group]) for group in repeated
    ]
    return report_flakiness(measured, len(listed), len(groups) - len(repeated))


def verify_run(store: Store, run_id: str, parameters: Parameters, now_us: int) -> Verification:
    """Whether a run meets the expectations that *parameters* name.

    Raises:
        InvalidQueryError: none is named, or one is no expectation.
    """
    unknown = [name for name, _ in parameters if name != "that"]
    if unknown or not parameters:
        raise InvalidQueryError(
            f"There is no parameter {unknown[0][:100]!r} here."
            if unknown
            else "It is not said what is expected.",
            hint="Give expectations: that=laptop_stand_42 is not selected.",
            code="invalid_parameter" if unknown else "missing_parameter",
        )
    return verify(load_evidence(store, run_id), [text for _, text in parameters], now_us)


def list_findings(store: Store, run_id: str) -> FindingList:
    """What deserves a look in a run, what deserves it most first."""
    evidence = load_evidence(store, run_id)
    run, steps = evidence.run, evidence.steps
    unusual = find_deviations(run, steps, load_baselines(store, run, steps))
    findings = order_findings(evidence, [*find(evidence), *unusual])
    return FindingList(run_id=run_id, findings=findings, look_here_first=count_first(findings))


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


_Reader = Callable[[Store, str, Parameters, int], Struct]

_PATHS: Final[tuple[tuple[re.Pattern[str], _Reader], ...]] = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        ("/v1/runs()", lambda store, _, asked, now_us: list_runs(store, asked, now_us)),
        ("/v1/steps()", lambda store, _, asked, now_us: list_steps(store, asked, now_us)),
        ("/v1/decisions()", lambda store, _, asked, now_us: list_decisions(store, asked, now_us)),
        ("/v1/aggregate()", lambda store, _, asked, now_us: aggregate(store, asked, now_us)),
        ("/v1/compare()", lambda store, _, asked, now_us: compare_groups(store, asked, now_us)),
        (
            "/v1/what-if()",
            lambda store, _, asked, now_us: try_limits_on_runs(store, asked, now_us),
        ),
        ("/v1/diff()", lambda store, _, asked, __: diff_runs(store, asked)),
        ("/v1/runs/([^/]+)", lambda store, name, *_: show_run(store, name)),
        ("/v1/steps/([^/]+)", lambda store, name, *_: show_step(store, name)),
        (
            "/v1/runs/([^/]+)/why",
            lambda store, name, asked, _: explain_candidate(store, name, asked),
        ),
        (
            "/v1/runs/([^/]+)/provenance",
            lambda store, name, asked, _: trace_candidate(store, name, asked),
        ),
        (
            "/v1/runs/([^/]+)/what-if",
            lambda store, name, asked, _: try_limits(store, name, asked),
        ),
        ("/v1/runs/([^/]+)/verify", verify_run),
        (
            "/v1/flakiness()",
            lambda store, _, asked, now_us: measure_flakiness(store, asked, now_us),
        ),
        ("/v1/runs/([^/]+)/findings", lambda store, name, *_: list_findings(store, name)),
    )
)


def answer(store: Store, path: str, parameters: Parameters, now_us: int) -> Struct:
    """What a server answers to a GET of *path*.

    Args:
        store: where records are.
        path: a path of the read API, e.g. `/v1/runs`.
        parameters: names and values of the query.
        now_us: the time, from which ages are counted.

    Raises:
        XRayError: the subclass that says why there is no answer.
    """
    for pattern, read in _PATHS:
        found = pattern.fullmatch(path)
        if found is not None:
            name = found[1] and read_id(unquote(found[1]))
            return read(store, name, parameters, now_us)
    raise NotFoundError(f"There is no {path[:200]}.", code="no_such_route")
