"""How SQLite spells what the engines spell differently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, func, literal, select

from xray.store.compile import Dialect, JsonQuestion
from xray.store.sql.driver import Driver
from xray.store.sql.spelling import Spelling
from xray.store.sqlite.functions import encode_question


def _holds_json(column: ColumnElement[Any], question: JsonQuestion) -> ColumnElement[bool]:
    return func.xray_holds(column, literal(encode_question(question))) == 1


def _holds_text(column: ColumnElement[Any], wanted: str) -> ColumnElement[bool]:
    return func.xray_text_holds(column, wanted) == 1


def _list_numbers(numbers: Sequence[int]) -> str:
    return msgspec.json.encode(numbers).decode()


def _measure_bytes(driver: Driver) -> int:
    """What the records take of the file; what was deleted and not given back is left out."""
    pages, free, page_bytes = (
        int(driver.execute(f"pragma {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * page_bytes


def _are_among(column: ColumnElement[Any], numbers: Sequence[int]) -> ColumnElement[bool]:
    found = func.json_each(_list_numbers(numbers)).table_valued("value")
    return column.in_(select(found.c.value))


SPELLING: Final = Spelling(
    dialect=Dialect(holds_json=_holds_json, holds_text=_holds_text, uuid_text=func.xray_uuid),
    listed="(select value, key as place from json_each(?))",
    list_numbers=_list_numbers,
    then_join="cross join",
    in_order="",
    are_among=_are_among,
    total=func.total,
    measure_bytes=_measure_bytes,
    bind_number=lambda number: number,
)
