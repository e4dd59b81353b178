"""What a roster leaves open about a candidate: who stands for it."""

from __future__ import annotations

from msgspec.structs import replace

from xray.forensics.evidence import Ledger
from xray.forensics.passages import Passage
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
