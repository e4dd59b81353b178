"""Limits of checks: whether a recorded value meets one, and which a check can be given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal

from xray.model.facts import Check as CheckRow
from xray.model.operators import COMPARE, MEMBERSHIP, ORDERINGS
from xray.model.records import Check
from xray.model.sketch import Sketch
from xray.model.values import MARK, is_mark, plain_value
from xray.model.vocabulary import Operator, parse_operator

Evidence = Check | CheckRow
Limits = Mapping[str, Any]
"""Other limits, by the name of the check."""

Move = Literal["looser", "tighter", "same"]
_SPELLED: Final = {"Infinity": math.inf, "-Infinity": -math.inf}

_parse: Final = lru_cache(maxsize=256)(parse_operator)


def operator_of(check: Evidence | None) -> Operator | None:
    """How *check* compares; None where it does not."""
    return None if check is None or check.op is None else _parse(check.op)


def meets(observed: Any, op: str | None, limit: Any) -> bool | None:
    """Whether a recorded value meets *limit*: what cannot be compared does not.

    None where it is not known: the value was not kept, or the check compares nothing.
    """
    known = None if op is None else _parse(op)
    if known is None:
        return None
    kind = type(observed)
    if kind is not int and kind is not float:
        observed = plain_value(observed)
        if is_mark(observed):
            if observed[MARK] != "float":
                return None
            observed = _SPELLED.get(observed["value"])
    if observed is None or observed != observed:
        return False
    try:
        return bool(COMPARE[known](observed, limit))
    except TypeError:
        return False


def is_number(value: object) -> bool:
    """Whether a recorded value is a number, and no truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def meets_all(checks: Sequence[Evidence], limits: Limits) -> bool | None:
    """Whether every one of *checks* would be met with its limit of *limits*; None for unknown."""
    result: bool | None = True
    for check in checks:
        met = meets(check.observed, check.op, limits[check.name])
        if met is False:
            return False
        if met is None:
            result = None
    return result


def find_move(op: Operator, before: Any, limit: Any) -> Move | None:
    """Which way *limit* lies from the one *before*; None where there is no telling."""
    if before == limit:
        return "same"
    if op not in ORDERINGS or not is_number(before) or not is_number(limit):
        return None
    return "looser" if (limit > before) == (op in ("<", "<=")) else "tighter"


def bound_meeting(sketch: Sketch, op: Operator, limit: float) -> tuple[int, int]:
    """How many of the values meet *limit*, at least and at most."""
    least, most = sketch.bound_below(limit, is_included=op in ("<=", ">"))
    return (least, most) if op in ("<", "<=") else (sketch.count - most, sketch.count - least)


def read_limit(check: Evidence, limit: Any) -> Any:
    """*limit* as *check* can compare with it.

    Raises:
        ValueError: it cannot; the text says why.
    """
    op = operator_of(check)
    if op is None:
        raise ValueError(f"{check.name} compares nothing with a limit")
    was = plain_value(check.limit)
    if op in MEMBERSHIP:
        return limit if isinstance(limit, list) or isinstance(was, str) else [limit]
    if op in ORDERINGS and is_number(was) and not is_number(limit):
        raise ValueError(f"{check.name} compares with a number")
    if op in ORDERINGS and isinstance(was, str) and not isinstance(limit, str):
        raise ValueError(f"{check.name} compares with a text")
    return limit
