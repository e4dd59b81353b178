"""The SQLite store: a writer thread, a pool of readers, and the right to write the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

from xray.errors import StoreError
from xray.model.baseline import Baseline
from xray.model.checked import CheckedRun
from xray.model.clock import Clock, SystemClock
from xray.model.decisions import DecisionTable
from xray.model.facts import Fact, Receipt
from xray.model.labels import Label, LabelsAsked
from xray.model.records import Decision, Page, Run, Step
from xray.model.removal import Removed
from xray.model.roster import Roster
from xray.model.run_figures import RunFigures
from xray.model.sketch import CheckSketch
from xray.model.tallies import MinuteTally
from xray.query.aggregate import AggregatePlan
from xray.query.plan import Plan
from xray.store.aggregating import Counted
from xray.store.scanning import ScanBudget, Visited
from xray.store.sqlite.inlet import MAX_QUEUED_BYTES, MERGE_FANOUT, Inlet
from xray.store.sqlite.reader import Reader


class SqliteStore:
    """Runs, steps and decisions in one SQLite file that this process alone writes.

    Args:
        path: the database file, made when it does not exist.
        clock: tells when a run without an end counts as abandoned.
        max_queued_bytes: estimated size of the batches that may wait to be written.
        budget: where scans stop.
        merge_fanout: how many segments of the candidate index are merged into one.
        index_stats: the statistics of steps that are indexed; None leaves them as the file has
            them.

    Raises:
        StoreError: another process writes the file, it is no X-Ray database, or a later version
            made it.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        clock: Clock | None = None,
        max_queued_bytes: int = MAX_QUEUED_BYTES,
        budget: ScanBudget | None = None,
        merge_fanout: int = MERGE_FANOUT,
        index_stats: Sequence[str] | None = None,
    ) -> None:
        self._is_closed = False
        self._inlet = Inlet(
            path,
            max_queued_bytes=max_queued_bytes,
            merge_fanout=merge_fanout,
            index_stats=index_stats,
        )
        self._reader = Reader(
            Path(path), self._inlet.decompressor, clock or SystemClock(), budget or ScanBudget()
        )

    def submit(self, batch_id: str, facts: Sequence[Fact]) -> Future[Receipt]:
        """Store *facts*; the future is done when the commit that holds them is on disk.

        Raises:
            StoreBusyError: too much waits to be written; nothing of this batch was taken.
        """
        return self._inlet.submit(batch_id, facts)

    def run(self, run_id: str) -> Run | None:
        """One run, or None."""
        with self._open_reader().snapshot() as snapshot:
            return snapshot.run(run_id)

    def step(self, step_id: str) -> Step | None:
        """One step with up to 50 samples a rejection reason, or None."""
        with self._open_reader().snapshot() as snapshot:
            return snapshot.step(step_id)

    def steps_of_run(self, run_id: str, *, is_sampled: bool = True) -> list[Step]:
        """The steps of a run by ordinal, if wanted with up to 50 samples a rejection reason."""
        with self._open_reader().snapshot() as snapshot:
            return snapshot.steps_of_run(run_id, is_sampled=is_sampled)

    def decisions_of_step(self, step_id: str) -> DecisionTable:
        """Every stored decision of a step; empty for an unknown one."""
        with self._open_reader().snapshot() as snapshot:
            return snapshot.decisions_of_step(step_id)

    def roster_of_step(self, step_id: str) -> Roster | None:
        """The candidates a step decided after its census, detail or not; None without any."""
        with self._open_reader().snapshot() as snapshot:
            return snapshot.roster_of_step(step_id)

    def sketches_of_step(self, step_id: str) -> list[CheckSketch]:
        """What the checks of a step observed over all its rows, where some have no detail."""
        with self._open_reader().snapshot() as snapshot:
            return snapshot.sketches_of_step(step_id)

    def runs(self, plan: Plan) -> Page[Run]:
        """Runs that meet *plan*, newest first; a long `output` is cut to 2 KB with a mark."""
        with self._open_reader().snapshot() as snapshot:
            return snapshot.runs(plan)

    def steps(self, plan: Plan) -> Page[Step]:
        """Steps that meet *plan*, newest first, with counts by reason but without samples."""
        with self._open_reader().snapshot() as snapshot:
            return snapshot.steps(plan)

    def decisions(self, plan: Plan) -> Page[Decision]:
        """Decisions that meet *plan*, which names a step, a run or a candidate."""
        with self._open_reader().snapshot() as snapshot:
            return snapshot.decisions(plan)

    def aggregate(self, plan: AggregatePlan) -> Counted:
        """Figures of groups of the records that meet *plan*, of the newest first."""
        with self._open_reader().snapshot() as snapshot:
            return snapshot.aggregate(plan)

    def figures(self, plan: Plan) -> Page[RunFigures]:
        """The figures of the runs that meet *plan* and of their steps, newest run first."""
        with self._open_reader().snapshot() as snapshot:
            return snapshot.figures(plan)

    def check_runs(
        self, plan: Plan, words: frozenset[str] | None, visit: Callable[[CheckedRun], None]
    ) -> Visited:
        """Show the runs that meet *plan* as far as their checks go, newest first, one by one."""
        with self._open_reader().snapshot() as snapshot:
            return snapshot.check_runs(plan, words, visit)

    def run_ids(self, prefix: str, limit: int = 10) -> list[str]:
        """Ids of runs that begin with *prefix*, newest first; all runs for the empty prefix."""
        with self._open_reader().snapshot() as snapshot:
            return snapshot.run_ids(prefix, limit)

    def tallies(
        self,
        pipeline: str | None = None,
        step_name: str | None = None,
        from_us: int = 0,
        to_us: int | None = None,
    ) -> list[MinuteTally]:
        """What is known of runs that were not kept, minute by minute, oldest first."""
        with self._open_reader().snapshot() as snapshot:
            return snapshot.tallies(pipeline, step_name, from_us, to_us)

    def baselines(
        self,
        pipeline: str,
        step_name: str | None = None,
        from_us: int = 0,
        to_us: int | None = None,
    ) -> list[Baseline]:
        """What was usual of the steps of a pipeline, day by day, oldest first."""
        with self._open_reader().snapshot() as snapshot:
            return snapshot.baselines(pipeline, step_name, from_us, to_us)

    def labels(self, asked: LabelsAsked) -> list[Label]:
        """The labels that are asked for, newest first."""
        with self._open_reader().snapshot() as snapshot:
            return snapshot.labels(asked)

    def correlated(self, correlation_id: str, limit: int) -> list[str]:
        """Ids of the runs that have *correlation_id* in another system, newest first."""
        with self._open_reader().snapshot() as snapshot:
            return snapshot.correlated(correlation_id, limit)

    def size_bytes(self) -> int | None:
        """What the records take on disk."""
        with self._open_reader().snapshot() as snapshot:
            return snapshot.size_bytes()

    def delete_runs(self, run_ids: Sequence[str]) -> Future[Removed]:
        """Delete runs with all that was recorded of them; the future is done when that is on disk.

        Raises:
            StoreError: the store is closed.
        """
        return self._inlet.delete_runs(run_ids)

    def close(self) -> None:
        """Commit what waits and give the file back; the store cannot be used afterwards."""
        if self._is_closed:
            return
        self._is_closed = True
        self._reader.close()
        self._inlet.close()

    def _open_reader(self) -> Reader:
        if self._is_closed:
            raise StoreError("The store is closed.", hint="Open it again with open_store.")
        return self._reader
