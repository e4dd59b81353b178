"""What separates the rejected from the kept, or bad runs from good: what a URL asks of a store."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from msgspec.structs import replace

from xray.errors import InvalidQueryError
from xray.forensics.evidence import load_evidence
from xray.forensics.separation.candidates import Sides
from xray.forensics.separation.separating import (
    separate_candidates,
    separate_run,
    separate_runs,
)
from xray.model.separation import Separation
from xray.query.parameters import plan_from_parameters
from xray.query.plan import Plan
from xray.reading.lists import Parameters, read_id
from xray.store.protocol import Store

RUNS: Final = 1_000
MAX_RUNS: Final = 5_000
_OF_RUNS: Final = frozenset({"a", "b", "runs"})
_OF_ONE: Final = frozenset({"run_id", "step", "reason", "selected"})
_OF_MANY: Final = frozenset({"where", "step", "reason", "selected", "runs"})
_ALL: Final = "There are a= and b=; or step=, reason=, selected= with run_id= or where=; and runs=."


def separate(store: Store, parameters: Parameters, now_us: int) -> Separation:
    """What separates candidates of a step, or runs, whichever *parameters* name.

    Raises:
        InvalidQueryError: they name nothing that can be told apart.
        NotFoundError: there is no such run or step.
    """
    named = dict(parameters)
    unknown = [name for name in named if name not in _OF_RUNS | _OF_ONE | _OF_MANY]
    if unknown:
        raise InvalidQueryError(
            f"There is no parameter {unknown[0][:100]!r} here.",
            hint=_ALL,
            code="invalid_parameter",
        )
    if "a" in named or "b" in named:
        found = _separate_runs(store, named, now_us)
    elif "run_id" in named:
        _check_together(named, _OF_ONE)
        evidence = load_evidence(store, read_id(named["run_id"]))
        found = separate_run(evidence, named.get("step"), _read_sides(parameters))
    else:
        found = _separate_steps(store, parameters, now_us)
    return replace(found, call=f"/v1/separate?{urlencode(list(parameters), errors='replace')}")


def _separate_runs(store: Store, named: dict[str, str], now_us: int) -> Separation:
    _check_together(named, _OF_RUNS)
    if not named.get("a", "").strip():
        raise InvalidQueryError(
            "It is not said which runs are meant.",
            hint="Give a query of the bad ones, ?a=…, and of the good ones, &b=…; all others when "
            "that is absent.",
            code="missing_parameter",
        )
    a, b = named["a"], named.get("b", "")
    return separate_runs(
        store,
        _plan("a", a, now_us),
        _plan("b", b, now_us),
        (a, b),
        max_runs=_read_runs(named),
    )


def _separate_steps(store: Store, parameters: Parameters, now_us: int) -> Separation:
    named = dict(parameters)
    _check_together(named, _OF_MANY)
    if not named.get("step"):
        raise InvalidQueryError(
            "It is not said what is to be told apart.", hint=_ALL, code="missing_parameter"
        )
    return separate_candidates(
        store,
        _plan("where", named.get("where", ""), now_us),
        named["step"],
        _read_sides(parameters),
        max_runs=_read_runs(named),
    )


def _check_together(named: dict[str, str], allowed: frozenset[str]) -> None:
    others = sorted(set(named) - allowed)
    if others:
        raise InvalidQueryError(
            f"{others[0]}= does not go together with {min(set(named) & allowed)}=.",
            hint=_ALL,
            code="invalid_parameter",
        )


def _read_sides(parameters: Parameters) -> Sides:
    named = dict(parameters)
    selected = named.get("selected", "false").lower()
    reasons = frozenset(value for name, value in parameters if name == "reason" and value)
    if selected not in ("true", "false") or (reasons and selected == "true"):
        raise InvalidQueryError(
            "reason= does not go together with selected=."
            if reasons
            else f"selected={selected[:100]!r} is neither true nor false.",
            hint="selected=true tells the selected from all others.",
            code="invalid_parameter",
        )
    return Sides(reasons=reasons, is_selected=selected == "true")


def _read_runs(named: dict[str, str]) -> int:
    wanted = named.get("runs", str(RUNS))
    if not wanted.isdecimal() or not 1 <= int(wanted) <= MAX_RUNS:
        raise InvalidQueryError(
            f"runs={wanted[:100]!r} is no number from 1 to {MAX_RUNS:,}.",
            hint="It says how many of the newest runs are looked at, of each side.",
            code="invalid_parameter",
        )
    return int(wanted)


def _plan(name: str, query: str, now_us: int) -> Plan:
    try:
        return plan_from_parameters("run", [("q", query)] if query.strip() else [], now_us)
    except InvalidQueryError as error:
        error.parameter = name
        raise
