"""Candidates or runs of two sides with everything that is recorded of them, column by column."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from xray.model.separation import Example, Source
from xray.model.values import MARK, is_mark

MAX_COLUMNS: Final = 300
MAX_ROWS: Final = 20_000
MAX_CELLS: Final = 500_000
_MAX_TEXT: Final = 200
_MAX_LISTED: Final = 32
_MAX_DEPTH: Final = 3


class Missing(Struct, frozen=True):
    """Stands for a value that could have been recorded and was not."""


MISSING: Final = Missing()
Single = str | bool | int | float
Cell = Single | tuple[Single, ...] | Missing
"""What is recorded of one thing in one column; several values where it has a list of them."""


class Column:
    """What is recorded under one name.

    Things without a cell are unknown there: nobody asked, or what was said was sampled out.

    Args:
        path: its name.
        source: where it comes from.
        step: the step it is a figure of.
    """

    def __init__(self, path: str, source: Source, step: str | None = None) -> None:
        self.path = path
        self.source = source
        self.step = step
        self.cells: dict[int, Cell] = {}
        self.reads: dict[str, None] = {}


class Table:
    """Some candidates or runs, each on one of two sides.

    Args:
        is_of_runs: whether they are runs and not candidates.
    """

    def __init__(self, *, is_of_runs: bool = False) -> None:
        self.is_of_runs = is_of_runs
        self.is_in_a: list[bool] = []
        self.weights: list[float] = []
        self.runs: list[int] = []
        self.names: list[str] = []
        self.examples: list[Example] = []
        self.columns: dict[tuple[str | None, str], Column] = {}
        self.left_out: dict[str, str] = {}
        self.is_cut = False
        self.cell_count = 0

    def __len__(self) -> int:
        return len(self.is_in_a)

    def add(self, example: Example, *, is_in_a: bool, weight: float, run: int, name: str) -> int:
        """Take in one candidate or run, and say which row it is.

        Args:
            example: where it is found again.
            is_in_a: whether it belongs to side A.
            weight: how many it stands for.
            run: the number of its run.
            name: what it is the same by in other runs.
        """
        self.is_in_a.append(is_in_a)
        self.weights.append(weight)
        self.runs.append(run)
        self.names.append(name)
        self.examples.append(example)
        return len(self.is_in_a) - 1

    def column(self, path: str, source: Source, step: str | None = None) -> Column | None:
        """The column of that name; None where there are too many."""
        found = self.columns.get((step, path))
        if found is None:
            if len(self.columns) >= MAX_COLUMNS:
                self.is_cut = True
                return None
            found = self.columns[step, path] = Column(path, source, step)
        return found

    def put(self, row: int, path: str, cell: Cell, source: Source, step: str | None = None) -> None:
        """Note what is recorded of *row* under *path*."""
        column = self.column(path, source, step)
        if column is not None:
            column.cells[row] = cell
            self.cell_count += 1

    @property
    def is_full(self) -> bool:
        """Whether no more rows should be read, as judging them would take too long."""
        return len(self) >= MAX_ROWS or self.cell_count >= MAX_CELLS


def spread_map(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Cell]]:
    """The fields of a free-form map by their paths, as far as they can be compared.

    Args:
        value: the map.
        prefix: what their paths begin with.
    """
    return _spread(value, prefix, _MAX_DEPTH)


def _spread(value: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Cell]]:
    for name, inner in value.items():
        path = f"{prefix}{name}"
        if type(inner) is dict and not is_mark(inner):
            if depth > 1:
                yield from _spread(inner, f"{path}.", depth - 1)
            continue
        cell = read_cell(inner)
        if cell is not None:
            yield path, cell


def read_cell(value: object) -> Cell | None:
    """A recorded value as a cell; None where it is nothing that can be compared."""
    if value is None:
        return MISSING
    if isinstance(value, list):
        if len(value) > _MAX_LISTED:
            return None
        cells = [_read_single(one) for one in value]
        return tuple(dict.fromkeys(one for one in cells if one is not None))
    return _read_single(value)


def _read_single(value: object) -> Single | None:
    if isinstance(value, str):
        return value if len(value) <= _MAX_TEXT else f"{value[:_MAX_TEXT]}…"
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict) and is_mark(value) and value[MARK] == "float":
        return str(value.get("value"))
    return None
