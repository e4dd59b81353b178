"""A set of hashes in under three bytes each, every one with a small code (EF16).

A *universe* maps 64-bit hashes to numbers of 16 bits more than it has *buckets*, 1.6 buckets for
each hash it was made for: a hash that was never put in is then taken for one that was with a
probability below 1e-5. This is Elias-Fano coding with the low part fixed at 16 bits: how many
hashes each bucket holds stands in a unary bitmap, the low parts follow as they are, then the codes.
Everything is aligned to bytes, so that a lookup counts bits and cuts slices and decodes no more.

Two hashes of one set that fall on the same number, two in a hundred sets of 5,000, would answer for
one another. Such *lookalikes* are kept whole beside it, so a member is never taken for another.

A universe is cut into *parts* of 16,384 buckets, about 10,000 hashes: one is built in a few
milliseconds, and a lookup needs no other.

A member may also have a place among the others, its rank and its score (`model.ranking`).
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from itertools import accumulate, compress, count
from operator import add, sub
from typing import Final, Literal

from xray.model.packed_arrays import from_bytes, to_bytes
from xray.model.ranking import Places, encode_places
from xray.model.universe import HASH_BITS, LOW_BITS, PART_BUCKETS, Universe, Wanted

CODE_BITS: Final = 32
"""An entry is one whole number: a hash, shifted by this many bits, plus its code."""

_LOW_MASK: Final = (1 << LOW_BITS) - 1
_CODE_MASK: Final = (1 << CODE_BITS) - 1
_NIBBLES: Final = 0
_CODE_KIND: Final = (1 << 5) - 1
_CODE_TYPES: Final[tuple[Literal["B", "H", "I"], ...]] = ("B", "H", "I")
_DEFLATED: Final = 1 << 7
_HAS_LOOKALIKES: Final = 1 << 6
_HAS_PLACES: Final = 1 << 5
_LOOKALIKE_BYTES: Final = 12
"""Where an entry stands, in 4 bytes, and its whole hash, in 8."""
_RAW_DEFLATE: Final = -15
_STRETCH_BYTES: Final = 64
_LOWER_HALF: Final = bytes(pair & 15 for pair in range(256))
_UPPER_HALF: Final = bytes(pair >> 4 for pair in range(256))
_AS_TRUTH: Final = bytes.maketrans(b"01", b"\0\1")
ENTRIES_PER_LOOKUP: Final = 32
"""So many entries are listed in the time in which one number is looked up by itself."""


def encode_part(
    universe: Universe,
    part: int,
    entries: Sequence[int],
    code_count: int,
    places: Sequence[int] = (),
) -> bytes:
    """The bytes of one part.

    Args:
        universe: what the set is in.
        part: which part.
        entries: hashes and codes of this part, as `CODE_BITS` says, ascending.
        code_count: how many different codes the set uses.
        places: where each entry stands, as `model.ranking` packs it; empty where none does.
    """
    size = universe.size
    numbers = [(entry >> CODE_BITS) * size >> HASH_BITS for entry in entries]
    bitmap = bytearray(-(-(len(entries) + universe.buckets_in(part)) // 8))
    first_bucket = part * PART_BUCKETS
    for index, number in enumerate(numbers):
        bit = index + (number >> LOW_BITS) - first_bucket
        bitmap[bit >> 3] |= 1 << (bit & 7)
    lows = array("H", [number & _LOW_MASK for number in numbers])
    own_codes = [entry & _CODE_MASK for entry in entries]
    placed = b""
    if any(places):
        placed = encode_places(places, own_codes)
        placed = len(placed).to_bytes(4, "little") + placed
    kind, codes = _encode_codes(own_codes, code_count)
    deflated = _deflate(codes)
    if len(deflated) < len(codes):
        kind, codes = kind | _DEFLATED, deflated
    lookalikes = _encode_lookalikes(numbers, entries)
    if lookalikes:
        kind |= _HAS_LOOKALIKES
    if placed:
        kind |= _HAS_PLACES
    head = bytes((kind,)) + len(entries).to_bytes(3, "little")
    return b"".join((head, bitmap, to_bytes(lows), lookalikes, placed, codes))


def _encode_lookalikes(numbers: list[int], entries: Sequence[int]) -> bytes:
    """How many entries share their number with another hash, and the hashes of those."""
    if len(set(numbers)) == len(numbers):
        return b""
    hashes_at: dict[int, set[int]] = {}
    for number, entry in zip(numbers, entries, strict=True):
        hashes_at.setdefault(number, set()).add(entry >> CODE_BITS)
    shared = [
        index.to_bytes(4, "little") + (entry >> CODE_BITS).to_bytes(8, "little")
        for index, (number, entry) in enumerate(zip(numbers, entries, strict=True))
        if len(hashes_at[number]) > 1
    ]
    return len(shared).to_bytes(4, "little") + b"".join(shared) if shared else b""


def _encode_codes(codes: list[int], code_count: int) -> tuple[int, bytes]:
    if code_count <= 16:
        if len(codes) % 2:
            codes.append(0)
        return _NIBBLES, bytes([a | b << 4 for a, b in zip(codes[::2], codes[1::2], strict=True)])
    kind = 1 if code_count <= 1 << 8 else 2 if code_count <= 1 << 16 else 3
    return kind, to_bytes(array(_CODE_TYPES[kind - 1], codes))


def _deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, _RAW_DEFLATE)
    return packer.compress(data) + packer.flush()


class Part:
    """One part, opened as far as it is asked.

    Args:
        universe: what the set is in.
        part: which part.
        data: the bytes that `encode_part` made.
    """

    def __init__(self, universe: Universe, part: int, data: bytes) -> None:
        self._universe = universe
        self._part = part
        self._data = data
        self._kind = data[0]
        self._count = int.from_bytes(data[1:4], "little")
        self._asked = 0
        self._lows_at = 4 + -(-(self._count + universe.buckets_in(part)) // 8)
        self._lows_end = self._codes_at = self._lows_at + 2 * self._count
        self._lookalikes: dict[int, int] = {}
        self._expected: dict[int, int] | None = None
        if self._kind & _HAS_LOOKALIKES:
            self._open_lookalikes()
        self._places_at = self._codes_at
        if self._kind & _HAS_PLACES:
            at = self._codes_at
            self._codes_at += 4 + int.from_bytes(data[at : at + 4], "little")

    def __len__(self) -> int:
        return self._count

    def find(self, number: int, first: int, last: int) -> Sequence[int]:
        """The places of the entries at *number* that may be a hash from *first* to *last*."""
        self._asked += 1
        if self._asked * ENTRIES_PER_LOOKUP > self._count:
            found = self._look_up(number)
        else:
            found = self._walk_to(number)
        lookalikes = self._lookalikes
        if lookalikes and found:
            return [index for index in found if first <= lookalikes.get(index, first) <= last]
        return found

    def expect(self, wanted: Wanted) -> None:
        """Look for all hashes that *wanted* names at once, before some of them are asked for."""
        self._expected = None
        if not wanted.twins and not self._lookalikes:
            met = self._meet(wanted)[0]
            places = dict(met)
            # One that stands here several times is looked for anew.
            self._expected = places if len(places) == len(met) else None

    @property
    def is_plain(self) -> bool:
        """Whether every entry may stand for any hash at its number."""
        return not self._lookalikes

    def list_numbers(self, is_wanted: Sequence[bool]) -> list[int]:
        """The numbers of the entries whose codes are wanted, for each code whether it is."""
        if all(is_wanted):
            return self.numbers
        return list(compress(self.numbers, map(is_wanted.__getitem__, self._all_codes)))

    @property
    def is_ready(self) -> bool:
        """Whether every entry is known by the one hash it stands for, of those expected."""
        return self._expected is not None

    def find_expected(self, hashes: AbstractSet[int]) -> list[tuple[int, int]]:
        """Each of *hashes*, all of them expected, with the code of the entry it stands for."""
        codes, places = self._all_codes, self._expected or {}
        return [(hashed, codes[places[hashed]]) for hashed in places.keys() & hashes]

    def list_beside_expected(self, hashes: AbstractSet[int]) -> list[tuple[int, int, int]]:
        """Its entries that stand for none of *hashes*, all of them expected, in order."""
        places = self._expected or {}
        is_beside = bytearray(b"\1") * self._count
        for hashed in places.keys() & hashes:
            is_beside[places[hashed]] = 0
        return list(compress(self._spans, is_beside))

    def find_expected_spans(
        self, hashes: AbstractSet[int]
    ) -> list[tuple[int, tuple[int, int, int]]]:
        """Each of *hashes*, all of them expected, with the span of the entry it stands for."""
        spans, places = self._spans, self._expected or {}
        return [(hashed, spans[places[hashed]]) for hashed in places.keys() & hashes]

    def find_all(self, wanted: Wanted) -> list[tuple[int, int]]:
        """Each hash that is wanted and that an entry may stand for, with the code of the entry."""
        codes = self._all_codes
        return [(hashed, codes[index]) for hashed, index in self._meet(wanted)[0]]

    def match(
        self, wanted: Wanted
    ) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        """Its entries that may stand for a hash that is wanted, and the others.

        Returns:
            the hash, the code and the place of each of the former; the first and the last hash
            that each of the others can stand for, and its code; both in order.
        """
        codes = self._all_codes
        places = bytes(self._count) if self._places is None else list(self._places)
        if not wanted.twins and not self._lookalikes:
            stands_for = list(map(wanted.hashes.get, self.numbers))
            is_met = [hashed is not None for hashed in stands_for]
            found = compress(zip(stands_for, codes, places, strict=False), is_met)
            return list(found), self._pick_spans(_list_false(is_met))  # type: ignore[arg-type]
        met, left = self._meet(wanted)
        return (
            [(hashed, codes[index], places[index]) for hashed, index in met],
            self._pick_spans(left),
        )

    def list_beside(self, wanted: Wanted) -> list[tuple[int, int, int]]:
        """Its entries that stand for no hash that is wanted, in order."""
        spans = self._spans
        return [spans[index] for index in self._meet(wanted)[1]]

    def find_spans(self, wanted: Wanted) -> list[tuple[int, tuple[int, int, int]]]:
        """Each hash that is wanted and that an entry may stand for, with the span of the entry."""
        spans = self._spans
        return [(hashed, spans[index]) for hashed, index in self._meet(wanted)[0]]

    def _meet(self, wanted: Wanted) -> tuple[list[tuple[int, int]], list[int]]:
        """The entries that may stand for a hash that is wanted, each with it, and the others."""
        first_of = list(map(wanted.hashes.get, self.numbers))
        if not wanted.twins and not self._lookalikes:
            is_met = [hashed is not None for hashed in first_of]
            found = compress(zip(first_of, count(), strict=False), is_met)
            return list(found), _list_false(is_met)  # type: ignore[arg-type]
        met: list[tuple[int, int]] = []
        left: list[int] = []
        for index, (number, first) in enumerate(zip(self.numbers, first_of, strict=True)):
            own = self._lookalikes.get(index)
            alike = wanted.twins.get(number, () if first is None else (first,))
            hit = [hashed for hashed in alike if own is None or own == hashed]
            met += [(hashed, index) for hashed in hit]
            if not hit:
                left.append(index)
        return met, left

    def _look_up(self, number: int) -> Sequence[int]:
        """The places of the entries at *number*, when many were asked for."""
        last = self._last_places.get(number + (self._part * PART_BUCKETS << LOW_BITS))
        return () if last is None else self._same_number(last)

    def _same_number(self, last: int) -> Sequence[int]:
        """The places of the entries at the number of that at place *last*, the last of them."""
        numbers, first = self.numbers, last
        while first and numbers[first - 1] == numbers[last]:
            first -= 1
        return range(first, last + 1)

    @cached_property
    def _last_places(self) -> dict[int, int]:
        return dict(zip(self.numbers, range(self._count), strict=True))

    def _walk_to(self, number: int) -> list[int]:
        """The places of the entries at *number*, with no more decoded than needed."""
        bucket, low = number >> LOW_BITS, number & _LOW_MASK
        bitmap = self._bitmap
        bit = self._skip_zeros(bucket)
        index = bit - bucket
        found: list[int] = []
        while bit >> 3 < len(bitmap) and bitmap[bit >> 3] >> (bit & 7) & 1:
            at = self._lows_at + 2 * index
            if int.from_bytes(self._data[at : at + 2], "little") == low:
                found.append(index)
            bit, index = bit + 1, index + 1
        return found

    def spans(self) -> Sequence[tuple[int, int, int]]:
        """For every entry, in order, the first and last hash it can stand for, and its code."""
        return self._spans

    @cached_property
    def _spans(self) -> list[tuple[int, int, int]]:
        return self._make_spans(range(self._count))

    def _pick_spans(self, places: Sequence[int]) -> list[tuple[int, int, int]]:
        """The spans of the entries at *places*: few are made for themselves."""
        if "_spans" not in vars(self) and 2 * len(places) < self._count:
            return self._make_spans(places)
        return [self._spans[index] for index in places]

    def _make_spans(self, places: Sequence[int]) -> list[tuple[int, int, int]]:
        size, half = self._universe.size, self._universe.size - 1
        lookalikes, codes, numbers = self._lookalikes, self._all_codes, self.numbers
        width, rest = divmod(1 << HASH_BITS, size)
        # A number ends where the next begins: one later where what is left over makes up a whole.
        starts = [divmod((numbers[index] << HASH_BITS) + half, size) for index in places]
        spans = [
            (first, first + width - (over + rest < size), codes[index])
            for index, (first, over) in zip(places, starts, strict=True)
        ]
        if lookalikes:
            for at, index in enumerate(places):
                if (hashed := lookalikes.get(index)) is not None:
                    spans[at] = (hashed, hashed, codes[index])
        return spans

    @cached_property
    def numbers(self) -> list[int]:
        """The number of every entry in the universe, in order."""
        bits = bin(int.from_bytes(self._bitmap, "little"))[:1:-1].encode().translate(_AS_TRUTH)
        lows = from_bytes("H", self._data[self._lows_at : self._lows_end])
        step = 1 << LOW_BITS
        # Every zero bit begins a bucket, so as many lie before an entry as its bucket says.
        bits_before = compress(count(self._part * PART_BUCKETS * step, step), bits)
        return list(map(add, map(sub, bits_before, count(0, step)), lows))

    def span(self, number: int, index: int) -> tuple[int, int]:
        """The first and last hash that the entry at place *index*, found at *number*, can be."""
        hashed = self._lookalikes.get(index)
        return self._universe.span(self._part, number) if hashed is None else (hashed, hashed)

    def _open_lookalikes(self) -> None:
        data, at = self._data, self._lows_end + 4
        count = int.from_bytes(data[self._lows_end : at], "little")
        self._codes_at = at + count * _LOOKALIKE_BYTES
        for start in range(at, self._codes_at, _LOOKALIKE_BYTES):
            index = int.from_bytes(data[start : start + 4], "little")
            self._lookalikes[index] = int.from_bytes(data[start + 4 : start + 12], "little")

    @cached_property
    def _bitmap(self) -> bytes:
        return self._data[4 : self._lows_at]

    @cached_property
    def _zeros_before(self) -> list[int]:
        """How many zero bits lie before each stretch of the bitmap."""
        starts = range(0, len(self._bitmap), _STRETCH_BYTES)
        stretches = (self._bitmap[start : start + _STRETCH_BYTES] for start in starts)
        return list(accumulate(map(_count_zeros, stretches), initial=0))

    def _skip_zeros(self, zeros: int) -> int:
        """The place right behind the first *zeros* zero bits."""
        if not zeros:
            return 0
        stretch = bisect_left(self._zeros_before, zeros) - 1
        seen = self._zeros_before[stretch]
        at = stretch * _STRETCH_BYTES
        step = _STRETCH_BYTES
        while step > 1:
            step //= 2
            skipped = seen + _count_zeros(self._bitmap[at : at + step])
            if skipped < zeros:
                at, seen = at + step, skipped
        bit = 8 * at
        while seen < zeros:
            seen += not self._bitmap[bit >> 3] >> (bit & 7) & 1
            bit += 1
        return bit

    def code(self, index: int) -> int:
        """The code of the entry at place *index*."""
        codes = self._codes
        if self._is_in_nibbles:
            return codes[index >> 1] >> ((index & 1) << 2) & 15
        return codes[index]

    def place(self, index: int) -> int:
        """Where the entry at place *index* stands, as `model.ranking` packs it; 0 for nowhere."""
        return 0 if self._places is None else self._places.at(index)

    def places(self) -> Iterator[tuple[int, int]]:
        """The code of each entry, and where it stands; nothing where none stands anywhere."""
        if self._places is not None:
            yield from zip(self._places.codes, self._places, strict=True)

    @cached_property
    def _places(self) -> Places | None:
        if not self._kind & _HAS_PLACES:
            return None
        data = self._data[self._places_at + 4 : self._codes_at]
        return Places(data, self._all_codes[: self._count])

    @cached_property
    def _all_codes(self) -> Sequence[int]:
        codes = self._codes
        if not isinstance(codes, bytes):
            return codes
        apart = bytearray(2 * len(codes))
        apart[::2], apart[1::2] = codes.translate(_LOWER_HALF), codes.translate(_UPPER_HALF)
        return bytes(apart)

    @cached_property
    def _codes(self) -> Sequence[int]:
        data = self._data[self._codes_at :]
        if self._kind & _DEFLATED:
            data = zlib.decompress(data, _RAW_DEFLATE)
        kind = self._kind & _CODE_KIND
        return data if kind == _NIBBLES else from_bytes(_CODE_TYPES[kind - 1], data)

    @property
    def _is_in_nibbles(self) -> bool:
        return self._kind & _CODE_KIND == _NIBBLES


def _list_false(truths: Sequence[bool]) -> list[int]:
    return [at for at, is_so in enumerate(truths) if not is_so]


def _count_zeros(bitmap: bytes) -> int:
    return 8 * len(bitmap) - int.from_bytes(bitmap, "little").bit_count()


def encode_parts(
    universe: Universe, entries: Sequence[int], code_count: int, places: Sequence[int] = ()
) -> Iterator[tuple[int, bytes]]:
    """The parts of a whole set, those without an entry left out.

    Args:
        universe: what the set is in.
        entries: hashes and codes, as `CODE_BITS` says, ascending.
        code_count: how many different codes there are.
        places: where each entry stands, as `model.ranking` packs it; empty where none does.
    """
    start = 0
    for part in range(universe.part_count):
        end = bisect_left(entries, universe.part_start(part + 1) << CODE_BITS, start)
        if end > start:
            own_places = places[start:end]
            yield part, encode_part(universe, part, entries[start:end], code_count, own_places)
        start = end
