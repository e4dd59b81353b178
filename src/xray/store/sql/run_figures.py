"""The figures of runs and their steps, read without opening what a comparison has no use for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from xray.model.facts import NIL, ErrorInfo
from xray.model.records import displayed_status
from xray.model.run_figures import RunFigures, StepFigures, pick_numbers
from xray.model.values import is_mark
from xray.store.bodies import STARTED, unpack
from xray.store.frames import Decompressor
from xray.store.sql.briefs import Brief, Briefs, Texts
from xray.store.sql.driver import Driver
from xray.store.sql.records import portion
from xray.store.sql.rows import id_text
from xray.store.words import RUN_STATUS_WORDS, STEP_STATUS_WORDS, STEP_TYPE_WORDS

_RUNS_A_LOOKUP: Final = 500

_SELECT_RUNS: Final = """
    select seq, run_id, status, started_at, duration_ms, error, weight, pipeline, repository,
        version, environment, params
    from runs where seq in ({marks})
"""
_SELECT_STEPS: Final = """
    select seq, run, step_id, name, step_type, ordinal, status, error, duration_ms, input_count,
        output_count, rejected_count + accepted_count + selected_count, rejection_rate, score,
        stats, brief
    from steps where run in ({marks}) order by run, ordinal"""
_IN_FULL_ORDER: Final = ", started_at, step_id"


class _Told(Struct, tag="step_finished", tag_field="fact", frozen=True, gc=False):
    declared_type: str | None = None
    params: Raw = NIL


class _Counted(Struct, array_like=True, frozen=True, gc=False):
    counts: Raw
    reasons: dict[str, int]


class _Body(Struct, array_like=True, frozen=True, gc=False):
    """The beginning of `bodies.StepBody`, less what columns tell."""

    fact: _Told
    summary: _Counted


class _Start(Struct, tag="run_started", tag_field="fact", frozen=True, gc=False):
    params: Raw = NIL


_body_decoder: Final = msgspec.msgpack.Decoder(_Body)
_start_decoder: Final = msgspec.msgpack.Decoder(_Start)
_error_decoder: Final = msgspec.json.Decoder(ErrorInfo)
_decode_numbers: Final = msgspec.json.Decoder(dict[str, int | float]).decode
_NO_NUMBERS: Final[dict[str, float]] = {}


def load_figures(
    connection: Driver, seqs: Sequence[int], decompressor: Decompressor, now_us: int
) -> list[RunFigures]:
    """The figures of the runs of these numbers, in that order.

    Args:
        connection: to the database.
        seqs: the runs' numbers.
        decompressor: opens the bodies of what has no brief.
        now_us: the moment `abandoned` is judged by.
    """
    loader = _Loader(connection, decompressor)
    found: dict[int, RunFigures] = {}
    for start in range(0, len(seqs), _RUNS_A_LOOKUP):
        found.update(loader.load(seqs[start : start + _RUNS_A_LOOKUP], now_us))
    return [found[seq] for seq in seqs]


class _Loader:
    """Loads figures; what comes with many runs is opened once."""

    def __init__(self, connection: Driver, decompressor: Decompressor) -> None:
        self._connection = connection
        self._decompressor = decompressor
        self._texts = Texts(connection)
        self._briefs = Briefs(self._texts)

    def load(self, seqs: Sequence[int], now_us: int) -> Iterator[tuple[int, RunFigures]]:
        """The runs of these numbers, each with its number, in any order."""
        texts = self._texts
        steps = self._load_steps(seqs)
        rows = self._connection.execute(_SELECT_RUNS.format(marks=_marks(seqs)), seqs).fetchall()
        bare = self._open_params([row[0] for row in rows if row[-1] is None])
        for row in rows:
            seq, run_id, status, started_at_us, duration_ms, error, weight = row[:7]
            pipeline, repository, version, environment, params = row[7:]
            yield (
                seq,
                RunFigures(
                    run_id=id_text(run_id),
                    pipeline=texts[pipeline],
                    status=displayed_status(RUN_STATUS_WORDS[status], started_at_us, now_us),
                    started_at_us=started_at_us,
                    duration_ms=duration_ms,
                    error=None if error is None else _error_decoder.decode(error).type,
                    repository=texts[repository or 0],
                    version=texts[version or 0],
                    environment=texts[environment or 0],
                    params=bare.get(seq) if params is None else texts[params],
                    weight=weight,
                    steps=steps.get(seq, []),
                ),
            )

    def _load_steps(self, seqs: Sequence[int]) -> dict[int, list[StepFigures]]:
        texts, briefs = self._texts, self._briefs
        query = _SELECT_STEPS.format(marks=_marks(seqs))
        rows = self._connection.execute(query, seqs).fetchall()
        if len({(row[1], row[5]) for row in rows}) < len(rows):
            # An index knows the order of ordinals, which is all there is to it in most runs.
            rows = self._connection.execute(query + _IN_FULL_ORDER, seqs).fetchall()
        opened = self._open_briefs([row[0] for row in rows if row[-1] is None])
        steps: dict[int, list[StepFigures]] = {seq: [] for seq in seqs}
        for (
            seq, run, step_id, name, step_type, ordinal, status, error, duration_ms, input_count,
            output_count, decided, rejection_rate, score, stats, stored,
        ) in rows:  # fmt: skip
            brief = opened[seq] if stored is None else briefs[stored]
            # Given by name, these would take longer than all else about a step.
            steps[run].append(
                StepFigures(
                    id_text(step_id),
                    texts[name],
                    STEP_TYPE_WORDS[step_type],
                    brief.declared_type,
                    ordinal,
                    STEP_STATUS_WORDS[status],
                    None if error is None else _error_decoder.decode(error).type,
                    duration_ms,
                    input_count,
                    output_count,
                    decided,
                    rejection_rate,
                    score,
                    brief.reasons,
                    _NO_NUMBERS if stats is None else _read_numbers(stats),
                    brief.params,
                )
            )
        return steps

    def _open_briefs(self, seqs: Sequence[int]) -> dict[int, Brief]:
        """The briefs of steps that have none beside their columns."""
        briefs: dict[int, Brief] = {}
        for some in portion(seqs):
            query = f"select seq, data from step_bodies where seq in ({_marks(some)})"  # noqa: S608
            for seq, data in self._connection.execute(query, some):
                body = _body_decoder.decode(unpack(data, self._decompressor))
                reasons = {name: count for name, count in body.summary.reasons.items() if count}
                params = self._texts.open_params(body.fact.params)
                briefs[seq] = Brief(body.fact.declared_type, params, reasons)
        return briefs

    def _open_params(self, seqs: Sequence[int]) -> dict[int, Any]:
        """The params of runs that have none beside their columns."""
        params: dict[int, Any] = {}
        for some in portion(seqs):
            wanted = [seq << 2 | STARTED for seq in some]
            query = f"select id, data from run_facts where id in ({_marks(some)})"  # noqa: S608
            for number, data in self._connection.execute(query, wanted):
                start = _start_decoder.decode(unpack(data, self._decompressor))
                params[number >> 2] = self._texts.open_params(start.params)
        return params


def _read_numbers(stats: str) -> dict[str, float]:
    """The entries of a map, as JSON, that are numbers."""
    try:
        numbers: dict[str, float] = _decode_numbers(stats)
    except msgspec.ValidationError:
        return pick_numbers(msgspec.json.decode(stats))
    return _NO_NUMBERS if is_mark(numbers) else numbers


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
