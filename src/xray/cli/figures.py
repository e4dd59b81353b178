"""How groups and their figures look on a terminal: a table of aligned numbers, and small bars."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from xray.cli.terminal import Cell, Column, Terminal, draw_bar, draw_table, printable
from xray.cli.wording import NOT_THERE, say_duration
from xray.model.aggregates import Aggregate, FigureGroup, GroupValue, OtherGroups
from xray.query.values import read_span_us

_BAR_WIDTH: Final = 12
_BAR_STEPS: Final = 1_000
_DAY_US: Final = 86_400_000_000
_MINUTE_US: Final = 60_000_000
_SECOND_US: Final = 1_000_000
_DIGITS: Final = 4
_MAX_DECIMALS: Final = 6
_LABEL: Final = re.compile(r"(\w[\w.]*)\((.*)\)\Z", re.DOTALL)
_RATES: Final = frozenset({"rejection_rate", "step.rejection_rate"})
_TIMES: Final = frozenset({"duration_ms", "run.duration_ms", "step.duration_ms"})

_Row = FigureGroup | OtherGroups


def draw_groups(answer: Aggregate, terminal: Terminal) -> list[str]:
    """Lines of the table of *answer*; nothing where nothing was counted by any field."""
    rows: list[_Row] = list(answer.groups)
    if answer.other is not None:
        rows.append(answer.other)
    if not rows:
        return []
    columns: list[Column] = []
    cells: list[list[Cell]] = [[] for _ in rows]

    def add(column: Column, texts: Sequence[str]) -> None:
        columns.append(column)
        for row, line, text in zip(rows, cells, texts, strict=True):
            is_own = isinstance(row, FigureGroup)
            line.append(Cell(text, None if is_own else "dim"))

    if answer.bucket is not None:
        width_us = read_span_us(answer.bucket) or 0
        add(Column("START (UTC)"), [_say_start(row, width_us) for row in rows])
    for name in answer.by:
        texts = [
            _say_value(row.group[name]) if isinstance(row, FigureGroup) else "" for row in rows
        ]
        add(Column(printable(name), min_width=10, max_width=40), texts)
    _name_others(answer, rows, cells, columns)
    add(Column("COUNT", is_right=True), _say_numbers([row.count for row in rows]))
    if any(row.count != row.rows for row in rows):
        add(Column("ROWS", is_right=True, drop_order=3), [f"{row.rows:,}" for row in rows])
    for label in answer.figures:
        values = [row.figures[label] for row in rows]
        add(Column(printable(label), is_right=True), _say_figures(label, values))
    for name in rows[0].n:
        if any(row.n[name] != row.rows for row in rows):
            title = "N" if len(rows[0].n) == 1 else f"N({printable(name)})"
            add(Column(title, is_right=True, drop_order=2), [f"{row.n[name]:,}" for row in rows])
    if terminal.width is not None and len(answer.groups) > 1:
        add(Column("", drop_order=4), _draw_bars(answer, rows, terminal))
    return draw_table(columns, cells, terminal)


def _name_others(
    answer: Aggregate, rows: list[_Row], cells: list[list[Cell]], columns: list[Column]
) -> None:
    """Say in the first column that the last row is of the groups beyond the limit."""
    other = answer.other
    if other is None or not columns:
        return
    more = "" if other.groups_is_exact else " or more"
    noun = "group" if other.groups == 1 else "groups"
    cells[len(rows) - 1][0] = Cell(f"({other.groups:,}{more} other {noun})", "dim")


def _say_start(row: _Row, width_us: int) -> str:
    start = row.start if isinstance(row, FigureGroup) else None
    if not isinstance(start, datetime):
        return ""
    if width_us and width_us % _DAY_US == 0:
        return start.strftime("%Y-%m-%d")
    if width_us and width_us % _MINUTE_US == 0:
        return start.strftime("%Y-%m-%d %H:%M")
    if width_us and width_us % _SECOND_US == 0:
        return start.strftime("%Y-%m-%d %H:%M:%S")
    return start.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _say_value(value: GroupValue) -> str:
    if value is None:
        return "(no value)"
    if isinstance(value, bool):
        return "true" if value else "false"
    return printable(value) if isinstance(value, str) else repr(value)


def _say_figures(label: str, values: Sequence[int | float | None]) -> list[str]:
    said = _LABEL.match(label)
    if said is not None and said[1] != "sum" and said[2] in _RATES:
        return [NOT_THERE if value is None else f"{value * 100:.1f} %" for value in values]
    if said is not None and said[2] in _TIMES:
        return [say_duration(value) for value in values]
    return _say_numbers(values)


def _say_numbers(values: Sequence[int | float | None]) -> list[str]:
    """*values* with as many decimals as the greatest needs, the same in each."""
    known = [abs(value) for value in values if value is not None]
    largest = max(known, default=0)
    if all(float(value).is_integer() for value in known):
        decimals = 0
    else:
        whole_digits = math.floor(math.log10(largest)) + 1 if largest else 0
        decimals = min(_MAX_DECIMALS, max(0, _DIGITS - whole_digits))
    if largest >= 10.0**15:
        return [NOT_THERE if value is None else f"{value:.{_DIGITS}g}" for value in values]
    return [NOT_THERE if value is None else f"{value:,.{decimals}f}" for value in values]


def _draw_bars(answer: Aggregate, rows: Sequence[_Row], terminal: Terminal) -> list[str]:
    """A bar for each group: its first figure, or its count."""
    label = answer.figures[0] if answer.figures else None
    values = [row.count if label is None else row.figures[label] for row in rows]
    shown = [
        value if isinstance(row, FigureGroup) else None
        for row, value in zip(rows, values, strict=True)
    ]
    largest = max((value for value in shown if value is not None), default=0)
    if largest <= 0:
        return ["" for _ in rows]
    return [
        ""
        if value is None or value <= 0
        else draw_bar(
            None, max(1, round(value / largest * _BAR_STEPS)), _BAR_STEPS, _BAR_WIDTH, terminal
        ).rstrip()
        for value in shown
    ]
