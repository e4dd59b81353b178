"""Records as data frames: a column a field, maps spread out by their keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from xray.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas
    import polars

Record = TypeVar("Record")

_PLAIN: Final = (str, int, float, bool, datetime, type(None))


class Records(Generic[Record]):
    """Records that come as they are asked for; all the rest of them make a data frame.

        client.iter_decisions(run_id="last").to_pandas()

    Args:
        records: gives them one by one.
    """

    def __init__(self, records: Iterator[Record]) -> None:
        self._records = records

    def __iter__(self) -> Iterator[Record]:
        return self

    def __next__(self) -> Record:
        return next(self._records)

    def to_pandas(self) -> pandas.DataFrame:
        """A pandas data frame of them; see `frame_with_pandas`."""
        return frame_with_pandas(self)

    def to_polars(self) -> polars.DataFrame:
        """A polars data frame of them; see `frame_with_polars`."""
        return frame_with_polars(self)


def frame_with_pandas(records: Iterable[object]) -> pandas.DataFrame:
    """A pandas data frame of *records*, one row each.

    A field is a column; what lies below it is named by its path, e.g. `counts.rejected`,
    `metadata.user`, `rejections.price_too_high` (how many). Deeper values stay as they are.

    Raises:
        ConfigurationError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise _lack("pandas") from error
    columns = spread_records(records)
    # A text may lack in one row; that it is text, or a count, holds for the others.
    return pd.DataFrame({name: pd.Series(values, dtype=None) for name, values in columns.items()})


def frame_with_polars(records: Iterable[object]) -> polars.DataFrame:
    """A polars data frame of *records*, one row each; columns as `frame_with_pandas` names them.

    A column has one type here: lists, maps and mixed values are JSON text.

    Raises:
        ConfigurationError: polars is not installed.
    """
    try:
        import polars as pl
    except ImportError as error:
        raise _lack("polars") from error
    columns = {name: _unify(values) for name, values in spread_records(records).items()}
    return pl.DataFrame(columns, infer_schema_length=None)


def spread_records(records: Iterable[object]) -> dict[str, list[object]]:
    """The columns of *records*, in the order they first appear; None where a record lacks one."""
    columns: dict[str, list[object]] = {}
    height = 0
    for record in records:
        for name, value in _spread("", record):
            column = columns.get(name)
            if column is None:
                column = columns[name] = []
            column.extend([None] * (height - len(column)))
            column.append(value)
        height += 1
    for column in columns.values():
        column.extend([None] * (height - len(column)))
    return columns


def _spread(prefix: str, value: object) -> Iterator[tuple[str, object]]:
    fields: Iterable[tuple[str, object]]
    if isinstance(value, Struct):
        fields = ((name, getattr(value, name)) for name in value.__struct_fields__)
    else:
        assert isinstance(value, Mapping)
        fields = value.items()
    for name, below in fields:
        path = f"{prefix}{name}"
        count = getattr(below, "count", None)
        if isinstance(below, Struct):
            yield from [(path, count)] if isinstance(count, int) else _spread(f"{path}.", below)
        elif isinstance(below, Mapping) and not prefix:
            yield from _spread(f"{path}.", below)
        else:
            yield path, below if isinstance(below, _PLAIN) else msgspec.to_builtins(below)


def _unify(values: list[object]) -> list[object]:
    kinds = {type(value) for value in values} - {type(None)}
    if len(kinds) < 2 and kinds <= set(_PLAIN):
        return values
    if kinds <= {int, float}:
        return [None if value is None else float(value) for value in values]  # type: ignore[arg-type]
    return [
        value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()
        for value in values
    ]


def _lack(library: str) -> ConfigurationError:
    return ConfigurationError(
        f"{library} is not installed, so there are no data frames of it.",
        hint=f"pip install {library}",
        code="missing_library",
    )
