"""What a set verb was given, whatever container it came in, and the same container again."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from xray.capture.comparison import is_missing
from xray.capture.sets.columns import Column, ListColumn, read_column, read_values
from xray.capture.sets.ids import Ids, TextIds, read_ids
from xray.capture.sets.libraries import find_library, find_numpy
from xray.capture.snapshot import scalar_attributes

_ID_FIELDS: Final = ("id", "candidate_id")


class Items(Protocol):
    """The items of a container."""

    def __len__(self) -> int: ...

    def ids(self, key: str | None) -> Ids:
        """Their ids; *key* is the field that holds them."""
        ...

    def field(self, name: str) -> Column:
        """What they hold under *name*."""
        ...

    def truth(self, given: Any) -> Column:
        """A column or expression of the caller's, one value an item."""
        ...

    def rows(self, places: Sequence[int]) -> Sequence[Any]:
        """The items at *places*; rows of a frame or table as mappings."""
        ...

    def pick(self, places: Sequence[int]) -> Any:
        """The items at *places* in a container like the one that was given."""
        ...


class ListItems:
    """Items of a list, or of anything else that can be read once."""

    def __init__(self, given: Any) -> None:
        self.held: list[Any] = given if type(given) is list else list(given)
        kinds = (tuple, set, frozenset, deque)
        self._kind: Any = next((kind for kind in kinds if type(given) is kind), list)

    def __len__(self) -> int:
        return len(self.held)

    def ids(self, key: str | None) -> Ids:
        """Their ids."""
        return read_ids(self.held, key)

    def field(self, name: str) -> Column:
        """What they hold under *name*."""
        return ListColumn([read_item(item, name) for item in self.held])

    def truth(self, given: Any) -> Column:
        """A column of the caller's."""
        return read_column(given)

    def rows(self, places: Sequence[int]) -> Sequence[Any]:
        """The items at *places*."""
        held = self.held
        return [held[place] for place in places]

    def pick(self, places: Sequence[int]) -> Any:
        """The items at *places*."""
        return self._kind(self.rows(places))


class ArrayItems:
    """Items of an array of NumPy; with fields of their own where its type names some."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    def ids(self, key: str | None) -> Ids:
        """Their ids: the items themselves, or the field that holds them."""
        names = self._array.dtype.names or ()
        name = key or next((name for name in _ID_FIELDS if name in names), None)
        if name in names:
            return read_ids(self._array[name])
        return read_ids(self._array if key is None else list(self._array), key)

    def field(self, name: str) -> Column:
        """What they hold under *name*."""
        if self._array.dtype.names is not None:
            return read_column(self._array[name])
        return ListColumn([read_item(item, name) for item in self._array])

    def truth(self, given: Any) -> Column:
        """A column of the caller's."""
        return read_column(given)

    def rows(self, places: Sequence[int]) -> Sequence[Any]:
        """The items at *places*."""
        names, picked = self._array.dtype.names, self.pick(places)
        if names is None:
            return list(picked)
        return [dict(zip(names, map(_fill, row), strict=True)) for row in picked.tolist()]

    def pick(self, places: Sequence[int]) -> Any:
        """The items at *places*."""
        return self._array[find_numpy().asarray(places, dtype="int64")]


class SeriesItems:
    """Items of a series or column of a library."""

    def __init__(self, series: Any) -> None:
        self._series = series

    def __len__(self) -> int:
        return len(self._series)

    def ids(self, key: str | None) -> Ids:
        """Their ids: the labels of an index that names them, else the items themselves."""
        index = getattr(self._series, "index", None)
        is_labelled = index is not None and not callable(index)
        if key is None and is_labelled and type(index).__name__ != "RangeIndex":
            return read_ids(index)
        return read_ids(self._series if key is None else read_values(self._series), key)

    def field(self, name: str) -> Column:
        """What they hold under *name*."""
        return ListColumn([read_item(item, name) for item in read_values(self._series)])

    def truth(self, given: Any) -> Column:
        """A column of the caller's; one of pandas by its labels."""
        return read_column(_align(given, self._series))

    def rows(self, places: Sequence[int]) -> Sequence[Any]:
        """The items at *places*."""
        return read_values(self.pick(places))

    def pick(self, places: Sequence[int]) -> Any:
        """The items at *places*."""
        return _take(self._series, places)


