"""What is usual of steps, as it lies in the database: kept in the transaction that stores them.

A step counts when it is stored for the first time, at its run's weight. Where its rows come in
several facts, or its run's weight is corrected, what it counted for is taken back. Steps that were
stored before there were baselines are counted while nobody waits, the latest first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from xray.model.baseline import (
    DAY_US,
    Baseline,
    BaselineKey,
    Summary,
    Usual,
    read_figures,
)
from xray.model.bins import round_weight
from xray.model.facts import StepFinished
from xray.store.baselines import list_baselines
from xray.store.sqlite.dims import Dims
from xray.store.words import PIPELINE, STEP_NAME, STEP_TYPE_WORDS, number_words

_SLICE_STEPS: Final = 500
_END_OF_TIME_DAY: Final = 1 << 40
_STEP_TYPE: Final = number_words(STEP_TYPE_WORDS)
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Usual).decode

_FIND: Final = (
    "select usual from baselines where pipeline = ? and name = ? and step_type = ? and day = ?"
)
_PUT: Final = (
    "insert or replace into baselines (pipeline, name, step_type, day, usual)"
    " values (?, ?, ?, ?, ?)"
)
_SIBLINGS: Final = (
    "select seq from steps where run = ? and seq >= ? and name = ? and pipeline = ?"
    " and step_type = ? and started_at >= ? and started_at < ?"
)


class RunWeight(NamedTuple):
    """What a run counts for.

    Args:
        now: its weight.
        before: its weight when the transaction began; None where it was not stored yet.
    """

    now: float
    before: float | None


class _Waiting(NamedTuple):
    run: int
    fact: StepFinished
    summary: Summary


class Baselines:
    """Keeps the baselines; used by the writer alone.

    Args:
        connection: the writer's connection.
        dims: numbers for repeated text.
        open_body: opens a stored step.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        dims: Dims,
        open_body: Callable[[bytes], tuple[StepFinished, Summary]],
    ) -> None:
        self._connection = connection
        self._dims = dims
        self._open_body = open_body
        self.refresh()

    def refresh(self) -> None:
        """Start again from what the database says."""
        self._waiting: dict[int, _Waiting] = {}
        self._taken_back: dict[int, _Waiting] = {}
        query = "select filled_from from baseline_fill"
        self._filled_from = int(self._connection.execute(query).fetchone()[0])

    @property
    def is_due(self) -> bool:
        """Whether there are steps that do not count yet."""
        return self._filled_from > 1

    def count(self, seq: int, run: int, fact: StepFinished, summary: Summary) -> None:
        """Let step *seq* of run *run* wait for `write`."""
        if seq >= self._filled_from:
            self._waiting[seq] = _Waiting(run, fact, summary)

    def take_back(self, seq: int, run: int, fact: StepFinished, summary: Summary) -> None:
        """Let what step *seq* counted for, when it was stored earlier, not count any more."""
        if seq >= self._filled_from and seq not in self._waiting:
            self._taken_back.setdefault(seq, _Waiting(run, fact, summary))

    def write(self, weights: Mapping[int, RunWeight]) -> None:
        """Count what waits, once the rows of the steps are written.

        Args:
            weights: of the runs that the transaction is about.
        """
        changes: dict[BaselineKey, Usual] = {}
        runs: dict[tuple[int, BaselineKey], RunWeight] = {}
        for seq, (run, fact, summary) in self._waiting.items():
            weight = weights.get(run) or self._load_weight(run)
            key = _key_of(fact)
            change = changes.get(key)
            if change is None:
                change = changes[key] = Usual()
            change.add(read_figures(fact, summary), round_weight(weight.now))
            if seq not in self._taken_back:
                runs[run, key] = weight
        for (run, key), weight in runs.items():
            changes[key].runs += weight.before is None or not self._counts_already(run, key)
        for run, fact, summary in self._taken_back.values():
            weight = weights.get(run) or self._load_weight(run)
            before = weight.now if weight.before is None else weight.before
            change = changes.setdefault(_key_of(fact), Usual())
            change.add(read_figures(fact, summary), round_weight(before), -1)
        for run, weight in weights.items():
            if weight.before not in (None, weight.now):
                self._weigh_again(run, weight, changes)
        self._merge(changes)
        self._waiting.clear()
        self._taken_back.clear()

    def _load_weight(self, run: int) -> RunWeight:
        """The weight of a run that only rows of its steps came for, under another run's name."""
        found = self._connection.execute("select weight from runs where seq = ?", (run,))
        weight = float(found.fetchone()[0])
        return RunWeight(weight, weight)

    def _counts_already(self, run: int, key: BaselineKey) -> bool:
        """Whether a step of this kind that does not wait counts for *run*."""
        span = (key.day * DAY_US, (key.day + 1) * DAY_US)
        number = self._dims.number
        kind = (number(STEP_NAME, key.step_name), number(PIPELINE, key.pipeline))
        values = (run, self._filled_from, *kind, _STEP_TYPE[key.step_type], *span)
        waiting = self._waiting.keys() - self._taken_back.keys()
        return any(seq not in waiting for (seq,) in self._connection.execute(_SIBLINGS, values))

    def _weigh_again(self, run: int, weight: RunWeight, changes: dict[BaselineKey, Usual]) -> None:
        """Let the steps of *run* that were stored earlier count for its corrected weight."""
        before, now = round_weight(weight.before or weight.now), round_weight(weight.now)
        found = self._connection.execute(
            "select seq, data from steps join step_bodies using (seq) where run = ? and seq >= ?",
            (run, self._filled_from),
        ).fetchall()
        for seq, data in found:
            if seq not in self._waiting:
                fact, summary = self._open_body(data)
                figures = read_figures(fact, summary)
                change = changes.setdefault(_key_of(fact), Usual())
                change.add(figures, before, -1)
                change.add(figures, now)

    def _merge(self, changes: Mapping[BaselineKey, Usual]) -> None:
        rows: list[tuple[Any, ...]] = []
        number = self._dims.number
        for (pipeline, name, step_type, day), usual in changes.items():
            kind = (number(PIPELINE, pipeline), number(STEP_NAME, name), _STEP_TYPE[step_type])
            key = (*kind, day)
            found = self._connection.execute(_FIND, key).fetchone()
            if found is not None:
                stored = _decode(found[0])
                stored.merge(usual)
                usual = stored
            rows.append((*key, _encode(usual)))
        self._connection.executemany(_PUT, rows)

    def fill_slice(self) -> None:
        """Count some of the steps that were stored before there were baselines."""
        first = max(1, self._filled_from - _SLICE_STEPS)
        found = self._connection.execute(
            "select run, weight, data from steps join step_bodies using (seq)"
            " join runs on runs.seq = run where steps.seq >= ? and steps.seq < ?",
            (first, self._filled_from),
        ).fetchall()
        changes: dict[BaselineKey, Usual] = {}
        runs: set[tuple[int, BaselineKey]] = set()
        for run, weight, data in found:
            fact, summary = self._open_body(data)
            key = _key_of(fact)
            changes.setdefault(key, Usual()).add(read_figures(fact, summary), round_weight(weight))
            runs.add((run, key))
        for run, key in runs:
            changes[key].runs += not self._counts_already(run, key)
        self._merge(changes)
        self._connection.execute("update baseline_fill set filled_from = ?", (first,))
        self._filled_from = first


def _key_of(fact: StepFinished) -> BaselineKey:
    return BaselineKey(fact.pipeline, fact.name, fact.step_type, fact.started_at_us // DAY_US)


def load_baselines(
    connection: sqlite3.Connection,
    pipeline: str,
    step_name: str | None,
    from_us: int,
    to_us: int | None,
) -> list[Baseline]:
    """What was usual of the steps of *pipeline* on the days that begin within these bounds.

    Args:
        step_name: the only steps that are wanted; all when absent.
    """
    where = "pipeline = (select id from dim where kind = ? and text = ?) and day >= ? and day < ?"
    last_day = _END_OF_TIME_DAY if to_us is None else -(-to_us // DAY_US)
    values: list[object] = [PIPELINE, pipeline, -(-from_us // DAY_US), last_day]
    if step_name is not None:
        where += " and name = (select id from dim where kind = ? and text = ?)"
        values += [STEP_NAME, step_name]
    query = (
        "select day, dim.text, step_type, usual from baselines join dim on dim.id = name"  # noqa: S608
        f" where {where}"
    )
    return list_baselines(
        (BaselineKey(pipeline, name, STEP_TYPE_WORDS[step_type], day), _decode(usual))
        for day, name, step_type, usual in connection.execute(query, values)
    )
