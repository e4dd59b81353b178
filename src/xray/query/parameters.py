"""URL parameters as a checked plan: `?step_type=filter&rejection_rate_gt=0.9`.

A parameter names a field (`query.fields`); `_gt`, `_gte`, `_lt`, `_lte`, with one or two
underscores, compare numbers and times. A free-form field is asked by path: `stats.cost__lt=3`.
All parameters must hold; one that is repeated holds when any of its values does, except for
`tag`, where every value must be there. `q` holds a query of `spec/query.md`, which must hold too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from xray.errors import InvalidQueryError
from xray.model.ids import parse_uuid
from xray.query.cursor import asked_at_us, decode_cursor
from xray.query.fields import BY_SCOPE, COMPARED_TYPES, PATHED_TYPES, Field
from xray.query.language import parse_query
from xray.query.plan import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    AllOf,
    AnyOf,
    Comparator,
    Comparison,
    Condition,
    FieldRef,
    Has,
    Operand,
    Plan,
    Scope,
)
from xray.query.spelling import find_nearest
from xray.query.values import TIME_FORMS, read_number, read_time_us, say_words

MAX_PARAMETERS: Final = 50
MAX_NAME_LENGTH: Final = 256
MAX_VALUE_LENGTH: Final = 4096

_QUERY: Final = "q"
_COMPARATORS: Final[dict[str, Comparator]] = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_SUFFIX: Final = re.compile(r"_{1,2}(gte|gt|lte|lt)\Z")
_RUN_PREFIX: Final = "run."


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
    queries: list[str] = []
    asked: dict[str, list[str]] = {}
    for name, value in params:
        _check_size(name, value)
        if name == "limit":
            limit = _parse_limit(value)
        elif name == "cursor":
            cursor, now_us = value, asked_at_us(value)
        elif name == _QUERY:
            queries.append(value)
        else:
            asked.setdefault(name, []).append(value)
    conditions = [_condition(scope, name, values, now_us) for name, values in asked.items()]
    conditions.sort(key=repr)
    for query in queries:
        said = parse_query(query, scope, now_us)
        conditions.extend(said.parts if isinstance(said, AllOf) else (said,))
    where = AllOf(tuple(conditions))
    plan = Plan(scope=scope, where=where, limit=limit, now_us=now_us)
    if cursor is None:
        return plan
    after = decode_cursor(cursor, plan)
    return Plan(scope=scope, where=where, limit=limit, after=after, now_us=now_us)


def parameter_names(scope: Scope) -> tuple[str, ...]:
    """Every plain parameter of a list, free-form fields by their first word, without suffixes."""
    own = tuple(BY_SCOPE[scope])
    of_run = tuple(f"{_RUN_PREFIX}{name}" for name in BY_SCOPE["run"]) if scope == "step" else ()
    return (*own, *of_run, _QUERY, "limit", "cursor")


def _check_size(name: str, value: str) -> None:
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidQueryError(f"A parameter's name has at most {MAX_NAME_LENGTH} characters.")
    if name == _QUERY:
        return
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
    if field.type not in COMPARED_TYPES and not path:
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
    if field is None or (path and field.type not in PATHED_TYPES):
        return None
    return field, tuple(path)


def _check_path(name: str, found: tuple[Field, tuple[str, ...]]) -> tuple[Field, tuple[str, ...]]:
    field, path = found
    is_nameless = field.type == "map" and not path
    if is_nameless or not all(path):
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
    near = find_nearest(asked, known)
    if near is not None:
        return InvalidQueryError(detail, hint=f"Did you mean {near + name[len(asked) :]!r}?")
    return InvalidQueryError(detail, hint=f"There are: {', '.join(known)}.")


def _compare(parameter: _Parameter, value: str, now_us: int) -> Condition:
    field, ref = parameter.field, parameter.ref
    if field.type == "list":
        return Has(ref, value)
    if field.type == "time":
        return Comparison(ref, parameter.op, _parse_time(parameter.name, value, now_us))
    if field.type in COMPARED_TYPES or parameter.op != "=":
        return Comparison(ref, parameter.op, _parse_number(parameter.name, value))
    if field.type in PATHED_TYPES:
        return _match_free_form(ref, value)
    return Comparison(ref, "=", _parse_text(parameter, value))


def _match_free_form(ref: FieldRef, value: str) -> Condition:
    """A URL cannot say whether `5` is text or a number: both are right."""
    readings: list[Operand] = [value]
    if value in ("true", "false"):
        readings.append(value == "true")
    number = read_number(value)
    if number is not None:
        readings.append(number)
    parts = tuple(Comparison(ref, "=", reading) for reading in readings)
    return parts[0] if len(parts) == 1 else AnyOf(parts)


def _parse_text(parameter: _Parameter, value: str) -> str:
    field = parameter.field
    if field.type == "id":
        canonical = parse_uuid(value)
        if canonical is None:
            raise InvalidQueryError(
                f"{parameter.name}={value!r} is not an id: ids of runs and steps are UUIDs."
            )
        return canonical
    if field.words is None:
        return value
    word = field.words.parse(value)
    if word is None:
        raise InvalidQueryError(
            f"{parameter.name}={value!r} is not one of {', '.join(field.words.known)}.",
            hint=say_words(value, field.words),
        )
    return word


def _parse_limit(value: str) -> int:
    number = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0
    if not 1 <= number <= MAX_LIMIT:
        raise InvalidQueryError(
            f"limit={value!r} is not a number of records from 1 to {MAX_LIMIT}.",
            hint="More come with next_cursor.",
        )
    return number


def _parse_number(name: str, value: str) -> Operand:
    number = read_number(value)
    if number is None:
        raise InvalidQueryError(
            f"{name}={value!r} is not a number.", hint="Write it like 0.9, 5000 or 1e6."
        )
    return number


def _parse_time(name: str, value: str, now_us: int) -> int:
    moment_us = read_time_us(value, now_us)
    if moment_us is None:
        raise InvalidQueryError(
            f"{name}={value!r} is not a time.", hint=f"Write it like {TIME_FORMS}."
        )
    return moment_us
