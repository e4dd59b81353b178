"""Facts that wait for the end of their run, and how they are opened again as far as needed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from xray.model.facts import (
    ACCEPTED,
    EVIDENCE,
    NIL,
    REJECTED,
    SELECTED,
    DecisionRow,
    ErrorInfo,
    Fact,
    StepFinished,
    StepRows,
    Tally,
)
from xray.model.forking import call_at_fork
from xray.model.vocabulary import CaptureLevel, StepStatus, StepType
from xray.wire.codec import encode_fact

MAX_HELD_BYTES: Final = 32 << 20
"""What all undecided runs of a process may take together."""

_OVERHEAD_BYTES: Final = 128


class Held(NamedTuple):
    """One fact that waits.

    Args:
        kind: what it is.
        encoded: its bytes on the wire.
    """

    kind: type[Fact]
    encoded: bytes

    @property
    def held_bytes(self) -> int:
        """The memory it takes."""
        return len(self.encoded) + _OVERHEAD_BYTES

    def open(self) -> Fact:
        """The fact."""
        fact: Fact = _decode(self.encoded)
        return fact


def hold(fact: Fact) -> Held:
    """*fact* as it waits: encoded, which is the least it can take."""
    return Held(type(fact), encode_fact(fact))


class _RowHead(Struct, array_like=True, frozen=True, gc=False):
    verdict: int
    candidate_id: str
    reason: str | None = None


class _StepHead(Struct, frozen=True):
    """A step as far as it has to be read to count it; the fields are those of `StepFinished`."""

    run_id: str
    step_id: str
    pipeline: str
    name: str
    step_type: StepType
    ordinal: int
    started_at_us: int
    duration_ms: float | None = None
    status: StepStatus = "completed"
    declared_type: str | None = None
    parent_step_id: str | None = None
    attempt: int = 1
    params: Raw = NIL
    input: Raw = NIL
    output: Raw = NIL
    input_count: int | None = None
    output_count: int | None = None
    stats: Raw = NIL
    capture: CaptureLevel = "sample"
    error: ErrorInfo | None = None
    rows: list[_RowHead] = []
    logged: list[DecisionRow] = []
    tally: Tally | None = None
    chunks: int = 0
    omissions: dict[str, int] = {}


_decode: Final = msgspec.msgpack.Decoder(Fact).decode
_decode_head: Final = msgspec.msgpack.Decoder(_StepHead).decode
_HEAD_FIELDS: Final = tuple(name for name in _StepHead.__struct_fields__ if name != "rows")


def open_counted(held: Held, *, needs_choice: bool) -> StepFinished:
    """The step that *held* is, with rows or with a tally: whatever is found sooner.

    To read a thousand rows whole would take the pipeline's thread half as long as recording them.

    Args:
        needs_choice: what was selected must be told, not only how much.
    """
    head = _decode_head(held.encoded)
    tally = head.tally or _count(head)
    if tally is None or (needs_choice and tally.selected):
        step = held.open()
        assert isinstance(step, StepFinished)
        return step
    fields = {name: getattr(head, name) for name in _HEAD_FIELDS}
    return StepFinished(**{**fields, "tally": tally, "chunks": 0})


def _count(head: _StepHead) -> Tally | None:
    """Exact counts of a step whose rows are all there is; None where they must be read whole."""
    rows = head.rows
    if head.chunks or len({row.candidate_id for row in rows}) < len(rows):
        return None
    verdicts = bytes([row.verdict for row in rows])
    reasons = Counter([row.reason for row in rows if row.verdict == REJECTED])
    named = {reason: count for reason, count in reasons.items() if reason}
    if len(named) < len(reasons) or EVIDENCE in verdicts:
        return None
    return Tally(
        rejected=verdicts.count(REJECTED),
        accepted=verdicts.count(ACCEPTED),
        selected=verdicts.count(SELECTED),
        reasons=named,
    )


class Room:
    """How much memory undecided runs may take together.

    Args:
        max_bytes: beyond it a run is kept rather than held.
    """

    def __init__(self, max_bytes: int = MAX_HELD_BYTES) -> None:
        self.max_bytes = max_bytes
        self.used_bytes = 0
        self._turn = threading.RLock()

    def take(self, size: int) -> bool:
        """Take *size* bytes, of which some may not be there; whether all are."""
        with self._turn:
            self.used_bytes += size
            return self.used_bytes <= self.max_bytes

    def give(self, size: int) -> None:
        """Give *size* bytes back."""
        with self._turn:
            self.used_bytes -= size

    def renew(self) -> None:
        """Begin empty: what a process held is not held by the one that is forked from it."""
        self._turn = threading.RLock()
        self.used_bytes = 0


room: Final = Room()
call_at_fork(after_in_child=room.renew)


def find_chunks(facts: Iterable[Held], step: StepFinished) -> list[DecisionRow]:
    """The rows among *facts* that belong to *step* and are not in its own fact, in their order."""
    chunks: list[StepRows] = []
    for held in facts:
        fact = held.open() if held.kind is StepRows else None
        if isinstance(fact, StepRows) and fact.step_id == step.step_id:
            chunks.append(fact)
    chunks.sort(key=lambda chunk: chunk.chunk)
    return [row for chunk in chunks for row in chunk.rows]


def join_rows(step: StepFinished, more: list[DecisionRow]) -> StepFinished:
    """*step* with the rows of its chunks behind its own."""
    return replace(step, rows=[*step.rows, *more]) if more else step
