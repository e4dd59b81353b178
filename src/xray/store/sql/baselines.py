"""What is usual of steps, as it lies in the database: kept in the transaction that stores them.

A step counts when it is stored for the first time, at its run's weight. Where its rows come in
several facts, or its run's weight is corrected, what it counted for is taken back. Steps that were
stored before there were baselines are counted while nobody waits, the latest first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
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
from xray.model.vocabulary import StepType
from xray.store.baselines import list_baselines
from xray.store.sql.dims import Dims
from xray.store.sql.driver import Driver
from xray.store.words import PIPELINE, STEP_NAME, STEP_TYPE_WORDS, number_words

_SLICE_STEPS: Final = 500
_END_OF_TIME_DAY: Final = 1 << 40
_MAX_SOUGHT_DAYS: Final = 400
_STEP_TYPE: Final = number_words(STEP_TYPE_WORDS)
encode_usual: Final = msgspec.msgpack.Encoder().encode
decode_usual: Final = msgspec.msgpack.Decoder(Usual).decode

_FIND: Final = (
    "select usual from baselines where day = ? and pipeline = ? and name = ? and step_type = ?"
)
_PUT: Final = (
    "insert into baselines (day, pipeline, name, step_type, usual) values (?, ?, ?, ?, ?)"
    " on conflict (day, pipeline, name, step_type) do update set usual = excluded.usual"
)
_DELETE: Final = (
    "delete from baselines where day = ? and pipeline = ? and name = ? and step_type = ?"
)
_SIBLINGS: Final = (
    "select seq from steps where run = ? and seq >= ? and name = ? and pipeline = ?"
    " and step_type = ? and started_at >= ? and started_at < ?"
)


_Key = tuple[str, str, StepType, int]
"""The fields of a `BaselineKey`; a plain tuple is made sooner."""

StoredKey = tuple[int, int, int, int]
"""The day and the numbers of pipeline, name and type."""


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
        connection: Driver,
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

    def take_back_run(self, run: int) -> None:
        """Let nothing count any more that the steps of *run* counted for."""
        weight = self._load_weight(run).now
        changes: dict[_Key, Usual] = {}
        query = (
            "select data from steps join step_bodies using (seq) where run = ? and steps.seq >= ?"
        )
        for (data,) in self._connection.execute(query, (run, self._filled_from)).fetchall():
            fact, summary = self._open_body(data)
            change = changes.setdefault(_key_of(fact), Usual(runs=-1))
            change.add(read_figures(fact, summary), round_weight(weight), -1)
        self._merge(changes)

    def write(self, weights: Mapping[int, RunWeight]) -> None:
        """Count what waits, once the rows of the steps are written.

        Args:
            weights: of the runs that the transaction is about.
        """
        weights = self._complete(weights)
        rounded = {run: round_weight(weight.now) for run, weight in weights.items()}
        changes: dict[_Key, Usual] = {}
        runs: set[tuple[int, _Key]] = set()
        for seq, (run, fact, summary) in self._waiting.items():
            key = _key_of(fact)
            change = changes.get(key)
            if change is None:
                change = changes[key] = Usual()
            change.add(read_figures(fact, summary), rounded[run])
            if seq not in self._taken_back:
                runs.add((run, key))
        fresh = self._waiting.keys() - self._taken_back.keys()
        for run, key in runs:
            is_new = weights[run].before is None or not self._counts_already(run, key, fresh)
            changes[key].runs += is_new
        for run, fact, summary in self._taken_back.values():
            weight = weights[run]
            before = weight.now if weight.before is None else weight.before
            change = changes.setdefault(_key_of(fact), Usual())
            change.add(read_figures(fact, summary), round_weight(before), -1)
        for run, weight in weights.items():
            if weight.before not in (None, weight.now):
                self._weigh_again(run, weight, changes)
        self._merge(changes)
        self._waiting.clear()
        self._taken_back.clear()

    def _complete(self, weights: Mapping[int, RunWeight]) -> Mapping[int, RunWeight]:
        """*weights*, with those of runs whose steps only had rows come under another run's name."""
        waiting = (self._waiting, self._taken_back)
        missing = {one.run for kept in waiting for one in kept.values()} - weights.keys()
        return {**weights, **{run: self._load_weight(run) for run in missing}}

    def _load_weight(self, run: int) -> RunWeight:
        found = self._connection.execute("select weight from runs where seq = ?", (run,))
        weight = float(found.fetchone()[0])
        return RunWeight(weight, weight)

    def _counts_already(self, run: int, key: _Key, fresh: AbstractSet[int] = frozenset()) -> bool:
        """Whether a step of this kind counts for *run*, other than those that are *fresh*."""
        pipeline, name, step_type, day = key
        number = self._dims.number
        kind = (number(STEP_NAME, name), number(PIPELINE, pipeline), _STEP_TYPE[step_type])
        values = (run, self._filled_from, *kind, day * DAY_US, (day + 1) * DAY_US)
        return any(seq not in fresh for (seq,) in self._connection.execute(_SIBLINGS, values))

    def _weigh_again(self, run: int, weight: RunWeight, changes: dict[_Key, Usual]) -> None:
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

    def _merge(self, changes: Mapping[_Key, Usual]) -> None:
        self._put([(self._number(key), usual) for key, usual in changes.items()])

    def _number(self, key: _Key) -> StoredKey:
        pipeline, name, step_type, day = key
        number = self._dims.number
        kind = number(PIPELINE, pipeline), number(STEP_NAME, name), _STEP_TYPE[step_type]
        return (day, *kind)

    def _put(self, changes: Sequence[tuple[StoredKey, Usual]]) -> None:
        rows: list[tuple[Any, ...]] = []
        empty: list[StoredKey] = []
        for key, usual in changes:
            found = self._connection.execute(_FIND, key).fetchone()
            if found is not None:
                stored = decode_usual(found[0])
                stored.merge(usual)
                usual = stored
            if usual.is_empty:
                empty.append(key)
            else:
                rows.append((*key, encode_usual(usual)))
        self._connection.executemany(_PUT, rows)
        self._connection.executemany(_DELETE, empty)

    def fill_slice(self) -> None:
        """Count some of the steps that were stored before there were baselines."""
        first = max(1, self._filled_from - _SLICE_STEPS)
        found = self._connection.execute(
            "select run, weight, data from steps join step_bodies using (seq)"
            " join runs on runs.seq = run where steps.seq >= ? and steps.seq < ?",
            (first, self._filled_from),
        ).fetchall()
        changes: dict[_Key, Usual] = {}
        runs: set[tuple[int, _Key]] = set()
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


