"""Blocks: up to 512 decisions of one step as compressed columns, in two frames.

The larger a block, the better it compresses, and the more is opened to read one row of it: 512
take a twentieth more room than 8,192, and a fifth of the time.

Layout: version (1), codec (1), then as varints the dictionary generation, the number of rows and
the length of the head frame; the head frame (what history, flow and `why` ask first); the body
frame. Reservoir and logged rows of a step make a block of their own, after its census.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import repeat
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import astuple

from xray.errors import StoreError
from xray.model.facts import (
    NIL,
    Check,
    DecisionRow,
    OriginRef,
    Reservoir,
    Score,
    StepFinished,
)
from xray.store.frames import BODY, HEAD, ZSTD, Compressor, Decompressor, Samples

MAX_ROWS: Final = 512
BLOCK_BITS: Final = 16
"""A block's id is its step's number shifted by this many bits, plus its position."""

EXTRAS_CHUNK: Final = 1 << 20
"""The chunk number of a step's reservoir and logged rows; sorts after every census chunk."""

_VERSION: Final = 1
_T = TypeVar("_T")


class Head(Struct, array_like=True, frozen=True):
    """The columns that most questions need; None for a column without a value."""

    ids: list[str]
    verdicts: bytes
    reasons: list[str | None] | None
    reason_codes: list[int] | None
    scores: list[Score | None] | None
    ranks: list[int | None] | None
    by: list[str | None] | None
    part_of: list[str | None] | None
    reservoirs: list[tuple[int, str | None, int, int]] | None = None


class Body(Struct, array_like=True, frozen=True):
    """The other columns."""

    attributes: list[Raw] | None
    reasoning: list[str | None] | None
    origin: list[list[OriginRef] | None] | None
    checks: list[list[Check] | None] | None
    rank_before: list[int | None] | None
    merged_into: list[str | None] | None
    anonymous: bytes | None


class _OriginsBody(Struct, array_like=True, frozen=True):
    """A body of which only the origins are decoded."""

    attributes: Raw
    reasoning: Raw
    origin: list[list[OriginRef] | None] | None


class _ChecksBody(Struct, array_like=True, frozen=True):
    """A body of which only the checks are decoded."""

    attributes: Raw
    reasoning: Raw
    origin: Raw
    checks: list[list[Check] | None] | None


class _MarksBody(Struct, array_like=True, frozen=True):
    """A body of which only the marks of candidates without an id are decoded."""

    attributes: Raw
    reasoning: Raw
    origin: Raw
    checks: Raw
    rank_before: Raw
    merged_into: Raw
    anonymous: bytes | None


_Cells = list[Raw] | None


class _GroundsBody(Struct, array_like=True, frozen=True):
    """A body of which only what a reason may be told by is decoded, and that cell by cell."""

    attributes: Raw
    reasoning: _Cells
    origin: Raw
    checks: _Cells


class _RawBody(Struct, array_like=True, frozen=True):
    """The columns of a body with cells that are opened one by one."""

    attributes: _Cells
    reasoning: _Cells
    origin: _Cells
    checks: _Cells
    rank_before: _Cells
    merged_into: _Cells
    anonymous: bytes | None

    def open(self, index: int) -> Body:
        """The body of one row."""
        return Body(
            attributes=None if self.attributes is None else [self.attributes[index].copy()],
            reasoning=_open_cell(self.reasoning, index, _text_decoder),
            origin=_open_cell(self.origin, index, _origin_decoder),
            checks=_open_cell(self.checks, index, _checks_decoder),
            rank_before=_open_cell(self.rank_before, index, _number_decoder),
            merged_into=_open_cell(self.merged_into, index, _text_decoder),
            anonymous=None if self.anonymous is None else self.anonymous[index : index + 1],
        )


def _open_cell(cells: _Cells, index: int, decoder: msgspec.msgpack.Decoder[_T]) -> list[_T] | None:
    return None if cells is None else [decoder.decode(cells[index])]


