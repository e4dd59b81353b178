"""A sink that keeps what a pipeline recorded in memory, as a server would have read it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TypeVar

from msgspec.structs import replace

from xray.errors import NotFoundError
from xray.forensics.evidence import load_evidence
from xray.forensics.verification import verify
from xray.forensics.why import explain
from xray.model.answers import Why
from xray.model.clock import SystemClock
from xray.model.counts import StepSummary, resolve_rows, summarize_step
from xray.model.decisions import open_decision, weigh_rows
from xray.model.facts import (
    Fact,
    RosterGroup,
    RunFinished,
    RunPatched,
    RunStarted,
    StepFinished,
    StepRoster,
    StepRows,
)
from xray.model.ids import new_uuid7
from xray.model.records import Decision
from xray.model.summary import RunSummary
from xray.model.tallies import Tallied
from xray.model.verification import Verification
from xray.reading import list_findings, show_run
from xray.store.memory import MemoryStore
from xray.wire.codec import decode_fact, encode_fact

FactKind = TypeVar(
    "FactKind", RunStarted, RunFinished, RunPatched, StepFinished, StepRows, StepRoster, Tallied
)


class MemorySink:
    """Keeps every fact a pipeline records, so that a test can ask what was recorded.

    Each fact travels through the wire format first, so a test sees what a server would see, and
    a fact that no server would take raises at once.

        sink = MemorySink()
        ...                                   # run the pipeline with this sink
        assert sink.summary("filter").reasons == {"price_too_high": 3}
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._facts: list[Fact] = []
        self._settled: list[str] = []
        self._losses: dict[str, tuple[int, int]] = {}

    def put(self, fact: Fact) -> None:
        """Take *fact*.

        Raises:
            InvalidRecordError: a server would refuse it.
        """
        kept = decode_fact(encode_fact(fact))
        with self._lock:
            self._facts.append(kept)

    def settle_run(self, run_id: str) -> None:
        """Note that the run's last fact was put."""
        with self._lock:
            self._settled.append(run_id)

    def count_loss(self, cause: str, records: int = 1, decisions: int = 0) -> None:
        """Count what was lost before it could become a fact."""
        with self._lock:
            lost_records, lost_decisions = self._losses.get(cause, (0, 0))
            self._losses[cause] = (lost_records + records, lost_decisions + decisions)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._facts.clear()
            self._settled.clear()
            self._losses.clear()

    @property
    def facts(self) -> list[Fact]:
        """Every fact, in the order it came."""
        with self._lock:
            return list(self._facts)

    @property
    def runs(self) -> list[RunStarted]:
        """The runs that were started, in that order."""
        return self._of_kind(RunStarted)

    @property
    def finished_runs(self) -> list[RunFinished]:
        """The runs that ended, in that order."""
        return self._of_kind(RunFinished)

    @property
    def steps(self) -> list[StepFinished]:
        """The steps that ended, in that order, each with the rows of all its chunks."""
        chunks = sorted(self._of_kind(StepRows), key=lambda chunk: chunk.chunk)
        return [_join_chunks(step, chunks) for step in self._of_kind(StepFinished)]

    @property
    def settled_runs(self) -> list[str]:
        """The ids of the runs whose last fact was announced, in that order."""
        with self._lock:
            return list(self._settled)

    @property
    def losses(self) -> dict[str, tuple[int, int]]:
        """Records and decisions that were lost before they came here, by cause."""
        with self._lock:
            return dict(self._losses)

    @property
    def tallies(self) -> list[Tallied]:
        """What was counted of runs that were not kept, in the order it came."""
        return self._of_kind(Tallied)

    def run(self, pipeline: str) -> RunStarted:
        """The last run of *pipeline*.

        Raises:
            NotFoundError: no run of it was recorded.
        """
        return _last(
            [run for run in self.runs if run.pipeline == pipeline],
            f"No run of the pipeline {pipeline!r} was recorded",
            [run.pipeline for run in self.runs],
        )

    def finished(self, run_id: str) -> RunFinished:
        """How the run ended.

        Raises:
            NotFoundError: it has not ended.
        """
        return _last(
            [run for run in self.finished_runs if run.run_id == run_id],
            f"The run {run_id} has not ended",
            [run.run_id for run in self.finished_runs],
        )

    def step(self, name: str) -> StepFinished:
        """The last step named *name*, with the rows of all its chunks.

        Raises:
            NotFoundError: no step of that name was recorded.
        """
        return _last(
            [step for step in self.steps if step.name == name],
            f"No step named {name!r} was recorded",
            [step.name for step in self.steps],
        )

    def summary(self, name: str) -> StepSummary:
        """Counts, rate and choice of the last step named *name*.

        Raises:
            NotFoundError: no step of that name was recorded.
        """
        return summarize_step(self.step(name))

    def decisions(self, name: str) -> list[Decision]:
        """The decisions with detail of the last step named *name*, one a candidate.

        Raises:
            NotFoundError: no step of that name was recorded.
        """
        step = self.step(name)
        return [
            open_decision(
                row, step_id=step.step_id, run_id=step.run_id, weight=weight, is_logged=is_logged
            )
            for row, weight, is_logged in weigh_rows(step, resolve_rows(step.rows)[0])
        ]

    def roster(self, name: str) -> list[RosterGroup]:
        """The candidates of the last step named *name* that are known without detail, by group.

        Raises:
            NotFoundError: no step of that name was recorded.
        """
        step_id = self.step(name).step_id
        chunks = [chunk for chunk in self._of_kind(StepRoster) if chunk.step_id == step_id]
        ordered = sorted(chunks, key=lambda chunk: chunk.chunk)
        return [group for chunk in ordered for group in chunk.all_groups()]

    def summarize(self, run_id: str) -> RunSummary:
        """How the run went, as `run.summary()` asks.

        Raises:
            NotFoundError: no such run was recorded.
        """
        store = self._fill_store()
        return RunSummary(show_run(store, run_id), list_findings(store, run_id).findings)

    def explain(self, run_id: str, candidate_id: str) -> Why:
        """Why a candidate ended as it did, as `run.why(candidate)` asks.

        Raises:
            NotFoundError: no such run was recorded.
        """
        return explain(load_evidence(self._fill_store(), run_id), candidate_id)

    def verify(self, *expectations: str, run_id: str | None = None) -> Verification:
        """Whether a run decided as expected.

        Args:
            expectations: as `spec/expectations.md` has them: `"p42 is not selected"`.
            run_id: the run; the last that was recorded when absent.

        Raises:
            NotFoundError: no such run was recorded.
            InvalidQueryError: a text is no expectation.
        """
        if run_id is None:
            run_id = _last(self.runs, "No run was recorded", []).run_id
        evidence = load_evidence(self._fill_store(), run_id)
        return verify(evidence, expectations, SystemClock().wall_us())

    def expect(self, *expectations: str, run_id: str | None = None) -> None:
        """Fail the test unless a run decided as expected; arguments as for `verify`.

        Raises:
            AssertionError: an expectation is not met, or the capture cannot tell; it says which,
                and what was found.
        """
        __tracebackhide__ = True
        verification = self.verify(*expectations, run_id=run_id)
        if verification.is_met is not True:
            raise AssertionError(str(verification))

    def _fill_store(self) -> MemoryStore:
        store = MemoryStore()
        store.submit(new_uuid7(), self.facts).result()
        return store

    def _of_kind(self, kind: type[FactKind]) -> list[FactKind]:
        return [fact for fact in self.facts if isinstance(fact, kind)]


def _join_chunks(step: StepFinished, chunks: Sequence[StepRows]) -> StepFinished:
    more = [row for chunk in chunks if chunk.step_id == step.step_id for row in chunk.rows]
    return replace(step, rows=[*step.rows, *more]) if more else step


Found = TypeVar("Found")


def _last(found: Sequence[Found], what: str, known: Sequence[str]) -> Found:
    if found:
        return found[-1]
    hint = f"Recorded are {', '.join(sorted(set(known)))}." if known else "Nothing was recorded."
    raise NotFoundError(f"{what}.", hint=hint)
