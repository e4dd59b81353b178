"""Every question a store answers, each from one moment of its database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

from xray.model.baseline import Baseline
from xray.model.checked import CheckedRun
from xray.model.decisions import DecisionTable
from xray.model.forgetting import NameSearch, Progress
from xray.model.labels import Label, LabelsAsked
from xray.model.records import Decision, Page, Run, Step
from xray.model.roster import Roster
from xray.model.run_figures import RunFigures
from xray.model.sketch import CheckSketch
from xray.model.stored_facts import StoredFact
from xray.model.tallies import MinuteTally, Tallied
from xray.query.aggregate import AggregatePlan
from xray.query.plan import Plan
from xray.store.aggregating import Counted
from xray.store.names import Names
from xray.store.scanning import Visited
from xray.store.sql.snapshot import Snapshot


class Answers:
    """The verbs of a store that ask and do not write."""

    def _snapshot(self) -> AbstractContextManager[Snapshot]:
        """A view of one moment of the database, as long as the context lasts."""
        raise NotImplementedError

    def size_bytes(self) -> int | None:
        """What the records take on disk."""
        with self._snapshot() as snapshot:
            return snapshot.size_bytes()

    def run(self, run_id: str) -> Run | None:
        """One run, or None."""
        with self._snapshot() as snapshot:
            return snapshot.run(run_id)

    def step(self, step_id: str) -> Step | None:
        """One step with up to 50 samples a rejection reason, or None."""
        with self._snapshot() as snapshot:
            return snapshot.step(step_id)

    def steps_of_run(self, run_id: str, *, is_sampled: bool = True) -> list[Step]:
        """The steps of a run by ordinal, if wanted with up to 50 samples a rejection reason."""
        with self._snapshot() as snapshot:
            return snapshot.steps_of_run(run_id, is_sampled=is_sampled)

    def decisions_of_step(self, step_id: str) -> DecisionTable:
        """Every stored decision of a step; empty for an unknown one."""
        with self._snapshot() as snapshot:
            return snapshot.decisions_of_step(step_id)

    def roster_of_step(self, step_id: str) -> Roster | None:
        """The candidates a step decided after its census, detail or not; None without any."""
        with self._snapshot() as snapshot:
            return snapshot.roster_of_step(step_id)

    def sketches_of_step(self, step_id: str) -> list[CheckSketch]:
        """What the checks of a step observed over all its rows, where some have no detail."""
        with self._snapshot() as snapshot:
            return snapshot.sketches_of_step(step_id)

    def runs(self, plan: Plan) -> Page[Run]:
        """Runs that meet *plan*, newest first; a long `output` is cut to 2 KB with a mark."""
        with self._snapshot() as snapshot:
            return snapshot.runs(plan)

    def steps(self, plan: Plan) -> Page[Step]:
        """Steps that meet *plan*, newest first, with counts by reason but without samples."""
        with self._snapshot() as snapshot:
            return snapshot.steps(plan)

    def decisions(self, plan: Plan) -> Page[Decision]:
        """Decisions that meet *plan*, which names a step, a run or a candidate."""
        with self._snapshot() as snapshot:
            return snapshot.decisions(plan)

    def aggregate(self, plan: AggregatePlan) -> Counted:
        """Figures of groups of the records that meet *plan*, of the newest first."""
        with self._snapshot() as snapshot:
            return snapshot.aggregate(plan)

    def figures(self, plan: Plan) -> Page[RunFigures]:
        """The figures of the runs that meet *plan* and of their steps, newest run first."""
        with self._snapshot() as snapshot:
            return snapshot.figures(plan)

    def check_runs(
        self, plan: Plan, words: frozenset[str] | None, visit: Callable[[CheckedRun], None]
    ) -> Visited:
        """Show the runs that meet *plan* as far as their checks go, newest first, one by one."""
        with self._snapshot() as snapshot:
            return snapshot.check_runs(plan, words, visit)

    def run_ids(self, prefix: str, limit: int = 10) -> list[str]:
        """Ids of runs that begin with *prefix*, newest first; all runs for the empty prefix."""
        with self._snapshot() as snapshot:
            return snapshot.run_ids(prefix, limit)

    def tallies(
        self,
        pipeline: str | None = None,
        step_name: str | None = None,
        from_us: int = 0,
        to_us: int | None = None,
    ) -> list[MinuteTally]:
        """What is known of runs that were not kept, minute by minute, oldest first."""
        with self._snapshot() as snapshot:
            return snapshot.tallies(pipeline, step_name, from_us, to_us)

    def baselines(
        self,
        pipeline: str,
        step_name: str | None = None,
        from_us: int = 0,
        to_us: int | None = None,
    ) -> list[Baseline]:
        """What was usual of the steps of a pipeline, day by day, oldest first."""
        with self._snapshot() as snapshot:
            return snapshot.baselines(pipeline, step_name, from_us, to_us)

    def labels(self, asked: LabelsAsked) -> list[Label]:
        """The labels that are asked for, newest first."""
        with self._snapshot() as snapshot:
            return snapshot.labels(asked)

    def export_runs(self, run_ids: Sequence[str]) -> Iterator[StoredFact]:
        """What is known of runs, one after the other, as `submit` of any store takes it."""
        with self._snapshot() as snapshot:
            yield from snapshot.export_runs(run_ids)

    def awaited_runs(self) -> Iterator[str]:
        """Ids of the runs of which nothing but labels came, ascending."""
        with self._snapshot() as snapshot:
            yield from snapshot.awaited_runs()

    def export_tallies(self) -> Iterator[Tallied]:
        """The tallies as they were sent, in the order they came."""
        with self._snapshot() as snapshot:
            yield from snapshot.export_tallies()

    def correlated(self, correlation_id: str, limit: int) -> list[str]:
        """Ids of the runs that have *correlation_id* in another system, newest first."""
        with self._snapshot() as snapshot:
            return snapshot.correlated(correlation_id, limit)

    def runs_holding(self, candidate_id: str) -> list[str]:
        """Ids of the runs that decided about a candidate, or have a label about it."""
        with self._snapshot() as snapshot:
            return snapshot.runs_holding(candidate_id)

    def find_names(
        self,
        names: Sequence[str],
        candidate_ids: Sequence[str],
        show: Callable[[Progress], None],
    ) -> NameSearch:
        """Look for names in everything that is stored."""
        found = Names(names)
        with self._snapshot() as snapshot:
            snapshot.find_names(found, candidate_ids, show)
        self._search_bytes(found)
        return found.conclude()

    def _search_bytes(self, names: Names) -> None:
        """Look for names in what is stored and is no record, where that can be read."""

    def owes_sweeping(self) -> bool:
        """Whether forgetting was interrupted before everything was swept up."""
        with self._snapshot() as snapshot:
            return snapshot.owes_sweeping()