_text_decoder = msgspec.msgpack.Decoder(str | None)
_number_decoder = msgspec.msgpack.Decoder(int | None)
_origin_decoder = msgspec.msgpack.Decoder(list[OriginRef] | None)
_checks_decoder = msgspec.msgpack.Decoder(list[Check] | None)
_origins_body_decoder = msgspec.msgpack.Decoder(_OriginsBody)
_checks_body_decoder = msgspec.msgpack.Decoder(_ChecksBody)
_marks_body_decoder = msgspec.msgpack.Decoder(_MarksBody)
_grounds_decoder = msgspec.msgpack.Decoder(_GroundsBody)
_raw_body_decoder = msgspec.msgpack.Decoder(_RawBody)
_encoder = msgspec.msgpack.Encoder()
_head_decoder = msgspec.msgpack.Decoder(Head)
_body_decoder = msgspec.msgpack.Decoder(Body)
_Columns = tuple[tuple[Any, ...], ...]


def _column(values: tuple[Any, ...], absent: object = None) -> tuple[Any, ...] | None:
    return None if values.count(absent) == len(values) else values


class BlockDraft(Struct, frozen=True):
    """A block whose frames are not compressed yet."""

    row_count: int
    head: bytes
    body: bytes


def draft_block(rows: Sequence[DecisionRow], reservoirs: Sequence[Reservoir] = ()) -> BlockDraft:
    """The columns of *rows*.

    Args:
        rows: at most `MAX_ROWS` decisions, as they were sent.
        reservoirs: the samples that the first rows belong to, in order; the rest is logged.
    """
    columns: _Columns = tuple(zip(*map(astuple, rows), strict=True)) or ((),) * 14
    verdict, ids, reason, attributes, score, reasoning, rank, origin = columns[:8]
    checks, by, part_of, rank_before, merged_into, anonymous = columns[8:]
    reasons = codes = None
    if _column(reason) is not None:
        reasons = tuple(dict.fromkeys(reason))
        code_of = {text: code for code, text in enumerate(reasons)}
        codes = tuple(map(code_of.__getitem__, reason))
    drawn = [(taken.verdict, taken.reason, taken.seen, len(taken.rows)) for taken in reservoirs]
    head = (
        ids,
        bytes(verdict),
        reasons,
        codes,
        _column(score),
        _column(rank),
        _column(by),
        _column(part_of),
        drawn or None,
    )
    body = (
        _column(attributes, NIL),
        _column(reasoning),
        _column(origin),
        _column(checks),
        _column(rank_before),
        _column(merged_into),
        bytes(anonymous) if True in anonymous else None,
    )
    return BlockDraft(len(rows), _encoder.encode(head), _encoder.encode(body))


def seal_blocks(
    drafts: Sequence[BlockDraft], compressor: Compressor, samples: Samples | None = None
) -> list[bytes]:
    """The blocks of *drafts*.

    Args:
        drafts: what `draft_block` gave.
        compressor: compresses the frames.
        samples: takes the frames' payloads, to train dictionaries on.
    """
    head_payloads = [draft.head for draft in drafts]
    body_payloads = [draft.body for draft in drafts]
    if samples is not None:
        samples.add_all(HEAD, head_payloads)
        samples.add_all(BODY, body_payloads)
    heads = compressor.compress_all(HEAD, head_payloads)
    bodies = compressor.compress_all(BODY, body_payloads)
    first = bytes((_VERSION, ZSTD)) + _varint(compressor.generation)
    return [
        b"".join((first, _varint(draft.row_count), _varint(len(head)), head, body))
        for draft, head, body in zip(drafts, heads, bodies, strict=True)
    ]


def recompress_block(
    data: bytes, compressor: Compressor, decompressor: Decompressor
) -> bytes | None:
    """A block made anew; None where it needs no dictionary or has the newest one."""
    block = Block(0, data, decompressor)
    if block.generation == compressor.generation:
        return None
    (sealed,) = seal_blocks([block.draft()], compressor)
    return sealed


