"""What a roster leaves open about a candidate: whose fate it was, and who stands for it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from xray.forensics.evidence import Ledger
from xray.forensics.passages import Passage
from xray.model.records import Decision, Step
from xray.model.vocabulary import DUPLICATE


def judge_duplicate(passage: Passage, ledger: Ledger) -> Passage:
    """A roster says neither what a duplicate was merged into nor whether anything stands for it.

    What the step did with the duplicates whose detail was kept tells.
    """
    rejected = [row for row in ledger.rows(("rejected",)) if not row.is_logged]
    duplicates = [row for row in rejected if row.reason == DUPLICATE]
    if not any(row.merged_into for row in duplicates):
        return replace(passage, kind="rejected", fate="out")
    if all(row.merged_into for row in duplicates):
        return replace(passage, kind="merged", fate="out")
    because = f"other duplicates of {passage.step.name} were merged, some were not"
    return replace(passage, kind="merged", fate="out", certainty="inferred", because=because)


def is_ambiguous(rows: Sequence[Decision]) -> bool:
    """Whether a roster gave two different answers about one candidate."""
    fates: dict[str | None, Decision] = {}
    for row in rows:
        if not row.has_detail:
            first = fates.setdefault(row.by, row)
            if (first.decision, first.reason) != (row.decision, row.reason):
                return True
    return False


def judge_ambiguous(step: Step, rows: Sequence[Decision]) -> Passage:
    """Two candidates look alike to the roster of *step*, which cannot tell whose fate is whose."""
    fates = " or ".join(dict.fromkeys(map(_word_fate, rows)))
    because = f"the roster of {step.name} takes two candidates for one another: {fates}"
    if {row.decision for row in rows} == {"rejected"}:
        return Passage(
            step=step,
            kind="rejected",
            fate="out",
            certainty="inferred",
            because=because,
            decisions=tuple(rows),
        )
    return Passage(step=step, kind="unknown", fate="maybe", certainty="unknown", because=because)


def _word_fate(row: Decision) -> str:
    return f"{row.decision} ({row.reason})" if row.reason else f"{row.decision}"
