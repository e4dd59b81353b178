"""REST bodies as facts, under the same rules as the facts of an SDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from msgspec import Raw
from msgspec.structs import replace

from xray.model.clock import parse_time_us
from xray.model.counts import summarize_step
from xray.model.facts import (
    EVIDENCE,
    NIL,
    VERDICT_CODES,
    Check,
    DecisionRow,
    ErrorInfo,
    Fact,
    OriginRef,
    RunFinished,
    RunPatched,
    RunStarted,
    StepFinished,
)
from xray.model.ids import canonical_id, new_uuid7, parse_uuid, run_id_for_key
from xray.model.values import pack_value
from xray.model.vocabulary import (
    ANONYMOUS_PREFIX,
    CAPTURE_LEVELS,
    DECLARABLE_STEP_TYPES,
    STEP_STATUSES,
    VERDICTS,
    CaptureLevel,
    StepStatus,
    StepType,
    parse_capture_level,
    parse_operator,
    parse_step_status,
    parse_step_type,
    parse_verdict,
)
from xray.server.bodies import (
    CandidateBody,
    CheckBody,
    Id,
    OriginBody,
    RunBody,
    RunPatchBody,
    StepBody,
)
from xray.server.placement import StepPlace, next_attempt
from xray.server.problems import FieldProblem, InvalidBodyError
from xray.wire.limits import Limits

_US_PER_MS: Final = 1000
_MAX_PROBLEMS: Final = 50


@dataclass(frozen=True)
class RecordedRun:
    """The facts of a run's body."""

    run_id: str
    facts: list[Fact]
    steps: list[StepFinished]


