"""Comparing what was observed with a limit, the same way whether X-Ray is on or off."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from xray.model.kinds import is_a
from xray.model.vocabulary import Operator, parse_operator

_COMPARE: Final[dict[Operator, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "in": lambda observed, limit: observed in limit,
    "not in": lambda observed, limit: observed not in limit,
}


def is_missing(value: object) -> bool:
    """Whether *value* cannot be compared: None, or a float that is not a number."""
    return value is None or (type(value) is float and value != value)


def meets(observed: Any, op: str, limit: Any) -> bool:
    """Whether *observed* `op` *limit* holds; what cannot be compared does not meet its limit."""
    known = parse_operator(str.__str__(op)) if is_a(op, str) else None
    if known is None or is_missing(observed) or is_missing(limit):
        return False
    try:
        return bool(_COMPARE[known](observed, limit))
    except Exception:  # noqa: BLE001  (types that do not compare are not a failure of the pipeline)
        return False
