"""Where candidates of a roster stand: ranks as they are, scores to 16 significant bits.

A score is kept as the leading 27 bits of a double, rounded, in an order that numbers have (sign and
exponent, then 15 bits of fraction): what it stands for is off by at most one part in 65,536, and
whole numbers up to 65,536 are not off at all. That says the same of every scale of scores, so
neither a chunk nor a store needs to know the others' smallest and largest.

At rest, scores are sorted as their ranks are and only the differences are stored. Scores that fall
with the rank then take about as many bits as 5,000 of them need to be told apart, six or seven.
Ranks and differences lie in planes of one byte each, deflated where that is smaller.
"""

from __future__ import annotations

import math
import struct
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Final

from msgspec import Struct

from xray.model.packed_arrays import from_bytes, to_bytes

NO_RANK: Final = (1 << 32) - 1
"""What stands for no rank in the ranks of a `Ranking`."""

SCORE_BITS: Final = 32
_SCORE_MASK: Final = (1 << SCORE_BITS) - 1
_CUT_BITS: Final = 64 - 27
_SIGN: Final = 1 << 63
_LARGEST: Final = struct.unpack("<d", struct.pack("<Q", 0x7FEF_FFE0 << 32))[0]
_BYTES: Final = 4
_RAW_DEFLATE: Final = -15


class Placing(Struct, frozen=True):
    """Where one candidate stands among others.

    Args:
        rank: its rank.
        score: its score, rounded.
        score_error: by how much the score may be off.
    """

    rank: int | None = None
    score: float | None = None
    score_error: float | None = None


class Ranking(Struct, array_like=True, frozen=True):
    """Where the candidates of a group or column stand, in the order of their ids.

    Args:
        ranks: for each its rank in 4 bytes, little-endian, `NO_RANK` for none; empty where none
            has one.
        scores: for each its score as a double, little-endian, not a number for none; empty where
            none has one.
    """

    ranks: bytes = b""
    scores: bytes = b""

    def find_fault(self, count: int) -> str | None:
        """What is wrong with it as the ranking of *count* candidates, or None."""
        for name, column, width in (("ranks", self.ranks, 4), ("scores", self.scores, 8)):
            if column and len(column) != width * count:
                return f"its {name} have {len(column)} bytes for {count} candidates"
        return None

    def places(self, count: int) -> Sequence[int]:
        """The place of each of *count* candidates, as `pack_place` makes it."""
        ranks: Iterable[int] = bytes(count)
        scores: Iterable[int] = bytes(count)
        if self.ranks:
            ranks = [rank + 1 & NO_RANK for rank in struct.unpack(f"<{count}I", self.ranks)]
        if self.scores:
            scores = map(pack_score, struct.unpack(f"<{count}d", self.scores))
        return [rank << SCORE_BITS | score for rank, score in zip(ranks, scores, strict=True)]


def make_ranking(
    ranks: Iterable[int | None] | None, scores: Iterable[float | None] | None
) -> Ranking | None:
    """The ranking of candidates of which each has a rank, a score, both or neither.

    Args:
        ranks: a rank for each; none has one when absent.
        scores: a score for each.
    """
    if ranks is None and scores is None:
        return None
    wide = array(
        "I",
        [NO_RANK if rank is None or not 0 <= rank < NO_RANK else rank for rank in ranks or ()],
    )
    exact = array("d", [math.nan if score is None else score for score in scores or ()])
    return Ranking(to_bytes(wide), to_bytes(exact))


def pack_score(score: float) -> int:
    """*score* in 28 bits that compare as scores do; 0 where it is not finite."""
    if not math.isfinite(score):
        return 0
    score = max(-_LARGEST, min(score, _LARGEST))
    (bits,) = struct.unpack("<Q", struct.pack("<d", score + 0.0))
    cut: int = (bits & ~_SIGN) + (1 << _CUT_BITS - 1) >> _CUT_BITS
    middle = 1 << 64 - _CUT_BITS
    return middle - cut if bits & _SIGN else middle + cut


def has_rank(place: int) -> bool:
    """Whether `place` says a rank."""
    return place >> SCORE_BITS > 0


