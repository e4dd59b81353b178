"""The ids of many candidates: texts, or an array that stays one until it travels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec

from xray.capture.sets.columns import is_column, read_array, read_portions, read_values
from xray.capture.sets.libraries import find_numpy
from xray.model.bounds import INT64_MAX
from xray.model.columns import NUMBER_BYTES, IdColumn
from xray.model.ids import MAX_CANDIDATE_ID_LENGTH, identify

_encode_json: Final = msgspec.json.Encoder().encode
_PORTION: Final = 8_192
_LAST_ASCII: Final = 127
_MOST_PADDING: Final = 4


class Ids(Protocol):
    """Canonical ids, one a candidate; empty where a candidate has none."""

    @property
    def is_complete(self) -> bool:
        """Whether every candidate has one."""
        ...

    def __len__(self) -> int: ...

    def texts(self, start: int = 0, stop: int | None = None) -> list[str]:
        """The ids from *start* to *stop*."""
        ...

    def at(self, places: Sequence[int]) -> list[str]:
        """The ids at *places*."""
        ...

    def pick(self, places: Sequence[int]) -> Ids:
        """The ids at *places*, in their order."""
        ...

    def keep(self, start: int, stop: int) -> Ids:
        """The ids from *start* to *stop*, whatever the pipeline makes of its own meanwhile."""
        ...

    def column(self, start: int, stop: int) -> IdColumn | list[str]:
        """The ids from *start* to *stop* as they travel."""
        ...


class TextIds:
    """Ids as texts."""

    def __init__(self, held: list[str]) -> None:
        self._held = held
        self._is_complete: bool | None = None

    @property
    def is_complete(self) -> bool:
        """Whether every candidate has one."""
        if self._is_complete is None:
            self._is_complete = all(self._held)
        return self._is_complete

    def __len__(self) -> int:
        return len(self._held)

    def texts(self, start: int = 0, stop: int | None = None) -> list[str]:
        """The ids from *start* to *stop*."""
        return self._held[start:stop]

    def at(self, places: Sequence[int]) -> list[str]:
        """The ids at *places*."""
        held = self._held
        return [held[place] for place in places]

    def pick(self, places: Sequence[int]) -> Ids:
        """The ids at *places*, in their order."""
        return TextIds(self.at(places))

    def keep(self, start: int, stop: int) -> Ids:
        """The ids from *start* to *stop*."""
        return TextIds(self._held[start:stop])

    def column(self, start: int, stop: int) -> IdColumn | list[str]:
        """The ids from *start* to *stop* as they travel."""
        return self._held[start:stop]


class _ArrayIds:
    """Ids in an array of NumPy."""

    is_complete: Final = True

    def __init__(self, array: Any) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)


class NumberIds(_ArrayIds):
    """Whole numbers of at most 64 bits, with their sign, in an array of the pipeline's."""

    def texts(self, start: int = 0, stop: int | None = None) -> list[str]:
        """The ids from *start* to *stop*."""
        return _spell_numbers(self.array[start:stop])

    def at(self, places: Sequence[int]) -> list[str]:
        """The ids at *places*."""
        return _spell_numbers(self.array[_as_index(places)])

    def pick(self, places: Sequence[int]) -> Ids:
        """The ids at *places*, in their order."""
        return NumberIds(self.array[places])

    def keep(self, start: int, stop: int) -> Ids:
        """The ids from *start* to *stop*."""
        return NumberIds(self.array[start:stop].copy())

    def column(self, start: int, stop: int) -> IdColumn | list[str]:
        """The ids from *start* to *stop* as they travel."""
        return IdColumn(0, self.array[start:stop].astype("<i8", copy=False).tobytes())

    def span(self) -> tuple[int, int] | None:
        """The first and the last where each is greater than the one before it, else None."""
        array = self.array
        if not len(array) or not (array[1:] > array[:-1]).all():
            return None
        return int(array[0]), int(array[-1])


class NarrowIds(_ArrayIds):
    """Texts in UTF-8, in an array of X-Ray's own."""

    def texts(self, start: int = 0, stop: int | None = None) -> list[str]:
        """The ids from *start* to *stop*."""
        return _spell_bytes(self.array[start:stop])

    def at(self, places: Sequence[int]) -> list[str]:
        """The ids at *places*."""
        return _spell_bytes(self.array[_as_index(places)])

    def pick(self, places: Sequence[int]) -> Ids:
        """The ids at *places*, in their order."""
        return NarrowIds(self.array[places])

    def keep(self, start: int, stop: int) -> Ids:
        """The ids from *start* to *stop*."""
        return NarrowIds(self.array[start:stop])

    def column(self, start: int, stop: int) -> IdColumn | list[str]:
        """The ids from *start* to *stop* as they travel."""
        return IdColumn(self.array.dtype.itemsize, self.array[start:stop].tobytes())


