"""The paths of the read API for programs that ask a store of their own, without a server."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from xray.errors import NotFoundError
from xray.reading.audit_answers import audit_choices
from xray.reading.group_answers import (
    compare_groups,
    measure_flakiness,
    show_baselines,
    try_limits_on_runs,
)
from xray.reading.labels import list_labels
from xray.reading.lists import (
    Parameters,
    aggregate,
    list_decisions,
    list_runs,
    list_steps,
    outline_step,
    read_id,
    show_run,
    show_step,
)
from xray.reading.quality import rate_quality
from xray.reading.retention import foresee_retention
from xray.reading.rule_answers import survey_rules
from xray.reading.run_answers import (
    diff_runs,
    explain_candidate,
    find_alike,
    list_findings,
    trace_candidate,
    try_limits,
    verify_run,
)
from xray.reading.separation_answers import separate
from xray.store.protocol import Store

_Reader = Callable[[Store, str, Parameters, int], Struct]

_PATHS: Final[tuple[tuple[re.Pattern[str], _Reader], ...]] = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        ("/v1/runs()", lambda store, _, asked, now_us: list_runs(store, asked, now_us)),
        ("/v1/steps()", lambda store, _, asked, now_us: list_steps(store, asked, now_us)),
        ("/v1/decisions()", lambda store, _, asked, now_us: list_decisions(store, asked, now_us)),
        ("/v1/aggregate()", lambda store, _, asked, now_us: aggregate(store, asked, now_us)),
        ("/v1/separate()", lambda store, _, asked, now_us: separate(store, asked, now_us)),
        ("/v1/compare()", lambda store, _, asked, now_us: compare_groups(store, asked, now_us)),
        (
            "/v1/what-if()",
            lambda store, _, asked, now_us: try_limits_on_runs(store, asked, now_us),
        ),
        ("/v1/rules()", lambda store, _, asked, now_us: survey_rules(store, asked, now_us)),
        ("/v1/quality()", lambda store, _, asked, now_us: rate_quality(store, asked, now_us)),
        ("/v1/labels()", lambda store, _, asked, now_us: list_labels(store, asked, now_us)),
        ("/v1/diff()", lambda store, _, asked, __: diff_runs(store, asked)),
        ("/v1/runs/([^/]+)", lambda store, name, *_: show_run(store, name)),
        ("/v1/steps/([^/]+)/outline", lambda store, name, *_: outline_step(store, name)),
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
            "/v1/runs/([^/]+)/alike",
            lambda store, name, asked, _: find_alike(store, name, asked),
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
        (
            "/v1/baselines()",
            lambda store, _, asked, now_us: show_baselines(store, asked, now_us),
        ),
        (
            "/v1/retention()",
            lambda store, _, asked, now_us: foresee_retention(store, asked, now_us),
        ),
        ("/v1/audit()", lambda store, _, asked, now_us: audit_choices(store, asked, now_us)),
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
