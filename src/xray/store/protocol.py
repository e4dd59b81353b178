"""What every store can do. One conformance suite proves each engine against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Protocol

from xray.model.baseline import Baseline
from xray.model.checked import CheckedRun
from xray.model.decisions import DecisionTable
from xray.model.facts import Receipt
from xray.model.forgetting import Forgotten, NameSearch, Progress
from xray.model.labels import Label, LabelsAsked
from xray.model.records import Decision, Page, Run, Step
from xray.model.removal import Removed
from xray.model.roster import Roster
from xray.model.run_figures import RunFigures
from xray.model.sketch import CheckSketch
from xray.model.stored_facts import StoredFact
from xray.model.tallies import MinuteTally, Tallied
from xray.query.aggregate import AggregatePlan
from xray.query.plan import Plan
from xray.store.aggregating import Counted
from xray.store.scanning import Visited


class Store(Protocol):
    """Durable runs, steps and decisions.

    All verbs may be called from any thread. Ids are canonical UUID text.
    """

    def submit(self, batch_id: str, facts: Sequence[StoredFact]) -> Future[Receipt]:
        """Store *facts*; the future is done when they are durable.

        A fact that is stored already counts as a duplicate and changes nothing. Facts may come in
        any order: a step before its run is kept and found by its id; its run appears, with what is
        known, as soon as one fact names it.

        Raises:
            StoreBusyError: too much waits to be written; nothing of this batch was taken.
        """
        ...

    def run(self, run_id: str) -> Run | None:
        """One run, or None."""
        ...

    def step(self, step_id: str) -> Step | None:
        """One step with up to 50 samples a rejection reason, or None."""
        ...

    def steps_of_run(self, run_id: str, *, is_sampled: bool = True) -> list[Step]:
        """The steps of a run by ordinal, if wanted with up to 50 samples a rejection reason."""
        ...

    def decisions_of_step(self, step_id: str) -> DecisionTable:
        """Every stored decision of a step; empty for an unknown one."""
        ...

    def roster_of_step(self, step_id: str) -> Roster | None:
        """The candidates a step decided after its census, detail or not; None without any."""
        ...

    def sketches_of_step(self, step_id: str) -> list[CheckSketch]:
        """What the checks of a step observed over all its rows, where some have no detail."""
        ...

    def runs(self, plan: Plan) -> Page[Run]:
        """Runs that meet *plan*, newest first; a long `output` is cut to 2 KB with a mark."""
        ...

    def steps(self, plan: Plan) -> Page[Step]:
        """Steps that meet *plan*, newest first, with counts by reason but without samples."""
        ...

    def decisions(self, plan: Plan) -> Page[Decision]:
        """Decisions that meet *plan*, which names a step, a run or a candidate."""
        ...

    def aggregate(self, plan: AggregatePlan) -> Counted:
        """Figures of groups of the records that meet *plan*, of the newest first."""
        ...

    def figures(self, plan: Plan) -> Page[RunFigures]:
        """The figures of the runs that meet *plan* and of their steps, newest run first."""
        ...

    def check_runs(
        self, plan: Plan, words: frozenset[str] | None, visit: Callable[[CheckedRun], None]
    ) -> Visited:
        """Show the runs that meet *plan* as far as their checks go, newest first, one by one.

        Args:
            plan: which runs; its limit does not matter.
            words: the checks that are asked for, by their names or by what they observe; None
                for all there are, of every step that rejected or checked candidates.
            visit: called with each run.
        """
        ...

    def run_ids(self, prefix: str, limit: int = 10) -> list[str]:
        """Ids of runs that begin with *prefix*, newest first; all runs for the empty prefix."""
        ...

    def tallies(
        self,
        pipeline: str | None = None,
        step_name: str | None = None,
        from_us: int = 0,
        to_us: int | None = None,
    ) -> list[MinuteTally]:
        """What is known of runs that were not kept, minute by minute, oldest first.

        Where whole runs are sampled, lists hold the runs that were kept; the others are here.

        Args:
            pipeline: the only pipeline that is wanted; all when absent.
            step_name: the only steps that are wanted; all when absent.
            from_us: minutes that begin from then on, in µs since 1970.
            to_us: minutes that begin before then; None: to the end.
        """
        ...

    def baselines(
        self,
        pipeline: str,
        step_name: str | None = None,
        from_us: int = 0,
        to_us: int | None = None,
    ) -> list[Baseline]:
        """What was usual of the steps of a pipeline, day by day, oldest first.

        Every stored step counts once, at the weight of its run. Nothing is read again for it: it
        is kept while steps arrive.

        Args:
            pipeline: the pipeline.
            step_name: the only steps that are wanted; all when absent.
            from_us: days that begin from then on, in µs since 1970.
            to_us: days that begin before then; None: to the end.
        """
        ...

    def labels(self, asked: LabelsAsked) -> list[Label]:
        """The labels that are asked for, newest first; one for each run and candidate at most.

        A label of a run that has not arrived is among them, and takes effect once it arrives.
        """
        ...

    def correlated(self, correlation_id: str, limit: int) -> list[str]:
        """Ids of the runs that have *correlation_id* in another system, newest first."""
        ...

    def export_runs(self, run_ids: Sequence[str]) -> Iterator[StoredFact]:
        """What is known of runs, one after the other, as `submit` of any store takes it.

        A run comes as its own facts, then by the ids of its steps what came of each, then its
        labels; one of which only labels came as these. Two stores that know the same of a run give
        the same, but for rosters, which one may hold in chunks and the other whole.
        """
        ...

    def awaited_runs(self) -> Iterator[str]:
        """Ids of the runs of which nothing but labels came, ascending."""
        ...

    def export_tallies(self) -> Iterator[Tallied]:
        """The tallies as they were sent, in the order they came."""
        ...

    def size_bytes(self) -> int | None:
        """What the records take on disk; None for a store without one."""
        ...

    def delete_runs(self, run_ids: Sequence[str]) -> Future[Removed]:
        """Delete runs with all that was recorded of them, and their labels.

        The future is done when that is on disk and the space can be used again. A run comes or
        goes as a whole; one that is not stored is passed over. What is usual of steps and the
        tallies stay: they count, and name no candidate. A fact that arrives later is stored again.
        """
        ...

    def claim(self, task: str) -> AbstractContextManager[bool]:
        """Be the only server of this store that does *task*, as long as the context lasts.

        Its value is False where another server is at it: then the task is not to be done.
        """
        ...

    def runs_holding(self, candidate_id: str) -> list[str]:
        """Ids of the runs that decided about a candidate, or have a label about it.

        A roster knows candidates by their hash: one in 100,000 runs with one may be among them
        that never had the candidate.
        """
        ...

    def forget_runs(
        self,
        run_ids: Sequence[str],
        pipelines: Sequence[str],
        show: Callable[[Progress], None],
    ) -> Future[Forgotten]:
        """Delete runs so that nothing stored tells what they held, and record them no more.

        The future is done when that is on disk. What they counted for in what is usual of steps is
        taken back; texts, dictionaries and indexes keep nothing that only they brought. A fact
        about one of them that arrives later is refused as `forgotten`. Without runs and
        pipelines, only what runs that are gone have left is swept up.

        Args:
            run_ids: the runs; those that are not stored are not recorded later either.
            pipelines: what was usual of their steps goes altogether, and their tallies.
            show: is told how far it is, from any thread.
        """
        ...

    def find_names(
        self,
        names: Sequence[str],
        candidate_ids: Sequence[str],
        show: Callable[[Progress], None],
    ) -> NameSearch:
        """Look for names in everything that is stored, with all that is compressed opened.

        Args:
            names: what is looked for, as a value of its own or a word of a longer text.
            candidate_ids: those of them that may be known by their hash.
            show: is told how far it is.
        """
        ...

    def owes_sweeping(self) -> bool:
        """Whether forgetting was interrupted before everything was swept up."""
        ...

    def close(self) -> None:
        """Write what waits and give everything back; the store cannot be used afterwards."""
        ...