class FrameItems:
    """Rows of a frame or table of a library.

    Args:
        frame: the rows.
        is_lazy: they were collected from a lazy frame, and one is wanted again.
    """

    def __init__(self, frame: Any, *, is_lazy: bool = False) -> None:
        self._frame = frame
        self._is_lazy = is_lazy

    def __len__(self) -> int:
        return int(self._frame.shape[0])

    def ids(self, key: str | None) -> Ids:
        """Their ids: a column, else the index of a frame that has one."""
        names = _name_columns(self._frame)
        name = key or next((name for name in _ID_FIELDS if name in names), None)
        if name is not None:
            return read_ids(_column(self._frame, name))
        index = getattr(self._frame, "index", None)
        return TextIds([""] * len(self)) if index is None else read_ids(index)

    def field(self, name: str) -> Column:
        """What they hold under *name*."""
        return read_column(_column(self._frame, name))

    def truth(self, given: Any) -> Column:
        """A column or expression of the caller's."""
        found = find_library(given)
        if found is not None and found[1] == "expression":
            return read_column(self._frame.select(given).to_series())
        return read_column(_align(given, self._frame))

    def rows(self, places: Sequence[int]) -> Sequence[Any]:
        """The rows at *places*."""
        picked = _take(self._frame, places)
        if hasattr(picked, "to_pylist"):
            rows: list[Any] = picked.to_pylist()
        elif hasattr(picked, "to_dicts"):
            rows = picked.to_dicts()
        else:
            rows = [
                {name: _fill(value) for name, value in row.items()}
                for row in picked.to_dict("records")
            ]
        return rows

    def pick(self, places: Sequence[int]) -> Any:
        """The rows at *places*."""
        picked = _take(self._frame, places)
        return picked.lazy() if self._is_lazy else picked


def read_items(given: Any) -> Items:
    """The items of a container; one that can be read only once is read here."""
    shape = (find_library(given) or ("", "list"))[1]
    if shape == "array":
        return ArrayItems(given)
    if shape == "lazy":
        return FrameItems(given.collect(), is_lazy=True)
    if shape in ("frame", "table"):
        return FrameItems(given)
    if shape in ("series", "index", "column"):
        return SeriesItems(given)
    return ListItems(given)


def read_item(item: Any, name: str) -> Any:
    """What *item* holds under *name*; None where it holds nothing."""
    return item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)


def describe_items(
    items: Items,
    places: Sequence[int],
    names: Sequence[str],
    attrs: Sequence[str] | None,
    omissions: dict[str, int],
) -> list[dict[str, Any] | None]:
    """What is kept of the items at *places*.

    Args:
        items: the items.
        places: which of them.
        names: fields that decided about them.
        attrs: the fields to keep; without it those of *names*, and short scalars.
        omissions: counts what was left out; added to.
    """
    found: list[dict[str, Any] | None] = []
    for item in items.rows(places):
        if attrs is not None:
            found.append({name: read_item(item, name) for name in attrs})
            continue
        kept = scalar_attributes(item, omissions=omissions) or {}
        kept |= {name: read_item(item, name) for name in names if name not in kept}
        found.append(kept or None)
    return found


def _name_columns(frame: Any) -> list[Any]:
    names = getattr(frame, "column_names", None)
    if names is None:
        names = frame.schema.names if hasattr(frame, "schema") else frame.columns
        names = names() if callable(names) else names
    return list(names)


def _column(frame: Any, name: str) -> Any:
    return frame.column(name) if hasattr(frame, "to_pylist") else frame[name]


def _take(held: Any, places: Sequence[int]) -> Any:
    chosen = list(places) if type(places) is range else places
    if hasattr(held, "iloc"):
        return held.iloc[chosen]
    return (
        held.take(chosen) if hasattr(held, "to_pylist") or hasattr(held, "asof") else held[chosen]
    )


def _fill(value: Any) -> Any:
    """*value*, or None for what stands for a gap where a column cannot hold None."""
    return None if is_missing(value) else value


def _align(given: Any, held: Any) -> Any:
    """A series of pandas in the order of the labels of *held*."""
    if find_library(given) != ("pandas", "series") or not hasattr(held, "iloc"):
        return given
    return given if given.index.equals(held.index) else given.reindex(held.index)
