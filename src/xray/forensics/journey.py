"""One candidate's way through a run: what became of it at each step, without words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from xray.forensics.conservation import Balance, Conservation
from xray.forensics.flow import Flow
from xray.forensics.inference import Inference
from xray.forensics.nameless import judge_duplicate
from xray.forensics.passages import Passage
from xray.forensics.reach import Reach
from xray.forensics.standing import find_runner_up, measure_cut
from xray.model.answers import StopKind
from xray.model.records import Decision, Step
from xray.model.vocabulary import (
    DUPLICATE,
    NOT_SELECTED,
    OUTRANKED_REASONS,
)

_VERDICT_STRENGTH: Final = {"rejected": 0, "accepted": 1, "selected": 2}


class Journey:
    """A candidate's passages through the steps that count, by ordinal.

    Args:
        flow: the run's graph.
        conservation: its conservation check.
        candidate_id: the candidate.
    """

    def __init__(self, flow: Flow, conservation: Conservation, candidate_id: str) -> None:
        self._flow = flow
        self._conservation = conservation
        self.candidate_id = candidate_id
        self._reach = Reach(flow, candidate_id)
        self._balances: dict[str, Balance] = {}
        self._by_step: dict[str, Passage] = {}
        self._inference = Inference(flow, conservation, self._reach, candidate_id, self._by_step)
        for step in flow.deciding_steps:
            self._by_step[step.step_id] = self._pass(step)
        self.passages: list[Passage] = [self._settle(passage) for passage in self._by_step.values()]

    @property
    def is_recorded(self) -> bool:
        """Whether some step that counts has a row about the candidate."""
        return any(passage.decisions for passage in self.passages)

    def split_queries(self, passage: Passage) -> list[Passage]:
        """*passage* once for each `by` it was decided for."""
        decided = [row for row in passage.decisions if row.decision is not None]
        if len(decided) < 2:
            return [passage]
        return [self._judge(passage.step, [row]) for row in decided]

    def replaced_passages(self) -> list[Passage]:
        """What earlier attempts recorded about the candidate; it decides nothing."""
        found = []
        for step in self._flow.evidence.steps:
            if step.step_id in self._flow.attempts.replaced_by:
                rows = _decided_rows(self._flow.ledger(step).find(self.candidate_id))
                if rows:
                    passage = self._judge(step, rows)
                    found.append(replace(passage, is_replaced=True, is_stranger=False))
        return found

    def last_passage(self) -> Passage | None:
        """The passage that settled the candidate's fate; None when it was nowhere.

        A selection nobody took further stands; else the last step that had the candidate decides.
        """
        ends = [
            passage
            for passage in self.passages
            if passage.fate != "absent" and not self._was_taken_on(passage.step)
        ]
        for passage in reversed(ends):
            if passage.kind == "selected" and self._flow.role(passage.step) != "creates":
                return passage
        return ends[-1] if ends else None

    def _balance(self, step: Step) -> Balance:
        found = self._balances.get(step.step_id)
        if found is None:
            found = self._conservation.balance_about(step, self._reach)
            self._balances[step.step_id] = found
        return found

    def _was_taken_on(self, step: Step) -> bool:
        return any(
            self._by_step[consumer.step_id].fate != "absent"
            for consumer in self._flow.consumers(step)
        )

    def _pass(self, step: Step) -> Passage:
        rows = self._flow.ledger(step).find(self.candidate_id)
        decided = _decided_rows(rows)
        if decided and not self._is_taken_for_another(step, decided):
            return self._judge(step, decided)
        rows = [row for row in rows if row.has_detail]
        passage = self._inference.infer(step, has_evidence=bool(rows))
        return replace(passage, attempt=self._number(step), decisions=tuple(rows))

    def _is_taken_for_another(self, step: Step, decided: Sequence[Decision]) -> bool:
        """Whether the step's roster alone speaks of the candidate, and means another one."""
        if any(row.has_detail for row in decided):
            return False
        if self._flow.role(step) == "creates":
            return self._conservation.is_taken_for_another(step, self._reach)
        return self._balance(step).mistaken.has(self.candidate_id)

    def _number(self, step: Step) -> int:
        return self._flow.attempts.numbers[step.step_id]

    def _judge(self, step: Step, rows: Sequence[Decision]) -> Passage:
        row = max(rows, key=lambda one: _VERDICT_STRENGTH[one.decision or "rejected"])
        balance = self._balance(step)
        passage = Passage(
            step=step,
            attempt=self._number(step),
            kind="accepted",
            fate="in",
            decision=row,
            decisions=tuple(rows),
            detailed=self._flow.ledger(step).count_details(row.decision or "rejected"),
            is_stranger=balance.not_offered.has(self.candidate_id),
        )
        if passage.is_stranger and balance.is_inferred:
            passage = replace(passage, certainty="inferred", because=balance.because)
        if row.decision == "selected":
            return replace(
                passage, kind="selected", runner_up=find_runner_up(self._flow, step, row)
            )
        if row.decision == "rejected":
            return self._judge_rejected(passage, row)
        if step.decision is not None and self._flow.role(step) == "keeps":
            return replace(
                passage,
                kind="not_selected",
                fate="out",
                certainty="inferred",
                because=f"{step.name} selected others, and only the selected go on",
                cut=measure_cut(self._flow, step, self.candidate_id, row.by),
            )
        return passage

    def _judge_rejected(self, passage: Passage, row: Decision) -> Passage:
        if row.merged_into is not None:
            return replace(passage, kind="merged", fate="out")
        if row.reason == DUPLICATE and not row.has_detail:
            return judge_duplicate(passage, self._flow.ledger(passage.step))
        if row.reason in OUTRANKED_REASONS:
            kind: StopKind = "not_selected" if row.reason == NOT_SELECTED else "outranked"
            cut = measure_cut(self._flow, passage.step, self.candidate_id, row.by)
            return replace(passage, kind=kind, fate="out", cut=cut)
        return replace(passage, kind="rejected", fate="out")

    def _settle(self, passage: Passage) -> Passage:
        """Where the step left it open, a later decision shows that the candidate got through."""
        if passage.fate != "maybe":
            return passage
        witness = self._later_witness(passage.step)
        if witness is None:
            return passage
        settled = replace(
            passage,
            kind="kept",
            fate="in",
            certainty="inferred",
            because=f"{witness.name}, which comes after it, decided it",
        )
        self._by_step[passage.step.step_id] = settled
        return settled

    def _later_witness(self, step: Step) -> Step | None:
        waiting = list(self._flow.consumers(step))
        seen: set[str] = set()
        while waiting:
            consumer = waiting.pop(0)
            if consumer.step_id in seen:
                continue
            seen.add(consumer.step_id)
            passage = self._by_step[consumer.step_id]
            if passage.decision is not None and not passage.is_stranger:
                return consumer
            waiting.extend(self._flow.consumers(consumer))
        return None


def _decided_rows(rows: Sequence[Decision]) -> list[Decision]:
    """The rows with a verdict: the last for each `by`, those that count before illustrations."""
    counted = [row for row in rows if row.decision is not None and not row.is_logged]
    chosen = counted or [row for row in rows if row.decision is not None]
    return list({row.by: row for row in chosen}.values())