def _varint(number: int) -> bytes:
    if number < 128:
        return bytes((number,))
    return bytes((number & 127 | 128,)) + _varint(number >> 7)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7


class Block:
    """One block, opened as far as it is asked.

    Args:
        chunk: the chunk its rows came in.
        data: its bytes.
        decompressor: opens the frames.
    """

    def __init__(self, chunk: int, data: bytes, decompressor: Decompressor) -> None:
        if data[0] != _VERSION:
            raise StoreError(
                f"A block has version {data[0]}; this X-Ray knows version {_VERSION}.",
                hint="Use the version of X-Ray that wrote it, or a later one.",
            )
        self.chunk = chunk
        self._data = data
        self._decompressor = decompressor
        self._codec = data[1]
        self.generation, at = _read_varint(data, 2)
        self.row_count, at = _read_varint(data, at)
        head_bytes, self._head_at = _read_varint(data, at)
        self._body_at = self._head_at + head_bytes

    def __len__(self) -> int:
        return self.row_count

    def draft(self) -> BlockDraft:
        """The block before its frames were compressed."""
        return BlockDraft(self.row_count, self._open_head(), self._body_payload())

    @cached_property
    def _head_payload(self) -> bytes:
        return self._open_head()

    def _open_head(self) -> bytes:
        frame = self._data[self._head_at : self._body_at]
        return self._decompressor.decompress(self._codec, self.generation, HEAD, frame)

    @cached_property
    def head(self) -> Head:
        """The columns of the head frame."""
        return _head_decoder.decode(self._head_payload)

    def positions(self, candidate_id: str) -> list[int]:
        """The rows about *candidate_id*."""
        # Most blocks of a large step do not hold it, and finding that out decodes nothing.
        if _encoder.encode(candidate_id) not in self._head_payload:
            return []
        ids = self.head.ids
        found: list[int] = []
        for _ in range(ids.count(candidate_id)):
            found.append(ids.index(candidate_id, found[-1] + 1 if found else 0))
        return found

    @cached_property
    def body(self) -> Body:
        """The columns of the body frame."""
        return _body_decoder.decode(self._body_payload())

    @cached_property
    def _cells(self) -> _RawBody:
        """The body frame for whoever opens one row after another."""
        return _raw_body_decoder.decode(self._body_payload())

    def open_origins(self) -> list[list[OriginRef] | None] | None:
        """What brought each candidate; None where nothing is known of any."""
        return _origins_body_decoder.decode(self._body_payload()).origin

    def open_checks(self) -> list[list[Check] | None] | None:
        """The checks of each row; None where none has any."""
        return _checks_body_decoder.decode(self._body_payload()).checks

    def open_anonymous(self) -> bytes | None:
        """For each row whether its candidate had no id of its own; None where all had one."""
        return _marks_body_decoder.decode(self._body_payload()).anonymous

    def has_bytes(self, wanted: bytes, *, in_head: bool) -> bool:
        """Whether *wanted* stands in its body, or where that is asked in its head: decodes none."""
        return wanted in self._body_payload() or (in_head and wanted in self._open_head())

    def _body_payload(self) -> bytes:
        frame = self._data[self._body_at :]
        return self._decompressor.decompress(self._codec, self.generation, BODY, frame)

    def rows(self) -> list[DecisionRow]:
        """Every row, as it was sent."""
        return list(self._rows(slice(None)))

    def outlines(self) -> list[DecisionRow]:
        """Every row without what only the body tells."""
        head, everything = self.head, slice(None)
        return list(
            map(
                DecisionRow,
                head.verdicts,
                head.ids,
                repeat(None),
                repeat(NIL),
                _part(head.scores, everything),
                repeat(None),
                _part(head.ranks, everything),
                repeat(None),
                repeat(None),
                _part(head.by, everything),
            )
        )

    def row(self, index: int) -> DecisionRow:
        """The row at *index*."""
        return next(self._join(slice(index, index + 1), self._cells.open(index), slice(1)))

    def pick(self, positions: Sequence[int]) -> list[DecisionRow]:
        """The rows at *positions*, without opening the others."""
        if not positions:
            return []
        bodies = _raw_body_decoder.decode(self._body_payload())
        return [
            row
            for at in positions
            for row in self._join(slice(at, at + 1), bodies.open(at), slice(1))
        ]

    def pick_grounds(self, positions: Sequence[int]) -> Iterator[DecisionRow]:
        """The rows at *positions* as far as they tell why there was that verdict."""
        if not positions:
            return
        head, body = self.head, _grounds_decoder.decode(self._body_payload())
        for at in positions:
            (reasoning,) = _open_cell(body.reasoning, at, _text_decoder) or (None,)
            (checks,) = _open_cell(body.checks, at, _checks_decoder) or (None,)
            yield DecisionRow(head.verdicts[at], head.ids[at], reasoning=reasoning, checks=checks)

    def _rows(self, wanted: slice) -> Iterator[DecisionRow]:
        return self._join(wanted, self.body, wanted)

    def _join(self, wanted: slice, body: Body, of_body: slice) -> Iterator[DecisionRow]:
        """The rows *wanted* of the head, with those *of_body*."""
        head = self.head
        reasons: Iterable[str | None] = repeat(None)
        if head.reasons is not None and head.reason_codes is not None:
            reasons = map(head.reasons.__getitem__, head.reason_codes[wanted])
        return map(
            DecisionRow,
            head.verdicts[wanted],
            head.ids[wanted],
            reasons,
            _part(body.attributes, of_body, NIL),
            _part(head.scores, wanted),
            _part(body.reasoning, of_body),
            _part(head.ranks, wanted),
            _part(body.origin, of_body),
            _part(body.checks, of_body),
            _part(head.by, wanted),
            _part(head.part_of, wanted),
            _part(body.rank_before, of_body),
            _part(body.merged_into, of_body),
            repeat(False) if body.anonymous is None else map(bool, body.anonymous[of_body]),
        )

    def extras(self) -> tuple[list[Reservoir], list[DecisionRow]]:
        """The reservoirs and the logged rows that this block holds."""
        rows = self.rows()
        reservoirs: list[Reservoir] = []
        at = 0
        for verdict, reason, seen, count in self.head.reservoirs or ():
            reservoirs.append(Reservoir(verdict, reason, seen, rows[at : at + count]))
            at += count
        return reservoirs, rows[at:]

    def standing(self) -> list[tuple[float, bool]]:
        """For each row its weight and whether it only illustrates."""
        if self.chunk != EXTRAS_CHUNK:
            return [(1.0, False)] * self.row_count
        standing: list[tuple[float, bool]] = []
        for _, _, seen, count in self.head.reservoirs or ():
            standing += [(seen / count if count else 0.0, False)] * count
        return standing + [(1.0, True)] * (self.row_count - len(standing))


def _part(column: list[Any] | None, wanted: slice, absent: object = None) -> Iterable[Any]:
    return repeat(absent) if column is None else column[wanted]


def restore_rows(
    fact: StepFinished, blocks: Iterable[Block], *, outlined: bool = False
) -> StepFinished:
    """*fact* with the rows, reservoirs and logged rows that were put into *blocks*.

    Args:
        fact: a step without rows.
        blocks: its blocks in chunk order.
        outlined: leave out of its census what only the bodies tell.
    """
    rows: list[DecisionRow] = []
    reservoirs: list[Reservoir] = []
    logged: list[DecisionRow] = []
    for block in blocks:
        if block.chunk == EXTRAS_CHUNK:
            drawn, shown = block.extras()
            reservoirs += drawn
            logged += shown
        else:
            rows += block.outlines() if outlined else block.rows()
    return msgspec.structs.replace(fact, rows=rows, reservoirs=reservoirs, logged=logged)
