"""What the engines that speak SQL spell differently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement

from xray.query.distribution import Number
from xray.store.compile import Clause, Dialect
from xray.store.sql.driver import Driver


class Spelling(Struct, frozen=True):
    """How one engine spells SQL.

    Args:
        dialect: conditions that columns answer.
        listed: a relation `(value, place)` of the numbers of one list, marked with one `?`.
        list_numbers: the value to bind there.
        then_join: joins a table that is to be read after the one before it.
        in_order: orders what was joined to a list named `wanted`, where it does not come so.
        are_among: whether a column holds one of some numbers.
        total: the sum of a column as a floating-point number; 0 without rows.
        measure_bytes: what the records take on disk.
        bind_number: a number in a form that is compared exactly.
    """

    dialect: Dialect
    listed: str
    list_numbers: Callable[[Sequence[int]], object]
    then_join: str
    in_order: str
    are_among: Callable[[ColumnElement[Any], Sequence[int]], Clause]
    total: Callable[[ColumnElement[Any]], ColumnElement[Any]]
    measure_bytes: Callable[[Driver], int]
    bind_number: Callable[[Number], Any]
