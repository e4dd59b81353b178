"""What is stored of runs and steps beside their columns."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from xray.model.counts import StepSummary
from xray.model.facts import RunFinished, RunPatched, RunStarted, StepFinished
from xray.model.records import Counts, Coverage, OriginTotal, Step
from xray.model.values import open_map
from xray.model.vocabulary import RateBasis
from xray.store.folding import FirstStep, RunFold, open_step
from xray.store.frames import NONE, STEP, ZSTD, Compressor, Decompressor, Samples

STARTED: Final = 0
FINISHED: Final = 1
PATCHED: Final = 2
FIRST_STEP: Final = 3

_MIN_COMPRESSED_BYTES: Final = 64


class _Summary(Struct, array_like=True, frozen=True):
    counts: Counts
    reasons: dict[str, int]
    origins: list[OriginTotal]
    selected: list[str]
    score: float | None
    input_count: int | None
    output_count: int | None
    declared_input_count: int | None
    declared_output_count: int | None
    rejection_rate: float | None
    rate_basis: RateBasis | None
    coverage: Coverage
    incomplete: list[str]
    census: int


class StepBody(Struct, array_like=True, frozen=True):
    """A step without its rows, and what was counted when its rows were at hand.

    Args:
        fact: the step's fact; its rows are in blocks.
        summary: what follows from fact and rows.
        shown_reasons: reasons that only logged rows name.
    """

    fact: StepFinished
    summary: _Summary
    shown_reasons: list[str]


_SUMMARY_FIELDS: Final = tuple(field.name for field in fields(_Summary))
_read_summary: Final = attrgetter(*_SUMMARY_FIELDS)
_encoder = msgspec.msgpack.Encoder()
_step_decoder = msgspec.msgpack.Decoder(StepBody)
_fact_decoders: Final[tuple[msgspec.msgpack.Decoder[Any], ...]] = (
    msgspec.msgpack.Decoder(RunStarted),
    msgspec.msgpack.Decoder(RunFinished),
    msgspec.msgpack.Decoder(RunPatched),
    msgspec.msgpack.Decoder(FirstStep),
)


def pack(payload: bytes, compressor: Compressor) -> bytes:
    """*payload* as a body is stored: codec, dictionary generation, then the frame."""
    return pack_all([payload], compressor)[0]


def pack_all(
    payloads: Sequence[bytes], compressor: Compressor, samples: Samples | None = None
) -> list[bytes]:
    """Each of *payloads* as a body is stored.

    Args:
        payloads: what `encode_step` or `encode_run` gave.
        compressor: compresses them, unless they are tiny.
        samples: takes them, to train dictionaries on.
    """
    if samples is not None:
        samples.add_all(STEP, payloads)
    plain, compressed = bytes((NONE, 0)), bytes((ZSTD, compressor.generation))
    frames = compressor.compress_all(STEP, payloads)
    return [
        plain + payload if len(payload) < _MIN_COMPRESSED_BYTES else compressed + frame
        for payload, frame in zip(payloads, frames, strict=True)
    ]


def unpack(data: bytes, decompressor: Decompressor) -> bytes:
    """The payload of a stored body."""
    return decompressor.decompress(data[0], data[1], STEP, data[2:])


def recompress(data: bytes, compressor: Compressor, decompressor: Decompressor) -> bytes | None:
    """A stored body made anew; None where it needs no dictionary or has the newest one."""
    if not data or data[0] != ZSTD or data[1] == compressor.generation:
        return None
    return pack(unpack(data, decompressor), compressor)


def encode_step(fact: StepFinished, summary: StepSummary, reasons: dict[str, int]) -> bytes:
    """The body of a step.

    Args:
        fact: the step.
        summary: its summary.
        reasons: every reason it is shown with.
    """
    bare = msgspec.structs.replace(fact, rows=[], reservoirs=[], logged=[])
    kept = _Summary(*_read_summary(summary))
    shown = [reason for reason in reasons if reason not in summary.reasons]
    return _encoder.encode(StepBody(bare, kept, shown))


def decode_step(payload: bytes) -> StepBody:
    """The body that `encode_step` made."""
    return _step_decoder.decode(payload)


def open_body(body: StepBody, named: int | None = None) -> Step:
    """The step as a list shows it.

    Args:
        body: the step.
        named: how many candidates its roster names, once all of it came.
    """
    reasons = {**body.summary.reasons, **dict.fromkeys(body.shown_reasons, 0)}
    summary = StepSummary(
        stats=open_map(body.fact.stats),
        **dict(zip(_SUMMARY_FIELDS, _read_summary(body.summary), strict=True)),
    )
    return open_step(body.fact, msgspec.structs.replace(summary, reasons=reasons), named)


def encode_run(fold: RunFold) -> dict[int, bytes]:
    """The parts of a run by their kind; a part that has not arrived is absent."""
    parts = (fold.started, fold.finished, fold.patch, fold.first_step)
    return {kind: _encoder.encode(part) for kind, part in enumerate(parts) if part is not None}


def decode_run(parts: dict[int, bytes]) -> RunFold:
    """The run whose parts `encode_run` gave."""
    opened = (
        _fact_decoders[kind].decode(parts[kind]) if kind in parts else None
        for kind in (STARTED, FINISHED, PATCHED, FIRST_STEP)
    )
    return RunFold(*opened)
