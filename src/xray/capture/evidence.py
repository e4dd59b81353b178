"""What a verb was given about a candidate, made into the parts of a decision row."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

from xray.capture.redaction import REDACTED
from xray.capture.snapshot import (
    ATTRIBUTE_LIMITS,
    bounded_text,
    count_omission,
    snapshot,
    well_formed,
)
from xray.model.facts import Check, OriginRef, Score
from xray.model.ids import canonical_id, identify, read_array_scalar, read_field
from xray.model.kinds import is_a, is_one_of
from xray.model.values import open_value
from xray.model.vocabulary import parse_operator

if TYPE_CHECKING:
    from xray.capture.redaction import Redactor

FindStep = Callable[[object], str | None]

MAX_REASON_LENGTH: Final = 256
_MAX_ORIGINS_PER_CANDIDATE: Final = 64
_MAX_NAMED_SCORES: Final = 64
_NUMBERS: Final = (float, int, bool, type(None))


def read_reason(reason: object, omissions: dict[str, int]) -> str | None:
    """A reason as a short text; None for none."""
    text = bounded_text(reason, omissions, MAX_REASON_LENGTH)
    return text or None


def read_number(value: object) -> float | None:
    """A finite number of any numeric type as int or float; None for everything else."""
    kind = type(value)
    if kind is bool or value is None:
        return None
    if is_a(value, float):
        number = float.__float__(value)
        return number if math.isfinite(number) else None
    if is_a(value, int):
        plain = int.__int__(value)
        return plain if -(1 << 63) <= plain < 1 << 63 else None
    if kind is Decimal:
        return (
            None if cast("Decimal", value).is_nan() else read_number(float(cast("Decimal", value)))
        )
    plain_scalar = read_array_scalar(value)
    return None if plain_scalar is None else read_number(plain_scalar)


def read_score(score: object) -> Score | None:
    """A score as a number or as named numbers; what is no number is left out."""
    if is_a(score, dict):
        named: dict[str, float] = {}
        for name, value in dict.items(score):
            number = read_number(value)
            if is_a(name, str) and number is not None and len(named) < _MAX_NAMED_SCORES:
                named[well_formed(str.__str__(name)[:MAX_REASON_LENGTH])] = number
        return named or None
    return read_number(score)


def read_rank(rank: object) -> int | None:
    """A position as an int; None for what is none."""
    number = read_number(rank)
    return int(number) if number is not None and number >= 0 else None


def read_origins(origin: Any, find_step: FindStep) -> list[OriginRef] | None:
    """What brought a candidate: an id, `(step, id)`, or a list of them."""
    if origin is None:
        return None
    given = origin if type(origin) is list else [origin]
    refs = [ref for one in given[:_MAX_ORIGINS_PER_CANDIDATE] if (ref := _origin(one, find_step))]
    return list(dict.fromkeys(refs)) or None


def _origin(origin: Any, find_step: FindStep) -> OriginRef | None:
    if type(origin) is tuple and len(origin) == 2:
        step_id = find_step(origin[0])
        candidate_id = identify(origin[1]) if step_id is not None else None
        if candidate_id is not None:
            return OriginRef(candidate_id, step_id)
    if type(origin) is dict:
        candidate_id = canonical_id(read_field(origin, "candidate_id"))
        if candidate_id is not None:
            return OriginRef(
                candidate_id,
                find_step(read_field(origin, "step_id")) or find_step(read_field(origin, "step")),
                read_rank(read_field(origin, "rank")),
                read_number(read_field(origin, "score")),
            )
    candidate_id = identify(origin)
    return None if candidate_id is None else OriginRef(candidate_id)


def read_check(
    name: object,
    field: object,
    observed: object,
    op: object,
    limit: object,
    *,
    passed: bool,
    redactor: Redactor,
    omissions: dict[str, int],
) -> Check:
    """Evidence as it travels: names as short texts, operands frozen."""
    check_name = read_reason(name, omissions) or "check"
    field_name = read_reason(field, omissions) or ""
    subject = field_name or check_name
    return Check(
        check_name,
        field_name,
        _read_operator(op, omissions),
        _operand(observed, subject, redactor, omissions),
        # What a telling value is compared with tells as much.
        REDACTED if redactor.hides_key(subject) else _operand(limit, "limit", redactor, omissions),
        passed,
    )


def _read_operator(op: object, omissions: dict[str, int]) -> str | None:
    if not is_a(op, str):
        return None
    return parse_operator(str.__str__(op)) or read_reason(op, omissions)


def _operand(value: object, key: str, redactor: Redactor, omissions: dict[str, int]) -> Any:
    fits = type(value) is not int or -(1 << 63) <= value < 1 << 63
    if is_one_of(value, _NUMBERS) and redactor.hook is None and fits:
        if not redactor.hides_key(key):
            return value
        count_omission(omissions, "redacted")
        return REDACTED
    frozen: Any = open_value(snapshot({key: value}, redactor, omissions, ATTRIBUTE_LIMITS))
    # What does not fit is a mark by itself instead of a map with the key.
    return frozen.get(key, frozen) if type(frozen) is dict else None
