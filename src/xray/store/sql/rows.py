"""The rows of runs and steps: what questions are asked of, as columns."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from xray.model.counts import StepSummary
from xray.model.facts import ErrorInfo, RunStarted, StepFinished
from xray.store.folding import RunFold
from xray.store.sql.briefs import encode_brief, number_params
from xray.store.sql.dims import Dims
from xray.store.words import (
    CAPTURE_WORDS,
    ENVIRONMENT,
    PIPELINE,
    RATE_BASIS_WORDS,
    REPOSITORY,
    RUN_STATUS_WORDS,
    STEP_NAME,
    STEP_STATUS_WORDS,
    STEP_TYPE_WORDS,
    VERSION,
    number_words,
)

_RUN_STATUS: Final = number_words(RUN_STATUS_WORDS)
_STEP_STATUS: Final = number_words(STEP_STATUS_WORDS)
_STEP_TYPE: Final = number_words(STEP_TYPE_WORDS)
_CAPTURE: Final = number_words(CAPTURE_WORDS)
_RATE_BASIS: Final = number_words(RATE_BASIS_WORDS)

RUN_COLUMNS: Final = (
    "seq", "run_id", "known", "pipeline", "status", "started_at", "duration_ms", "repository",
    "version", "environment", "key", "attempt", "weight", "tags", "metadata", "correlation",
    "error", "params",
)  # fmt: skip
STEP_COLUMNS: Final = (
    "seq", "step_id", "run", "ordinal", "pipeline", "name", "step_type", "status", "started_at",
    "duration_ms", "attempt", "parent_step_id", "input_count", "output_count", "rejected_count",
    "accepted_count", "selected_count", "rejection_rate", "rate_basis", "score", "capture",
    "stats", "error", "brief",
)  # fmt: skip


def spell_upsert(table: str, columns: tuple[str, ...]) -> str:
    """The statement that puts a row, numbered by its first column, whatever was there."""
    names = ", ".join(columns)
    marks = ", ".join("?" * len(columns))
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns[2:])
    return (
        f"insert into {table} ({names}) values ({marks}) on conflict (seq) do update set {changes}"  # noqa: S608
    )


PUT_RUN: Final = spell_upsert("runs", RUN_COLUMNS)
PUT_STEP: Final = spell_upsert("steps", STEP_COLUMNS)


def run_row(seq: int, run_id: str, known: int, fold: RunFold, dims: Dims) -> tuple[Any, ...]:
    """The columns of a run, for `PUT_RUN`.

    Args:
        seq: its number.
        run_id: its id.
        known: a bit for each kind of fact that arrived.
        fold: what the facts say.
        dims: numbers for repeated text.
    """
    started = fold.started or RunStarted(run_id=run_id, pipeline="", started_at_us=0)
    return (
        seq,
        id_bytes(run_id),
        known,
        dims.number(PIPELINE, fold.pipeline),
        _RUN_STATUS[fold.status],
        fold.started_at_us(run_id),
        fold.duration_ms,
        dims.optional(REPOSITORY, started.repository),
        dims.optional(VERSION, started.version),
        dims.optional(ENVIRONMENT, started.environment),
        started.key,
        started.attempt,
        fold.weight,
        _json_text(fold.tags),
        _json_text(fold.metadata),
        _json_text(fold.correlation),
        _error_text(fold.error),
        number_params(started.params, dims),
    )


def step_row(
    seq: int, run: int, fact: StepFinished, summary: StepSummary, dims: Dims
) -> tuple[Any, ...]:
    """The columns of a step, for `PUT_STEP`.

    Args:
        seq: its number.
        run: its run's number.
        fact: what was sent of it.
        summary: what follows from that and its rows.
        dims: numbers for repeated text.
    """
    counts = summary.counts
    parent = fact.parent_step_id
    return (
        seq,
        id_bytes(fact.step_id),
        run,
        fact.ordinal,
        dims.number(PIPELINE, fact.pipeline),
        dims.number(STEP_NAME, fact.name),
        _STEP_TYPE[fact.step_type],
        _STEP_STATUS[fact.status],
        fact.started_at_us,
        fact.duration_ms,
        fact.attempt,
        None if parent is None else id_bytes(parent),
        summary.input_count,
        summary.output_count,
        counts.rejected,
        counts.accepted,
        counts.selected,
        summary.rejection_rate,
        None if summary.rate_basis is None else _RATE_BASIS[summary.rate_basis],
        summary.score,
        _CAPTURE[fact.capture],
        _json_text(summary.stats),
        _error_text(fact.error),
        encode_brief(fact.declared_type, fact.params, summary.reasons, dims),
    )


def id_bytes(text: str) -> bytes:
    """A canonical id as it is stored."""
    return bytes.fromhex(text.replace("-", ""))


def id_text(raw: bytes) -> str:
    """The canonical text of an id as it is stored."""
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _json_text(value: object) -> str | None:
    return msgspec.json.encode(value).decode() if value else None


def _error_text(error: ErrorInfo | None) -> str | None:
    if error is None:
        return None
    return msgspec.json.encode(error).decode()


def raw_id(text: str) -> bytes:
    """The bytes of a canonical id; of any other text, bytes that no record has."""
    try:
        raw = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        return b""
    return raw if len(raw) == 16 and id_text(raw) == text else b""
