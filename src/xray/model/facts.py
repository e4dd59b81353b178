"""What a client sends: immutable facts, each under an id the client made.

Facts may arrive in any order and more than once; a store folds them into the records of
`model.records`. Free-form values stay encoded (`msgspec.Raw`, msgpack) until somebody opens them.
`spec/wire.md` describes the same structures for other languages.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Raw, Struct, field

from xray.model.bounds import (
    CandidateId,
    Count,
    Duration,
    Ordinal,
    Uuid,
    WallTime,
    Weight,
    Whole,
)
from xray.model.columns import IdColumn
from xray.model.labels import Labelled
from xray.model.ranking import Ranking
from xray.model.sketch import CheckSketch
from xray.model.tallies import Tallied
from xray.model.vocabulary import CaptureLevel, RunStatus, StepStatus, StepType

NIL: Final = Raw(b"\xc0")
"""An absent free-form value: msgpack nil."""

REJECTED: Final = 0
ACCEPTED: Final = 1
SELECTED: Final = 2
EVIDENCE: Final = 3
"""Code of a row that only carries checks about a candidate and decides nothing."""

VERDICT_CODES: Final = {"rejected": REJECTED, "accepted": ACCEPTED, "selected": SELECTED}

MAX_ROSTER_CHUNK: Final = 4095
MAX_ROSTER_CHUNK_IDS: Final = 8192
MAX_ROSTER_IDS: Final = MAX_ROSTER_CHUNK * MAX_ROSTER_CHUNK_IDS
"""How many candidates one roster can name, in how many facts of which size."""

VerdictCode = Annotated[int, Meta(ge=REJECTED, le=EVIDENCE)]
DecidedCode = Annotated[int, Meta(ge=REJECTED, le=SELECTED)]

Score = float | dict[str, float]


class ErrorInfo(Struct, frozen=True, omit_defaults=True):
    """An exception as text: its type, its message, and the frames it passed, innermost last.

    Args:
        type: the exception's class name, e.g. `TimeoutError`.
        message: its text, bounded.
        where: frames as `module:function:line`.
    """

    type: str
    message: str = ""
    where: list[str] = []


class Check(Struct, array_like=True, frozen=True):
    """Evidence about one candidate: what was observed, what the limit was, whether it passed.

    Args:
        name: the check's name; the reason of a rejection it causes.
        field: what was observed; empty means the same as `name`.
        op: how `observed` was compared with `limit`; None where it is not a comparison.
        observed: the candidate's value.
        limit: what it was compared with.
        passed: whether the candidate met it.
    """

    name: str
    field: str = ""
    op: str | None = None
    observed: Any = None
    limit: Any = None
    passed: bool = False


# Nothing in an origin or a row refers back to it, and there are thousands of them in a batch: the
# collector need not visit them.
class OriginRef(Struct, array_like=True, frozen=True, gc=False):
    """What brought a candidate into the run, as the pipeline named it.

    Args:
        candidate_id: the id of what brought it: a keyword, a document, a query.
        step_id: the step that recorded that id; None when the pipeline named the id alone.
        rank: the candidate's position in what that source returned.
        score: the score that source gave it.
    """

    candidate_id: CandidateId
    step_id: str | None = None
    rank: Whole | None = None
    score: float | None = None


class DecisionRow(Struct, array_like=True, frozen=True, gc=False):
    """One decision about one candidate, as an array that may end early.

    Args:
        verdict: `REJECTED`, `ACCEPTED`, `SELECTED` or `EVIDENCE`.
        candidate_id: the candidate's canonical id.
        reason: a short code to group by.
        attributes: a map of what the pipeline wanted kept about the candidate.
        score: a number, or named numbers.
        reasoning: free text.
        rank: position after this step, from 1.
        origin: what brought the candidate.
        checks: evidence, in the order it was recorded.
        by: the query or left record whose candidates this decision belongs to.
        part_of: the whole this candidate is a part of.
        rank_before: position before this step, from 1.
        merged_into: the candidate that stands for this one from here on.
        is_anonymous: the candidate had no id of its own; `candidate_id` is `anon-<ordinal>`.
    """

    verdict: VerdictCode
    candidate_id: CandidateId
    reason: str | None = None
    attributes: Raw = NIL
    score: Score | None = None
    reasoning: str | None = None
    rank: Whole | None = None
    origin: list[OriginRef] | None = None
    checks: list[Check] | None = None
    by: str | None = None
    part_of: str | None = None
    rank_before: Whole | None = None
    merged_into: CandidateId | None = None
    is_anonymous: bool = False


class Reservoir(Struct, array_like=True, frozen=True):
    """A uniform sample of the rows of one verdict and reason that came after the census.

    Args:
        verdict: the verdict code all its rows share.
        reason: the reason all its rows share.
        seen: how many rows of this verdict and reason the sample stands for; 0 where the rows were
            kept for being near a limit.
        rows: the rows that were kept; each weighs `seen / len(rows)`.
    """

    verdict: VerdictCode
    reason: str | None
    seen: Count
    rows: list[DecisionRow]


class RosterGroup(Struct, array_like=True, frozen=True):
    """Candidates of one step that share what is known about them, as an array that may end early.

    Args:
        verdict: `REJECTED`, `ACCEPTED` or `SELECTED`.
        reason: a short code to group by.
        origin: what brought them.
        by: the query or left record they were decided for.
        ids: the candidates.
        ranking: where each of them stands.
    """

    verdict: DecidedCode
    reason: str | None
    origin: list[OriginRef] | None
    by: str | None
    ids: Annotated[list[CandidateId], Meta(max_length=MAX_ROSTER_CHUNK_IDS)]
    ranking: Ranking | None = None


class RosterFate(Struct, array_like=True, frozen=True):
    """What is known about some candidates of a column; the fields are those of a `RosterGroup`."""

    verdict: DecidedCode
    reason: str | None = None
    origin: list[OriginRef] | None = None
    by: str | None = None


class RosterColumn(Struct, array_like=True, frozen=True):
    """Candidates that were decided in one call, in its order.

    Args:
        fates: what is known about them.
        codes: for each candidate the place of its fate, one byte.
        ids: the candidates.
        ranking: where each of them stands.
    """

    fates: list[RosterFate]
    codes: bytes
    ids: IdColumn | list[CandidateId]
    ranking: Ranking | None = None

    def groups(self) -> list[RosterGroup]:
        """The same as groups, which hold the candidates of one fate each, without a ranking."""
        named: list[list[str]] = [[] for _ in self.fates]
        for code, candidate_id in zip(self.codes, self.ids, strict=True):
            named[code].append(candidate_id)
        return [
            RosterGroup(fate.verdict, fate.reason, fate.origin, fate.by, ids)
            for fate, ids in zip(self.fates, named, strict=True)
            if ids
        ]


class OriginCount(Struct, array_like=True, frozen=True):
    """How many distinct candidates one origin brought to a step, by verdict."""

    candidate_id: CandidateId
    step_id: str | None
    rejected: Count = 0
    accepted: Count = 0
    selected: Count = 0


class Tally(Struct, frozen=True, omit_defaults=True):
    """Exact counts of a step's decisions: distinct candidates, except at `minimal` (calls).

    Args:
        rejected: candidates whose last verdict is rejected.
        accepted: candidates whose last verdict is accepted.
        selected: candidates whose last verdict is selected.
        reasons: rejected candidates by reason.
        origins: candidates by what brought them, at most `MAX_ORIGINS`.
        redecided: verdicts that a later verdict on the same candidate replaced.
        anonymous: candidates without an id of their own.
    """

    rejected: Count = 0
    accepted: Count = 0
    selected: Count = 0
    reasons: dict[str, Count] = {}
    origins: list[OriginCount] = []
    redecided: Count = 0
    anonymous: Count = 0

    @property
    def decided(self) -> int:
        """How many distinct candidates were decided."""
        return self.rejected + self.accepted + self.selected


class RunStarted(Struct, tag="run_started", tag_field="fact", kw_only=True, frozen=True,
                 omit_defaults=True):  # fmt: skip
    """A pipeline began to work on one input.

    Args:
        code: the function whose call it is, as `module:qualified.name`.
    """

    run_id: Uuid
    pipeline: str
    started_at_us: WallTime
    input: Raw = NIL
    metadata: Raw = NIL
    params: Raw = NIL
    tags: list[str] = []
    correlation: dict[str, str] = {}
    repository: str | None = None
    version: str | None = None
    environment: str | None = None
    key: str | None = None
    attempt: Ordinal = 1
    weight: Weight = 1.0
    code: str | None = None


class RunFinished(Struct, tag="run_finished", tag_field="fact", kw_only=True, frozen=True,
                  omit_defaults=True):  # fmt: skip
    """A pipeline ended; `metadata` and `tags` are what was added after the start.

    Args:
        weight: how many runs it stands for after all; None: as its start said.
        kept_for: why it was kept whatever the draw said, where whole runs are sampled.
    """

    run_id: Uuid
    status: RunStatus
    duration_ms: Duration | None = None
    output: Raw = NIL
    error: ErrorInfo | None = None
    metadata: Raw = NIL
    tags: list[str] = []
    correlation: dict[str, str] = {}
    omissions: dict[str, Count] = {}
    weight: Weight | None = None
    kept_for: str | None = None


class RunPatched(Struct, tag="run_patched", tag_field="fact", kw_only=True, frozen=True,
                 omit_defaults=True):  # fmt: skip
    """Fields of a run were set from outside; what is absent stays as it was.

    Args:
        lost: records of the run that could not be delivered: by the process that counts them, by
            cause, how many so far.
    """

    run_id: Uuid
    status: RunStatus | None = None
    duration_ms: Duration | None = None
    output: Raw = NIL
    error: ErrorInfo | None = None
    metadata: Raw = NIL
    tags: list[str] | None = None
    correlation: dict[str, str] = {}
    lost: dict[str, dict[str, Count]] = {}


class StepFinished(Struct, tag="step_finished", tag_field="fact", kw_only=True, frozen=True,
                   omit_defaults=True):  # fmt: skip
    """A step ended, with the decisions whose detail was kept.

    Args:
        pipeline: the run's pipeline, so that a step that arrives before its run is filed rightly.
        declared_type: the word the pipeline used where `step_type` is `custom`.
        takes: ids of the steps whose survivors this step works on; None means by default.
        input_count: set by hand; None means counted.
        output_count: set by hand; None means counted.
        rows: decisions with detail: all of them up to the census limit, in order.
        reservoirs: samples of the rows after the census, by verdict and reason.
        logged: rows of `log_sampled_candidates`; they never change counts.
        tally: exact counts; None means `rows` is complete and the store counts them.
        chunks: how many `StepRows` facts belong to this step besides its own `rows`.
        roster_chunks: how many `StepRoster` facts belong to this step.
        omissions: what was cut, by kind: `truncated`, `redacted`, `unencodable`, `sampled_out`, …
        sketches: what values the checks of a step observed whose rows were sampled, over all rows.
        incomplete: what the step's type asks for and it did not record.
        code: the function whose call it is, as `module:qualified.name`.
    """

    run_id: Uuid
    step_id: Uuid
    pipeline: str
    name: str
    step_type: StepType
    ordinal: Count
    started_at_us: WallTime
    duration_ms: Duration | None = None
    status: StepStatus = "completed"
    declared_type: str | None = None
    parent_step_id: Uuid | None = None
    attempt: Ordinal = 1
    takes: list[Uuid] | None = None
    params: Raw = NIL
    input: Raw = NIL
    output: Raw = NIL
    input_count: Count | None = None
    output_count: Count | None = None
    stats: Raw = NIL
    capture: CaptureLevel = "sample"
    error: ErrorInfo | None = None
    rows: list[DecisionRow] = []
    reservoirs: list[Reservoir] = []
    logged: list[DecisionRow] = []
    tally: Tally | None = None
    chunks: Count = 0
    roster_chunks: Count = 0
    omissions: dict[str, Count] = {}
    sketches: list[CheckSketch] = []
    code: str | None = None


class StepRows(Struct, tag="step_rows", tag_field="fact", kw_only=True, frozen=True,
               omit_defaults=True):  # fmt: skip
    """More decisions of a large step.

    Args:
        chunk: from 1; chunk 0 is the `rows` of the step's own fact.
    """

    run_id: Uuid
    step_id: Uuid
    chunk: Ordinal
    rows: list[DecisionRow] = []


class StepRoster(Struct, tag="step_roster", tag_field="fact", kw_only=True, frozen=True,
                 omit_defaults=True):  # fmt: skip
    """Every candidate a step decided after its census, with the final verdict, without detail.

    A candidate (and `by`) stands in the roster of a step at most once, also where a reservoir
    keeps its row; the census, the step's `rows` with their chunks, is not in it.

    Args:
        chunk: from 1.
        total: how many candidates stand in all chunks of this step together.
        groups: candidates of this chunk by what is known about them.
        columns: candidates of this chunk as they were decided many at once. Together with `groups`
            at most `MAX_ROSTER_CHUNK_IDS`.
    """

    run_id: Uuid
    step_id: Uuid
    chunk: Annotated[int, Meta(ge=1, le=MAX_ROSTER_CHUNK)]
    total: Annotated[int, Meta(ge=0, le=MAX_ROSTER_IDS)]
    groups: list[RosterGroup] = []
    columns: list[RosterColumn] = []

    @property
    def size(self) -> int:
        """How many candidates this chunk names."""
        return sum([len(part.ids) for parts in (self.groups, self.columns) for part in parts])

    def all_groups(self) -> list[RosterGroup]:
        """Everybody in this chunk by groups."""
        return [*self.groups, *(group for column in self.columns for group in column.groups())]


RunFact = RunStarted | RunFinished | RunPatched | StepFinished | StepRows | StepRoster
"""What is said about one run."""

Fact = RunFact | Tallied | Labelled


class Batch(Struct, kw_only=True, frozen=True):
    """Facts sent together.

    Args:
        version: the wire version, see `wire.versions`.
        batch_id: echoed in the answer, so that an answer cannot be taken for another's.
        client: who sent it, e.g. `xray-python/0.1.0`.
        facts: the facts.
    """

    version: int
    batch_id: str
    facts: list[Fact] = field(default_factory=list)
    client: str = ""


class Refusal(Struct, frozen=True):
    """One fact of a batch that was not stored, and why.

    Args:
        id: the fact's id, as `fact_id` gives it.
        code: a stable error code.
        detail: one sentence.
    """

    id: str
    code: str
    detail: str


class Receipt(Struct, frozen=True, kw_only=True):
    """What became of a batch: every fact is accepted, a duplicate or rejected."""

    batch_id: str
    accepted: int
    duplicate: int
    rejected: list[Refusal] = []


def fact_id(fact: Fact) -> str:
    """The id under which *fact* is stored once, however often it is sent."""
    if isinstance(fact, StepFinished):
        return f"step:{fact.step_id}"
    if isinstance(fact, StepRows):
        return f"step:{fact.step_id}:{fact.chunk}"
    if isinstance(fact, StepRoster):
        return f"step:{fact.step_id}:roster:{fact.chunk}"
    if isinstance(fact, Tallied):
        return f"tally:{fact.tally_id}"
    if isinstance(fact, Labelled):
        return f"label:{fact.label_id}"
    if isinstance(fact, RunStarted):
        return f"run:{fact.run_id}:started"
    if isinstance(fact, RunFinished):
        return f"run:{fact.run_id}:finished"
    return f"run:{fact.run_id}:patched"
