"""Comparing what was observed with a limit, the same way whether X-Ray is on or off."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any, TypeGuard

from xray.model.arrays import read_array_scalar, spell_array_time
from xray.model.interruptions import is_interruption
from xray.model.kinds import is_a, is_one_of, read_loaded
from xray.model.operators import COMPARE
from xray.model.vocabulary import parse_operator


def is_missing(value: object) -> bool:
    """Whether *value* cannot be compared: None, not a number, not a time, or not available.

    The missing values of NumPy and pandas count where the pipeline has loaded these libraries.
    """
    if value is None:
        return True
    if is_a(value, float):
        return math.isnan(float.__float__(value))
    if is_one_of(value, (str, int, bool)):
        return False
    if is_a(value, Decimal):
        return Decimal.is_nan(value)
    if spell_array_time(value) == "NaT":
        return True
    plain = read_array_scalar(value)
    if type(plain) is float:
        return math.isnan(plain)
    return any(value is read_loaded("pandas", name) for name in ("NA", "NaT"))


def meets(observed: Any, op: str, limit: Any) -> bool:
    """Whether *observed* `op` *limit* holds; what cannot be compared does not meet its limit."""
    known = parse_operator(str.__str__(op)) if is_a(op, str) else None
    if known is None or is_missing(observed) or is_missing(limit):
        return False
    try:
        return bool(COMPARE[known](observed, limit))
    except Exception as error:
        # Types that do not compare are no failure of the pipeline's.
        if is_interruption(error):
            raise
        return False


def margin_of(observed: object, limit: object) -> float | None:
    """How far *observed* is from *limit*; None where they are no finite numbers."""
    if not (_is_number(observed) and _is_number(limit)):
        return None
    try:
        distance = abs(observed - limit)
    except OverflowError:
        return None
    return distance if math.isfinite(distance) else None


def _is_number(value: object) -> TypeGuard[float]:
    # By identity: a comparison of types may run code of a metaclass of the pipeline's.
    kind = type(value)
    return kind is int or kind is float
