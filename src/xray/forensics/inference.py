"""What became of a candidate at a step that recorded no decision about it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from xray.forensics.conservation import Balance, Conservation, is_one_sided
from xray.forensics.flow import Flow, is_empty_handed
from xray.forensics.gaps import explain_blindness, explain_sample, explain_silence
from xray.forensics.origins import names_value
from xray.forensics.passages import Fate, Passage
from xray.forensics.reach import Reach
from xray.forensics.standing import measure_cut
from xray.model.records import Step
from xray.model.vocabulary import VERDICTS, Verdict


class Inference:
    """Tells what became of a candidate where no row does: from the steps before, counts, outputs.

    Args:
        flow: the run's graph.
        conservation: its conservation check.
        reach: how far the candidate came.
        candidate_id: the candidate.
        trail: its passages through the steps before the one that is asked about, by step id.
    """

    def __init__(
        self,
        flow: Flow,
        conservation: Conservation,
        reach: Reach,
        candidate_id: str,
        trail: Mapping[str, Passage],
    ) -> None:
        self._flow = flow
        self._conservation = conservation
        self._reach = reach
        self._candidate_id = candidate_id
        self._trail = trail

    def infer(self, step: Step, *, has_evidence: bool) -> Passage:
        """What became of the candidate at *step*.

        Args:
            step: a step that decided nothing about it.
            has_evidence: the step looked at the candidate all the same.
        """
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
        if names_value(step.output, self._candidate_id) and not ledger.decided_count:
            because = f"its output names {self._candidate_id}, though it recorded no decision"
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
        before = [self._trail.get(edge.source.step_id) for edge in edges]
        return bool(before) and all(
            passage is not None
            and passage.fate in ("out", "absent")
            and passage.certainty == "known"
            for passage in before
        )

    def _find_drop(self) -> str:
        """The name of the step that dropped the candidate so far; empty when none did."""
        return next((p.step.name for p in self._trail.values() if p.fate == "out"), "")

    def _fate_before(self, step: Step) -> Fate:
        fates = {
            self._trail[edge.source.step_id].fate
            for edge in self._flow.edges(step)
            if edge.source.step_id in self._trail
        }
        if "in" in fates:
            return "in"
        return "maybe" if "maybe" in fates else "absent"

    def _is_chosen_by_output(self, step: Step) -> bool:
        return step.step_type == "select" and names_value(step.output, self._candidate_id)

    def _chosen_by_output(self, step: Step) -> Passage:
        because = f"its output names {self._candidate_id}, though it recorded no decision"
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
        balance = self._conservation.balance_about(step, self._reach)
        if balance.undecided.has(self._candidate_id):
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
                cut=measure_cut(self._flow, step, self._candidate_id, None),
            )
        if balance.vanished.has(self._candidate_id) or (has_evidence and ledger.is_complete()):
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
            and self._reach.offered(step).has(self._candidate_id)
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
            self._flow.ledger(consumer).has(self._candidate_id)
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
