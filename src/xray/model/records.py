"""What a store knows after folding facts: runs, steps and decisions as every reader sees them.

The field names are the JSON of the API. Free-form values are opened (`model.values`).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from msgspec import Struct

from xray.model.facts import ErrorInfo, Score
from xray.model.labels import Label
from xray.model.sketch import ObservedByCheck
from xray.model.vocabulary import (
    ABANDONED_AFTER_S,
    CaptureLevel,
    LabelWord,
    RateBasis,
    RunStatus,
    StepStatus,
    StepType,
    Verdict,
)

if TYPE_CHECKING:
    import pandas
    import polars


def displayed_status(status: RunStatus, started_at_us: int, now_us: int) -> RunStatus:
    """The status a reader sees: a run that is `running` for too long is `abandoned`."""
    if status == "running" and now_us - started_at_us > ABANDONED_AFTER_S * 1_000_000:
        return "abandoned"
    return status


Coverage = Literal["all", "named", "sampled", "logged", "none"]
"""Which of a step's decided candidates are known: every one with its decision (`all`), every one
but some by verdict, reason and origin alone (`named`), a sample (`sampled`), only rows of
`log_sampled_candidates` or of a body with counts (`logged`), or none."""


class Check(Struct, frozen=True, kw_only=True):
    """Evidence about a candidate.

    Args:
        name: the check's name; the reason of a rejection it causes.
        field: what was observed.
        op: the comparison; None where it is not one.
        observed: the candidate's value.
        limit: what it was compared with.
        passed: whether the candidate met the check.
        margin: `observed - limit` where both are numbers, else None.
    """

    name: str
    field: str
    op: str | None = None
    observed: Any = None
    limit: Any = None
    passed: bool = False
    margin: float | None = None


class Origin(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What brought a candidate.

    Args:
        candidate_id: the id of what brought it.
        step_id: the step that recorded it; None while only the id is known.
        rank: position in what that source returned.
        score: score the source gave.
        is_recorded: False when no earlier step of the run recorded that id.
    """

    candidate_id: str
    step_id: str | None = None
    rank: int | None = None
    score: float | None = None
    is_recorded: bool | None = None


class Decision(Struct, frozen=True, kw_only=True):
    """One candidate's fate at one step.

    Args:
        candidate_id: the candidate.
        decision: the verdict; None where only checks were recorded.
        step_id: the step that decided.
        run_id: the run of that step.
        reason: a short code to group by.
        is_reason_inferred: the reason was derived from free text.
        reasoning: free text.
        score: a number, or named numbers.
        rank: position after the step, from 1.
        rank_before: position before it.
        attributes: what the pipeline wanted kept about the candidate.
        origin: what brought it.
        checks: evidence, in recorded order.
        by: the query or left record it belongs to.
        part_of: the whole it is a part of.
        merged_into: the candidate that stands for it from here on.
        weight: how many candidates of its step this row stands for; 0 without detail, as the rows
            that were drawn stand for all.
        is_logged: the row only illustrates (`log_sampled_candidates`) and counts nowhere.
        is_anonymous: the candidate had no id of its own.
        has_detail: whether its row was kept. Where it is False the step's roster knows verdict,
            reason, origin, `by`, rank and the rounded score, and is mistaken about one stranger in
            100,000.
        score_error: by how much the score may be off; None where it is as it was given.
        label: what somebody said of the candidate in this run.
    """

    candidate_id: str
    decision: Verdict | None
    step_id: str
    run_id: str
    reason: str | None = None
    is_reason_inferred: bool = False
    reasoning: str | None = None
    score: Score | None = None
    rank: int | None = None
    rank_before: int | None = None
    attributes: dict[str, Any] = {}
    origin: list[Origin] = []
    checks: list[Check] = []
    by: str | None = None
    part_of: str | None = None
    merged_into: str | None = None
    weight: float = 1.0
    is_logged: bool = False
    is_anonymous: bool = False
    has_detail: bool = True
    score_error: float | None = None
    label: LabelWord | None = None


class Rejection(Struct, frozen=True, kw_only=True):
    """The candidates one step rejected for one reason: how many, and up to 50 of them."""

    count: int
    samples: list[Decision] = []


class StepDecision(Struct, frozen=True, kw_only=True):
    """What a step chose.

    Args:
        selected: the candidate's id, or the ids in rank order when there are several.
        score: the lowest score among the selected.
    """

    selected: str | list[str]
    score: float | None = None


