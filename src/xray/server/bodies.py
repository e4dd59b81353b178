"""What REST bodies may hold, in every accepted spelling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from xray.model.bounds import Count, Duration, Ordinal, Weight, Whole
from xray.model.facts import ErrorInfo, Score
from xray.model.forgetting import ForgetRequest
from xray.model.labels import LabelRequest
from xray.model.retention_report import RetentionRequest
from xray.server.problems import FieldProblem, InvalidBodyError

Name = Annotated[str, Meta(min_length=1, max_length=512)]
Id = str | int

_Body = TypeVar("_Body", bound=Struct)


class CheckBody(Struct, kw_only=True, frozen=True):
    """Evidence about a candidate: what was observed and whether it passed."""

    name: Name
    passed: bool
    field: str = ""
    op: str | None = None
    observed: Any = None
    limit: Any = None


class OriginBody(Struct, kw_only=True, frozen=True):
    """What brought a candidate; `step_id` may also be the name of an earlier step."""

    candidate_id: Id
    step_id: str | None = None
    rank: Whole | None = None
    score: float | None = None


class CandidateBody(Struct, kw_only=True, frozen=True):
    """One decision: `decision` is accepted, rejected or selected, in any case."""

    candidate_id: Id | None = None
    decision: str | None = None
    reason: str | None = None
    reasoning: str | None = None
    attributes: dict[str, Any] | None = None
    score: Score | None = None
    rank: Whole | None = None
    rank_before: Whole | None = None
    origin: Id | OriginBody | list[Id | OriginBody] | None = None
    checks: list[CheckBody] | None = None
    by: Id | None = None
    part_of: Id | None = None
    merged_into: Id | None = None


class StepBody(Struct, kw_only=True, frozen=True):
    """One step. Candidates beside counts are samples; without counts they are counted."""

    name: Name
    step_type: str | None = None
    run_id: str | None = None
    step_id: str | None = None
    parent_step_id: str | None = None
    ordinal: Count | None = None
    attempt: Ordinal | None = None
    takes: list[str] | None = None
    status: str | None = None
    error: ErrorInfo | str | None = None
    started_at: str | None = None
    duration_ms: Duration | None = None
    params: Any = None
    input: Any = None
    output: Any = None
    input_count: Count | None = None
    output_count: Count | None = None
    stats: dict[str, Any] | None = None
    capture: str | None = None
    candidates: list[CandidateBody] = []


class RunBody(Struct, kw_only=True, frozen=True):
    """One run, with its steps if they are known already."""

    pipeline: Name
    run_id: str | None = None
    status: str | None = None
    input: Any = None
    output: Any = None
    error: ErrorInfo | str | None = None
    metadata: dict[str, Any] | None = None
    params: Any = None
    tags: list[str] = []
    correlation: dict[str, str] | str | None = None
    repository: str | None = None
    version: str | None = None
    environment: str | None = None
    key: str | None = None
    attempt: Ordinal | None = None
    weight: Weight = 1.0
    started_at: str | None = None
    duration_ms: Duration | None = None
    steps: list[StepBody] = []


class RunPatchBody(Struct, kw_only=True, frozen=True):
    """What is set on a run; whatever is absent stays as it is."""

    status: str | None = None
    duration_ms: Duration | None = None
    output: Any = None
    error: ErrorInfo | str | None = None
    metadata: dict[str, Any] | None = None
    tags: list[str] | None = None
    correlation: dict[str, str] | str | None = None


_SPELLINGS: Final[dict[type[Struct], dict[str, str]]] = {
    RunBody: {"id": "run_id", "pipeline_type": "pipeline"},
    StepBody: {"id": "step_id", "step_name": "name", "decisions": "candidates"},
    CandidateBody: {"id": "candidate_id"},
    RunPatchBody: {},
    LabelRequest: {
        "run": "run_id", "candidate": "candidate_id", "correlation_id": "correlation",
        "by": "labelled_by",
    },
    RetentionRequest: {},
    ForgetRequest: {
        "runs": "run_ids", "pipeline_types": "pipelines", "candidates": "candidate_ids",
    },
}  # fmt: skip
_PARTS: Final[dict[type[Struct], dict[str, type[Struct]]]] = {
    RunBody: {"steps": StepBody},
    StepBody: {"candidates": CandidateBody},
}
_MAX_IGNORED: Final = 50


def read_body_as(kind: type[_Body], given: Mapping[str, object]) -> tuple[_Body, list[str]]:
    """*given* as the body it is meant to be, and the names in it that mean nothing here.

    Raises:
        InvalidBodyError: a field is missing, or its value is not what the field takes.
    """
    ignored: list[str] = []
    spelled = _spell(kind, given, "$", ignored)
    try:
        body = msgspec.convert(spelled, kind)
    except msgspec.ValidationError as error:
        raise InvalidBodyError([_locate(str(error))]) from None
    return body, ignored[:_MAX_IGNORED]


def _spell(
    kind: type[Struct], given: Mapping[str, object], at: str, ignored: list[str]
) -> dict[str, object]:
    """*given* under canonical names; what has no name here is noted in *ignored*."""
    spellings = _SPELLINGS[kind]
    parts = _PARTS.get(kind, {})
    spelled: dict[str, object] = {}
    for name, value in given.items():
        canonical = spellings.get(name, name)
        if canonical not in kind.__struct_fields__:
            ignored.append(f"{at}.{name}"[2:])
            continue
        if canonical in spelled and spelled[canonical] != value:
            other = next(key for key in given if spellings.get(key, key) == canonical)
            raise InvalidBodyError(
                [FieldProblem(f"{at}.{name}", f"says something else than {other!r}.")],
                hint="They are two names of one field: send one of them.",
            )
        part = parts.get(canonical)
        spelled[canonical] = (
            _spell_all(part, value, f"{at}.{canonical}", ignored) if part else value
        )
    return spelled


def _spell_all(kind: type[Struct], given: object, at: str, ignored: list[str]) -> object:
    if not isinstance(given, list):
        return given
    return [
        _spell(kind, item, f"{at}[{index}]", ignored) if isinstance(item, dict) else item
        for index, item in enumerate(given)
    ]


def _locate(message: str) -> FieldProblem:
    """The place and the complaint in a message like ``Expected `str` - at `$.version` ``."""
    detail, _, place = message.partition(" - at ")
    return FieldProblem(place.strip("`") or "$", f"{detail}.")
