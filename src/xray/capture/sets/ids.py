"""The ids of many candidates: texts, or an array that stays one until it travels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Any, Final, Protocol

import msgspec

from xray.capture.sets.columns import is_column, read_array, read_values
from xray.capture.sets.libraries import find_numpy
from xray.model.ids import MAX_CANDIDATE_ID_LENGTH, identify

_encode_json: Final = msgspec.json.Encoder().encode
_WORD: Final = 8
_CHUNK: Final = 65_536
_MOST_DIGITS: Final = 19
_WIDEST_SPAN: Final = 8
_MIX: Final = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)


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

    def of_code(self, codes: bytes, code: int, start: int) -> tuple[Sequence[int], Ids]:
        """The places from *start* whose code is *code*, and a copy of their ids."""
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

    def of_code(self, codes: bytes, code: int, start: int) -> tuple[Sequence[int], Ids]:
        """The places from *start* whose code is *code*, and their ids."""
        if codes.count(code, start) == len(codes) - start:
            return range(start, len(codes)), TextIds(self._held[start : len(codes)])
        chosen = codes.translate(_only(code))[start:]
        texts = list(compress(self._held[start:], chosen))
        return find_places(codes, code, start), TextIds(texts)


class ArrayIds:
    """Whole numbers, or texts of one byte a character, in an array of NumPy."""

    def __init__(self, array: Any) -> None:
        self.array = array

    @property
    def is_complete(self) -> bool:
        """Whether every candidate has one."""
        return True

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
        places = find_places(codes, code, start)
        return places, ArrayIds(self.array[places])

    def _spell(self, array: Any) -> list[str]:
        plain = array.tolist()
        if array.dtype.kind != "S":
            # Spelled in one call, which is much faster than one for each.
            return _encode_json(plain)[1:-1].decode().split(",") if plain else []
        texts: list[str] = b"\0".join(plain).decode().split("\0")
        return texts if len(texts) == len(plain) else [raw.decode() for raw in plain]


def find_places(codes: bytes, code: int, start: int) -> Sequence[int]:
    """The places from *start* whose code is *code*, in order."""
    numpy = find_numpy()
    if numpy is None:
        return list(compress(range(start, len(codes)), codes.translate(_only(code))[start:]))
    found = numpy.flatnonzero(numpy.frombuffer(codes, "uint8")[start:] == code)
    found += start
    places: Sequence[int] = found
    return places


def _only(code: int) -> bytes:
    """A table that makes 1 of *code*, and 0 of all else."""
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
    kinds = {array.dtype.kind for array in arrays}
    if len(arrays) < len(parts) or len(kinds) != 1 or "u" in kinds:
        return None
    if len(set(texts)) < len(texts):
        return False
    numpy = find_numpy()
    if kinds == {"i"}:
        arrays.append(numpy.array([int(text) for text in texts if _is_whole(text)], "int64"))
        return _have_distinct_numbers(arrays)
    width = max(array.dtype.itemsize for array in arrays)
    alike = [text.encode() for text in texts if text.isascii() and len(text) <= width]
    arrays.append(numpy.array(alike, f"S{width}"))
    # Distinct hashes have distinct texts; what hashes alike must be looked at.
    hashes = numpy.concatenate([_hash_texts(chunk, width) for chunk in _in_chunks(arrays)])
    return _are_sorted_apart(hashes) or None


def _in_chunks(arrays: Sequence[Any]) -> Iterator[Any]:
    """*arrays* in pieces, so that what is made of each takes little memory."""
    for array in arrays:
        for start in range(0, len(array), _CHUNK):
            yield array[start : start + _CHUNK]


def _is_whole(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isdecimal() and len(digits) < _MOST_DIGITS and str(int(text)) == text


def _have_distinct_numbers(arrays: Sequence[Any]) -> bool:
    numpy, held = find_numpy(), [array for array in arrays if len(array)]
    count = sum(map(len, held))
    lowest = min(int(array.min()) for array in held)
    span = max(int(array.max()) for array in held) - lowest + 1
    if span > _WIDEST_SPAN * count:
        return _are_sorted_apart(numpy.concatenate(held).astype("int64", copy=False))
    seen = numpy.zeros(span, bool)
    for chunk in _in_chunks(held):
        seen[chunk.astype("int64", copy=False) - lowest] = True
    return int(numpy.count_nonzero(seen)) == count


def _are_sorted_apart(numbers: Any) -> bool:
    numbers.sort()
    return not bool((numbers[1:] == numbers[:-1]).any())


def _hash_texts(texts: Any, width: int) -> Any:
    """A number of 64 bits for each text of at most *width* bytes."""
    numpy = find_numpy()
    padded = texts.astype(f"S{-(-width // _WORD) * _WORD}")
    words = padded.view("uint64").reshape(len(texts), -1)
    mixed = numpy.zeros(len(texts), "uint64")
    for column in range(words.shape[1]):
        mixed ^= words[:, column]
        mixed *= numpy.uint64(_MIX[0])
        mixed ^= mixed >> numpy.uint64(29)
        mixed *= numpy.uint64(_MIX[1])
        mixed ^= mixed >> numpy.uint64(32)
    return mixed
