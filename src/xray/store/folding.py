"""How facts become records: the rules every engine shares, so that all agree on what is stored."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final, TypeVar
from uuid import UUID

from msgspec import Raw, Struct
from msgspec.structs import replace

from xray.errors import InvalidRecordError
from xray.model.clock import from_wall_us
from xray.model.counts import (
    OTHER_REASON,
    StepSummary,
    cover_with_roster,
    reason_of,
    summarize_step,
)
from xray.model.decisions import open_decision, weigh_rows
from xray.model.facts import (
    MAX_ROSTER_CHUNK,
    MAX_ROSTER_CHUNK_IDS,
    MAX_ROSTER_IDS,
    NIL,
    REJECTED,
    DecisionRow,
    ErrorInfo,
    Refusal,
    RunFinished,
    RunPatched,
    RunStarted,
    StepFinished,
    StepRoster,
    StepRows,
)
from xray.model.labels import Labelled
from xray.model.records import Decision, Rejection, Run, Step, displayed_status
from xray.model.sketch import describe_sketches
from xray.model.stored_facts import (
    AboutStep,
    HashedRoster,
    PackedRoster,
    StoredFact,
    stored_fact_id,
)
from xray.model.tallies import MINUTE_US, Tallied
from xray.model.values import open_map, open_value, pack_value, shorten_value
from xray.model.vocabulary import RunStatus

MAX_SAMPLES: Final = 50
MAX_CHUNK: Final = 4095
MAX_TOTAL: Final = 10_000
LISTED_OUTPUT_BYTES: Final = 2048
_CANONICAL_UUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_ENDED: Final = ("completed", "failed", "cancelled")

_Value = TypeVar("_Value")


class FirstStep(Struct, array_like=True, frozen=True, order=True):
    """What the earliest step of a run tells about a run nobody started."""

    started_at_us: int
    step_id: str
    pipeline: str


class RunFold(Struct, array_like=True):
    """Everything the facts said about one run so far.

    Args:
        started: its start, once that arrived.
        finished: its first end.
        patch: all its patches as one.
        first_step: its earliest step, as long as it was not started.
    """

    started: RunStarted | None = None
    finished: RunFinished | None = None
    patch: RunPatched | None = None
    first_step: FirstStep | None = None

    def add(self, fact: RunStarted | RunFinished | RunPatched) -> bool:
        """Take in *fact*; False when it says nothing that was not known."""
        if isinstance(fact, RunStarted):
            if self.started is not None:
                return False
            self.started = fact
        elif isinstance(fact, RunFinished):
            if self.finished is not None:
                return False
            self.finished = fact
        else:
            # The first one too takes the form that merging gives, so that it is known again.
            merged = _merge_patches(self.patch or RunPatched(run_id=fact.run_id), fact)
            if merged == self.patch:
                return False
            self.patch = merged
        return True

    def add_step(self, fact: StepFinished) -> bool:
        """Take in what a step tells about its run; False when the run is known better already."""
        if self.started is not None:
            return False
        seen = FirstStep(fact.started_at_us, fact.step_id, fact.pipeline)
        if self.first_step is not None and self.first_step <= seen:
            return False
        self.first_step = seen
        return True

    def facts(self, run_id: str) -> list[RunStarted | RunFinished | RunPatched]:
        """The facts that say the same of run *run_id*, at least one."""
        # A run that only its steps named still has to be named by somebody.
        return self._said() or [RunPatched(run_id=run_id)]

    @property
    def pipeline(self) -> str:
        """The pipeline; empty while nothing that arrived names it."""
        if self.started is not None:
            return self.started.pipeline
        return "" if self.first_step is None else self.first_step.pipeline

    def started_at_us(self, run_id: str) -> int:
        """When the run began: as it said, else its earliest step, else the time in its id."""
        if self.started is not None:
            return self.started.started_at_us
        return _time_in_id_us(run_id) if self.first_step is None else self.first_step.started_at_us

    @property
    def status(self) -> RunStatus:
        """The status as recorded; an end is never undone by `running` or `abandoned`."""
        said = [fact.status for fact in (self.patch, self.finished) if fact and fact.status]
        return next((status for status in said if status in _ENDED), said[0] if said else "running")

    @property
    def weight(self) -> float:
        """How many runs it stands for: as its end says, else as its start did."""
        if self.finished is not None and self.finished.weight is not None:
            return self.finished.weight
        return 1.0 if self.started is None else self.started.weight

    @property
    def duration_ms(self) -> float | None:
        """How long the run took."""
        said = (fact.duration_ms for fact in (self.patch, self.finished) if fact is not None)
        return next((duration for duration in said if duration is not None), None)

    @property
    def error(self) -> ErrorInfo | None:
        """What it failed with."""
        said = (fact.error for fact in (self.patch, self.finished) if fact is not None)
        return next((error for error in said if error is not None), None)

    @property
    def metadata(self) -> dict[str, Any]:
        """Its metadata, the later word winning."""
        return {k: v for fact in self._said() for k, v in open_map(fact.metadata).items()}

    @property
    def correlation(self) -> dict[str, str]:
        """Its ids in other systems, the later word winning."""
        return {k: v for fact in self._said() for k, v in fact.correlation.items()}

    @property
    def tags(self) -> list[str]:
        """Its tags, each once; those of a patch stand for all."""
        if self.patch is not None and self.patch.tags is not None:
            return self.patch.tags
        given = (fact.tags for fact in (self.started, self.finished) if fact is not None)
        return list(dict.fromkeys(chain.from_iterable(given)))

    def _said(self) -> list[RunStarted | RunFinished | RunPatched]:
        facts = (self.started, self.finished, self.patch)
        return [fact for fact in facts if fact is not None]

    def open(self, run_id: str, now_us: int) -> Run:
        """The run as readers see it at *now_us*."""
        started = self.started or RunStarted(run_id=run_id, pipeline="", started_at_us=0)
        finished = self.finished or RunFinished(run_id=run_id, status="running")
        patch = self.patch or RunPatched(run_id=run_id)
        started_at_us = self.started_at_us(run_id)
        return Run(
            run_id=run_id,
            pipeline=self.pipeline,
            status=displayed_status(self.status, started_at_us, now_us),
            started_at=from_wall_us(started_at_us),
            duration_ms=self.duration_ms,
            input=open_value(started.input),
            output=open_value(_first_value(patch.output, finished.output)),
            error=self.error,
            metadata=self.metadata,
            params=open_value(started.params),
            tags=self.tags,
            correlation=self.correlation,
            repository=started.repository,
            version=started.version,
            environment=started.environment,
            key=started.key,
            attempt=started.attempt,
            weight=self.weight,
            kept_for=finished.kept_for,
            omissions={**finished.omissions, **_sum_losses(patch.lost)},
            code=started.code,
        )


def _merge_patches(earlier: RunPatched, later: RunPatched) -> RunPatched:
    metadata = {**open_map(earlier.metadata), **open_map(later.metadata)}
    return RunPatched(
        run_id=later.run_id,
        status=later.status or earlier.status,
        duration_ms=_first(later.duration_ms, earlier.duration_ms),
        output=_first_value(later.output, earlier.output),
        error=later.error or earlier.error,
        metadata=pack_value(metadata) if metadata else NIL,
        tags=_first(later.tags, earlier.tags),
        correlation={**earlier.correlation, **later.correlation},
        lost=_merge_losses(earlier.lost, later.lost),
    )


def _merge_losses(
    earlier: Mapping[str, Mapping[str, int]], later: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    """What each process counted: its counts only grow, whatever order they arrive in."""
    merged = {process: dict(counts) for process, counts in earlier.items()}
    for process, counts in later.items():
        known = merged.setdefault(process, {})
        for cause, count in counts.items():
            known[cause] = max(count, known.get(cause, 0))
    return merged


def _sum_losses(lost: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for counts in lost.values():
        for cause, count in counts.items():
            name = f"lost:{cause}"
            sums[name] = sums.get(name, 0) + count
    return sums


def _first(one: _Value | None, other: _Value | None) -> _Value | None:
    return other if one is None else one


def _first_value(one: Raw, other: Raw) -> Raw:
    return next((raw for raw in (one, other) if bytes(raw) not in (b"", b"\xc0")), NIL)


def _time_in_id_us(run_id: str) -> int:
    uuid = UUID(run_id)
    return (uuid.int >> 80) * 1000 if uuid.version == 7 else 0


def refuse_fact(fact: StoredFact) -> Refusal | None:
    """Why no store can keep *fact*; None when it can.

    Facts from the wire were checked when they were decoded; these are the rules without which a
    fact could not be found again.
    """
    if isinstance(fact, Tallied):
        return _refuse_tally(fact)
    if isinstance(fact, Labelled):
        return _refuse_label(fact)
    if not _is_canonical_uuid(fact.run_id):
        return _refuse_id(fact, "run_id", fact.run_id)
    if isinstance(fact, AboutStep) and not _is_canonical_uuid(fact.step_id):
        return _refuse_id(fact, "step_id", fact.step_id)
    if isinstance(fact, StepFinished):
        return _refuse_named_steps(fact)
    if isinstance(fact, StepRows) and not 1 <= fact.chunk <= MAX_CHUNK:
        detail = f"Chunk {fact.chunk} is not between 1 and {MAX_CHUNK}."
        return Refusal(stored_fact_id(fact), "invalid_record", detail)
    if isinstance(fact, (StepRoster, HashedRoster)):
        return _refuse_roster(fact)
    if isinstance(fact, PackedRoster) and not fact.size == fact.total <= MAX_ROSTER_IDS:
        detail = f"A roster of {fact.total} candidates comes with {fact.size}."
        return Refusal(stored_fact_id(fact), "invalid_record", detail)
    return None


def _refuse_tally(fact: Tallied) -> Refusal | None:
    if not _is_canonical_uuid(fact.tally_id):
        detail = f"tally_id {fact.tally_id!r} is not a UUID."
    elif fact.minute_us % MINUTE_US:
        detail = f"minute_us {fact.minute_us} is not the start of a minute."
    else:
        return None
    return Refusal(stored_fact_id(fact), "invalid_record", detail)


def _refuse_label(fact: Labelled) -> Refusal | None:
    for name, text in (("run_id", fact.run_id), ("label_id", fact.label_id)):
        if not _is_canonical_uuid(text):
            return _refuse_id(fact, name, text)
    return None


def _refuse_roster(fact: StepRoster | HashedRoster) -> Refusal | None:
    if not 1 <= fact.chunk <= MAX_ROSTER_CHUNK:
        detail = f"Chunk {fact.chunk} of a roster is not between 1 and {MAX_ROSTER_CHUNK}."
    elif fact.size > MAX_ROSTER_CHUNK_IDS:
        detail = f"A chunk of a roster names {fact.size} candidates, not {MAX_ROSTER_CHUNK_IDS}."
    elif not fact.size <= fact.total <= MAX_ROSTER_IDS:
        detail = (
            f"The total of a roster is {fact.total}, not between {fact.size} and {MAX_ROSTER_IDS}."
        )
    else:
        return None
    return Refusal(stored_fact_id(fact), "invalid_record", detail)


def check_roster_chunk(chunk: StepRoster | HashedRoster, total: int, held: int) -> None:
    """Raise unless *chunk* fits what is known of its roster.

    Args:
        chunk: a chunk that is not stored yet.
        total: how many candidates the chunks before it said there are.
        held: how many of them came.

    Raises:
        InvalidRecordError: it counts otherwise, or there is no room for its candidates.
    """
    if chunk.total != total or held + chunk.size > total:
        raise InvalidRecordError(
            f"The roster has {total} candidates, of which {held} came; this chunk names "
            f"{chunk.size} of {chunk.total}.",
            hint="Name each candidate once, and give every chunk the same total.",
        )


def _refuse_named_steps(fact: StepFinished) -> Refusal | None:
    if fact.parent_step_id is not None and not _is_canonical_uuid(fact.parent_step_id):
        return _refuse_id(fact, "parent_step_id", fact.parent_step_id)
    for place, step_id in enumerate(fact.takes or ()):
        if not _is_canonical_uuid(step_id):
            return _refuse_id(fact, f"takes[{place}]", step_id)
    return None


def _refuse_id(fact: StoredFact, name: str, text: str) -> Refusal:
    return Refusal(stored_fact_id(fact), "invalid_record", f"{name} {text!r} is not a UUID.")


def _is_canonical_uuid(text: object) -> bool:
    return isinstance(text, str) and _is_canonical(text)


# The facts of a run arrive together, and each names it.
@lru_cache(maxsize=1024)
def _is_canonical(text: str) -> bool:
    return _CANONICAL_UUID.fullmatch(text) is not None


def join_chunks(fact: StepFinished, chunks: Mapping[int, Sequence[DecisionRow]]) -> StepFinished:
    """*fact* with the rows of its chunks behind its own, in chunk order."""
    if not chunks:
        return fact
    rows = [*fact.rows, *chain.from_iterable(chunks[number] for number in sorted(chunks))]
    return replace(fact, rows=rows)


def open_decisions(fact: StepFinished, resolved: Iterable[DecisionRow]) -> Iterator[Decision]:
    """The decisions stored of a step.

    Args:
        fact: the step, for its reservoirs and logged rows.
        resolved: its census rows, one a candidate.
    """
    for row, weight, is_logged in weigh_rows(fact, resolved):
        yield open_decision(
            row, step_id=fact.step_id, run_id=fact.run_id, weight=weight, is_logged=is_logged
        )


def count_reasons(fact: StepFinished, summary: StepSummary) -> dict[str, int]:
    """Rejected candidates by reason; a reason that only logged rows name counts none."""
    reasons = dict(summary.reasons)
    for row in fact.logged:
        if row.verdict == REJECTED:
            reasons.setdefault(reason_of(row), 0)
    return reasons


def open_step(
    fact: StepFinished, summary: StepSummary | None = None, named: int | None = None
) -> Step:
    """The step that *fact* tells of, with counts by reason but without samples.

    Args:
        fact: the step, with all its rows.
        summary: what `summarize_step` says about it, when that is at hand.
        named: how many candidates its roster names, once all of it came.
    """
    summary = summary or summarize_step(fact)
    return Step(
        step_id=fact.step_id,
        run_id=fact.run_id,
        pipeline=fact.pipeline,
        name=fact.name,
        step_type=fact.step_type,
        declared_type=fact.declared_type,
        parent_step_id=fact.parent_step_id,
        ordinal=fact.ordinal,
        attempt=fact.attempt,
        takes=fact.takes,
        status=fact.status,
        error=fact.error,
        started_at=from_wall_us(fact.started_at_us),
        duration_ms=fact.duration_ms,
        capture=fact.capture,
        coverage=cover_with_roster(summary, named),
        input_count=summary.input_count,
        output_count=summary.output_count,
        declared_input_count=summary.declared_input_count,
        declared_output_count=summary.declared_output_count,
        counts=summary.counts,
        rejection_rate=summary.rejection_rate,
        rate_basis=summary.rate_basis,
        score=summary.score,
        rejections={
            reason: Rejection(count=count) for reason, count in count_reasons(fact, summary).items()
        },
        origins=summary.origins,
        decision=summary.decision,
        params=open_value(fact.params),
        input=open_value(fact.input),
        output=open_value(fact.output),
        stats=summary.stats,
        incomplete=summary.incomplete,
        omissions=fact.omissions,
        checks=describe_sketches(fact.sketches),
        code=fact.code,
    )


def sample_rejections(
    step: Step, decisions: Iterable[Decision], *, has_logged: bool = True
) -> Step:
    """*step* with the first rejected of *decisions* by reason, as many as it counts for each.

    At most `MAX_SAMPLES` each; rows that only illustrate come besides what is counted.

    Args:
        step: the step.
        decisions: what it decided; as few are opened as will do.
        has_logged: whether some of them only illustrate, which the counts by reason leave out.
    """
    samples: dict[str, list[Decision]] = {reason: [] for reason in step.rejections}
    room = {
        reason: min(rejection.count, MAX_SAMPLES) for reason, rejection in step.rejections.items()
    }
    missing = sum(room.values())
    for decision in decisions:
        if not missing and not has_logged:
            break
        if decision.decision != "rejected" or decision.reason is None:
            continue
        reason = decision.reason if decision.reason in samples else OTHER_REASON
        kept = samples.get(reason)
        if kept is None or len(kept) == MAX_SAMPLES:
            continue
        if not decision.is_logged:
            if not room[reason]:
                continue
            room[reason] -= 1
            missing -= 1
        kept.append(decision)
    rejections = {
        reason: Rejection(count=rejection.count, samples=samples[reason])
        for reason, rejection in step.rejections.items()
    }
    return replace(step, rejections=rejections)


def shorten_output(run: Run) -> Run:
    """*run* as a list shows it: a long output is cut, with a mark."""
    shortened = shorten_value(run.output, LISTED_OUTPUT_BYTES)
    return run if shortened is run.output else replace(run, output=shortened)
