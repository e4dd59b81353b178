"""The words of X-Ray: one spelling inside and on every output, more accepted on input.

`spec/vocabulary.json` says the same for other languages; a test keeps the two equal.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

RunStatus = Literal["running", "completed", "failed", "cancelled", "abandoned"]
StepStatus = Literal["running", "completed", "failed", "cancelled"]
StepType = Literal[
    "generate", "retrieve", "filter", "rank", "select", "transform", "group", "custom"
]
Verdict = Literal["rejected", "accepted", "selected"]
CaptureLevel = Literal["minimal", "sample", "full"]
RateBasis = Literal["counted", "declared", "given", "sampled", "inferred"]
Certainty = Literal["known", "inferred", "unknown"]
LabelWord = Literal["good", "bad"]
Operator = Literal["<", "<=", ">", ">=", "==", "!=", "in", "not in"]

RUN_STATUSES: Final[tuple[RunStatus, ...]] = get_args(RunStatus)
STEP_STATUSES: Final[tuple[StepStatus, ...]] = get_args(StepStatus)
STEP_TYPES: Final[tuple[StepType, ...]] = get_args(StepType)
VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
CAPTURE_LEVELS: Final[tuple[CaptureLevel, ...]] = get_args(CaptureLevel)
RATE_BASES: Final[tuple[RateBasis, ...]] = get_args(RateBasis)
LABELS: Final[tuple[LabelWord, ...]] = get_args(LabelWord)
OPERATORS: Final[tuple[Operator, ...]] = get_args(Operator)

DECLARABLE_STEP_TYPES: Final = tuple(word for word in STEP_TYPES if word != "custom")
CREATING_STEP_TYPES: Final[frozenset[StepType]] = frozenset({"generate", "retrieve"})
KEEPING_STEP_TYPES: Final[frozenset[StepType]] = frozenset({"filter", "rank", "select"})
RANKING_STEP_TYPES: Final[frozenset[StepType]] = frozenset({"rank", "select"})
"""Steps whose rosters tell ranks and scores: what they drop was outranked."""

RATELESS_STEP_TYPES: Final[frozenset[StepType]] = frozenset({"generate", "retrieve", "group"})

RUN_STATUS_ALIASES: Final[dict[str, RunStatus]] = {"success": "completed", "failure": "failed"}
STEP_TYPE_ALIASES: Final[dict[str, StepType]] = {"llm": "generate"}
OPERATOR_ALIASES: Final[dict[str, Operator]] = {"=": "==", "≤": "<=", "≥": ">=", "≠": "!="}
FIELD_ALIASES: Final[dict[str, str]] = {
    "id": "run_id",
    "pipeline_type": "pipeline",
    "step_name": "name",
    "candidates": "decisions",
}

BELOW_CUT: Final = "below_cut"
NOT_SELECTED: Final = "not_selected"
DUPLICATE: Final = "duplicate"
OVER_BUDGET: Final = "over_budget"
ERROR: Final = "error"
MISSING_PREFIX: Final = "missing:"
RESERVED_REASONS: Final = (BELOW_CUT, NOT_SELECTED, DUPLICATE, OVER_BUDGET, ERROR)
OUTRANKED_REASONS: Final = frozenset({BELOW_CUT, NOT_SELECTED})

UNNAMED_REASON: Final = "unspecified"
"""The reason a rejection is counted under when the pipeline named none."""

ANONYMOUS_PREFIX: Final = "anon-"

ABANDONED_AFTER_S: Final = 24 * 60 * 60
"""A run that has no end this long after its start is shown as `abandoned`."""


def parse_run_status(word: str) -> RunStatus | None:
    """The canonical run status for *word* in any case or accepted spelling, or None."""
    lowered = word.strip().lower()
    if lowered in RUN_STATUSES:
        return lowered
    return RUN_STATUS_ALIASES.get(lowered)


def parse_step_status(word: str) -> StepStatus | None:
    """The canonical step status for *word* in any case or accepted spelling, or None."""
    status = parse_run_status(word)
    return None if status == "abandoned" else status


def parse_step_type(word: str) -> StepType | None:
    """The canonical step type for *word* in any case or accepted spelling, or None."""
    lowered = word.strip().lower()
    if lowered in STEP_TYPES:
        return lowered
    return STEP_TYPE_ALIASES.get(lowered)


def parse_verdict(word: str) -> Verdict | None:
    """The canonical verdict for *word* in any case, or None."""
    lowered = word.strip().lower()
    return lowered if lowered in VERDICTS else None


def parse_capture_level(word: str) -> CaptureLevel | None:
    """The canonical capture level for *word* in any case, or None."""
    lowered = word.strip().lower()
    return lowered if lowered in CAPTURE_LEVELS else None


def parse_label(word: str) -> LabelWord | None:
    """The label for *word* in any case, or None."""
    lowered = word.strip().lower()
    return lowered if lowered in LABELS else None


def parse_operator(word: str) -> Operator | None:
    """The canonical comparison operator for *word*, or None."""
    stripped = word.strip().lower()
    if stripped in OPERATORS:
        return stripped
    return OPERATOR_ALIASES.get(stripped)
