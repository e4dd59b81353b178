"""The figures of runs and their steps, read without opening what a comparison has no use for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from xray.model.facts import NIL, ErrorInfo
from xray.model.records import Counts, displayed_status
from xray.model.run_figures import RunFigures, StepFigures, pick_numbers
from xray.model.values import is_mark, open_value
from xray.model.vocabulary import StepStatus, StepType
from xray.store.sqlite.bodies import STARTED, unpack
from xray.store.sqlite.frames import Decompressor
from xray.store.sqlite.rows import id_text
from xray.store.words import RUN_STATUS_WORDS

_RUNS_A_LOOKUP: Final = 500
_MAX_KEPT_VALUES: Final = 1_000

_SELECT_RUNS: Final = """
    select seq, run_id, status, started_at, duration_ms, error, weight,
        (select text from dim where id = runs.pipeline),
        (select text from dim where id = repository),
        (select text from dim where id = version),
        (select text from dim where id = environment)
    from runs where seq in ({marks})
"""
_SELECT_STEPS: Final = """
    select run, data from steps join step_bodies using (seq) where run in ({marks})
    order by run, ordinal, started_at, step_id
"""


class _Fact(Struct, tag="step_finished", tag_field="fact", frozen=True, gc=False):
    step_id: str
    name: str
    step_type: StepType
    ordinal: int
    declared_type: str | None = None
    status: StepStatus = "completed"
    duration_ms: float | None = None
    params: Raw = NIL
    stats: Raw = NIL
    error: ErrorInfo | None = None


class _Summary(Struct, array_like=True, frozen=True, gc=False):
    counts: Counts
    reasons: dict[str, int]
    origins: Raw
    selected: Raw
    score: float | None
    input_count: int | None
    output_count: int | None
    declared_input_count: Raw
    declared_output_count: Raw
    rejection_rate: float | None


class _Body(Struct, array_like=True, frozen=True, gc=False):
    """The beginning of `bodies.StepBody`, less what is not compared."""

    fact: _Fact
    summary: _Summary


class _Start(Struct, tag="run_started", tag_field="fact", frozen=True, gc=False):
    params: Raw = NIL


_body_decoder = msgspec.msgpack.Decoder(_Body)
_start_decoder = msgspec.msgpack.Decoder(_Start)
_value_decoder = msgspec.msgpack.Decoder(strict=False)
_error_decoder = msgspec.json.Decoder(ErrorInfo)


def load_figures(
    connection: sqlite3.Connection, seqs: Sequence[int], decompressor: Decompressor, now_us: int
) -> list[RunFigures]:
    """The figures of the runs of these numbers, in that order.

    Args:
        connection: to the database.
        seqs: the runs' numbers.
        decompressor: opens bodies.
        now_us: the moment `abandoned` is judged by.
    """
    found: dict[int, RunFigures] = {}
    opened = _Opened()
    for start in range(0, len(seqs), _RUNS_A_LOOKUP):
        some = seqs[start : start + _RUNS_A_LOOKUP]
        params = _load_params(connection, some, decompressor, opened)
        steps = _load_steps(connection, some, decompressor, opened)
        for row in connection.execute(_SELECT_RUNS.format(marks=_marks(some)), some):
            seq, run_id, status, started_at_us, duration_ms, error, weight, pipeline = row[:8]
            found[seq] = RunFigures(
                run_id=id_text(run_id),
                pipeline=pipeline,
                status=displayed_status(RUN_STATUS_WORDS[status], started_at_us, now_us),
                started_at_us=started_at_us,
                duration_ms=duration_ms,
                error=None if error is None else _error_decoder.decode(error).type,
                repository=row[8],
                version=row[9],
                environment=row[10],
                params=params.get(seq),
                weight=weight,
                steps=steps.get(seq, []),
            )
    return [found[seq] for seq in seqs]


class _Opened:
    """Free-form values that were opened already: the same params come with every run."""

    def __init__(self) -> None:
        self._values: dict[bytes, Any] = {}

    def get(self, raw: Raw, read: Callable[[bytes], Any]) -> Any:
        """What *read* makes of *raw*, made once."""
        key = bytes(raw)
        if key not in self._values:
            if len(self._values) >= _MAX_KEPT_VALUES:
                self._values.clear()
            self._values[key] = read(key)
        return self._values[key]


def _load_params(
    connection: sqlite3.Connection,
    seqs: Sequence[int],
    decompressor: Decompressor,
    opened: _Opened,
) -> dict[int, Any]:
    wanted = [seq << 2 | STARTED for seq in seqs]
    query = f"select id, data from run_facts where id in ({_marks(wanted)})"  # noqa: S608
    return {
        number >> 2: opened.get(
            _start_decoder.decode(unpack(data, decompressor)).params, open_value
        )
        for number, data in connection.execute(query, wanted)
    }


def _load_steps(
    connection: sqlite3.Connection,
    seqs: Sequence[int],
    decompressor: Decompressor,
    opened: _Opened,
) -> dict[int, list[StepFigures]]:
    steps: dict[int, list[StepFigures]] = {}
    for run, data in connection.execute(_SELECT_STEPS.format(marks=_marks(seqs)), seqs):
        body = _body_decoder.decode(unpack(data, decompressor))
        fact, summary = body.fact, body.summary
        counts = summary.counts
        step = StepFigures(
            step_id=fact.step_id,
            name=fact.name,
            step_type=fact.step_type,
            declared_type=fact.declared_type,
            ordinal=fact.ordinal,
            status=fact.status,
            error=None if fact.error is None else fact.error.type,
            duration_ms=fact.duration_ms,
            input_count=summary.input_count,
            output_count=summary.output_count,
            decided=counts.rejected + counts.accepted + counts.selected,
            rejection_rate=summary.rejection_rate,
            score=summary.score,
            reasons=_drop_zeros(summary.reasons),
            stats=_read_numbers(fact.stats),
            params=opened.get(fact.params, open_value),
        )
        steps.setdefault(run, []).append(step)
    return steps


def _drop_zeros(reasons: dict[str, int]) -> dict[str, int]:
    if 0 not in reasons.values():
        return reasons
    return {name: count for name, count in reasons.items() if count}


def _read_numbers(raw: Raw) -> dict[str, float]:
    """The entries of a free-form map that are numbers."""
    stats = _value_decoder.decode(raw)
    if type(stats) is not dict or is_mark(stats):
        return {}
    return pick_numbers(stats)


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