def unpack_place(place: int) -> Placing | None:
    """What `place` stands for: a rank, plus 1, shifted by `SCORE_BITS`, plus a packed score."""
    rank, packed = place >> SCORE_BITS, place & _SCORE_MASK
    if not place:
        return None
    if not packed:
        return Placing(rank - 1)
    middle = 1 << 64 - _CUT_BITS
    (size,) = struct.unpack("<d", struct.pack("<Q", abs(packed - middle) << _CUT_BITS))
    score = size if packed >= middle else -size
    return Placing(rank - 1 if rank else None, score, math.ldexp(math.ulp(size), _CUT_BITS - 1))


def round_measured(value: float, error: float) -> float:
    """*value* without the digits that *error* leaves open."""
    return round(value, -math.ceil(math.log10(2 * error))) if error > 0 else value


def encode_places(places: Sequence[int], codes: Sequence[int]) -> bytes:
    """Places of the entries of a set as bytes.

    Args:
        places: one an entry.
        codes: the code of each entry.
    """
    ranks = array("I", [place >> SCORE_BITS for place in places])
    order = _sort_places(ranks, codes)
    falls = array("I")
    before = 0
    for index in order:
        packed = places[index] & _SCORE_MASK
        falls.append(before - packed & _SCORE_MASK)
        before = packed
    return _encode_planes(ranks, falls)


def _sort_places(ranks: array[int], codes: Sequence[int]) -> list[int]:
    """The indexes of entries in the order in which their scores fall most evenly.

    Where ranks occur twice, each code has an order of its own, as with a `by`.
    """
    if len(set(ranks)) == len(ranks):
        return sorted(range(len(ranks)), key=ranks.__getitem__)
    return sorted(range(len(ranks)), key=lambda index: (codes[index], ranks[index]))


def _encode_planes(*columns: array[int]) -> bytes:
    planes = [to_bytes(column)[shift::_BYTES] for column in columns for shift in range(_BYTES)]
    present = deflated = 0
    written = []
    for number, plane in enumerate(planes):
        if not any(plane):
            continue
        present |= 1 << number
        packer = zlib.compressobj(6, zlib.DEFLATED, _RAW_DEFLATE)
        small = packer.compress(plane) + packer.flush()
        if len(small) + 3 < len(plane):
            deflated |= 1 << number
            plane = len(small).to_bytes(3, "little") + small
        written.append(plane)
    return bytes((present, deflated)) + b"".join(written)


class Places:
    """The places that `encode_places` wrote, opened when they are needed.

    Args:
        data: what it wrote.
        codes: the code of each entry.
    """

    def __init__(self, data: bytes, codes: Sequence[int]) -> None:
        self._data = data
        self.codes = codes
        self._was_asked = False

    def at(self, index: int) -> int:
        """The place of the entry at *index*; all are worked out when a second is asked for."""
        if self._was_asked:
            return self._all[index]
        self._was_asked = True
        ranks, falls = self._columns
        if len(set(ranks)) == len(ranks):
            mine = ranks[index]
            before = sum([rank < mine for rank in ranks])
        else:
            before = _sort_places(ranks, self.codes).index(index)
        return ranks[index] << SCORE_BITS | -sum(falls[: before + 1]) & _SCORE_MASK

    def __iter__(self) -> Iterator[int]:
        return iter(self._all)

    @cached_property
    def _all(self) -> list[int]:
        ranks, falls = self._columns
        order = _sort_places(ranks, self.codes)
        places = [0] * len(ranks)
        packed = 0
        for index, fall in zip(order, falls, strict=True):
            packed = packed - fall & _SCORE_MASK
            places[index] = ranks[index] << SCORE_BITS | packed
        return places

    @cached_property
    def _columns(self) -> tuple[array[int], array[int]]:
        present, deflated = self._data[:2]
        at = 2
        columns = []
        count = len(self.codes)
        for first in (0, _BYTES):
            column = bytearray(_BYTES * count)
            for shift in range(_BYTES):
                bit = 1 << first + shift
                if not present & bit:
                    continue
                size = count
                if deflated & bit:
                    size = int.from_bytes(self._data[at : at + 3], "little")
                    at += 3
                plane = self._data[at : at + size]
                column[shift::_BYTES] = (
                    zlib.decompress(plane, _RAW_DEFLATE) if deflated & bit else plane
                )
                at += size
            columns.append(from_bytes("I", bytes(column)))
        return columns[0], columns[1]
