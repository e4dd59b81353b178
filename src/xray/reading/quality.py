"""How well pipelines keep what is labelled good: what a URL asks, read from a store."""

from __future__ import annotations

import re
from typing import Final

from xray.errors import InvalidQueryError
from xray.forensics.evidence import load_evidence
from xray.forensics.quality import DEFAULT_K, QualityGauge
from xray.model.labels import LabelsAsked
from xray.model.quality import Quality
from xray.query.language import parse_query
from xray.query.plan import Plan
from xray.reading.labels import find_labelled_runs
from xray.reading.lists import Parameters
from xray.store.protocol import Store

DEFAULT_RUNS: Final = 100
_MAX_RUNS: Final = 1_000
_MAX_K: Final = 1_000


def rate_quality(store: Store, parameters: Parameters, now_us: int) -> Quality:
    """How well the steps of the runs that meet *parameters* keep what is labelled good.

    Raises:
        InvalidQueryError: the query is none, or a number is none or too large.
    """
    named = dict(parameters)
    unknown = [name for name in named if name not in ("q", "k", "runs")]
    if unknown:
        raise InvalidQueryError(
            f"There is no parameter {unknown[0][:100]!r} here.",
            hint="There are q=, k= and runs=.",
            code="invalid_parameter",
        )
    k = _read_number("k", named.get("k"), DEFAULT_K, _MAX_K)
    wanted = _read_number("runs", named.get("runs"), DEFAULT_RUNS, _MAX_RUNS)
    query = named.get("q", "")
    plan = Plan(scope="run", where=parse_query(query, "run", now_us), now_us=now_us)
    run_ids, is_complete = find_labelled_runs(store, plan, wanted)
    gauge = QualityGauge(k)
    for run_id in run_ids:
        labels = store.labels(LabelsAsked(run_ids=(run_id,), is_of_run=False))
        gauge.add(load_evidence(store, run_id), labels)
    return gauge.report(is_complete=is_complete)


def _read_number(name: str, text: str | None, default: int, most: int) -> int:
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= most:
        raise InvalidQueryError(
            f"{name}={text[:100]!r} is no number from 1 to {most:,}.", code="invalid_parameter"
        )
    return int(text)
