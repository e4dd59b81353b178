"""The ids of many candidates: texts, or an array that stays one until it travels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Any, Final, Protocol

import msgspec

from xray.capture.sets.columns import is_column, read_array, read_values
from xray.capture.sets.libraries import find_numpy
from xray.model.ids import MAX_CANDIDATE_ID_LENGTH, identify

_encode_json: Final = msgspec.json.Encoder().encode
_WORD: Final = 8
_MIX: Final = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)


class Ids(Protocol):
    """Canonical ids, one a candidate; empty where a candidate has none."""

    is_complete: bool
    """Whether every candidate has one."""

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

    def of_code(self, codes: bytes, code: int, start: int) -> tuple[Sequence[int], Ids]:
        """The places from *start* whose code is *code*, and a copy of their ids."""
        ...


class TextIds:
    """Ids as texts."""

    def __init__(self, held: list[str]) -> None:
        self._held = held
        self.is_complete = all(held)

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

    def of_code(self, codes: bytes, code: int, start: int) -> tuple[Sequence[int], Ids]:
        """The places from *start* whose code is *code*, and their ids."""
        if codes.count(code, start) == len(codes) - start:
            return range(start, len(codes)), TextIds(self._held[start:])
        # A byte for each place: 1 where it is the code looked for.
        chosen = codes.translate(_only(code))[start:]
        places = list(compress(range(start, len(codes)), chosen))
        return places, TextIds(list(compress(self._held[start:], chosen)))


class ArrayIds:
    """Whole numbers, or texts of one byte a character, in an array of NumPy."""

    is_complete = True

    def __init__(self, array: Any) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def texts(self, start: int = 0, stop: int | None = None) -> list[str]:
        """The ids from *start* to *stop*."""
        return self._spell(self.array[start:stop])

    def at(self, places: Sequence[int]) -> list[str]:
        """The ids at *places*."""
        return self._spell(self.array[places])

    def pick(self, places: Sequence[int]) -> Ids:
        """The ids at *places*, in their order."""
        return ArrayIds(self.array[places])

    def of_code(self, codes: bytes, code: int, start: int) -> tuple[Sequence[int], Ids]:
        """The places from *start* whose code is *code*, and a copy of their ids."""
        numpy = find_numpy()
        places = numpy.flatnonzero(numpy.frombuffer(codes, "uint8")[start:] == code) + start
        return places, ArrayIds(self.array[places])

    def _spell(self, array: Any) -> list[str]:
        plain = array.tolist()
        if array.dtype.kind != "S":
            # Spelled in one call, which is much faster than one for each.
            return _encode_json(plain)[1:-1].decode().split(",") if plain else []
        texts: list[str] = b"\0".join(plain).decode().split("\0")
        return texts if len(texts) == len(plain) else [raw.decode() for raw in plain]


def _only(code: int) -> bytes:
    return bytes(code) + b"\1" + bytes(255 - code)


def read_ids(given: Any, key: str | None = None) -> Ids:
    """The ids among or of *given*.

    Args:
        given: ids in a list, array or series, or items that hold one each.
        key: the field of an item that holds it.
    """
    if is_column(given) and type(given) is not list:
        array = read_array(given)
        packed = None if array is None else _read_array_ids(array)
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
        if "".join(texts).isascii() and max(map(len, texts), default=0) <= MAX_CANDIDATE_ID_LENGTH:
            return TextIds(items.copy())
    return TextIds([identify(item, key) or "" for item in items])


def _read_array_ids(array: Any) -> Ids | None:
    kind, width = array.dtype.kind, array.dtype.itemsize
    if array.ndim != 1 or not len(array) or not width:
        return None
    if kind in "iu" and width <= _WORD:
        return ArrayIds(array)
    if kind != "U" or width > 4 * MAX_CANDIDATE_ID_LENGTH or not array.dtype.isnative:
        return None
    numpy = find_numpy()
    characters = numpy.ascontiguousarray(array).view("uint32").reshape(len(array), -1)
    if characters.max() > 127 or not characters[:, 0].all():
        return None
    narrow = characters.astype("uint8")
    return ArrayIds(narrow.view(f"S{narrow.shape[1]}").reshape(-1))


def are_distinct(parts: Sequence[Ids], texts: Sequence[str]) -> bool | None:
    """Whether no id stands twice among *parts* and *texts*; None where only texts can tell.

    Args:
        parts: arrays of one kind.
        texts: a few ids more.
    """
    arrays = [part.array for part in parts if isinstance(part, ArrayIds)]
    numpy = find_numpy()
    if len(arrays) < len(parts) or len({array.dtype.kind for array in arrays}) != 1:
        return None
    if len(set(texts)) < len(texts):
        return False
    if arrays[0].dtype.kind == "S":
        width = max(array.dtype.itemsize for array in arrays)
        alike = [text.encode() for text in texts if text.isascii() and len(text) <= width]
        arrays.append(numpy.array(alike, f"S{width}"))
        whole = numpy.concatenate(arrays)
        return _has_distinct_hashes(whole) or None
    if any(array.dtype.kind == "u" for array in arrays):
        return None
    whole_numbers = [int(text) for text in texts if _is_whole(text)]
    arrays.append(numpy.array(whole_numbers, "int64"))
    return _has_distinct_numbers(numpy.concatenate(arrays))


def _is_whole(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isdecimal() and len(digits) < 19 and str(int(text)) == text


def _has_distinct_numbers(numbers: Any) -> bool:
    numpy = find_numpy()
    lowest, highest = int(numbers.min()), int(numbers.max())
    if highest - lowest < 16 * len(numbers):
        seen = numpy.zeros(highest - lowest + 1, bool)
        seen[numbers - lowest] = True
        return int(numpy.count_nonzero(seen)) == len(numbers)
    numbers.sort()
    return not bool((numbers[1:] == numbers[:-1]).any())


def _has_distinct_hashes(texts: Any) -> bool:
    """Whether hashes of *texts* are distinct, and so the texts; alike ones say nothing."""
    numpy = find_numpy()
    width = texts.dtype.itemsize
    padded = texts.astype(f"S{-(-width // _WORD) * _WORD}")
    words = padded.view("uint64").reshape(len(texts), -1)
    mixed = numpy.zeros(len(texts), "uint64")
    for column in range(words.shape[1]):
        mixed ^= words[:, column]
        mixed *= numpy.uint64(_MIX[0])
        mixed ^= mixed >> numpy.uint64(29)
        mixed *= numpy.uint64(_MIX[1])
        mixed ^= mixed >> numpy.uint64(32)
    mixed.sort()
    return not bool((mixed[1:] == mixed[:-1]).any())
