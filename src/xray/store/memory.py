"""The readable reference: every verb of the protocol over dictionaries.

What it answers is by definition right; other engines are compared with it. Nothing is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from threading import RLock
from typing import TypeVar

from msgspec.structs import replace

from xray.errors import InvalidRecordError, StoreError
from xray.model.baseline import Baseline
from xray.model.checked import (
    CheckedRun,
)
from xray.model.clock import Clock, SystemClock
from xray.model.decisions import DecisionTable, ListedDecisions
from xray.model.facts import Receipt, Refusal
from xray.model.forgetting import Forgotten, NameSearch, Progress
from xray.model.labels import Label, LabelsAsked
from xray.model.records import Decision, Page, Run, Step
from xray.model.removal import Removed
from xray.model.roster import Roster, decisions_about
from xray.model.run_figures import RunFigures, figures_of
from xray.model.sketch import CheckSketch
from xray.model.stored_facts import StoredFact, stored_fact_id
from xray.model.tallies import MinuteTally, Tallied, merge_minutes
from xray.query.aggregate import AggregatePlan
from xray.query.cursor import encode_cursor
from xray.query.evaluate import meets
from xray.query.plan import AllOf, Plan, Position
from xray.store.aggregating import (
    Counted,
    count_decisions,
)
from xray.store.folding import (
    MAX_TOTAL,
    refuse_fact,
    sample_rejections,
    shorten_output,
)
from xray.store.kept import KeptFacts, by_age
from xray.store.kept_figures import check_kept, count_kept
from xray.store.names import Names
from xray.store.paging import (
    DecisionSource,
    Search,
    StepKey,
    find_anchor,
    page_decisions,
    sort_keys,
)
from xray.store.scanning import ROWS_A_RECORD, Meter, ScanBudget, Visited

_Listed = TypeVar("_Listed", Run, Step)


class MemoryStore:
    """Runs, steps and decisions kept in this process.

    Args:
        clock: tells when a run without an end counts as abandoned.
        budget: where scans stop.
    """

    def __init__(self, clock: Clock | None = None, budget: ScanBudget | None = None) -> None:
        self._clock = clock or SystemClock()
        self._budget = budget or ScanBudget()
        self._lock = RLock()
        self._kept = KeptFacts()
        self._is_closed = False

    def submit(self, batch_id: str, facts: Sequence[StoredFact]) -> Future[Receipt]:
        """Store *facts*; the future is done already."""
        accepted = 0
        refused: list[Refusal] = []
        with self._lock:
            self._require_open()
            for fact in facts:
                refusal = refuse_fact(fact)
                if refusal is not None:
                    refused.append(refusal)
                    continue
                try:
                    accepted += self._kept.add(fact)
                except InvalidRecordError as error:
                    refused.append(Refusal(stored_fact_id(fact), error.code, str(error)))
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

    def size_bytes(self) -> int | None:
        """None: nothing is on disk."""
        return None

    def delete_runs(self, run_ids: Sequence[str]) -> Future[Removed]:
        """Delete runs with all that was recorded of them; the future is done already."""
        removed = Removed()
        with self._lock:
            self._require_open()
            for run_id in run_ids:
                removed = removed.plus(self._kept.delete_run(run_id))
        done: Future[Removed] = Future()
        done.set_result(removed)
        return done

    def forget_runs(
        self,
        run_ids: Sequence[str],
        pipelines: Sequence[str],
        show: Callable[[Progress], None],
    ) -> Future[Forgotten]:
        """Delete runs so that nothing kept tells what they held; the future is done already."""
        removed = Removed()
        show(Progress("deleting"))
        with self._lock:
            self._require_open()
            for run_id in run_ids:
                removed = removed.plus(self._kept.forget_run(run_id))
            for pipeline in pipelines:
                self._kept.forget_pipeline(pipeline)
        done: Future[Forgotten] = Future()
        done.set_result(Forgotten(removed.runs, removed.steps))
        return done

    def runs_holding(self, candidate_id: str) -> list[str]:
        """Ids of the runs that decided about a candidate, or have a label about it."""
        with self._lock:
            self._require_open()
            return self._kept.runs_holding(candidate_id)

    def find_names(
        self,
        names: Sequence[str],
        candidate_ids: Sequence[str],  # noqa: ARG002  (nothing is kept by its hash alone)
        show: Callable[[Progress], None],
    ) -> NameSearch:
        """Look for names in everything that is kept."""
        found = Names(names)
        show(Progress("looking"))
        with self._lock:
            self._require_open()
            self._kept.show_documents(found)
        return found.conclude()

    def owes_sweeping(self) -> bool:
        """Never: what is forgotten is gone at once."""
        return False

    def run(self, run_id: str) -> Run | None:
        """One run, or None."""
        with self._lock:
            self._require_open()
            return (
                self._kept.run(run_id, self._clock.wall_us()) if run_id in self._kept.runs else None
            )

    def step(self, step_id: str) -> Step | None:
        """One step with up to 50 samples a rejection reason, or None."""
        with self._lock:
            self._require_open()
            if step_id not in self._kept.steps:
                return None
            return sample_rejections(self._kept.step(step_id), self._kept.decisions(step_id))

    def steps_of_run(self, run_id: str, *, is_sampled: bool = True) -> list[Step]:
        """The steps of a run by ordinal, if wanted with up to 50 samples a rejection reason."""
        with self._lock:
            self._require_open()
            keys = sorted(
                map(self._kept.key, self._kept.step_ids.get(run_id, ())), key=StepKey.in_run
            )
            if not is_sampled:
                return [self._kept.step(key.step_id) for key in keys]
            found = (self.step(key.step_id) for key in keys)
            return [step for step in found if step is not None]

    def decisions_of_step(self, step_id: str) -> DecisionTable:
        """Every stored decision of a step; empty for an unknown one."""
        with self._lock:
            self._require_open()
            return ListedDecisions(step_id, self._kept.decisions(step_id))

    def roster_of_step(self, step_id: str) -> Roster | None:
        """The candidates a step decided after its census, detail or not; None without any."""
        with self._lock:
            self._require_open()
            return self._kept.roster(step_id) if step_id in self._kept.steps else None

    def sketches_of_step(self, step_id: str) -> list[CheckSketch]:
        """What the checks of a step observed over all its rows, where some have no detail."""
        with self._lock:
            self._require_open()
            return self._kept.steps[step_id].sketches if step_id in self._kept.steps else []

    def runs(self, plan: Plan) -> Page[Run]:
        """Runs that meet *plan*, newest first."""
        with self._lock:
            self._require_open()
            now_us = plan.now_us or self._clock.wall_us()

            def find(run_id: str) -> Run | None:
                run = self._kept.run(run_id, now_us)
                is_met = meets(plan.where, run, now_us=now_us, rows_below=self._kept.rows_below)
                return run if is_met else None

            page = self._search(plan, self._kept.run_ends(), find)
            return replace(page, items=[shorten_output(run) for run in page.items])

    def steps(self, plan: Plan) -> Page[Step]:
        """Steps that meet *plan*, newest first, with counts by reason but without samples."""
        with self._lock:
            self._require_open()
            now_us = plan.now_us or self._clock.wall_us()

            def find(step_id: str) -> Step | None:
                step = self._kept.step(step_id)
                run = self._kept.run(step.run_id, now_us)
                is_met = meets(plan.where, step, run, now_us, rows_below=self._kept.rows_below)
                return step if is_met else None

            return self._search(plan, self._kept.step_ends(), find)

    def figures(self, plan: Plan) -> Page[RunFigures]:
        """The figures of the runs that meet *plan* and of their steps, newest run first."""
        page = self.runs(plan)
        return Page(
            items=[
                figures_of(run, self.steps_of_run(run.run_id, is_sampled=False))
                for run in page.items
            ],
            next_cursor=page.next_cursor,
            total=page.total,
            total_is_exact=page.total_is_exact,
            complete=page.complete,
            scan=page.scan,
        )

    def _search(
        self, plan: Plan, ends: list[Position], find: Callable[[str], _Listed | None]
    ) -> Page[_Listed]:
        """One page of what *find* makes of the records at *ends*, newest first.

        Nothing is indexed here: whatever asks for anything is a scan.
        """
        meter = self._meter()
        after = None if plan.after is None else by_age(plan.after)
        found: list[tuple[Position, _Listed]] = []
        total = 0
        stopped: Position | None = None
        for end in ends:
            if not meter.left:
                break
            record = find(end.record_id)
            is_before = after is not None and by_age(end) >= after
            if not is_before:
                meter.spend(1)
                stopped = end
            if record is not None:
                total += 1
                if not is_before:
                    found.append((end, record))
        else:
            stopped = None
        has_more = len(found) > plan.limit
        last = found[plan.limit - 1][0] if has_more else stopped
        return Page(
            items=[record for _, record in found[: plan.limit]],
            next_cursor=None if last is None else encode_cursor(last, plan),
            total=min(total, MAX_TOTAL) if stopped is None else None,
            total_is_exact=stopped is None and total <= MAX_TOTAL,
            complete=has_more or stopped is None,
            scan=meter.report(None if stopped is None else stopped.sort_us)
            if plan.where != AllOf()
            else None,
        )

    def decisions(self, plan: Plan) -> Page[Decision]:
        """Decisions that meet *plan*, which names a step, a run or a candidate."""
        with self._lock:
            self._require_open()
            return page_decisions(plan, self._search_decisions(plan))

    def _search_decisions(self, plan: Plan) -> Search:
        """The steps that can hold what *plan* asks, and what opens their decisions."""
        anchor = find_anchor(plan)
        step_ids: Iterable[str] = self._kept.steps
        if anchor.step_id is not None:
            step_ids = [anchor.step_id] if anchor.step_id in self._kept.steps else []
        elif anchor.run_id is not None:
            step_ids = self._kept.step_ids.get(anchor.run_id, ())
        keys = sort_keys(anchor, map(self._kept.key, step_ids))
        after = plan.after
        if anchor.is_scan and after is not None:
            last = (after.sort_us, after.record_id)
            keys = [key for key in keys if key.by_age() <= last]

        def open_table(key: StepKey) -> DecisionTable:
            table = ListedDecisions(key.step_id, self._kept.decisions(key.step_id))
            if anchor.candidate_id is None:
                return table
            about = ListedDecisions(key.step_id, table.find(anchor.candidate_id))
            words = self._kept.labels.words_of(key.run_id)
            return decisions_about(
                anchor.candidate_id,
                about,
                self._kept.roster(key.step_id),
                words.get(anchor.candidate_id),
            )

        source = DecisionSource(
            table=open_table,
            step=self._kept.step,
            run=self.run,
        )
        return Search([(keys, None)], source, self._meter())

    def aggregate(self, plan: AggregatePlan) -> Counted:
        """Figures of groups of the records that meet *plan*, of the newest first."""
        with self._lock:
            self._require_open()
            if plan.shape.scope == "decision":
                return count_decisions(plan, self._search_decisions(plan.rows))
            now_us = plan.rows.now_us or self._clock.wall_us()
            return count_kept(self._kept, plan, now_us, self._meter())

    def check_runs(
        self, plan: Plan, words: frozenset[str] | None, visit: Callable[[CheckedRun], None]
    ) -> Visited:
        """Show the runs that meet *plan* as far as their checks go, newest first, one by one."""
        with self._lock:
            self._require_open()
            now_us = plan.now_us or self._clock.wall_us()
            after = None if plan.after is None else by_age(plan.after)
            meter = self._meter()
            stopped = plan.after
            for end in self._kept.run_ends():
                if after is not None and by_age(end) >= after:
                    continue
                if not meter.left:
                    return Visited(
                        stopped, meter.report(None if stopped is None else stopped.sort_us)
                    )
                stopped = end
                run = self._kept.run(end.record_id, now_us)
                meter.spend(1)
                if meets(plan.where, run, now_us=now_us, rows_below=self._kept.rows_below):
                    shown = check_kept(self._kept, run, words)
                    meter.spend(shown.row_count // ROWS_A_RECORD)
                    visit(shown)
            stopped = None
            return Visited(stopped, meter.report(None if stopped is None else stopped.sort_us))

    def run_ids(self, prefix: str, limit: int = 10) -> list[str]:
        """Ids of runs that begin with *prefix*, newest first; all runs for the empty prefix."""
        with self._lock:
            self._require_open()
            found = [run_id for run_id in self._kept.runs if run_id.startswith(prefix.lower())]
            found.sort(key=lambda run_id: (self._kept.runs[run_id].started_at_us(run_id), run_id))
            return found[::-1][:limit]

    def tallies(
        self,
        pipeline: str | None = None,
        step_name: str | None = None,
        from_us: int = 0,
        to_us: int | None = None,
    ) -> list[MinuteTally]:
        """What is known of runs that were not kept, minute by minute, oldest first."""
        with self._lock:
            self._require_open()
            return merge_minutes(self._kept.tallies_between(pipeline, from_us, to_us), step_name)

    def baselines(
        self,
        pipeline: str,
        step_name: str | None = None,
        from_us: int = 0,
        to_us: int | None = None,
    ) -> list[Baseline]:
        """What was usual of the steps of a pipeline, day by day, oldest first."""
        with self._lock:
            self._require_open()
            return self._kept.baselines.list(pipeline, step_name, from_us, to_us)

    def labels(self, asked: LabelsAsked) -> list[Label]:
        """The labels that are asked for, newest first."""
        with self._lock:
            self._require_open()
            return self._kept.labels.list(asked)

    def correlated(self, correlation_id: str, limit: int) -> list[str]:
        """Ids of the runs that have *correlation_id* in another system, newest first."""
        with self._lock:
            self._require_open()
            return self._kept.correlated(correlation_id)[:limit]

    def claim(self, task: str) -> AbstractContextManager[bool]:  # noqa: ARG002
        """Always: no other server has this store."""
        return nullcontext(True)

    def export_runs(self, run_ids: Sequence[str]) -> Iterator[StoredFact]:
        """What is known of runs, one after the other, as `submit` of any store takes it."""
        for run_id in run_ids:
            with self._lock:
                self._require_open()
                facts = list(self._kept.export_run(run_id))
            yield from facts

    def awaited_runs(self) -> Iterator[str]:
        """Ids of the runs of which nothing but labels came, ascending."""
        with self._lock:
            self._require_open()
            return iter(sorted(set(self._kept.labels.run_ids).difference(self._kept.runs)))

    def export_tallies(self) -> Iterator[Tallied]:
        """The tallies as they were sent, in the order they came."""
        with self._lock:
            self._require_open()
            return iter(list(self._kept.tallies.values()))

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._is_closed = True
            self._kept = KeptFacts()

    def _require_open(self) -> None:
        if self._is_closed:
            raise StoreError("The store is closed.", hint="Open it again with open_store.")

    def _meter(self) -> Meter:
        return Meter(self._budget.opened_rows, self._budget.duration_s, self._clock)
