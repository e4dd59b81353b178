"""URL parameters as a checked plan: `?step_type=filter&rejection_rate_gt=0.9`.

A parameter names a field (`query.fields`); `_gt`, `_gte`, `_lt`, `_lte`, with one or two
underscores, compare numbers and times. A free-form field is asked by path: `stats.cost__lt=3`.
All parameters must hold; one that is repeated holds when any of its values does, except for
`tag`, where every value must be there.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from xray.errors import InvalidQueryError
from xray.model.clock import parse_time_us
from xray.model.ids import parse_uuid
from xray.model.vocabulary import (
    CAPTURE_LEVELS,
    RATE_BASES,
    RUN_STATUS_ALIASES,
    RUN_STATUSES,
    STEP_STATUSES,
    STEP_TYPE_ALIASES,
    STEP_TYPES,
    VERDICTS,
    RateBasis,
    parse_capture_level,
    parse_run_status,
    parse_step_status,
    parse_step_type,
    parse_verdict,
)
from xray.query.cursor import asked_at_us, decode_cursor
from xray.query.fields import BY_SCOPE, Field
from xray.query.plan import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    AllOf,
    AnyOf,
    Comparator,
    Comparison,
    Condition,
    Contains,
    FieldRef,
    Operand,
    Plan,
    Scope,
)

MAX_PARAMETERS: Final = 50
MAX_NAME_LENGTH: Final = 256
MAX_VALUE_LENGTH: Final = 4096

_COMPARATORS: Final[dict[str, Comparator]] = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_SUFFIX: Final = re.compile(r"_{1,2}(gte|gt|lte|lt)\Z")
_RUN_PREFIX: Final = "run."
_ID_FIELDS: Final = frozenset({"run_id", "step_id", "parent_step_id"})
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)
_AGE: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(s|m|h|d|w)\Z", re.ASCII)
_AGE_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LOST_PLUS: Final = re.compile(r"(T\d\d:\d\d\S*) (\d\d:?\d\d)\Z")
_MAX_EXACT_INT: Final = 1 << 63

_Word = TypeVar("_Word", bound=str)


class _Parameter(NamedTuple):
    name: str
    field: Field
    path: tuple[str, ...]
    op: Comparator

    @property
    def ref(self) -> FieldRef:
        return FieldRef(self.field.scope, self.field.name, self.path)


def plan_from_parameters(scope: Scope, params: Sequence[tuple[str, str]], now_us: int) -> Plan:
    """The checked question that URL parameters ask.

    Args:
        scope: what is listed.
        params: names and decoded values, in any order.
        now_us: the moment of asking; a cursor brings the moment of its first page instead.

    Raises:
        InvalidQueryError: a parameter is unknown, or its value cannot be used.
    """
    if len(params) > MAX_PARAMETERS:
        raise InvalidQueryError(f"A question has at most {MAX_PARAMETERS} parameters.")
    limit, cursor = DEFAULT_LIMIT, None
    asked: dict[str, list[str]] = {}
    for name, value in params:
        _check_size(name, value)
        if name == "limit":
            limit = _parse_limit(value)
        elif name == "cursor":
            cursor, now_us = value, asked_at_us(value)
        else:
            asked.setdefault(name, []).append(value)
    conditions = [_condition(scope, name, values, now_us) for name, values in asked.items()]
    where = AllOf(tuple(sorted(conditions, key=repr)))
    plan = Plan(scope=scope, where=where, limit=limit, now_us=now_us)
    if cursor is None:
        return plan
    after = decode_cursor(cursor, plan)
    return Plan(scope=scope, where=where, limit=limit, after=after, now_us=now_us)


def parameter_names(scope: Scope) -> tuple[str, ...]:
    """Every plain parameter of a list, free-form fields by their first word, without suffixes."""
    own = tuple(BY_SCOPE[scope])
    of_run = tuple(f"{_RUN_PREFIX}{name}" for name in BY_SCOPE["run"]) if scope == "step" else ()
    return (*own, *of_run, "limit", "cursor")


def _check_size(name: str, value: str) -> None:
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidQueryError(f"A parameter's name has at most {MAX_NAME_LENGTH} characters.")
    if len(value) > MAX_VALUE_LENGTH:
        raise InvalidQueryError(
            f"The value of {name!r} is longer than {MAX_VALUE_LENGTH} characters."
        )
    if not value:
        raise InvalidQueryError(
            f"The parameter {name!r} has no value.", hint=f"Write {name}=… or leave it out."
        )


def _condition(scope: Scope, name: str, values: list[str], now_us: int) -> Condition:
    parameter = _resolve(scope, name)
    parts = tuple(_compare(parameter, value, now_us) for value in values)
    if len(parts) == 1:
        return parts[0]
    is_all = parameter.field.type == "list" or parameter.op != "="
    return AllOf(parts) if is_all else AnyOf(parts)


def _resolve(scope: Scope, name: str) -> _Parameter:
    """The field that *name* asks for: as it is spelled, else without a comparing suffix."""
    whole = _find_field(scope, name)
    if whole is not None and not (whole[1] and _SUFFIX.search(name)):
        return _Parameter(name, *_check_path(name, whole), "=")
    suffix = _SUFFIX.search(name)
    if suffix is None:
        raise _unknown(scope, name)
    stem = name[: suffix.start()]
    found = _find_field(scope, stem)
    if found is None:
        raise _unknown(scope, name)
    field, path = _check_path(name, found)
    if field.type not in ("number", "time") and not path:
        raise InvalidQueryError(
            f"{stem!r} is no number: it cannot be compared with {suffix[1]!r}.",
            hint=f"Ask for one value with {stem}=….",
        )
    return _Parameter(name, field, path, _COMPARATORS[suffix[1]])


def _find_field(scope: Scope, name: str) -> tuple[Field, tuple[str, ...]] | None:
    if scope == "step" and name.startswith(_RUN_PREFIX):
        scope, name = "run", name[len(_RUN_PREFIX) :]
    head, *path = name.split(".")
    field = BY_SCOPE[scope].get(head)
    if field is None or (path and field.type != "map"):
        return None
    return field, tuple(path)


def _check_path(name: str, found: tuple[Field, tuple[str, ...]]) -> tuple[Field, tuple[str, ...]]:
    field, path = found
    if field.type == "map" and (not path or not all(path)):
        raise InvalidQueryError(
            f"{name!r} needs the name of something inside {field.name!r}.",
            hint=f"Write {field.name}.<name>=….",
        )
    return found


def _unknown(scope: Scope, name: str) -> InvalidQueryError:
    detail = f"There is no parameter {name!r} for {scope}s."
    stem = _SUFFIX.sub("", name)
    head = stem.split(".")[0]
    if scope == "step" and head in BY_SCOPE["run"]:
        return InvalidQueryError(detail, hint=f"Did you mean {_RUN_PREFIX + name!r}?")
    for other in BY_SCOPE:
        if other != scope and head in BY_SCOPE[other]:
            return InvalidQueryError(detail, hint=f"It is a parameter of {other}s.")
    known = parameter_names(scope)
    asked = stem if stem.startswith(_RUN_PREFIX) else head
    near = difflib.get_close_matches(asked.lower(), known, n=1, cutoff=0.6)
    if near:
        return InvalidQueryError(detail, hint=f"Did you mean {near[0] + name[len(asked) :]!r}?")
    return InvalidQueryError(detail, hint=f"There are: {', '.join(known)}.")


def _compare(parameter: _Parameter, value: str, now_us: int) -> Condition:
    kind = parameter.field.type
    ref = parameter.ref
    if kind == "list":
        return Contains(ref, value)
    if kind == "time":
        return Comparison(ref, parameter.op, _parse_time(parameter.name, value, now_us))
    if kind == "number" or parameter.op != "=":
        return Comparison(ref, parameter.op, _parse_number(parameter.name, value))
    if kind == "map":
        return _match_free_form(ref, value)
    return Comparison(ref, "=", _parse_text(parameter, value))


def _match_free_form(ref: FieldRef, value: str) -> Condition:
    """A URL cannot say whether `5` is text or a number: both are right."""
    readings: list[Operand] = [value]
    if value in ("true", "false"):
        readings.append(value == "true")
    number = _read_number(value)
    if number is not None:
        readings.append(number)
    parts = tuple(Comparison(ref, "=", reading) for reading in readings)
    return parts[0] if len(parts) == 1 else AnyOf(parts)


def _parse_text(parameter: _Parameter, value: str) -> str:
    field = parameter.field
    if field.name in _ID_FIELDS:
        canonical = parse_uuid(value)
        if canonical is None:
            raise InvalidQueryError(
                f"{parameter.name}={value!r} is not an id: ids of runs and steps are UUIDs."
            )
        return canonical
    if field.name == "status" and field.scope == "run":
        return _parse_word(parameter, value, parse_run_status, RUN_STATUSES, RUN_STATUS_ALIASES)
    if field.name == "status":
        return _parse_word(parameter, value, parse_step_status, STEP_STATUSES, RUN_STATUS_ALIASES)
    if field.name == "step_type":
        return _parse_word(parameter, value, parse_step_type, STEP_TYPES, STEP_TYPE_ALIASES)
    if field.name == "decision":
        return _parse_word(parameter, value, parse_verdict, VERDICTS)
    if field.name == "capture":
        return _parse_word(parameter, value, parse_capture_level, CAPTURE_LEVELS)
    if field.name == "rate_basis":
        return _parse_word(parameter, value, _parse_rate_basis, RATE_BASES)
    return value


def _parse_word(
    parameter: _Parameter,
    value: str,
    parse: Callable[[str], _Word | None],
    words: Sequence[str],
    aliases: dict[str, _Word] | None = None,
) -> _Word:
    word = parse(value)
    if word is not None:
        return word
    also = "".join(f"; {alias.upper()} means {name}" for alias, name in (aliases or {}).items())
    near = difflib.get_close_matches(value.lower(), words, n=1)
    guess = f"Did you mean {near[0]!r}? " if near else ""
    raise InvalidQueryError(
        f"{parameter.name}={value!r} is not one of {', '.join(words)}.",
        hint=f"{guess}Any case will do{also}.",
    )


def _parse_rate_basis(word: str) -> RateBasis | None:
    lowered = word.strip().lower()
    return lowered if lowered in RATE_BASES else None


def _parse_limit(value: str) -> int:
    number = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0
    if not 1 <= number <= MAX_LIMIT:
        raise InvalidQueryError(
            f"limit={value!r} is not a number of records from 1 to {MAX_LIMIT}.",
            hint="More come with next_cursor.",
        )
    return number


def _parse_number(name: str, value: str) -> Operand:
    number = _read_number(value)
    if number is None:
        raise InvalidQueryError(
            f"{name}={value!r} is not a number.", hint="Write it like 0.9, 5000 or 1e6."
        )
    return number


def _read_number(value: str) -> int | float | None:
    if not _NUMBER.match(value):
        return None
    if value.lstrip("+-").isdigit() and len(value) < 20:
        whole = int(value)
        return whole if -_MAX_EXACT_INT <= whole < _MAX_EXACT_INT else float(whole)
    number = float(value)
    return number if math.isfinite(number) else None


def _parse_time(name: str, value: str, now_us: int) -> int:
    age = _AGE.match(value.strip().lower())
    if age is not None:
        return max(0, now_us - round(float(age[1]) * _AGE_SECONDS[age[2]] * 1_000_000))
    # A form decoder turns the plus sign of "+02:00" into a space.
    moment_us = parse_time_us(_LOST_PLUS.sub(r"\1+\2", value.strip()))
    if moment_us is None:
        raise InvalidQueryError(
            f"{name}={value!r} is not a time.",
            hint="Write it like 2026-01-01T00:00:00Z, 2026-01-01, or 24h, 7d for that long ago.",
        )
    return moment_us