class Recorder:
    """Turns the bodies of one request into facts, and collects everything wrong with them."""

    def __init__(self, limits: Limits, now_us: int) -> None:
        self._limits = limits
        self._now_us = now_us
        self._problems: list[FieldProblem] = []

    def record_run(self, body: RunBody) -> RecordedRun:
        """The facts of a run and of the steps in its body.

        Raises:
            InvalidBodyError: the body breaks a rule; every breach that was found is named.
        """
        attempt = body.attempt or 1
        run_id = self._id(body.run_id, "$.run_id")
        if run_id is None:
            run_id = (
                new_uuid7(self._now_us)
                if body.key is None
                else run_id_for_key(body.pipeline, body.key, attempt)
            )
        started_at_us = self._start(body.started_at, body.duration_ms, "$")
        started = RunStarted(
            run_id=run_id,
            pipeline=body.pipeline,
            started_at_us=started_at_us,
            input=self._value(body.input, "$.input"),
            metadata=self._value(body.metadata, "$.metadata"),
            params=self._value(body.params, "$.params"),
            tags=body.tags,
            correlation=_correlation(body.correlation),
            repository=body.repository,
            version=body.version,
            environment=body.environment,
            key=body.key,
            attempt=attempt,
            weight=body.weight,
        )
        steps = self._record_steps(body.steps, run_id, body.pipeline, started_at_us)
        facts: list[Fact] = [started, *steps, *self._record_end(body, run_id)]
        self.refuse_problems()
        return RecordedRun(run_id, facts, steps)

    def record_step(self, body: StepBody, place: StepPlace, at: str = "$") -> StepFinished:
        """The fact of one step; call `refuse_problems` before it is used."""
        problems_before = len(self._problems)
        rows = [
            self._row(candidate, index, f"{at}.candidates[{index}]", place.known_steps)
            for index, candidate in enumerate(body.candidates)
        ]
        stats = body.stats or {}
        counts = (body.input_count, body.output_count)
        is_sample = any(count is not None for count in counts) or any(
            type(stats.get(name)) is int for name in ("input_count", "output_count")
        )
        error = _error(body.error)
        step = StepFinished(
            run_id=place.run_id,
            step_id=self._id(body.step_id, f"{at}.step_id") or new_uuid7(self._now_us),
            pipeline=place.pipeline,
            name=body.name,
            step_type=self._step_type(body.step_type, f"{at}.step_type"),
            ordinal=place.ordinal if body.ordinal is None else body.ordinal,
            started_at_us=self._start(body.started_at, body.duration_ms, at),
            duration_ms=body.duration_ms,
            status=self._status(body.status, error, f"{at}.status") or "completed",
            parent_step_id=self._step_ref(
                body.parent_step_id, f"{at}.parent_step_id", place.known_steps
            ),
            attempt=body.attempt or place.attempt,
            takes=self._takes(body.takes, at, place.known_steps),
            params=self._value(body.params, f"{at}.params"),
            input=self._value(body.input, f"{at}.input"),
            output=self._value(body.output, f"{at}.output"),
            input_count=body.input_count,
            output_count=body.output_count,
            stats=self._value(body.stats, f"{at}.stats"),
            capture=self._capture(body.capture, f"{at}.capture"),
            error=error,
            rows=[] if is_sample else rows,
            logged=rows if is_sample else [],
        )
        if len(self._problems) == problems_before:
            self._require(step, at)
        return step

    def record_patch(self, body: RunPatchBody, run_id: str) -> RunPatched:
        """The fact of a change to a run.

        Raises:
            InvalidBodyError: the body breaks a rule.
        """
        error = _error(body.error)
        patch = RunPatched(
            run_id=run_id,
            status=self._status(body.status, error, "$.status"),
            duration_ms=body.duration_ms,
            output=self._value(body.output, "$.output"),
            error=error,
            metadata=self._value(body.metadata, "$.metadata"),
            tags=body.tags,
            correlation=_correlation(body.correlation),
        )
        self.refuse_problems()
        return patch

    def refuse_problems(self) -> None:
        """Raise what was found wrong so far, if anything was."""
        if self._problems:
            raise InvalidBodyError(self._problems[:_MAX_PROBLEMS])

    def _refuse(self, at: str, detail: str) -> None:
        self._problems.append(FieldProblem(at, detail))

    def _record_steps(
        self, bodies: Sequence[StepBody], run_id: str, pipeline: str, started_at_us: int
    ) -> list[StepFinished]:
        steps: list[StepFinished] = []
        known: dict[str, str] = {}
        ends_us: dict[str | None, int] = {None: started_at_us}
        ordinal = 0
        for index, body in enumerate(bodies):
            at = f"$.steps[{index}]"
            if body.run_id is not None and parse_uuid(body.run_id) != run_id:
                self._refuse(f"{at}.run_id", "is not the run this step is sent with.")
            place = StepPlace(run_id, pipeline, ordinal, known_steps=known)
            step = self.record_step(body, place, at)
            changes: dict[str, object] = {
                "attempt": body.attempt or next_attempt(step.name, step.parent_step_id, steps)
            }
            if body.step_id is None:
                # The same body sent again is the same steps.
                changes["step_id"] = str(uuid5(UUID(run_id), f"step {index}"))
            if body.started_at is None:
                # They all ended before this moment: told without times, they follow one another.
                changes["started_at_us"] = ends_us.get(step.parent_step_id, started_at_us)
            step = replace(step, **changes)
            ends_us[step.step_id] = step.started_at_us
            ends_us[step.parent_step_id] = step.started_at_us + round(
                (step.duration_ms or 0) * _US_PER_MS
            )
            ordinal = max(ordinal, step.ordinal) + 1
            known[step.name] = step.step_id
            steps.append(step)
        return steps

    def _record_end(self, body: RunBody, run_id: str) -> list[Fact]:
        error = _error(body.error)
        output = self._value(body.output, "$.output")
        has_ended = body.duration_ms is not None or error is not None or output != NIL
        status = self._status(body.status, error, "$.status")
        if status is None and has_ended:
            status = "completed"
        if status == "running" and has_ended:
            return [
                RunPatched(run_id=run_id, duration_ms=body.duration_ms, output=output, error=error)
            ]
        if status is None or status == "running":
            return []
        return [
            RunFinished(
                run_id=run_id,
                status=status,
                duration_ms=body.duration_ms,
                output=output,
                error=error,
            )
        ]

    def _row(
        self, body: CandidateBody, index: int, at: str, known: Mapping[str, str]
    ) -> DecisionRow:
        candidate_id = _identify(body.candidate_id)
        verdict = EVIDENCE
        if body.decision is not None or not body.checks:
            word = None if body.decision is None else parse_verdict(body.decision)
            if word is None:
                self._refuse_word(f"{at}.decision", body.decision, VERDICTS)
            else:
                verdict = VERDICT_CODES[word]
        return DecisionRow(
            verdict=verdict,
            candidate_id=f"{ANONYMOUS_PREFIX}{index}" if candidate_id is None else candidate_id,
            reason=body.reason or None,
            attributes=self._value(body.attributes, f"{at}.attributes"),
            score=body.score,
            reasoning=body.reasoning,
            rank=body.rank,
            origin=self._origin(body.origin, f"{at}.origin", known),
            checks=[_check(check) for check in body.checks] if body.checks else None,
            by=_identify(body.by),
            part_of=_identify(body.part_of),
            rank_before=body.rank_before,
            merged_into=_identify(body.merged_into),
            is_anonymous=candidate_id is None,
        )

    def _origin(
        self,
        origin: Id | OriginBody | Sequence[Id | OriginBody] | None,
        at: str,
        known: Mapping[str, str],
    ) -> list[OriginRef] | None:
        if origin is None:
            return None
        named = [origin] if isinstance(origin, (str, int, OriginBody)) else origin
        refs: list[OriginRef] = []
        for each in named:
            source = each if isinstance(each, OriginBody) else OriginBody(candidate_id=each)
            refs.append(
                OriginRef(
                    candidate_id=_identify(source.candidate_id) or "",
                    step_id=self._step_ref(source.step_id, f"{at}.step_id", known),
                    rank=source.rank,
                    score=source.score,
                )
            )
        return refs or None

    def _takes(
        self, takes: Sequence[str] | None, at: str, known: Mapping[str, str]
    ) -> list[str] | None:
        if takes is None:
            return None
        ids = [
            self._step_ref(ref, f"{at}.takes[{index}]", known) for index, ref in enumerate(takes)
        ]
        return [step_id for step_id in ids if step_id is not None]

    def _step_ref(self, ref: str | None, at: str, known: Mapping[str, str]) -> str | None:
        if ref is None:
            return None
        step_id = known.get(ref) or parse_uuid(ref)
        if step_id is None:
            self._refuse(at, f"{ref!r} is neither the name of an earlier step nor a step's id.")
        return step_id

    def _id(self, text: str | None, at: str) -> str | None:
        canonical = None if text is None else parse_uuid(text)
        if text is not None and canonical is None:
            self._refuse(at, f"{text!r} is not an id: ids of runs and steps are UUIDs.")
        return canonical

    def _start(self, text: str | None, duration_ms: float | None, at: str) -> int:
        if text is None:
            return max(0, self._now_us - round((duration_ms or 0) * _US_PER_MS))
        moment_us = parse_time_us(text)
        if moment_us is None or moment_us < 0:
            self._refuse(f"{at}.started_at", f"{text!r} is not a time like 2026-01-01T00:00:00Z.")
            return self._now_us
        return moment_us

    def _value(self, value: object, at: str) -> Raw:
        if value is None:
            return NIL
        packed = pack_value(value)
        if len(packed) > self._limits.max_value_bytes:
            self._refuse(
                at, f"holds {len(packed)} bytes; at most {self._limits.max_value_bytes} are kept."
            )
            return NIL
        return packed

    def _step_type(self, word: str | None, at: str) -> StepType:
        step_type = None if word is None else parse_step_type(word)
        if step_type is None or step_type == "custom":
            self._refuse_word(at, word, (*DECLARABLE_STEP_TYPES, "LLM (generate)"))
            return "custom"
        return step_type

    def _status(self, word: str | None, error: ErrorInfo | None, at: str) -> StepStatus | None:
        if word is None:
            return None if error is None else "failed"
        status = parse_step_status(word)
        if status is None:
            self._refuse_word(at, word, (*STEP_STATUSES, "SUCCESS", "FAILURE"))
        return status

    def _capture(self, word: str | None, at: str) -> CaptureLevel:
        if word is None:
            return "sample"
        level = parse_capture_level(word)
        if level is None:
            self._refuse_word(at, word, CAPTURE_LEVELS)
        return level or "sample"

    def _refuse_word(self, at: str, word: str | None, words: Sequence[str]) -> None:
        said = "is missing" if word is None else f"{word!r} is not known"
        self._refuse(at, f"{said}; it is one of {', '.join(words)}.")

    def _require(self, step: StepFinished, at: str) -> None:
        for missing in summarize_step(step).incomplete:
            self._refuse(
                at, f"A step of type {step.step_type} needs {missing}; {step.name!r} has none."
            )


def _identify(value: Id | None) -> str | None:
    return None if value is None or value == "" else canonical_id(value)


def _error(error: ErrorInfo | str | None) -> ErrorInfo | None:
    return ErrorInfo(type="Error", message=error) if isinstance(error, str) else error


def _correlation(correlation: dict[str, str] | str | None) -> dict[str, str]:
    if isinstance(correlation, str):
        return {"id": correlation}
    return correlation or {}


def _check(body: CheckBody) -> Check:
    op = None if body.op is None else parse_operator(body.op) or body.op
    return Check(
        name=body.name,
        field=body.field,
        op=op,
        observed=body.observed,
        limit=body.limit,
        passed=body.passed,
    )
