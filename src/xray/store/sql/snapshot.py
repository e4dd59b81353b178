"""Questions to one moment of the database: pages of runs, steps and decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from sqlalchemy import (
    Connection,
)

from xray.model.baseline import Baseline
from xray.model.checked import CheckedRun
from xray.model.clock import Clock, from_wall_us
from xray.model.decisions import DecisionTable, ListedDecisions
from xray.model.forgetting import Progress
from xray.model.labels import Label, LabelsAsked
from xray.model.records import Decision, Page, Run, Step
from xray.model.roster import Roster
from xray.model.run_figures import RunFigures
from xray.model.sketch import CheckSketch
from xray.model.stored_facts import StoredFact
from xray.model.tallies import MinuteTally, Tallied, merge_minutes
from xray.query.aggregate import AggregatePlan
from xray.query.evaluate import Record, meets, scopes_named
from xray.query.plan import Condition, Plan, Scope
from xray.query.tallied import count_tallies, find_range, is_covered
from xray.store.aggregating import MAX_TALLIES, Counted, count_decisions, find_span_us
from xray.store.bodies import decode_step, unpack
from xray.store.folding import sample_rejections, shorten_output
from xray.store.frames import Decompressor
from xray.store.names import Names
from xray.store.paging import (
    page_decisions,
)
from xray.store.scanning import ROWS_A_RECORD, Meter, ScanBudget, Visited
from xray.store.sql.baselines import load_baselines
from xray.store.sql.checked import CheckReader
from xray.store.sql.decision_search import DecisionSearch
from xray.store.sql.driver import Driver
from xray.store.sql.exporting import Exporter
from xray.store.sql.forgotten import owes_sweeping
from xray.store.sql.grouping import Grouping
from xray.store.sql.labels import (
    find_correlated,
    list_awaited,
    load_labels,
)
from xray.store.sql.listing import Listing
from xray.store.sql.records import Records
from xray.store.sql.rows import id_text, raw_id
from xray.store.sql.run_figures import load_figures
from xray.store.sql.searching import Searching, find_holders
from xray.store.sql.spelling import Spelling
from xray.store.sql.step_tables import StepTables
from xray.store.sql.tallies import (
    are_at_most,
    export_tallies,
    load_tallies,
    number_tallied,
)

_MAX_KEPT_RUNS: Final = 1_000


class Snapshot:
    """One moment of the database.

    Args:
        connection: a connection within a transaction.
        driver: the same, as its driver has it.
        spelling: how its engine spells SQL.
        decompressor: opens blocks and bodies.
        clock: tells when a run without an end counts as abandoned.
        budget: where scans stop.
    """

    def __init__(
        self,
        connection: Connection,
        driver: Driver,
        spelling: Spelling,
        decompressor: Decompressor,
        clock: Clock,
        budget: ScanBudget,
    ) -> None:
        self._connection = connection
        self._driver = driver
        self._spelling = spelling
        self._decompressor = decompressor
        self._clock = clock
        self._budget = budget
        self._runs: dict[str, Run | None] = {}
        self._records = Records(driver, decompressor)
        self._tables = StepTables(driver, decompressor)
        self._listing = Listing(connection, driver, spelling, budget, clock, self._meets)
        self._search = DecisionSearch(
            driver, spelling, self._listing, self._records, self._tables, self.run, clock, budget
        )

    def size_bytes(self) -> int:
        """What the records take on disk."""
        return self._spelling.measure_bytes(self._driver)

    def run(self, run_id: str) -> Run | None:
        """One run, or None."""
        raw = raw_id(run_id)
        found = self._driver.execute("select seq from runs where run_id = ?", (raw,)).fetchone()
        return None if found is None else self._records.runs([found[0]], self._now_us())[0]

    def step(self, step_id: str) -> Step | None:
        """One step with samples of its rejections, or None."""
        seq = self._tables.number(step_id)
        return None if seq is None else self._sampled(seq)

    def steps_of_run(self, run_id: str, *, is_sampled: bool) -> list[Step]:
        """The steps of a run by ordinal, if wanted with samples of their rejections."""
        found = self._driver.execute(
            "select seq from steps where run = (select seq from runs where run_id = ?)"
            " order by ordinal, started_at, step_id",
            (raw_id(run_id),),
        )
        seqs = [seq for (seq,) in found]
        return list(map(self._sampled, seqs)) if is_sampled else self._records.steps(seqs)

    def decisions_of_step(self, step_id: str) -> DecisionTable:
        """Every stored decision of a step; empty for an unknown one."""
        found = self._tables.find_keys("steps.step_id = ?", [raw_id(step_id)])
        tables = (self._tables.open(seq, step_id, key.run_id) for seq, key in found.items())
        return next(tables, ListedDecisions(step_id, []))

    def roster_of_step(self, step_id: str) -> Roster | None:
        """The candidates a step decided after its census; None without any."""
        found = self._tables.find_keys("steps.step_id = ?", [raw_id(step_id)])
        return next((self._tables.open_roster(seq, key, None) for seq, key in found.items()), None)

    def sketches_of_step(self, step_id: str) -> list[CheckSketch]:
        """What the checks of a step observed over all its rows, where some have no detail."""
        found = self._driver.execute(
            "select data from step_bodies join steps using (seq) where step_id = ?",
            (raw_id(step_id),),
        ).fetchone()
        if found is None:
            return []
        return decode_step(unpack(found[0], self._decompressor)).fact.sketches

    def runs(self, plan: Plan) -> Page[Run]:
        """Runs that meet *plan*, newest first."""
        now_us = plan.now_us or self._now_us()

        def open_runs(seqs: Sequence[int]) -> list[Run]:
            return self._records.runs(seqs, now_us)

        page = self._listing.page(plan, now_us, open_runs)
        shown = [shorten_output(run) for run in page.items]
        return Page(
            items=shown,
            next_cursor=page.next_cursor,
            total=page.total,
            total_is_exact=page.total_is_exact,
            complete=page.complete,
            scan=page.scan,
        )

    def steps(self, plan: Plan) -> Page[Step]:
        """Steps that meet *plan*, newest first, without samples."""
        return self._listing.page(plan, plan.now_us or self._now_us(), self._records.steps)

    def decisions(self, plan: Plan) -> Page[Decision]:
        """Decisions that meet *plan*."""
        return page_decisions(plan, self._search.find(plan))

    def aggregate(self, plan: AggregatePlan) -> Counted:
        """Figures of groups of the records that meet *plan*."""
        if plan.shape.scope == "decision":
            return count_decisions(plan, self._search.find(plan.rows))
        now_us = plan.rows.now_us or self._now_us()
        grouping = Grouping(self._connection, self._listing, self._budget, self._clock)
        tallied = self._tallied_pipelines(plan)
        counted = grouping.count(plan, now_us, self._open_with_run, tallied)
        if tallied:
            span_us = find_span_us(plan, counted.end)
            pipeline = find_range(plan).pipeline
            facts = load_tallies(self._driver, self._decompressor, pipeline, *span_us)
            count_tallies(plan, now_us, counted.groups, facts)
        return counted

    def figures(self, plan: Plan) -> Page[RunFigures]:
        """The figures of the runs that meet *plan* and of their steps, newest run first."""
        now_us = plan.now_us or self._now_us()
        is_opened = self._listing.compile("run", plan.where, now_us).rest is not None
        found: dict[str, int] = {}

        def open_runs(seqs: Sequence[int]) -> list[Run]:
            runs = self._records.runs(seqs, now_us) if is_opened else _number_runs(seqs)
            found.update((run.run_id, seq) for run, seq in zip(runs, seqs, strict=True))
            return runs

        page = self._listing.page(plan, now_us, open_runs)
        seqs = [found[run.run_id] for run in page.items]
        return Page(
            items=load_figures(self._driver, seqs, self._decompressor, now_us),
            next_cursor=page.next_cursor,
            total=page.total,
            total_is_exact=page.total_is_exact,
            complete=page.complete,
            scan=page.scan,
        )

    def check_runs(
        self, plan: Plan, words: frozenset[str] | None, visit: Callable[[CheckedRun], None]
    ) -> Visited:
        """Show the runs that meet *plan* as far as their checks go, newest first, one by one."""
        now_us = plan.now_us or self._now_us()
        meter = Meter(self._budget.opened_rows, self._budget.duration_s, self._clock)
        reader = CheckReader(
            self._driver,
            self._spelling,
            self._decompressor,
            lambda seq: self._records.steps([seq])[0],
            words,
        )

        def open_runs(seqs: Sequence[int]) -> list[Run]:
            return self._records.runs(seqs, now_us)

        end = plan.after
        for rows, end in self._listing.walk_runs(plan, now_us, open_runs):
            for row, run in zip(rows, reader.read([row.seq for row in rows]), strict=True):
                visit(run)
                meter.spend(1 + run.row_count // ROWS_A_RECORD)
                if not meter.left and row is not rows[-1]:
                    return Visited(row.position, meter.report(row.position.sort_us))
            if end is None or not meter.left:
                break
        return Visited(end, meter.report(None if end is None else end.sort_us))

    def _tallied_pipelines(self, plan: AggregatePlan) -> dict[int, str]:
        """The pipelines whose runs are counted from tallies where they were not kept."""
        if not is_covered(plan):
            return {}
        asked = find_range(plan)
        is_bounded = are_at_most(
            self._driver, MAX_TALLIES, asked.pipeline, asked.from_us, asked.to_us
        )
        return number_tallied(self._driver) if is_bounded else {}

    def _open_with_run(
        self, scope: Scope, seqs: Sequence[int], rest: Condition, now_us: int
    ) -> list[tuple[Run | Step, Run | None]]:
        """The records that meet *rest*, each with its run."""
        records: Sequence[Run | Step]
        records = self._records.runs(seqs, now_us) if scope == "run" else self._records.steps(seqs)
        return [
            (record, record if isinstance(record, Run) else self._run_of(record))
            for record in records
            if self._meets(rest, record, now_us)
        ]

    def tallies(
        self, pipeline: str | None, step_name: str | None, from_us: int, to_us: int | None
    ) -> list[MinuteTally]:
        """What is known of runs that were not kept, minute by minute, oldest first."""
        wanted = load_tallies(self._driver, self._decompressor, pipeline, from_us, to_us)
        return merge_minutes(wanted, step_name)

    def baselines(
        self, pipeline: str, step_name: str | None, from_us: int, to_us: int | None
    ) -> list[Baseline]:
        """What was usual of the steps of a pipeline, day by day, oldest first."""
        return load_baselines(self._driver, pipeline, step_name, from_us, to_us)

    def labels(self, asked: LabelsAsked) -> list[Label]:
        """The labels that are asked for, newest first."""
        return load_labels(self._driver, asked)

    def correlated(self, correlation_id: str, limit: int) -> list[str]:
        """Ids of the runs that have *correlation_id* in another system, newest first."""
        return find_correlated(self._driver, correlation_id, limit)

    def runs_holding(self, candidate_id: str) -> list[str]:
        """Ids of the runs that decided about a candidate, or have a label about it."""
        return find_holders(self._driver, self._decompressor, candidate_id)[0]

    def find_names(
        self, names: Names, candidate_ids: Sequence[str], show: Callable[[Progress], None]
    ) -> None:
        """Look for names in every row."""
        Searching(self._driver, self._decompressor, names, show).run(candidate_ids)

    def owes_sweeping(self) -> bool:
        """Whether forgetting was interrupted before everything was swept up."""
        return owes_sweeping(self._driver)

    def export_runs(self, run_ids: Sequence[str]) -> Iterator[StoredFact]:
        """What is known of runs, one after the other, as `submit` of any store takes it."""
        exporter = Exporter(self._driver, self._decompressor)
        return chain.from_iterable(map(exporter.export_run, run_ids))

    def awaited_runs(self) -> Iterator[str]:
        """Ids of the runs of which nothing but labels came, ascending."""
        return list_awaited(self._driver)

    def export_tallies(self) -> Iterator[Tallied]:
        """The tallies as they were sent, in the order they came."""
        return export_tallies(self._driver, self._decompressor)

    def run_ids(self, prefix: str, limit: int) -> list[str]:
        """Ids of runs that begin with *prefix*, newest first."""
        hexed = prefix.lower().replace("-", "")
        if len(hexed) > 32 or any(letter not in "0123456789abcdef" for letter in hexed):
            return []
        first = bytes.fromhex(hexed.ljust(32, "0"))
        last = bytes.fromhex(hexed.ljust(32, "f"))
        if not id_text(first).startswith(prefix.lower()):
            return []
        found = self._driver.execute(
            "select run_id from runs where run_id between ? and ?"
            " order by started_at desc, run_id desc limit ?"
            if hexed
            else "select run_id from runs order by started_at desc, run_id desc limit ?",
            (first, last, limit) if hexed else (limit,),
        )
        return [id_text(raw) for (raw,) in found]

    def _now_us(self) -> int:
        return self._clock.wall_us()

    def _sampled(self, seq: int) -> Step:
        step = self._records.steps([seq])[0]
        if not step.rejections:
            return step
        table = self._tables.open(seq, step.step_id, step.run_id)
        return sample_rejections(step, table, has_logged=any(table.logged))

    def _meets(self, rest: Condition, record: Run | Step, now_us: int) -> bool:
        run: Run | None = None
        if isinstance(record, Run):
            run = record
        elif "run" in scopes_named(rest):
            run = self._run_of(record)
        return meets(
            rest, record, run, now_us, rows_below=self._rows_below, rows_about=self._rows_about
        )

    def _run_of(self, step: Step) -> Run | None:
        if step.run_id not in self._runs:
            if len(self._runs) >= _MAX_KEPT_RUNS:
                self._runs.clear()
            self._runs[step.run_id] = self.run(step.run_id)
        return self._runs[step.run_id]

    def _rows_below(self, scope: Scope, above: Record) -> Iterable[Record]:
        if isinstance(above, Run) and scope == "step":
            return self._records.steps(
                list(self._tables.find_keys("runs.run_id = ?", [raw_id(above.run_id)]))
            )
        if not isinstance(above, Step) or scope != "decision":
            return ()
        seq = self._tables.number(above.step_id)
        return () if seq is None else self._tables.open(seq, above.step_id, above.run_id)

    def _rows_about(self, step: Step, candidate_id: str) -> Iterable[Decision]:
        seq = self._tables.number(step.step_id)
        if seq is None or seq not in self._tables.find_deciding(candidate_id):
            return ()
        return self._tables.open_about(candidate_id, seq, step.step_id, step.run_id)


def _number_runs(seqs: Sequence[int]) -> list[Run]:
    """Runs of which no more will be asked than which they are."""
    start = from_wall_us(0)
    return [Run(run_id=str(seq), pipeline="", status="completed", started_at=start) for seq in seqs]
