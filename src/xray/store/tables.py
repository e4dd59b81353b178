"""The columns that questions are compiled against."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct
from sqlalchemy import BigInteger, Column, Float, LargeBinary, MetaData, Table, Text

from xray.query.plan import Scope
from xray.store.words import (
    CAPTURE_WORDS,
    ENVIRONMENT,
    LABEL_WORDS,
    PIPELINE,
    RATE_BASIS_WORDS,
    REPOSITORY,
    STEP_NAME,
    STEP_STATUS_WORDS,
    STEP_TYPE_WORDS,
    VERSION,
)

metadata: Final = MetaData()
dim: Final = Table(
    "dim",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("kind", BigInteger),
    Column("text", Text),
)
runs: Final = Table(
    "runs",
    metadata,
    Column("seq", BigInteger, primary_key=True),
    Column("run_id", LargeBinary),
    Column("pipeline", BigInteger),
    Column("status", BigInteger),
    Column("started_at", BigInteger),
    Column("duration_ms", Float),
    Column("repository", BigInteger),
    Column("version", BigInteger),
    Column("environment", BigInteger),
    Column("key", Text),
    Column("attempt", BigInteger),
    Column("weight", Float),
    Column("tags", Text),
    Column("metadata", Text),
    Column("correlation", Text),
    Column("error", Text),
    Column("label", BigInteger),
)
steps: Final = Table(
    "steps",
    metadata,
    Column("seq", BigInteger, primary_key=True),
    Column("step_id", LargeBinary),
    Column("run", BigInteger),
    Column("ordinal", BigInteger),
    Column("pipeline", BigInteger),
    Column("name", BigInteger),
    Column("step_type", BigInteger),
    Column("status", BigInteger),
    Column("started_at", BigInteger),
    Column("duration_ms", Float),
    Column("attempt", BigInteger),
    Column("parent_step_id", LargeBinary),
    Column("input_count", BigInteger),
    Column("output_count", BigInteger),
    Column("rejected_count", BigInteger),
    Column("accepted_count", BigInteger),
    Column("selected_count", BigInteger),
    Column("rejection_rate", Float),
    Column("rate_basis", BigInteger),
    Column("score", Float),
    Column("capture", BigInteger),
    Column("stats", Text),
    Column("error", Text),
)

labels: Final = Table(
    "labels",
    metadata,
    Column("run_id", LargeBinary, primary_key=True),
    Column("is_run", BigInteger, primary_key=True),
    Column("candidate", Text, primary_key=True),
    Column("label", BigInteger),
)
step_stats: Final = Table(
    "step_stats",
    metadata,
    Column("stat", BigInteger, primary_key=True),
    Column("hour", BigInteger, primary_key=True),
    Column("value", Float, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
)

Storage = Literal["dim", "words", "run_status", "uuid", "text", "number", "json"]


class Stored(Struct, frozen=True):
    """How a field lies in its column.

    Args:
        how: a `dim` number, a `words` number, a run's status (shown by its age), a 16-byte
            `uuid`, or `text`, a `number`, `json` as they are.
        dim_kind: for `dim`, which kind.
        words: for `words`, by number.
    """

    how: Storage
    dim_kind: int = 0
    words: tuple[str, ...] = ()


_TEXT: Final = Stored("text")
_NUMBER: Final = Stored("number")
_JSON: Final = Stored("json")
_UUID: Final = Stored("uuid")

STORED_FIELDS: Final[dict[Scope, dict[str, Stored]]] = {
    "run": {
        "run_id": _UUID,
        "pipeline": Stored("dim", PIPELINE),
        "status": Stored("run_status"),
        "started_at": _NUMBER,
        "duration_ms": _NUMBER,
        "repository": Stored("dim", REPOSITORY),
        "version": Stored("dim", VERSION),
        "environment": Stored("dim", ENVIRONMENT),
        "key": _TEXT,
        "attempt": _NUMBER,
        "weight": _NUMBER,
        "tags": _JSON,
        "metadata": _JSON,
        "correlation": _JSON,
        "error": _JSON,
        "label": Stored("words", words=LABEL_WORDS),
    },
    "step": {
        "step_id": _UUID,
        "run_id": _UUID,
        "pipeline": Stored("dim", PIPELINE),
        "parent_step_id": _UUID,
        "name": Stored("dim", STEP_NAME),
        "step_type": Stored("words", words=STEP_TYPE_WORDS),
        "status": Stored("words", words=STEP_STATUS_WORDS),
        "started_at": _NUMBER,
        "duration_ms": _NUMBER,
        "ordinal": _NUMBER,
        "attempt": _NUMBER,
        "input_count": _NUMBER,
        "output_count": _NUMBER,
        "rejected_count": _NUMBER,
        "accepted_count": _NUMBER,
        "selected_count": _NUMBER,
        "rejection_rate": _NUMBER,
        "rate_basis": Stored("words", words=RATE_BASIS_WORDS),
        "score": _NUMBER,
        "capture": Stored("words", words=CAPTURE_WORDS),
        "stats": _JSON,
        "error": _JSON,
    },
    "decision": {},
}
"""The fields that have a column; the others are in a body or a block."""

UNIQUE_FIELDS: Final[dict[Scope, frozenset[str]]] = {
    "run": frozenset({"run_id"}),
    "step": frozenset({"step_id", "run_id"}),
    "decision": frozenset(),
}
"""A question that demands one of these with `=`, or one of a list, is about a handful of rows."""

INDEXES: Final[dict[Scope, tuple[tuple[str, ...], ...]]] = {
    "run": (
        ("label", "started_at"),
        ("pipeline", "status", "started_at"),
        ("pipeline", "started_at"),
    ),
    "step": (("step_type", "started_at", "rejection_rate"),),
    "decision": (),
}
"""What can be asked of an index alone when its first field is demanded with `=`."""