def _as_index(places: Sequence[int]) -> Any:
    """*places* as NumPy reads them quickest."""
    return slice(places.start, places.stop) if type(places) is range else places


def _spell_numbers(array: Any) -> list[str]:
    # Spelled in one call, which is much faster than one for each.
    return _encode_json(array.tolist())[1:-1].decode().split(",") if len(array) else []


def _spell_bytes(array: Any) -> list[str]:
    raw = array.tolist()
    texts: list[str] = b"\0".join(raw).decode().split("\0")
    return texts if len(texts) == len(raw) else [one.decode() for one in raw]


def read_ids(given: Any, key: str | None = None) -> Ids:
    """The ids among or of *given*.

    Args:
        given: ids in a list, array or series, or items that hold one each.
        key: the field of an item that holds it.
    """
    if is_column(given) and type(given) is not list:
        array = read_array(given)
        packed = _pack_texts(given) if array is None else _read_array_ids(array)
        if packed is not None:
            return packed
        given = read_values(given)
    items = given if type(given) is list else list(given)
    if items and all(type(item) is dict for item in items):
        # The usual case by itself: a text under the first of the names that `identify` tries.
        named = [item.get(key or "id") for item in items]
        items = named if all(type(name) is str for name in named) else items
    if all(type(item) is str for item in items):
        texts: list[str] = items
        portions = (texts[at : at + _PORTION] for at in range(0, len(texts), _PORTION))
        if _are_short(texts) and all("".join(portion).isascii() for portion in portions):
            return TextIds(texts)
    return TextIds([identify(item, key) or "" for item in items])


def _read_array_ids(array: Any) -> Ids | None:
    numpy, kind = find_numpy(), array.dtype.kind
    if type(array) is not numpy.ndarray or array.ndim != 1 or not len(array):
        return None
    if kind in "iu":
        is_signed = kind == "i" or array.dtype.itemsize < NUMBER_BYTES or array.max() <= INT64_MAX
        return NumberIds(array) if is_signed else None
    if kind != "U" or not array.dtype.itemsize:
        return None
    is_short = array.dtype.itemsize <= 4 * MAX_CANDIDATE_ID_LENGTH
    narrowed = _narrow(array) if is_short and array.dtype.isnative else None
    return _pack_texts(array) if narrowed is None else narrowed


def _narrow(array: Any) -> NarrowIds | None:
    """Texts of four bytes a character in one; None where one is empty or not all is ASCII."""
    numpy, width = find_numpy(), array.dtype.itemsize // 4
    narrowed = numpy.empty((len(array), width), "uint8")
    # In portions that the processor's cache holds, because they are read twice.
    for start in range(0, len(array), _PORTION):
        portion = numpy.ascontiguousarray(array[start : start + _PORTION])
        characters = portion.view("uint32").reshape(-1, width)
        if characters.max() > _LAST_ASCII:
            return None
        narrowed[start : start + _PORTION] = characters
    return NarrowIds(narrowed.view(f"S{width}").reshape(-1)) if narrowed[:, 0].all() else None


def _pack_texts(column: Any) -> Ids | None:
    """Texts that would each be made anew when they are asked for; None where not all are plain."""
    numpy = find_numpy()
    if numpy is None or not len(column) or _holds_objects(column):
        return None
    packed, length = [], 0
    for texts in read_portions(column, _PORTION):
        if not all(type(text) is str for text in texts) or not (all(texts) and _are_short(texts)):
            return None
        try:
            joined = "\0".join(texts).encode()
        except UnicodeEncodeError:
            return None
        raw = joined.split(b"\0")
        if len(raw) != len(texts):
            return None
        packed.append(numpy.array(raw))
        length += len(joined)
    width = max(array.dtype.itemsize for array in packed)
    if width * len(column) > _MOST_PADDING * length:
        return None
    return NarrowIds(numpy.concatenate(packed, dtype=f"S{width}", casting="unsafe"))


def _holds_objects(column: Any) -> bool:
    return getattr(getattr(column, "dtype", None), "hasobject", False) is True


def _are_short(texts: Sequence[str]) -> bool:
    return max(map(len, texts), default=0) <= MAX_CANDIDATE_ID_LENGTH
