"""Records as cells that other programs read, and back without a bit lost.

JSON cannot say everything: not-a-number, bytes, a whole number of 64 bits that was sent as a float.
Where a cell does not give back exactly what it was made of, that is kept beside it, encoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from xray.model.facts import (
    NIL,
    Check,
    DecisionRow,
    OriginRef,
    Reservoir,
    RunFinished,
    RunPatched,
    RunStarted,
    StepFinished,
)
from xray.model.values import open_value
from xray.model.vocabulary import VERDICTS

ROW_COLUMNS: Final = (
    "decision", "candidate_id", "reason", "reasoning", "score", "scores", "rank", "rank_before",
    "attributes", "origin", "checks", "by", "part_of", "merged_into", "is_anonymous", "record",
)  # fmt: skip
"""The columns that a row is read from again, in the order of `spell_row`."""

_EVIDENCE: Final = "evidence"
_DECISIONS: Final = (*VERDICTS, _EVIDENCE)
_CODES: Final = {word: code for code, word in enumerate(_DECISIONS)}
_NIL_BYTES: Final = bytes(NIL)
_RUN_VALUES: Final = (("input", "started"), ("params", "started"), ("output", "finished"))
_STEP_VALUES: Final = ("params", "input", "output", "stats")
_encode: Final = msgspec.msgpack.Encoder().encode
_spell: Final = msgspec.json.Encoder().encode
_read_json: Final = msgspec.json.Decoder().decode
_read_row: Final = msgspec.msgpack.Decoder(DecisionRow).decode
_read_scores: Final = msgspec.json.Decoder(dict[str, float]).decode

Cells = tuple[Any, ...]


class _OriginCell(Struct, frozen=True, omit_defaults=True):
    candidate_id: str
    step_id: str | None = None
    rank: int | None = None
    score: float | None = None


class _CheckCell(Struct, frozen=True, omit_defaults=True):
    name: str
    passed: bool
    field: str = ""
    op: str | None = None
    observed: Any = None
    limit: Any = None


_read_origin_cells: Final = msgspec.json.Decoder(list[_OriginCell]).decode
_read_check_cells: Final = msgspec.json.Decoder(list[_CheckCell]).decode


class RunRecord(Struct, array_like=True, frozen=True):
    """What is known of a run itself.

    Args:
        started: its start.
        finished: its end.
        patch: what was set later.
        spelled: the values that are left out, since their columns say them exactly.
    """

    started: RunStarted | None
    finished: RunFinished | None
    patch: RunPatched | None
    spelled: list[str] = []

    def facts(self) -> Iterator[RunStarted | RunFinished | RunPatched]:
        """The facts it holds."""
        return (fact for fact in (self.started, self.finished, self.patch) if fact is not None)


class StepRecord(Struct, array_like=True, frozen=True):
    """A step without its rows.

    Args:
        fact: the step, with its reservoirs as they are without rows.
        drawn: how many rows each reservoir has.
        logged: how many rows only illustrate.
        spelled: the values that are left out, since their columns say them exactly.
    """

    fact: StepFinished
    drawn: list[int]
    logged: int
    spelled: list[str] = []


_read_run: Final = msgspec.msgpack.Decoder(RunRecord).decode
_read_step: Final = msgspec.msgpack.Decoder(StepRecord).decode


def spell_value(raw: Raw) -> tuple[str | None, bool]:
    """A free-form value as JSON, and whether that gives it back exactly."""
    encoded = bytes(raw)
    if encoded in (b"", _NIL_BYTES):
        return None, encoded == _NIL_BYTES
    text = _spell(open_value(raw)).decode()
    return text, _pack_json(text) == encoded


def _pack_json(text: str) -> bytes | None:
    try:
        return _encode(_read_json(text))
    except (msgspec.MsgspecError, ValueError, OverflowError):
        return None


def _restore_value(text: str) -> Raw:
    return Raw(_encode(_read_json(text)))


def spell_json(value: object) -> str | None:
    """A plain value as JSON; None for nothing."""
    return _spell(value).decode() if value else None


def encode_run(
    started: RunStarted | None, finished: RunFinished | None, patch: RunPatched | None
) -> bytes:
    """The record of a run, without what its columns `input`, `params` and `output` say exactly."""
    facts: dict[str, Any] = {"started": started, "finished": finished}
    is_patched = patch is not None and bytes(patch.output) not in (b"", _NIL_BYTES)
    spelled: list[str] = []
    for name, part in _RUN_VALUES:
        fact = facts[part]
        if fact is None or (name == "output" and is_patched):
            continue
        text, is_exact = spell_value(getattr(fact, name))
        if text is not None and is_exact:
            facts[part] = replace(fact, **{name: NIL})
            spelled.append(name)
    return _encode(RunRecord(facts["started"], facts["finished"], patch, spelled))


def restore_run(encoded: bytes, columns: Mapping[str, str | None]) -> RunRecord:
    """The record that `encode_run` wrote, whole again."""
    record = _read_run(encoded)
    parts = dict(_RUN_VALUES)
    for name in record.spelled:
        part = parts[name]
        fact = replace(getattr(record, part), **{name: _restore_value(columns[name] or "null")})
        record = replace(record, **{part: fact})
    return record


def encode_step(fact: StepFinished) -> bytes:
    """The record of a step, without its rows and what its columns say exactly."""
    spelled = []
    for name in _STEP_VALUES:
        text, is_exact = spell_value(getattr(fact, name))
        if text is not None and is_exact:
            spelled.append(name)
    bare = replace(
        fact,
        rows=[],
        reservoirs=[replace(one, rows=[]) for one in fact.reservoirs],
        logged=[],
        **dict.fromkeys(spelled, NIL),
    )
    drawn = [len(one.rows) for one in fact.reservoirs]
    return _encode(StepRecord(bare, drawn, len(fact.logged), spelled))


def restore_step(
    encoded: bytes, columns: Mapping[str, str | None], rows: Sequence[DecisionRow]
) -> StepFinished:
    """The step that `encode_step` wrote, with its rows: counted, then drawn, then logged."""
    record = _read_step(encoded)
    values = {name: _restore_value(columns[name] or "null") for name in record.spelled}
    at = len(rows) - sum(record.drawn) - record.logged
    counted = list(rows[:at])
    reservoirs: list[Reservoir] = []
    for reservoir, count in zip(record.fact.reservoirs, record.drawn, strict=True):
        reservoirs.append(replace(reservoir, rows=list(rows[at : at + count])))
        at += count
    return replace(
        record.fact, rows=counted, reservoirs=reservoirs, logged=list(rows[at:]), **values
    )


def spell_row(row: DecisionRow) -> Cells:
    """The cells of a decision, in the order of `ROW_COLUMNS`."""
    attributes, is_exact = spell_value(row.attributes)
    score, scores = row.score, None
    if isinstance(score, dict):
        scores, score = _spell(score).decode(), None
        is_exact = is_exact and _gives_back(row.score, scores, _read_scores)
    origin = checks = None
    if row.origin is not None:
        origin = spell_origin(row.origin)
        is_exact = is_exact and _gives_back(row.origin, origin, _read_origin)
    if row.checks is not None:
        checks = _spell([_open_check(check) for check in row.checks]).decode()
        is_exact = is_exact and _gives_back(row.checks, checks, _read_checks)
    return (
        _DECISIONS[row.verdict],
        row.candidate_id,
        row.reason,
        row.reasoning,
        score,
        scores,
        row.rank,
        row.rank_before,
        attributes,
        origin,
        checks,
        row.by,
        row.part_of,
        row.merged_into,
        row.is_anonymous,
        None if is_exact else _encode(row),
    )


def spell_origin(origin: Sequence[OriginRef]) -> str:
    """What brought a candidate, as JSON."""
    cells = [_OriginCell(one.candidate_id, one.step_id, one.rank, one.score) for one in origin]
    return _spell(cells).decode()


def _read_origin(text: str) -> list[OriginRef]:
    cells = _read_origin_cells(text)
    return [OriginRef(one.candidate_id, one.step_id, one.rank, one.score) for one in cells]


def _open_check(check: Check) -> _CheckCell:
    observed, limit = _plain_operand(check.observed), _plain_operand(check.limit)
    return _CheckCell(check.name, check.passed, check.field, check.op, observed, limit)


def _read_checks(text: str) -> list[Check]:
    return [
        Check(one.name, one.field, one.op, one.observed, one.limit, one.passed)
        for one in _read_check_cells(text)
    ]


def _plain_operand(value: object) -> object:
    # Nearly all are numbers and words, which JSON says as they are.
    return value if type(value) in (int, str, bool, type(None)) else open_value(_encode(value))


def _gives_back(value: object, text: str, read: Any) -> bool:
    try:
        return _encode(read(text)) == _encode(value)
    except (msgspec.MsgspecError, ValueError, OverflowError):
        return False


def restore_row(cells: Cells) -> DecisionRow:
    """The decision whose cells `spell_row` gave."""
    (
        decision, candidate_id, reason, reasoning, score, scores, rank, rank_before, attributes,
        origin, checks, by, part_of, merged_into, is_anonymous, record,
    ) = cells  # fmt: skip
    if record is not None:
        return _read_row(record)
    return DecisionRow(
        _CODES[decision],
        candidate_id,
        reason,
        NIL if attributes is None else _restore_value(attributes),
        score if scores is None else _read_scores(scores),
        reasoning,
        rank,
        None if origin is None else _read_origin(origin),
        None if checks is None else _read_checks(checks),
        by,
        part_of,
        rank_before,
        merged_into,
        is_anonymous,
    )
