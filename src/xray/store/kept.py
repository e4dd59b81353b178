"""What the store in memory keeps: facts as they came, opened when they are asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from xray.model.baseline import recall_figures
from xray.model.clock import to_wall_us
from xray.model.compact_entries import CompactEntries
from xray.model.counts import resolve_rows
from xray.model.facts import DecisionRow, StepFinished, StepRoster, StepRows
from xray.model.forgetting import refuse_forgotten
from xray.model.holdings import Holding, name_entries
from xray.model.labels import Labelled
from xray.model.records import Decision, Run, Step, displayed_status
from xray.model.removal import Removed
from xray.model.roster import Roster
from xray.model.stored_facts import HashedRoster, PackedRoster, StoredFact
from xray.model.tallies import Tallied
from xray.model.universe import Universe
from xray.query.evaluate import Record
from xray.query.plan import Position, Scope
from xray.store.baselines import BaselineBook, key_step
from xray.store.folding import RunFold, check_roster_chunk, join_chunks, open_decisions, open_step
from xray.store.labels import LabelBook, order_label
from xray.store.names import Names
from xray.store.paging import StepKey

_encode: Final = msgspec.msgpack.Encoder().encode


class KeptFacts:
    """Facts by what they are about; runs, steps and decisions are made of them.

    Whoever uses it sees to it that only one thread does at a time.

    Attributes:
        runs: the facts of each run, as far as they say how it went.
        steps: the fact of each finished step.
        step_ids: the finished steps of each run, as they came.
        tallies: what is known of runs that were not kept.
        baselines: what is usual of the steps.
        labels: what was said of runs and candidates.
    """

    def __init__(self) -> None:
        self.runs: dict[str, RunFold] = {}
        self.steps: dict[str, StepFinished] = {}
        self.step_ids: dict[str, list[str]] = {}
        self.tallies: dict[str, Tallied] = {}
        self.baselines = BaselineBook()
        self.labels = LabelBook()
        self._forgotten: set[str] = set()
        self._early: dict[str, str] = {}
        self._chunks: dict[str, dict[int, list[DecisionRow]]] = {}
        self._rosters: dict[str, dict[int, StepRoster | HashedRoster]] = {}
        self._packed: dict[str, PackedRoster] = {}
        self._opened: dict[str, Step] = {}
        self._opened_runs: dict[str, Run] = {}

    def add(self, fact: StoredFact) -> bool:
        """Keep *fact*; whether it is news.

        Raises:
            InvalidRecordError: it contradicts what is kept.
        """
        if isinstance(fact, Tallied):
            is_new = fact.tally_id not in self.tallies
            self.tallies.setdefault(fact.tally_id, fact)
            return is_new
        if fact.run_id in self._forgotten:
            raise refuse_forgotten(fact.run_id)
        if isinstance(fact, Labelled):
            return self.labels.add(fact)
        if isinstance(fact, (StepRoster, HashedRoster)):
            return self._add_roster(fact)
        if isinstance(fact, PackedRoster):
            return self._add_packed(fact)
        run = self.runs.setdefault(fact.run_id, RunFold())
        self._opened_runs.pop(fact.run_id, None)
        if isinstance(fact, StepFinished):
            if fact.step_id in self.steps:
                return False
            self.steps[fact.step_id] = fact
            self._early.pop(fact.step_id, None)
            self.step_ids.setdefault(fact.run_id, []).append(fact.step_id)
            run.add_step(fact)
            self._count_usual([fact.step_id])
            return True
        if isinstance(fact, StepRows):
            self._expect(fact)
            chunks = self._chunks.setdefault(fact.step_id, {})
            if fact.chunk in chunks:
                return False
            chunks[fact.chunk] = fact.rows
            self._opened.pop(fact.step_id, None)
            self._count_usual([fact.step_id])
            return True
        weight = run.weight
        is_news = run.add(fact)
        if run.weight != weight:
            self._count_usual(self.step_ids.get(fact.run_id, ()))
        return is_news

    def _count_usual(self, step_ids: Iterable[str]) -> None:
        for step_id in step_ids:
            fact = self.steps.get(step_id)
            if fact is not None:
                step = self.step(step_id)
                key, weight = key_step(step, fact.started_at_us), self.runs[fact.run_id].weight
                figures = recall_figures(step)
                self.baselines.count(step_id, fact.run_id, key, figures, weight)

    def _expect(self, fact: StepRows | StepRoster | HashedRoster | PackedRoster) -> None:
        """Remember whose step it is that decisions came of before itself."""
        if fact.step_id not in self.steps:
            self._early.setdefault(fact.step_id, fact.run_id)

    def _add_roster(self, fact: StepRoster | HashedRoster) -> bool:
        self.runs.setdefault(fact.run_id, RunFold())
        packed = self._packed.get(fact.step_id)
        chunks = self._rosters.get(fact.step_id, {})
        total, held = _measure(chunks.values()) or (fact.total, 0)
        if packed is not None:
            total = held = packed.total
        if fact.chunk in chunks or (packed is not None and packed.has_chunk(fact.chunk)):
            return False
        check_roster_chunk(fact, total, held)
        self._expect(fact)
        self._opened.pop(fact.step_id, None)
        self._rosters[fact.step_id] = {**chunks, fact.chunk: fact}
        return True

    def _add_packed(self, fact: PackedRoster) -> bool:
        self.runs.setdefault(fact.run_id, RunFold())
        total, held = _measure(self._rosters.get(fact.step_id, {}).values()) or (fact.total, -1)
        if fact.step_id in self._packed or held == total:
            return False
        self._rosters.pop(fact.step_id, None)
        self._expect(fact)
        self._opened.pop(fact.step_id, None)
        self._packed[fact.step_id] = fact
        return True

    def delete_run(self, run_id: str) -> Removed:
        """Forget what was recorded of a run, and what was said of it."""
        self.labels.forget(run_id)
        if self.runs.pop(run_id, None) is None:
            return Removed()
        self._opened_runs.pop(run_id, None)
        step_ids = self.step_ids.pop(run_id, [])
        early = [step_id for step_id, of_run in self._early.items() if of_run == run_id]
        of_steps: tuple[dict[str, Any], ...] = (
            self.steps, self._early, self._chunks, self._rosters, self._packed, self._opened,
        )  # fmt: skip
        for step_id in (*step_ids, *early):
            for of_step in of_steps:
                of_step.pop(step_id, None)
        self.baselines.release(run_id, step_ids)
        return Removed(1, len(step_ids))

    def forget_run(self, run_id: str) -> Removed:
        """Forget a run and what it counted for, and keep nothing of it any more."""
        self._forgotten.add(run_id)
        self.baselines.take_back(run_id, self.step_ids.get(run_id, ()))
        return self.delete_run(run_id)

    def forget_pipeline(self, pipeline: str) -> None:
        """Forget what is known of a pipeline beside its runs."""
        self.baselines.drop(pipeline)
        self.tallies = {
            tally_id: fact for tally_id, fact in self.tallies.items() if fact.pipeline != pipeline
        }

    def runs_holding(self, candidate_id: str) -> list[str]:
        """The runs that decided about a candidate, or have a label about it."""
        found = {fact.run_id for fact in self.labels.facts() if fact.candidate_id == candidate_id}
        for step_id, run_id in (
            *((step_id, fact.run_id) for step_id, fact in self.steps.items()),
            *self._early.items(),
        ):
            is_named = candidate_id in self._candidates_of(step_id)
            if run_id in self.runs and (is_named or self._is_hashed(step_id, candidate_id)):
                found.add(run_id)
        return sorted(found)

    def _candidates_of(self, step_id: str) -> set[str]:
        fact = self.steps.get(step_id)
        rows = [row for rows in self._chunks.get(step_id, {}).values() for row in rows]
        if fact is not None:
            rows += [*fact.rows, *fact.logged]
            rows += [row for drawn in fact.reservoirs for row in drawn.rows]
        named = {row.candidate_id for row in rows}
        for chunk in self._rosters.get(step_id, {}).values():
            if isinstance(chunk, StepRoster):
                named.update(name for group in chunk.all_groups() for name in group.ids)
        return named

    def _is_hashed(self, step_id: str, candidate_id: str) -> bool:
        """Whether a roster that came from another store may hold the candidate."""
        holdings = self._hashed_holdings(step_id)
        return any(holding.find(candidate_id) for holding in holdings)

    def _hashed_holdings(self, step_id: str) -> list[Holding]:
        packed = self._packed.get(step_id)
        if packed is not None:
            universe = Universe(packed.total)
            return [CompactEntries(packed.fates, universe, packed.parts, packed.total)]
        chunks = self._rosters.get(step_id, {}).values()
        return [chunk.open() for chunk in chunks if isinstance(chunk, HashedRoster)]

    def show_documents(self, names: Names) -> None:
        """Let *names* look at everything that is kept."""
        for run_id, fold in self.runs.items():
            for part in (fold.started, fold.finished, fold.patch, fold.first_step):
                names.see_document(_encode(part), "a run", partial(str, run_id))
        for step in self.steps.values():
            names.see_document(_encode(step), "a step", partial(str, step.run_id))
        for chunks in self._rosters.values():
            for chunk in chunks.values():
                names.see_document(_encode(chunk), "a roster", partial(str, chunk.run_id))
        for packed in self._packed.values():
            names.see_document(_encode(packed), "a roster", partial(str, packed.run_id))
        for label in self.labels.facts():
            names.see_document(_encode(label), "a label", partial(str, label.run_id))
        for step_id, parts in self._chunks.items():
            owner = self.steps[step_id].run_id if step_id in self.steps else self._early[step_id]
            for rows in parts.values():
                names.see_document(_encode(rows), "decisions of a step", partial(str, owner))
        for tally in self.tallies.values():
            names.see_document(_encode(tally), "a tally of runs that were not kept", _nobody)
        for key, usual in self.baselines.items():
            names.see_document(_encode((key, usual)), "what is usual of steps", _nobody)

    def export_run(self, run_id: str) -> Iterator[StoredFact]:
        """What is known of a run, as another store takes it."""
        fold = self.runs.get(run_id)
        if fold is not None:
            yield from fold.facts(run_id)
            early = (step_id for step_id, of_run in self._early.items() if of_run == run_id)
            for step_id in sorted((*self.step_ids.get(run_id, ()), *early)):
                yield from self._export_step(run_id, step_id)
        yield from sorted(self.labels.facts_of(run_id), key=order_label)

    def _export_step(self, run_id: str, step_id: str) -> Iterator[StoredFact]:
        for chunk, rows in sorted(self._chunks.get(step_id, {}).items()):
            yield StepRows(run_id=run_id, step_id=step_id, chunk=chunk, rows=rows)
        rosters = self._rosters.get(step_id, {})
        for _, roster in sorted(rosters.items()):
            held = HashedRoster.of(roster) if isinstance(roster, StepRoster) else roster
            yield replace(held, run_id=run_id)
        if step_id in self._packed:
            yield replace(self._packed[step_id], run_id=run_id)
        if step_id in self.steps:
            yield self.steps[step_id]

    def run_ends(self) -> list[Position]:
        """Every run by its age, newest first."""
        ends = (Position(fold.started_at_us(run_id), run_id) for run_id, fold in self.runs.items())
        return sorted(ends, key=by_age, reverse=True)

    def step_ends(self) -> list[Position]:
        """Every step by its age, newest first."""
        ends = (Position(fact.started_at_us, fact.step_id) for fact in self.steps.values())
        return sorted(ends, key=by_age, reverse=True)

    def correlated(self, correlation_id: str) -> list[str]:
        """The runs that have *correlation_id* in another system, newest first."""
        return [
            end.record_id
            for end in self.run_ends()
            if correlation_id in self.runs[end.record_id].correlation.values()
        ]

    def tallies_between(
        self, pipeline: str | None, from_us: int, to_us: int | None
    ) -> list[Tallied]:
        """Tallies of the minutes from *from_us* to before *to_us*."""
        return [
            fact
            for fact in self.tallies.values()
            if pipeline in (None, fact.pipeline)
            and from_us <= fact.minute_us
            and (to_us is None or fact.minute_us < to_us)
        ]

    def run(self, run_id: str, now_us: int) -> Run:
        """The run as it is at *now_us*, folded from its facts."""
        run = self._opened_runs.get(run_id)
        if run is None:
            run = self._opened_runs[run_id] = self.runs[run_id].open(run_id, 0)
        status = displayed_status(run.status, to_wall_us(run.started_at), now_us)
        label = self.labels.word_of_run(run_id)
        is_shown_so = (status, label) == (run.status, run.label)
        return run if is_shown_so else replace(run, status=status, label=label)

    def _whole_fact(self, step_id: str) -> StepFinished:
        return join_chunks(self.steps[step_id], self._chunks.get(step_id, {}))

    def step(self, step_id: str) -> Step:
        """The step, with what came of its roster and its rows; without samples."""
        step = self._opened.get(step_id)
        if step is None:
            roster = self.roster(step_id)
            named = roster.total if roster is not None and roster.is_complete else None
            step = open_step(self._whole_fact(step_id), named=named)
            self._opened[step_id] = step
        return step

    def roster(self, step_id: str) -> Roster | None:
        """The candidates the step decided after its census; None where no roster came."""
        run_id = self.steps[step_id].run_id
        packed = self._packed.get(step_id)
        if packed is not None:
            return Roster(step_id, run_id, packed.total, self._hashed_holdings(step_id))
        chunks = self._rosters.get(step_id, {}).values()
        measures = _measure(chunks)
        if measures is None:
            return None
        named = [chunk for chunk in chunks if isinstance(chunk, StepRoster)]
        holdings: list[Holding] = [name_entries(named)] if named else []
        holdings += self._hashed_holdings(step_id)
        return Roster(step_id, run_id, measures[0], holdings)

    def decisions(self, step_id: str) -> list[Decision]:
        """The decisions of the step that have rows."""
        if step_id not in self.steps:
            return []
        fact = self._whole_fact(step_id)
        decisions = open_decisions(fact, resolve_rows(fact.rows)[0])
        words = self.labels.words_of(fact.run_id)
        if not words:
            return list(decisions)
        return [replace(row, label=words.get(row.candidate_id)) for row in decisions]

    def key(self, step_id: str) -> StepKey:
        """Where the step stands among others."""
        fact = self.steps[step_id]
        return StepKey(step_id, fact.run_id, fact.ordinal, fact.started_at_us)

    def rows_below(self, scope: Scope, above: Record) -> Iterable[Record]:
        """The steps or decisions that belong to a run or a step."""
        step_ids: Sequence[str] = ()
        if isinstance(above, Run) and scope != "run":
            step_ids = self.step_ids.get(above.run_id, [])
        elif isinstance(above, Step) and scope == "decision":
            step_ids = [above.step_id]
        if scope == "step":
            return [self.step(step_id) for step_id in step_ids]
        return [row for step_id in step_ids for row in self.decisions(step_id)]


def _measure(chunks: Collection[StepRoster | HashedRoster]) -> tuple[int, int] | None:
    """How many candidates a roster has and how many of them came; None when nothing did."""
    for first in chunks:
        return first.total, sum(chunk.size for chunk in chunks)
    return None


def by_age(position: Position) -> tuple[int, str]:
    """What records are sorted by, oldest first."""
    return (position.sort_us, position.record_id)


def _nobody() -> None:
    return None
