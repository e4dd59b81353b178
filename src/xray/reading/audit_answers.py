"""Answers about how the steps of many runs choose: what a URL asks, read from a store."""

from __future__ import annotations

import re
from typing import Final

from xray.errors import InvalidQueryError
from xray.forensics.audits.auditing import audit_choices as audit_gathered
from xray.forensics.audits.gathering import gather_choices
from xray.model.audit import Audit
from xray.query.parameters import plan_from_parameters
from xray.reading.lists import Parameters
from xray.reading.shelf import open_run
from xray.store.protocol import Store

_RUNS: Final = 200
_MAX_RUNS: Final = 1_000


def audit_choices(store: Store, parameters: Parameters, now_us: int) -> Audit:
    """What the choices of the newest runs that meet *parameters* rest on.

    Raises:
        InvalidQueryError: the query is none, or the number of runs is no number from 1 to 1,000.
    """
    named = dict(parameters)
    unknown = [name for name in named if name not in ("q", "runs")]
    wanted = named.get("runs", str(_RUNS))
    if unknown or not re.fullmatch("[0-9]{1,4}", wanted) or not 1 <= int(wanted) <= _MAX_RUNS:
        raise InvalidQueryError(
            f"There is no parameter {unknown[0][:100]!r} here."
            if unknown
            else f"runs={wanted[:100]!r} is no number from 1 to {_MAX_RUNS:,}.",
            hint="There are q= and runs=.",
            code="invalid_parameter",
        )
    query = named.get("q", "")
    listed = store.runs(plan_from_parameters("run", [("q", query), ("limit", wanted)], now_us))
    choices = [
        choice for run in listed.items for choice in gather_choices(open_run(store, run.run_id))
    ]
    return audit_gathered(choices, query, len(listed.items))
