"""Steps that only count."""

from __future__ import annotations

from typing import Any

from xray.capture.evidence import read_origins, read_reason
from xray.capture.guard import caught
from xray.capture.sets.decisions import Decisions
from xray.capture.settlement import SealedRows
from xray.capture.step import Step
from xray.model.counts import add_origin, add_reason, derive_reason
from xray.model.facts import (
    ACCEPTED,
    REJECTED,
    SELECTED,
    OriginCount,
    OriginRef,
    Tally,
)
from xray.model.kinds import is_a
from xray.model.vocabulary import UNNAMED_REASON, CaptureLevel


class MinimalStep(Step):
    """Keeps counts by verdict, reason and origin, and nothing about any candidate."""

    level: CaptureLevel = "minimal"

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._reasons: list[dict[str | None, int]] = [{}, {}, {}]
        self._origins: dict[tuple[str, str | None], list[int]] = {}

    def reject(
        self,
        candidate_id: object,
        reason: str | None = None,
        attributes: object = None,
        reasoning: str | None = None,
        score: object = None,
        observed: object = None,
        limit: object = None,
        op: str | None = None,
        origin: object = None,
        rank: int | None = None,
        by: object = None,
        part_of: object = None,
    ) -> None:
        """Record that a candidate goes no further."""
        try:
            if (
                (type(reason) is str or reason is None)
                and origin is None
                and reasoning is None
                and not self._pending_checks
            ):
                counts = self._reasons[REJECTED]
                if reason in counts:
                    counts[reason] += 1
                else:
                    self._add(REJECTED, reason)
                return
            self._count_one(REJECTED, candidate_id, reason, reasoning, origin)
        except Exception as error:  # noqa: BLE001
            caught("Step.reject", error)

    def accept(
        self,
        candidate_id: object,
        score: object = None,
        attributes: object = None,
        reasoning: str | None = None,
        observed: object = None,
        limit: object = None,
        op: str | None = None,
        origin: object = None,
        rank: int | None = None,
        by: object = None,
        part_of: object = None,
        reason: str | None = None,
    ) -> None:
        """Record that a candidate survives this step."""
        try:
            if (
                (type(reason) is str or reason is None)
                and origin is None
                and reasoning is None
                and not self._pending_checks
            ):
                counts = self._reasons[ACCEPTED]
                if reason in counts:
                    counts[reason] += 1
                else:
                    self._add(ACCEPTED, reason)
                return
            self._count_one(ACCEPTED, candidate_id, reason, reasoning, origin)
        except Exception as error:  # noqa: BLE001
            caught("Step.accept", error)

    def select(
        self,
        candidate_id: object,
        score: object = None,
        attributes: object = None,
        reasoning: str | None = None,
        observed: object = None,
        limit: object = None,
        op: str | None = None,
        origin: object = None,
        rank: int | None = None,
        by: object = None,
        part_of: object = None,
        reason: str | None = None,
    ) -> None:
        """Record that a candidate is in the answer."""
        try:
            if (
                (type(reason) is str or reason is None)
                and origin is None
                and reasoning is None
                and not self._pending_checks
            ):
                counts = self._reasons[SELECTED]
                if reason in counts:
                    counts[reason] += 1
                else:
                    self._add(SELECTED, reason)
                return
            self._count_one(SELECTED, candidate_id, reason, reasoning, origin)
        except Exception as error:  # noqa: BLE001
            caught("Step.select", error)

    @property
    def has_recorded(self) -> bool:
        """Whether anything was recorded in the step."""
        return any(self._reasons) or super().has_recorded

    def enter_many(self, decisions: Decisions) -> None:
        """Count decisions about many candidates, as the verbs would one by one."""
        kinds, codes = decisions.kinds, decisions.codes
        counts = [codes.count(code) for code in range(len(kinds))]
        for ref in read_origins(decisions.origin, self.run.find_step) or ():
            for kind, count in zip(kinds, counts, strict=True):
                if count:
                    origin = OriginRef(ref.candidate_id, ref.step_id)
                    add_origin(self._origins, origin, kind.verdict, count)
        if self._pending_checks:
            candidates = decisions.candidates_at(range(len(codes)))
            for candidate, code in zip(candidates, codes, strict=True):
                kind, failed = kinds[code], self._rows.take_failed_check(candidate)
                self._add(kind.verdict, kind.reason or failed or kind.failed_check)
            return
        for kind, count in zip(kinds, counts, strict=True):
            if count:
                self._add(kind.verdict, kind.reason or kind.failed_check, count)

    def _add(self, verdict: int, reason: str | None, by: int = 1) -> None:
        counts = self._reasons[verdict]
        try:
            counts[reason] += by
        except KeyError:
            counts[reason] = by

    def _count_one(
        self, verdict: int, candidate: object, reason: object, reasoning: object, origin: object
    ) -> None:
        named = read_reason(reason, self._omissions)
        if self._pending_checks:
            failed = self._rows.take_failed_check(candidate)
            named = named or failed
        if named is None and is_a(reasoning, str):
            named = derive_reason(str.__str__(reasoning))
        self._add(verdict, named)
        for ref in read_origins(origin, self.run.find_step) or ():
            add_origin(self._origins, OriginRef(ref.candidate_id, ref.step_id), verdict)

    def _seal(self) -> SealedRows:
        reasons: dict[str, int] = {}
        for reason, count in self._reasons[REJECTED].items():
            # Cut and made well-formed here, once a reason, rather than at each call.
            named = read_reason(reason, self._omissions)
            add_reason(reasons, named or UNNAMED_REASON, count)
        rejected, accepted, selected = (sum(counts.values()) for counts in self._reasons)
        return SealedRows(
            tally=Tally(
                rejected=rejected,
                accepted=accepted,
                selected=selected,
                reasons=reasons,
                origins=[OriginCount(name, step, *n) for (name, step), n in self._origins.items()],
            ),
        )
