"""Answers about many runs: what a URL asks, read from a store and handed to forensics."""

from __future__ import annotations

import re
from typing import Final

from xray.errors import InvalidQueryError, NotFoundError
from xray.forensics.flakiness import group_by_input, report_flakiness
from xray.forensics.flakiness import measure_flakiness as find_flakiness
from xray.forensics.groups.comparing import compare_groups as compare_queries
from xray.forensics.unusual.reporting import report_baselines
from xray.forensics.what_if_runs import LimitTrial, list_checks
from xray.model.baseline import DAY_US, WINDOW_DAYS
from xray.model.baseline_report import BaselineReport
from xray.model.comparison import Comparison
from xray.model.flakiness import FlakinessReport
from xray.model.what_if_runs import WhatIfOfRuns
from xray.query.cursor import encode_cursor
from xray.query.parameters import plan_from_parameters
from xray.query.what_if_parameters import plan_limits
from xray.query.what_if_parts import answer_totals
from xray.reading.labels import find_labels
from xray.reading.lists import Parameters
from xray.reading.shelf import open_run
from xray.store.protocol import Store

_FLAKINESS_RUNS: Final = 20
_MAX_FLAKINESS_RUNS: Final = 100
_MAX_BASELINE_DAYS: Final = 366


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


def try_limits_on_runs(store: Store, parameters: Parameters, now_us: int) -> WhatIfOfRuns:
    """What the runs that meet *parameters* would have decided with the limits they name.

    Raises:
        InvalidQueryError: it is not said which limits, or several checks of a run read a field.
    """
    plan = plan_limits(parameters, now_us)
    trial = LimitTrial(plan.limits, find_labels(store))
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
        find_flakiness([open_run(store, run.run_id) for run in group]) for group in repeated
    ]
    return report_flakiness(measured, len(listed), len(groups) - len(repeated))


def show_baselines(store: Store, parameters: Parameters, now_us: int) -> BaselineReport:
    """What is usual of the steps of the pipeline that *parameters* name, day by day.

    Raises:
        InvalidQueryError: no pipeline is named, or the number of days is none from 1 to 366.
        NotFoundError: the pipeline has no steps on those days.
    """
    named = dict(parameters)
    unknown = [name for name in named if name not in ("pipeline", "step", "days")]
    days = named.get("days", str(WINDOW_DAYS))
    if unknown or not re.fullmatch(r"[0-9]{1,3}", days) or not 1 <= int(days) <= _MAX_BASELINE_DAYS:
        raise InvalidQueryError(
            f"There is no parameter {unknown[0][:100]!r} here."
            if unknown
            else f"days={days[:100]!r} is no number from 1 to {_MAX_BASELINE_DAYS}.",
            hint="There are pipeline=, step= and days=.",
            code="invalid_parameter",
        )
    pipeline, step = named.get("pipeline"), named.get("step")
    if not pipeline:
        raise InvalidQueryError(
            "It is not said which pipeline is meant.",
            hint="Give its name: ?pipeline=….",
            code="missing_parameter",
        )
    from_us = max(0, now_us // DAY_US - int(days)) * DAY_US
    found = [one for one in store.baselines(pipeline, step, from_us) if one.usual.steps > 0]
    if not found:
        which = f"step {step!r} of pipeline" if step else "step of pipeline"
        raise NotFoundError(
            f"No {which[:100]} {pipeline[:100]!r} began within {days} days.",
            hint="`xray aggregate runs --by pipeline` lists the pipelines; days= reaches further.",
            code="no_baselines",
        )
    return report_baselines(pipeline, found)