class Counts(Struct, frozen=True, kw_only=True):
    """How many distinct candidates a step decided, by verdict."""

    rejected: int = 0
    accepted: int = 0
    selected: int = 0
    redecided: int = 0
    anonymous: int = 0


class OriginTotal(Struct, frozen=True, kw_only=True):
    """How many distinct candidates one origin brought to a step, by verdict."""

    candidate_id: str
    step_id: str | None = None
    rejected: int = 0
    accepted: int = 0
    selected: int = 0


class Step(Struct, frozen=True, kw_only=True):
    """One stage of a run, with its counts, its rate and what it decided.

    `checks` says what values were observed over all rows, also those whose detail was sampled out;
    where every row was kept, the rows themselves do. `code` is the decorated function whose call
    the step is, as `module:qualified.name`; `input` then holds its arguments by name.
    """

    step_id: str
    run_id: str
    pipeline: str
    name: str
    step_type: StepType
    declared_type: str | None = None
    parent_step_id: str | None = None
    ordinal: int
    attempt: int = 1
    takes: list[str] | None = None
    status: StepStatus
    error: ErrorInfo | None = None
    started_at: datetime
    duration_ms: float | None = None
    capture: CaptureLevel = "sample"
    coverage: Coverage = "none"
    input_count: int | None = None
    output_count: int | None = None
    declared_input_count: int | None = None
    declared_output_count: int | None = None
    counts: Counts = Counts()
    rejection_rate: float | None = None
    rate_basis: RateBasis | None = None
    score: float | None = None
    rejections: dict[str, Rejection] = {}
    origins: list[OriginTotal] = []
    decision: StepDecision | None = None
    params: Any = None
    input: Any = None
    output: Any = None
    stats: dict[str, Any] = {}
    incomplete: list[str] = []
    omissions: dict[str, int] = {}
    checks: list[ObservedByCheck] = []
    code: str | None = None


class Run(Struct, frozen=True, kw_only=True):
    """One execution of a pipeline; `label` is what somebody said of it as a whole.

    Where whole runs are sampled, `weight` is how many runs it stands for, and `kept_for` why it was
    kept whatever the draw said. `code` is the decorated function whose call it is.
    """

    run_id: str
    pipeline: str
    status: RunStatus
    started_at: datetime
    duration_ms: float | None = None
    input: Any = None
    output: Any = None
    error: ErrorInfo | None = None
    metadata: dict[str, Any] = {}
    params: Any = None
    tags: list[str] = []
    correlation: dict[str, str] = {}
    repository: str | None = None
    version: str | None = None
    environment: str | None = None
    key: str | None = None
    attempt: int = 1
    weight: float = 1.0
    kept_for: str | None = None
    omissions: dict[str, int] = {}
    code: str | None = None
    label: LabelWord | None = None


class RunDetail(Run, frozen=True, kw_only=True):
    """A run together with its steps, by ordinal, and its labels, the newest first."""

    steps: list[Step] = []
    labels: list[Label] = []


Record = TypeVar("Record")


class Scan(Struct, frozen=True, kw_only=True):
    """How far a search came that no index could answer.

    Args:
        rows: how many records it looked at for this page, at most.
        back_to: the start of the oldest one it looked at; None when it looked at all.
    """

    rows: int
    back_to: datetime | None = None


class Page(Struct, Generic[Record], frozen=True, kw_only=True):
    """Part of a list, in the order of the question.

    Args:
        items: the records.
        next_cursor: pass it to get the next part; None at the end.
        total: how many match, as far as counted.
        total_is_exact: whether `total` is all of them.
        complete: False when the search stopped at its budget before it had seen everything.
        scan: how far the search came; None when an index led to the answer.
    """

    items: list[Record]
    next_cursor: str | None = None
    total: int | None = None
    total_is_exact: bool = False
    complete: bool = True
    scan: Scan | None = None

    def to_pandas(self) -> pandas.DataFrame:
        """A pandas data frame of the part."""
        from xray.model.frames import frame_with_pandas

        return frame_with_pandas(self.items)

    def to_polars(self) -> polars.DataFrame:
        """A polars data frame of the part."""
        from xray.model.frames import frame_with_polars

        return frame_with_polars(self.items)

    def _repr_html_(self) -> str:
        from xray.model.notebook import draw_table

        return draw_table(self.items)