def drop_baselines(connection: Driver, pipeline: str) -> None:
    """Forget what was usual of the steps of *pipeline*."""
    connection.execute(
        "delete from baselines where pipeline = (select id from dim where kind = ? and text = ?)",
        (PIPELINE, pipeline),
    )


def _key_of(fact: StepFinished) -> _Key:
    return fact.pipeline, fact.name, fact.step_type, fact.started_at_us // DAY_US


def load_baselines(
    connection: Driver,
    pipeline: str,
    step_name: str | None,
    from_us: int,
    to_us: int | None,
) -> list[Baseline]:
    """What was usual of the steps of *pipeline* on the days that begin within these bounds.

    Args:
        step_name: the only steps that are wanted; all when absent.
    """
    first = -(-from_us // DAY_US)
    last = _END_OF_TIME_DAY if to_us is None else -(-to_us // DAY_US)
    values: list[object] = []
    if last - first <= _MAX_SOUGHT_DAYS:
        # Each day is sought by itself: those between hold other pipelines too.
        values += range(first, last)
        where = f"day in ({', '.join('?' * len(values))})"
    else:
        values += first, last
        where = "day >= ? and day < ?"
    where += " and pipeline = (select id from dim where kind = ? and text = ?)"
    values += PIPELINE, pipeline
    if step_name is not None:
        where += " and name = (select id from dim where kind = ? and text = ?)"
        values += STEP_NAME, step_name
    query = (
        "select day, dim.text, step_type, usual from baselines join dim on dim.id = name"  # noqa: S608
        f" where {where}"
    )
    found: dict[BaselineKey, Usual] = {}
    for day, name, step_type, data in connection.execute(query, values):
        key = BaselineKey(pipeline, name, STEP_TYPE_WORDS[step_type], day)
        usual = decode_usual(data)
        if key in found:
            found[key].merge(usual)
        else:
            found[key] = usual
    return list_baselines(found.items())
