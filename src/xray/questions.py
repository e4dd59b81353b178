"""What may be asked of the read API: the path and the parameters of each question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import quote

import msgspec

# Servers and proxies refuse requests whose first line is longer than about 8 KB.
_MAX_QUERY_BYTES: Final = 6_000

Parameter = str | int | float | bool | datetime
"""A value of a query parameter."""

Pairs = Sequence[tuple[str, str]]
"""Names and values of the query of a URL, in order."""


def run_path(run_id: str, part: str = "") -> str:
    """The path of a run, or of a part of it."""
    return f"/v1/runs/{quote(run_id, safe='')}" + (f"/{part}" if part else "")


def why_request(run_id: str, candidate: str) -> tuple[str, Pairs]:
    """Path and parameters that ask why *candidate* ended as it did."""
    return run_path(run_id, "why"), [("candidate", candidate)]


def provenance_request(run_id: str, item: str) -> tuple[str, Pairs]:
    """Path and parameters that ask what *item* came from and what it brought."""
    return run_path(run_id, "provenance"), [("candidate", item)]


def alike_request(run_id: str, candidate: str, limit: int | None = None) -> tuple[str, Pairs]:
    """Path and parameters that ask which candidates like one were decided otherwise."""
    limited = [] if limit is None else [("limit", str(limit))]
    return run_path(run_id, "alike"), [("candidate", candidate), *limited]


def diff_request(a: str, b: str) -> tuple[str, Pairs]:
    """Path and parameters that ask how run *b* differs from run *a*."""
    return "/v1/diff", [("a", a), ("b", b)]


def compare_request(a: str, b: str) -> tuple[str, Pairs]:
    """Path and parameters that ask how the runs of query *b* differ from those of query *a*."""
    return "/v1/compare", [("a", a), ("b", b)]


def separate_request(
    run_id: str | None = None,
    *,
    step: str | None = None,
    where: str | None = None,
    reasons: Sequence[str] = (),
    is_selected: bool = False,
    runs: int | None = None,
) -> tuple[str, Pairs]:
    """Path and parameters that ask what separates candidates of a step, of one run or of many."""
    told = (("run_id", run_id), ("where", where), ("step", step))
    pairs = [(name, value) for name, value in told if value is not None]
    pairs += [("reason", reason) for reason in reasons]
    pairs += [("selected", "true")] if is_selected else []
    pairs += [("runs", str(runs))] if runs is not None else []
    return "/v1/separate", pairs


def separate_runs_request(a: str, b: str, runs: int | None = None) -> tuple[str, Pairs]:
    """Path and parameters that ask what separates the runs of query *a* from those of query *b*."""
    pairs = [("a", a), ("b", b)]
    return "/v1/separate", pairs + ([("runs", str(runs))] if runs is not None else [])


def what_if_request(run_id: str, limits: Sequence[str]) -> tuple[str, Pairs]:
    """Path and parameters that ask what a run would have decided with other *limits*."""
    return run_path(run_id, "what-if"), [("limit", limit) for limit in limits]


def rules_request(
    q: str = "", *, since_version: str | None = None, since: str | None = None
) -> tuple[str, Pairs]:
    """Path and parameters that ask how the rules of the runs do that meet query *q*."""
    given = (("q", q or None), ("since_version", since_version), ("since", since))
    return "/v1/rules", [(name, value) for name, value in given if value is not None]


def verify_request(run_id: str, expectations: Sequence[str]) -> tuple[str, Pairs]:
    """Path and parameters that ask whether a run decided as expected."""
    return run_path(run_id, "verify"), [("that", text) for text in expectations]


def audit_request(q: str, runs: int) -> tuple[str, Pairs]:
    """Path and parameters that ask what the choices of many runs rest on."""
    return "/v1/audit", [("q", q), ("runs", str(runs))]


def baselines_request(pipeline: str, step: str | None, days: int) -> tuple[str, Pairs]:
    """Path and parameters that ask what is usual of the steps of a pipeline."""
    asked = [("pipeline", pipeline), *([("step", step)] if step else []), ("days", str(days))]
    return "/v1/baselines", asked


def split_texts(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """*texts* in parts that fit into a URL each; the empty part when there are none."""
    start = length = 0
    for at, text in enumerate(texts):
        length += len(quote(text)) + 6
        if length > _MAX_QUERY_BYTES and at > start:
            yield texts[start:at]
            start, length = at, len(quote(text)) + 6
    yield texts[start:]


def spell_limits(limits: Mapping[str, object]) -> list[str]:
    """Limits as `what_if_request` takes them."""
    return [f"{name}={msgspec.json.encode(limit).decode()}" for name, limit in limits.items()]


def as_pairs(parameters: Mapping[str, Parameter]) -> Pairs:
    """Parameters as the query of a URL spells them."""
    return [(name, _spell_parameter(value)) for name, value in parameters.items()]


def _spell_parameter(value: Parameter) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)
