"""Facts to bytes and back. Every reader and writer of the wire format goes through here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from xray.errors import InvalidRecordError, LimitExceededError, XRayError
from xray.model.columns import IdColumn
from xray.model.facts import (
    MAX_ROSTER_CHUNK_IDS,
    Fact,
    Refusal,
    Reservoir,
    RosterColumn,
    RosterGroup,
    RunFinished,
    StepFinished,
    StepRoster,
)
from xray.model.sketch import MAX_SKETCHES, CheckSketch
from xray.wire.freeform import check_freeform, nests_deeper, values_of
from xray.wire.limits import DEFAULT_LIMITS, Limits
from xray.wire.plain import plain_struct, refuse_object
from xray.wire.scan import has_more_nodes, mend_text
from xray.wire.transcode import has_more_json_nodes, mend_json, transcode_fact
from xray.wire.versions import WIRE_VERSION

MSGPACK: Final = "application/msgpack"
JSON: Final = "application/json"

_STEP_KINDS: Final = ("step_finished", "step_rows", "step_roster")
_FACT_KINDS: Final = (
    "run_started", "run_finished", "run_patched", *_STEP_KINDS, "tallied", "labelled",
)  # fmt: skip
_MAX_BATCH_ID_LENGTH: Final = 128
_MAX_SHOWN_ID_LENGTH: Final = 128


class _Envelope(Struct, kw_only=True):
    version: int
    batch_id: str
    client: str = ""
    facts: list[Raw]


class _Version(Struct):
    version: int


class _Head(Struct):
    """As much of a fact as is needed to name it in a refusal, whatever is wrong with the rest."""

    fact: Any = None
    run_id: Any = None
    step_id: Any = None
    tally_id: Any = None
    label_id: Any = None
    chunk: Any = None


_encoder: Final = msgspec.msgpack.Encoder(enc_hook=refuse_object)
_fact_decoder: Final = msgspec.msgpack.Decoder(Fact)
_any_decoder: Final = msgspec.msgpack.Decoder(strict=False)
_head_decoder: Final = msgspec.msgpack.Decoder(_Head)
_envelope_decoder: Final = msgspec.msgpack.Decoder(_Envelope)
_version_decoder: Final = msgspec.msgpack.Decoder(_Version)
_json_head_decoder: Final = msgspec.json.Decoder(_Head)
_json_envelope_decoder: Final = msgspec.json.Decoder(_Envelope)
_json_version_decoder: Final = msgspec.json.Decoder(_Version)


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """What a request body holds.

    Args:
        batch_id: to be echoed in the answer.
        client: who sent it, as it says itself.
        facts: those that may be stored, in order.
        refused: the others, each with its reason.
    """

    batch_id: str
    client: str
    facts: list[Fact] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


def encode_fact(fact: Fact) -> bytes:
    """*fact* in msgpack; rows that are encoded already (`msgspec.Raw`) are copied as they are.

    Text that is not Unicode, whole numbers beyond 64 bits, objects and too deep nesting are
    replaced or marked, so that no fact is lost for one value.
    """
    try:
        return _encoder.encode(fact)
    except (UnicodeEncodeError, OverflowError, RecursionError, TypeError, msgspec.MsgspecError):
        return _encoder.encode(plain_struct(fact))


def decode_fact(encoded: bytes, limits: Limits = DEFAULT_LIMITS) -> Fact:
    """The fact that `encode_fact` encoded.

    Raises:
        InvalidRecordError: it is none, or breaks a rule of the wire format.
        LimitExceededError: it, or one of its values, is too large.
    """
    if len(encoded) > limits.max_fact_bytes:
        raise LimitExceededError(
            f"The fact has {len(encoded)} bytes, more than the {limits.max_fact_bytes} accepted.",
            hint="Send the decisions of a large step in chunks.",
        )
    try:
        return _open_fact(encoded, limits)
    except UnicodeDecodeError:
        encoded = mend_text(encoded)
    try:
        return _open_fact(encoded, limits)
    except UnicodeDecodeError as error:
        raise _invalid(error) from None


def _open_fact(encoded: bytes, limits: Limits) -> Fact:
    try:
        fact: Fact = _fact_decoder.decode(encoded)
        check_freeform(fact, limits.max_depth)
    except RecursionError:
        raise _too_deep() from None
    except msgspec.MsgspecError as error:
        raise _explain(error, encoded, limits) from None
    _check_rules(fact, limits)
    return fact


def _explain(error: msgspec.MsgspecError, encoded: bytes, limits: Limits) -> InvalidRecordError:
    """What is wrong with a fact that could not be decoded."""
    try:
        value = _any_decoder.decode(encoded)
    except RecursionError:
        return _too_deep()
    except msgspec.MsgspecError as worse:
        return _invalid(worse)
    if nests_deeper(value, limits.max_depth):
        return _too_deep()
    if isinstance(value, dict) and value.get("fact") not in _FACT_KINDS:
        return _unknown_fact()
    return _invalid(error)


def frame_batch(batch_id: str, client: str, encoded_facts: Sequence[bytes]) -> bytes:
    """The msgpack body of `POST /v1/batches` that carries *encoded_facts*."""
    return _encoder.encode(
        _Envelope(
            version=WIRE_VERSION,
            batch_id=batch_id,
            client=client,
            facts=[Raw(encoded) for encoded in encoded_facts],
        )
    )


def decode_batch(
    body: bytes, media_type: str = MSGPACK, limits: Limits = DEFAULT_LIMITS
) -> DecodedBatch:
    """The facts in the body of `POST /v1/batches`.

    Facts are decoded one by one: a bad one is refused alone and nothing beside it is lost.

    Args:
        body: decompressed.
        media_type: `application/msgpack` or `application/json`, without parameters.
        limits: the bounds to hold it to.

    Raises:
        InvalidRecordError: the envelope is not one (`invalid_record`), its media type is unknown
            (`unsupported_media_type`), or a later version of X-Ray wrote it
            (`unsupported_version`).
        LimitExceededError: the body holds too many facts or values.
    """
    if media_type not in (MSGPACK, JSON):
        raise InvalidRecordError(
            "The body has a media type that is not known here.",
            hint=f"Send {MSGPACK} or {JSON}.",
            code="unsupported_media_type",
        )
    is_json = media_type == JSON
    envelope = _open_envelope(mend_json(body) if is_json else body, is_json, limits)
    batch = DecodedBatch(envelope.batch_id, envelope.client)
    for position, raw in enumerate(envelope.facts):
        encoded = bytes(raw)
        try:
            packed = transcode_fact(encoded) if is_json else encoded
            batch.facts.append(decode_fact(packed, limits))
        except XRayError as error:
            name = name_encoded(encoded, is_json=is_json) or f"#{position}"
            batch.refused.append(Refusal(name, error.code, str(error)))
    return batch


def _open_envelope(body: bytes, is_json: bool, limits: Limits) -> _Envelope:
    has_more = has_more_json_nodes if is_json else has_more_nodes
    if has_more(body, limits.max_nodes):
        raise LimitExceededError(
            f"The body holds more than {limits.max_nodes} values.",
            hint="Send fewer facts at once.",
        )
    try:
        try:
            envelope = (_json_envelope_decoder if is_json else _envelope_decoder).decode(body)
        except msgspec.MsgspecError:
            # A later version may have another envelope.
            _check_version((_json_version_decoder if is_json else _version_decoder).decode(body))
            raise
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidRecordError(
            f"The body is not a batch: {error}.", hint="See spec/wire.md."
        ) from None
    _check_version(envelope)
    if len(envelope.batch_id) > _MAX_BATCH_ID_LENGTH:
        raise InvalidRecordError(
            f"The batch_id is longer than {_MAX_BATCH_ID_LENGTH} characters.",
            hint="Use a UUID.",
        )
    if len(envelope.facts) > limits.max_facts:
        raise LimitExceededError(
            f"The batch holds {len(envelope.facts)} facts, more than the {limits.max_facts} "
            "accepted.",
            hint="Send fewer facts at once.",
        )
    return envelope


def _check_version(found: _Version | _Envelope) -> None:
    if not 1 <= found.version <= WIRE_VERSION:
        raise InvalidRecordError(
            f"The batch is in wire version {found.version}; this side reads 1 to {WIRE_VERSION}.",
            hint="Upgrade the side that receives, or send an older version.",
            code="unsupported_version",
        )


def _check_rules(fact: Fact, limits: Limits) -> None:
    for raw in values_of(fact):
        if len(raw) > limits.max_value_bytes:
            raise LimitExceededError(
                f"A value of the fact has more than the {limits.max_value_bytes} bytes accepted.",
                hint="Shorten it with a mark, as spec/wire.md describes.",
            )
    if isinstance(fact, RunFinished) and fact.status == "running":
        raise InvalidRecordError(
            "A finished run cannot have the status running.",
            hint="Say completed, failed or cancelled.",
        )
    if isinstance(fact, StepFinished):
        for reservoir in fact.reservoirs:
            _check_reservoir(reservoir)
        _check_sketches(fact.sketches)
    if isinstance(fact, StepRoster):
        _check_roster(fact)


def _check_reservoir(reservoir: Reservoir) -> None:
    if 0 < reservoir.seen < len(reservoir.rows):
        raise InvalidRecordError(
            "A reservoir stands for fewer rows than it holds.",
            hint="Let seen count every row the sample was drawn from, or be 0 for near misses.",
        )
    if any(row.verdict != reservoir.verdict for row in reservoir.rows):
        raise InvalidRecordError(
            "A reservoir holds a row of another verdict.", hint="Keep one reservoir a verdict."
        )


def _check_sketches(sketches: list[CheckSketch]) -> None:
    if len(sketches) > MAX_SKETCHES:
        raise LimitExceededError(
            f"A step has {len(sketches)} sketches, more than the {MAX_SKETCHES} accepted.",
            hint="Send those of its first checks.",
        )
    for one in sketches:
        fault = one.sketch.find_fault()
        if fault is not None:
            raise InvalidRecordError(
                f"The sketch of the check {one.name!r} cannot be read: {fault}.",
                hint="See the sketch in spec/wire.md.",
            )


def _check_roster(roster: StepRoster) -> None:
    if roster.size > MAX_ROSTER_CHUNK_IDS:
        raise LimitExceededError(
            f"A chunk of a roster names {roster.size} candidates, more than the "
            f"{MAX_ROSTER_CHUNK_IDS} accepted.",
            hint="Send the roster of a large step in chunks.",
        )
    if roster.size > roster.total:
        raise InvalidRecordError(
            "A chunk of a roster names more candidates than its total.",
            hint="Let total count the candidates in all chunks of the step.",
        )
    parts: list[RosterGroup | RosterColumn] = [*roster.groups, *roster.columns]
    for part in parts:
        fault = _find_fault(part)
        if fault is not None:
            raise InvalidRecordError(
                f"A column of a roster cannot be read: {fault}.",
                hint="See the roster column in spec/wire.md, or name the candidates in groups.",
            )


def _find_fault(part: RosterGroup | RosterColumn) -> str | None:
    if part.ranking is not None:
        fault = part.ranking.find_fault(len(part.ids))
        if fault is not None:
            return fault
    return _find_column_fault(part) if isinstance(part, RosterColumn) else None


def _find_column_fault(column: RosterColumn) -> str | None:
    fault = column.ids.find_fault() if isinstance(column.ids, IdColumn) else None
    if fault is not None:
        return fault
    if len(column.codes) != len(column.ids):
        return f"it has {len(column.codes)} codes for {len(column.ids)} candidates"
    if column.codes and max(column.codes) >= len(column.fates):
        return f"code {max(column.codes)} stands for none of its {len(column.fates)} fates"
    return None


def name_encoded(encoded: bytes, *, is_json: bool = False) -> str | None:
    """The id of an encoded fact as `fact_id` would give it, or None where that cannot be read."""
    try:
        head = (_json_head_decoder if is_json else _head_decoder).decode(encoded)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    kind, subject = head.fact, head.run_id
    if kind in _STEP_KINDS:
        subject = head.step_id
    elif kind == "tallied":
        subject = head.tally_id
    elif kind == "labelled":
        subject = head.label_id
    if type(kind) is not str or type(subject) is not str or kind not in _FACT_KINDS:
        return None
    name = f"run:{subject}:{kind.removeprefix('run_')}"
    if kind == "step_finished":
        name = f"step:{subject}"
    elif kind == "step_rows":
        name = f"step:{subject}:{head.chunk}"
    elif kind == "step_roster":
        name = f"step:{subject}:roster:{head.chunk}"
    elif kind == "tallied":
        name = f"tally:{subject}"
    elif kind == "labelled":
        name = f"label:{subject}"
    return name[:_MAX_SHOWN_ID_LENGTH]


def _invalid(error: Exception) -> InvalidRecordError:
    return InvalidRecordError(f"The fact breaks a rule: {error}.", hint="See spec/wire.md.")


def _too_deep() -> InvalidRecordError:
    return InvalidRecordError(
        "Something in it nests too deeply.",
        hint="Replace what lies too deep with a mark, as spec/wire.md describes.",
        code="too_deep",
    )


def _unknown_fact() -> InvalidRecordError:
    return InvalidRecordError(
        "It is of a kind that is not known here.",
        hint=f"Known are {', '.join(_FACT_KINDS)}.",
        code="unknown_fact",
    )
