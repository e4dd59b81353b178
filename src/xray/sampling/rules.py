"""What keeps a run whatever the draw says: queries it meets, and candidates that are watched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from xray.capture.guard import warn
from xray.errors import InvalidQueryError
from xray.model.clock import SystemClock
from xray.model.columns import spell_cells
from xray.model.counts import resolve_rows
from xray.model.facts import (
    EVIDENCE,
    DecisionRow,
    RunFinished,
    RunPatched,
    RunStarted,
    StepFinished,
    StepRoster,
    StepRows,
)
from xray.model.ids import canonical_id
from xray.model.records import Decision, Run, Step
from xray.query.evaluate import Record, meets
from xray.query.language import parse_query
from xray.query.plan import Condition, Scope
from xray.sampling.holding import Held, find_chunks, join_rows, open_counted
from xray.store.folding import RunFold, open_decisions, open_step

_MAX_WATCHED: Final = 256
_MAX_SHOWN_LENGTH: Final = 256
_pack: Final = msgspec.msgpack.Encoder().encode


class KeepRules:
    """Queries of runs; a run that meets one of them is kept.

    Args:
        queries: as people write them; one that cannot be read is warned about and left out.
    """

    def __init__(self, queries: Iterable[str]) -> None:
        self._rules: list[tuple[str, Condition]] = []
        now_us = SystemClock().wall_us()
        for query in queries:
            try:
                self._rules.append((_shorten(query), parse_query(query, "run", now_us)))
            except InvalidQueryError as error:  # noqa: PERF203  (each rule stands for itself)
                warn(f"keep:{query}", "keep=%r is no query (%s); it is left out.", query, error)

    def find(self, facts: Sequence[Held]) -> str | None:
        """The first query that the run *facts* tell of meets; None when it meets none."""
        if not self._rules:
            return None
        records = _Records(facts)
        for query, condition in self._rules:
            if meets(condition, records.run, rows_below=records.below):
                return query
        return None


def _shorten(query: str) -> str:
    is_short = len(query) <= _MAX_SHOWN_LENGTH
    return query if is_short else f"{query[: _MAX_SHOWN_LENGTH - 1]}…"


class _Records:
    """The records that a store would make of the facts of one run."""

    def __init__(self, facts: Sequence[Held]) -> None:
        self._facts = facts
        self._steps: list[Step] | None = None
        self._decisions: dict[str, list[Decision]] | None = None
        self.run = self._open_run()

    def below(self, scope: Scope, above: Record) -> Iterable[Record]:
        """The steps below the run, or the decisions below a step."""
        if scope == "step":
            if self._steps is None:
                self._steps = self._open_steps()
            return self._steps
        if self._decisions is None:
            self._decisions = self._open_decisions()
        return self._decisions.get(above.step_id, []) if isinstance(above, Step) else ()

    def _open_run(self) -> Run:
        fold = RunFold()
        run_id = ""
        for held in self._facts:
            if held.kind in (RunStarted, RunFinished, RunPatched):
                fact = held.open()
                if isinstance(fact, (RunStarted, RunFinished, RunPatched)):
                    fold.add(fact)
                    run_id = fact.run_id
        return fold.open(run_id, 0)

    def _open_steps(self) -> list[Step]:
        return [
            open_step(
                self._with_chunks(open_counted(held, needs_choice=True)),
            )
            for held in self._facts
            if held.kind is StepFinished
        ]

    def _open_decisions(self) -> dict[str, list[Decision]]:
        found: dict[str, list[Decision]] = {}
        for held in self._facts:
            step = held.open() if held.kind is StepFinished else None
            if isinstance(step, StepFinished):
                whole = self._with_chunks(step)
                rows, _ = resolve_rows(whole.rows)
                found[step.step_id] = list(open_decisions(whole, rows))
        return found

    def _with_chunks(self, step: StepFinished) -> StepFinished:
        return join_rows(step, find_chunks(self._facts, step)) if step.chunks else step


class Watch:
    """Candidates whose runs are kept.

    Args:
        candidates: their ids; at most 256.
    """

    def __init__(self, candidates: Iterable[object]) -> None:
        ids = [text for one in candidates if (text := canonical_id(one)) is not None]
        if len(ids) > _MAX_WATCHED:
            warn("watch", "watch= takes %d candidates; the others are left out.", _MAX_WATCHED)
        self._ids = frozenset(ids[:_MAX_WATCHED])
        self._packed = [_pack(one) for one in sorted(self._ids)]
        self._cells = [cell for one in sorted(self._ids) for cell in spell_cells(one)]

    def find(self, held: Held) -> str | None:
        """The watched candidate that *held* tells a decision about; None when it tells of none."""
        encoded = held.encoded
        spellings = self._cells if held.kind is StepRoster else self._packed
        if not any(spelled in encoded for spelled in spellings):
            return None
        # The same text may stand for something else, so the few that hold it are read whole.
        fact = held.open()
        found: set[str] = set()
        if isinstance(fact, StepRoster):
            found.update(*(group.ids for group in fact.groups))
            found.update(*(column.ids for column in fact.columns))
        elif isinstance(fact, (StepFinished, StepRows)):
            found.update(row.candidate_id for row in _list_rows(fact) if row.verdict != EVIDENCE)
        return min(self._ids & found, default=None)


def _list_rows(fact: StepFinished | StepRows) -> list[DecisionRow]:
    if isinstance(fact, StepRows):
        return fact.rows
    drawn = [row for reservoir in fact.reservoirs for row in reservoir.rows]
    return [*fact.rows, *drawn, *fact.logged]
