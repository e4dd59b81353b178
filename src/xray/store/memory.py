"""The readable reference: every verb of the protocol over dictionaries.

What it answers is by definition right; other engines are compared with it. Nothing is durable.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from threading import RLock
from typing import TypeVar

from xray.errors import StoreError
from xray.model.clock import Clock, SystemClock, to_wall_us
from xray.model.counts import resolve_rows
from xray.model.decisions import DecisionTable, ListedDecisions
from xray.model.facts import (
    DecisionRow,
    Fact,
    Receipt,
    Refusal,
    StepFinished,
    StepRoster,
    StepRows,
)
from xray.model.records import Decision, Page, Run, Step
from xray.query.cursor import encode_cursor
from xray.query.evaluate import Record, meets
from xray.query.plan import Plan, Position, Scope
from xray.store.folding import (
    MAX_TOTAL,
    RunFold,
    join_chunks,
    open_decisions,
    open_step,
    refuse_fact,
    sample_rejections,
    shorten_output,
)
from xray.store.paging import (
    DecisionSource,
    StepKey,
    find_anchor,
    page_decisions,
    sort_keys,
)

_Listed = TypeVar("_Listed", Run, Step)


class MemoryStore:
    """Runs, steps and decisions kept in this process.

    Args:
        clock: tells when a run without an end counts as abandoned.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = RLock()
        self._runs: dict[str, RunFold] = {}
        self._steps: dict[str, StepFinished] = {}
        self._chunks: dict[str, dict[int, list[DecisionRow]]] = {}
        self._rosters: dict[str, dict[int, StepRoster]] = {}
        self._step_ids: dict[str, list[str]] = {}
        self._opened: dict[str, Step] = {}
        self._is_closed = False

    def submit(self, batch_id: str, facts: Sequence[Fact]) -> Future[Receipt]:
        """Store *facts*; the future is done already."""
        accepted = 0
        refused: list[Refusal] = []
        with self._lock:
            self._require_open()
            for fact in facts:
                refusal = refuse_fact(fact)
                if refusal is not None:
                    refused.append(refusal)
                else:
                    accepted += self._add(fact)
        done: Future[Receipt] = Future()
        done.set_result(
            Receipt(
                batch_id=batch_id,
                accepted=accepted,
                duplicate=len(facts) - accepted - len(refused),
                rejected=refused,
            )
        )
        return done

    def _add(self, fact: Fact) -> bool:
        run = self._runs.setdefault(fact.run_id, RunFold())
        if isinstance(fact, StepFinished):
            if fact.step_id in self._steps:
                return False
            self._steps[fact.step_id] = fact
            self._step_ids.setdefault(fact.run_id, []).append(fact.step_id)
            run.add_step(fact)
            return True
        if isinstance(fact, StepRows):
            chunks = self._chunks.setdefault(fact.step_id, {})
            if fact.chunk in chunks:
                return False
            chunks[fact.chunk] = fact.rows
            self._opened.pop(fact.step_id, None)
            return True
        if isinstance(fact, StepRoster):
            rosters = self._rosters.setdefault(fact.step_id, {})
            if fact.chunk in rosters:
                return False
            rosters[fact.chunk] = fact
            self._opened.pop(fact.step_id, None)
            return True
        return run.add(fact)

    def run(self, run_id: str) -> Run | None:
        """One run, or None."""
        with self._lock:
            self._require_open()
            fold = self._runs.get(run_id)
            return None if fold is None else fold.open(run_id, self._clock.wall_us())

    def step(self, step_id: str) -> Step | None:
        """One step with up to 50 samples a rejection reason, or None."""
        with self._lock:
            self._require_open()
            if step_id not in self._steps:
                return None
            return sample_rejections(self._open_step(step_id), self._decisions(step_id))

    def steps_of_run(self, run_id: str) -> list[Step]:
        """The steps of a run by ordinal, each with up to 50 samples a rejection reason."""
        with self._lock:
            self._require_open()
            keys = sorted(map(self._key, self._step_ids.get(run_id, ())), key=StepKey.in_run)
            found = (self.step(key.step_id) for key in keys)
            return [step for step in found if step is not None]

    def decisions_of_step(self, step_id: str) -> DecisionTable:
        """Every stored decision of a step; empty for an unknown one."""
        with self._lock:
            self._require_open()
            return ListedDecisions(step_id, self._decisions(step_id))

    def runs(self, plan: Plan) -> Page[Run]:
        """Runs that meet *plan*, newest first."""
        with self._lock:
            self._require_open()
            now_us = plan.now_us or self._clock.wall_us()
            opened = (fold.open(run_id, now_us) for run_id, fold in self._runs.items())
            kept = [
                run
                for run in opened
                if meets(plan.where, run, now_us=now_us, rows_below=self._rows_below)
            ]
            ends = {run.run_id: Position(to_wall_us(run.started_at), run.run_id) for run in kept}
            return _page([shorten_output(run) for run in kept], ends, plan)

    def steps(self, plan: Plan) -> Page[Step]:
        """Steps that meet *plan*, newest first, with counts by reason but without samples."""
        with self._lock:
            self._require_open()
            now_us = plan.now_us or self._clock.wall_us()
            kept = [
                step
                for step in map(self._open_step, self._steps)
                if meets(
                    plan.where,
                    step,
                    self._runs[step.run_id].open(step.run_id, now_us),
                    now_us,
                    rows_below=self._rows_below,
                )
            ]
            ends = {
                step.step_id: Position(to_wall_us(step.started_at), step.step_id) for step in kept
            }
            return _page(kept, ends, plan)

    def decisions(self, plan: Plan) -> Page[Decision]:
        """Decisions that meet *plan*, which names a step, a run or a candidate."""
        with self._lock:
            self._require_open()
            anchor = find_anchor(plan)
            step_ids: Iterable[str] = self._steps
            if anchor.step_id is not None:
                step_ids = [anchor.step_id] if anchor.step_id in self._steps else []
            elif anchor.run_id is not None:
                step_ids = self._step_ids.get(anchor.run_id, ())
            source = DecisionSource(
                table=lambda key: ListedDecisions(key.step_id, self._decisions(key.step_id)),
                step=self._open_step,
                run=self.run,
            )
            return page_decisions(plan, sort_keys(anchor, map(self._key, step_ids)), source)

    def run_ids(self, prefix: str, limit: int = 10) -> list[str]:
        """Ids of runs that begin with *prefix*, newest first; all runs for the empty prefix."""
        with self._lock:
            self._require_open()
            found = [run_id for run_id in self._runs if run_id.startswith(prefix.lower())]
            found.sort(key=lambda run_id: (self._runs[run_id].started_at_us(run_id), run_id))
            return found[::-1][:limit]

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._is_closed = True
            for kept in (
                self._runs,
                self._steps,
                self._chunks,
                self._rosters,
                self._step_ids,
                self._opened,
            ):
                kept.clear()

    def _require_open(self) -> None:
        if self._is_closed:
            raise StoreError("The store is closed.", hint="Open it again with open_store.")

    def _whole_fact(self, step_id: str) -> StepFinished:
        return join_chunks(self._steps[step_id], self._chunks.get(step_id, {}))

    def _open_step(self, step_id: str) -> Step:
        step = self._opened.get(step_id)
        if step is None:
            step = self._opened[step_id] = open_step(self._whole_fact(step_id))
        return step

    def _decisions(self, step_id: str) -> list[Decision]:
        if step_id not in self._steps:
            return []
        fact = self._whole_fact(step_id)
        return list(open_decisions(fact, resolve_rows(fact.rows)[0]))

    def _key(self, step_id: str) -> StepKey:
        fact = self._steps[step_id]
        return StepKey(step_id, fact.run_id, fact.ordinal, fact.started_at_us)

    def _rows_below(self, scope: Scope, above: Record) -> Iterable[Record]:
        step_ids: Sequence[str] = ()
        if isinstance(above, Run) and scope != "run":
            step_ids = self._step_ids.get(above.run_id, [])
        elif isinstance(above, Step) and scope == "decision":
            step_ids = [above.step_id]
        if scope == "step":
            return [self._open_step(step_id) for step_id in step_ids]
        return [row for step_id in step_ids for row in self._decisions(step_id)]


def _page(kept: list[_Listed], ends: dict[str, Position], plan: Plan) -> Page[_Listed]:
    """Cut one page out of everything that matches."""
    end_of = {id(record): ends[_id(record)] for record in kept}
    kept.sort(key=lambda record: _newest_first(end_of[id(record)]), reverse=True)
    after = plan.after
    rest = [
        record
        for record in kept
        if after is None or _newest_first(end_of[id(record)]) < _newest_first(after)
    ]
    shown = rest[: plan.limit]
    has_more = len(rest) > plan.limit
    return Page(
        items=shown,
        next_cursor=encode_cursor(end_of[id(shown[-1])], plan) if has_more else None,
        total=min(len(kept), MAX_TOTAL),
        total_is_exact=len(kept) <= MAX_TOTAL,
    )


def _newest_first(position: Position) -> tuple[int, str]:
    return (position.sort_us, position.record_id)


def _id(record: Run | Step) -> str:
    return record.run_id if isinstance(record, Run) else record.step_id
