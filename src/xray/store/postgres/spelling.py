"""How PostgreSQL spells what the engines spell differently."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    LargeBinary,
    Numeric,
    Text,
    and_,
    any_,
    case,
    cast,
    false,
    func,
    literal,
    literal_column,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from xray.query.plan import Comparator, Exists, Has, Operand
from xray.store.compile import Clause, Dialect, JsonQuestion
from xray.store.postgres.text import escape_json, exact_number
from xray.store.sql.driver import Driver
from xray.store.sql.spelling import Spelling
from xray.store.tables import dim, runs

_FOLDED: Final[dict[ColumnElement[Any], str]] = {
    dim.c.text: "dim.folded",
    runs.c.key: "runs.key_folded",
}


def _holds_json(column: ColumnElement[Any], question: JsonQuestion) -> Clause | None:
    found: ColumnElement[Any] = cast(column, JSONB)
    for name in question.field.path:
        # Of a list, a key is null; an index would be something in it.
        found = found.op("->", return_type=JSONB())(literal(name, Text))
    if isinstance(question, Exists):
        return and_(found.is_not(None), found.not_in([_json("null"), _json("[]"), _json("{}")]))
    if isinstance(question, Has):
        return _is_true(_has(found, question.value))
    if question.op == "contains":
        # What cases fold to is known to Python alone.
        return None
    return _is_true(_compare(found, question.op, question.value))


def _is_true(clause: Clause) -> Clause:
    return func.coalesce(clause, false())


def _has(found: ColumnElement[Any], wanted: Operand) -> Clause:
    text = _spell(wanted)
    if text is None:
        return false()
    holds: Clause = found.op("@>", is_comparison=True)(_json(f"[{text}]"))
    return case((func.jsonb_typeof(found) == "array", holds), else_=false())


def _spell(value: Operand) -> str | None:
    """*value* as JSON that is stored; None where JSON has no such number."""
    if isinstance(value, (str, bool)):
        return escape_json(msgspec.json.encode(value).decode())
    return str(exact_number(value)) if math.isfinite(value) else None


def _compare(found: ColumnElement[Any], op: Comparator, operand: Operand) -> Clause:
    kind = func.jsonb_typeof(found)
    if isinstance(operand, bool):
        if op not in ("=", "!="):
            return false()
        is_it = found == _json("true" if operand else "false")
        return and_(kind == "boolean", is_it if op == "=" else ~is_it)
    if isinstance(operand, str):
        text = found.op("#>>", return_type=Text())(literal_column("'{}'")).collate("C")
        holds: Clause = text.op(_sign(op), is_comparison=True)(literal(operand, Text))
        return case((kind == "string", holds), else_=false())
    if math.isnan(operand):
        return false()
    number = cast(found, Numeric)
    holds = number.op(_sign(op), is_comparison=True)(literal(exact_number(operand), Numeric))
    return case((kind == "number", holds), else_=false())


def _sign(op: Comparator) -> str:
    return "<>" if op == "!=" else op


def _json(text: str) -> ColumnElement[Any]:
    return cast(literal(text, Text), JSONB)


def _holds_text(column: ColumnElement[Any], wanted: str) -> Clause:
    folded = wanted.casefold().encode()
    if column in _FOLDED:
        place = func.pg_catalog.position(
            literal_column(_FOLDED[column]), literal(folded, LargeBinary)
        )
        return place > 0
    # All that is left is the text of ids, which is ASCII without capitals.
    wanted = wanted.casefold()
    return func.strpos(column, literal(wanted, Text)) > 0


def _uuid_text(column: ColumnElement[Any]) -> ColumnElement[str]:
    return cast(cast(func.encode(column, "hex"), UUID(as_uuid=False)), Text).collate("C")


def _list_numbers(numbers: Sequence[int]) -> list[int]:
    return list(numbers)


def _measure_bytes(driver: Driver) -> int:
    (size,) = driver.execute("select pg_database_size(current_database())").fetchone()
    return int(size)


def _are_among(column: ColumnElement[Any], numbers: Sequence[int]) -> Clause:
    return column == any_(literal(list(numbers), ARRAY(BigInteger)))


def _total(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(func.sum(cast(column, Float(53))), literal(0.0))


SPELLING: Final = Spelling(
    dialect=Dialect(holds_json=_holds_json, holds_text=_holds_text, uuid_text=_uuid_text),
    listed="(select value, place from unnest(?::bigint[]) with ordinality as one (value, place))",
    list_numbers=_list_numbers,
    then_join="join",
    in_order=" order by wanted.place",
    are_among=_are_among,
    total=_total,
    measure_bytes=_measure_bytes,
    bind_number=exact_number,
)
