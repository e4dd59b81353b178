"""URL parameters as a question about other limits: `?q=pipeline = 'x'&limit=price_too_high=120`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from xray.errors import InvalidQueryError
from xray.query.cursor import asked_at_us, decode_cursor
from xray.query.parameters import MAX_PARAMETERS, plan_from_parameters
from xray.query.plan import Plan

MAX_TRIED: Final = 16
_HINT: Final = "Give the name of a check and its limit: limit=price_too_high=120."


class LimitsPlan(Struct, frozen=True):
    """Other limits to try over many runs.

    Args:
        runs: the runs.
        limits: the limits, by the name of a check or its field.
    """

    runs: Plan
    limits: dict[str, Any]

    def identify(self) -> str:
        """What makes it the same question on every part, beside the runs."""
        return msgspec.json.encode(self.limits).decode()


def read_limits(parameters: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The limits that parameters of a question about one run name.

    Raises:
        InvalidQueryError: there are none, or one of them cannot be read.
    """
    for name, _ in parameters:
        if name != "limit":
            raise InvalidQueryError(
                f"There is no parameter {name[:100]!r} here.", hint=_HINT, code="invalid_limit"
            )
    return _read_limits([value for _, value in parameters])


def plan_limits(parameters: Sequence[tuple[str, str]], now_us: int) -> LimitsPlan:
    """The checked question that URL parameters ask about many runs.

    Args:
        parameters: names and decoded values; all but `limit` are those of the list of runs.
        now_us: the moment of asking; a cursor brings the moment of its first part instead.

    Raises:
        InvalidQueryError: a parameter is unknown, or its value cannot be used.
    """
    if len(parameters) > MAX_PARAMETERS:
        raise InvalidQueryError(f"A question has at most {MAX_PARAMETERS} parameters.")
    limits = _read_limits([value for name, value in parameters if name == "limit"])
    rest = [pair for pair in parameters if pair[0] not in ("limit", "cursor")]
    cursors = [value for name, value in parameters if name == "cursor"]
    if cursors:
        now_us = asked_at_us(cursors[-1])
    plan = LimitsPlan(plan_from_parameters("run", rest, now_us), limits)
    if not cursors:
        return plan
    after = decode_cursor(cursors[-1], plan.runs, plan.identify())
    return replace(plan, runs=replace(plan.runs, after=after))


def _read_limits(values: Sequence[str]) -> dict[str, Any]:
    if not values:
        raise InvalidQueryError(
            "It is not said which limit to try.", hint=_HINT, code="missing_parameter"
        )
    limits: dict[str, Any] = {}
    for value in values:
        name, equals, limit = value.partition("=")
        name = name.strip().rstrip("<>!≤≥≠").rstrip()
        if not equals or not name or not limit.strip(" ="):
            raise InvalidQueryError(
                f"{value[:100]!r} names no limit.", hint=_HINT, code="invalid_limit"
            )
        if name in limits:
            raise InvalidQueryError(
                f"Two limits are given for {name[:100]!r}.",
                hint="Ask once for each.",
                code="invalid_limit",
            )
        limits[name] = _read_limit(limit.lstrip("=").strip())
    if len(limits) > MAX_TRIED:
        raise InvalidQueryError(
            f"At most {MAX_TRIED} limits are tried at once.", code="invalid_limit"
        )
    return limits


def _read_limit(text: str) -> object:
    try:
        limit: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
    if limit is None:
        raise InvalidQueryError(
            "null is no limit: nothing can be compared with it.", hint=_HINT, code="invalid_limit"
        )
    return limit
