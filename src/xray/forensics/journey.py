"""One candidate's way through a run: what became of it at each step, without words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from xray.forensics.conservation import Balance, Conservation, is_one_sided
from xray.forensics.evidence import Key
from xray.forensics.flow import Flow, is_empty_handed
from xray.forensics.gaps import explain_blindness, explain_sample, explain_silence
from xray.forensics.nameless import judge_duplicate
from xray.forensics.origins import names_value
from xray.forensics.passages import Fate, Passage
from xray.forensics.reach import Reach
from xray.forensics.standing import find_runner_up, measure_cut
from xray.model.answers import StopKind
from xray.model.records import Decision, Step
from xray.model.vocabulary import (
    DUPLICATE,
    NOT_SELECTED,
    OUTRANKED_REASONS,
    VERDICTS,
    Verdict,
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
        passage = self._pass_unrecorded(step, has_evidence=bool(rows))
        return replace(passage, attempt=self._number(step), decisions=tuple(rows))

    def _is_taken_for_another(self, step: Step, decided: Sequence[Decision]) -> bool:
        """Whether the step's roster alone speaks of the candidate, and means another one."""
        if any(row.has_detail for row in decided):
            return False
        if self._flow.role(step) == "creates":
            return self._conservation.is_taken_for_another(step, self._reach)
        return self._is_among(self._balance(step).mistaken)

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
            is_stranger=self._is_among(balance.not_offered),
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

    def _is_among(self, keys: frozenset[Key]) -> bool:
        return any(candidate_id == self.candidate_id for _, candidate_id in keys)

    def _pass_unrecorded(self, step: Step, has_evidence: bool) -> Passage:
        flow = self._flow
        ledger = flow.ledger(step)
        role = flow.role(step)
        if role == "creates" and has_evidence:
            because = f"{step.name} checked it and never decided it"
            return Passage(
                step=step, kind="undecided", fate="maybe", certainty="unknown", because=because
            )
        if role == "creates":
            return self._pass_creating(step)
        before = self._fate_before(step)
        if has_evidence and before == "absent":
            before = "in"
        if before == "absent":
            return self._pass_unoffered(step)
        if not ledger.decided_count:
            return self._pass_uncounted(step, role == "maps", before)
        return self._pass_decided(step, before, has_evidence)

    def _pass_creating(self, step: Step) -> Passage:
        ledger = self._flow.ledger(step)
        if names_value(step.output, self.candidate_id) and not ledger.decided_count:
            because = f"its output names {self.candidate_id}, though it recorded no decision"
            return Passage(
                step=step, kind="accepted", fate="in", certainty="inferred", because=because
            )
        absent = Passage(step=step, kind="not_recorded", fate="absent")
        if self._flow.is_accounted_for(step):
            return absent
        if not ledger.decided_count:
            because = explain_silence(self._flow, step)
        else:
            because = explain_sample(self._flow, step)
        return replace(absent, certainty="unknown", because=because)

    def _pass_unoffered(self, step: Step) -> Passage:
        """A step that, as far as recorded, never had the candidate before it."""
        ledger = self._flow.ledger(step)
        absent = Passage(step=step, kind="not_reached", fate="absent")
        if not ledger.decided_count and self._is_chosen_by_output(step):
            return self._chosen_by_output(step)
        is_full = ledger.is_complete() and ledger.decided_count
        if is_full and is_one_sided(step) and not self._is_surely_gone_before(step):
            return self._pass_one_sided(absent)
        if is_full or is_empty_handed(step):
            return absent
        dropped_by = self._find_drop()
        if dropped_by:
            return replace(absent, certainty="inferred", because=f"{dropped_by} had dropped it")
        because = (
            explain_sample(self._flow, step)
            if ledger.decided_count
            else explain_silence(self._flow, step)
        )
        return replace(absent, certainty="unknown", because=because)

    def _pass_one_sided(self, absent: Passage) -> Passage:
        """The step named only what it dropped, or only what it chose."""
        dropped_by = self._find_drop()
        if dropped_by:
            return replace(absent, certainty="inferred", because=f"{dropped_by} had dropped it")
        verb = "rejected" if absent.step.counts.rejected else "selected"
        because = f"{absent.step.name} recorded only what it {verb}"
        return replace(absent, certainty="unknown", because=because)

    def _is_surely_gone_before(self, step: Step) -> bool:
        edges = self._flow.edges(step)
        if any(self._flow.brings_more(edge) for edge in edges):
            return False
        before = [self._by_step.get(edge.source.step_id) for edge in edges]
        return bool(before) and all(
            passage is not None
            and passage.fate in ("out", "absent")
            and passage.certainty == "known"
            for passage in before
        )

    def _find_drop(self) -> str:
        """The name of the step that dropped the candidate so far; empty when none did."""
        return next((p.step.name for p in self._by_step.values() if p.fate == "out"), "")

    def _fate_before(self, step: Step) -> Fate:
        fates = {
            self._by_step[edge.source.step_id].fate
            for edge in self._flow.edges(step)
            if edge.source.step_id in self._by_step
        }
        if "in" in fates:
            return "in"
        return "maybe" if "maybe" in fates else "absent"

    def _is_chosen_by_output(self, step: Step) -> bool:
        return step.step_type == "select" and names_value(step.output, self.candidate_id)

    def _chosen_by_output(self, step: Step) -> Passage:
        because = f"its output names {self.candidate_id}, though it recorded no decision"
        return Passage(step=step, kind="selected", fate="in", certainty="inferred", because=because)

    def _pass_uncounted(self, step: Step, is_mapping: bool, before: Fate) -> Passage:
        if self._is_chosen_by_output(step):
            return self._chosen_by_output(step)
        if step.status != "completed":
            return Passage(
                step=step,
                kind="undecided",
                fate="maybe",
                because=f"{step.name} {step.status} before it decided anything",
            )
        because = explain_silence(self._flow, step)
        if is_mapping and before == "in":
            return Passage(step=step, kind="kept", fate="in", certainty="inferred", because=because)
        return Passage(
            step=step, kind="unknown", fate="maybe", certainty="unknown", because=because
        )

    def _pass_decided(self, step: Step, before: Fate, has_evidence: bool) -> Passage:
        """The step decided others; the candidate was, or may have been, offered to it."""
        ledger, counts = self._flow.ledger(step), step.counts
        balance = self._balance(step)
        if self._is_among(balance.undecided):
            because = f"{step.name} {step.status} before it decided everything"
            return Passage(step=step, kind="vanished", fate="out", because=because)
        if before == "maybe" and is_one_sided(step):
            because = f"nothing says whether it was still there when {step.name} began"
            return Passage(
                step=step, kind="not_reached", fate="absent", certainty="unknown", because=because
            )
        if counts.rejected == ledger.decided_count and ledger.dropped_elsewhere:
            return Passage(
                step=step,
                kind="unknown",
                fate="maybe",
                certainty="unknown",
                because=explain_blindness(self._flow, step),
            )
        if counts.rejected == ledger.decided_count and ledger.is_complete("rejected"):
            return Passage(
                step=step,
                kind="kept",
                fate="in",
                certainty="inferred",
                because=f"{step.name} recorded only rejections, and this is none of them",
            )
        if counts.selected == ledger.decided_count and ledger.is_complete("selected"):
            return Passage(
                step=step,
                kind="not_selected",
                fate="out",
                certainty="inferred",
                because=f"{step.name} recorded only what it selected",
                cut=measure_cut(self._flow, step, self.candidate_id, None),
            )
        if self._is_among(balance.vanished) or (has_evidence and ledger.is_complete()):
            return Passage(
                step=step,
                kind="vanished",
                fate="out",
                certainty="inferred" if balance.is_inferred else "known",
                because=balance.because,
                offered_count=(
                    len(self._flow.everyone.offered(step)) if balance.first_decided else 0
                ),
                first_decided=balance.first_decided,
            )
        if not ledger.is_complete():
            return self._pass_sampled(step)
        return self._pass_unmatched(step, before, balance)

    def _pass_sampled(self, step: Step) -> Passage:
        """Detail was sampled out; where one verdict alone is short, it must be that one."""
        flow = self._flow
        ledger = flow.ledger(step)
        hidden: list[Verdict] = [word for word in VERDICTS if not ledger.is_complete(word)]
        offered = flow.offered(step)
        is_accounted_for = (
            len(hidden) == 1
            and offered.is_complete
            and self._is_among(self._reach.offered(step))
            and len(flow.everyone.offered(step)) == ledger.decided_count
        )
        if not is_accounted_for:
            because = explain_sample(flow, step)
            return Passage(
                step=step, kind="unknown", fate="maybe", certainty="unknown", because=because
            )
        verdict = hidden[0]
        fate: Fate = "out" if verdict == "rejected" else "in"
        because = (
            f"{step.name} decided as many candidates as it was offered, and every other verdict "
            "was recorded in full"
        )
        return Passage(step=step, kind=verdict, fate=fate, certainty="inferred", because=because)

    def _pass_unmatched(self, step: Step, before: Fate, balance: Balance) -> Passage:
        """The step recorded all it decided, not this candidate, and it is not known to be lost."""
        is_elsewhere = any(
            self._flow.ledger(consumer).has(self.candidate_id)
            for edge in self._flow.edges(step)
            for consumer in self._flow.consumers(edge.source)
            if consumer.step_id != step.step_id
        )
        if is_elsewhere:
            return Passage(step=step, kind="not_reached", fate="absent")
        if before == "maybe":
            because = f"{step.name} recorded every decision, and none is about this candidate"
            return Passage(
                step=step, kind="not_reached", fate="absent", certainty="inferred", because=because
            )
        if self._flow.role(step) == "maps":
            because = f"{step.name} may give candidates new ids"
            return Passage(
                step=step, kind="undecided", fate="maybe", certainty="unknown", because=because
            )
        because = balance.unknown or f"{step.name} recorded no decision about it"
        return Passage(
            step=step, kind="unknown", fate="maybe", certainty="unknown", because=because
        )

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
