"""What other limits do to the labelled candidates of a step."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from xray.forensics.limits import Limits
from xray.forensics.redeciding import StepEvidence
from xray.model.label_totals import LabelTotals
from xray.model.vocabulary import LabelWord


def weigh_labels(
    evidence: StepEvidence,
    limits: Limits,
    words: Mapping[str, LabelWord],
    hidden: Collection[str] = (),
) -> LabelTotals:
    """How the labelled candidates of a step fared, and would fare with other *limits*.

    Args:
        evidence: the step.
        limits: the limits that are changed.
        words: the labels of the run's candidates.
        hidden: those that came there, or may have, and of which there is no row.
    """
    was: dict[str, bool] = {}
    for row in evidence.rows:
        if row.candidate_id in words:
            was[row.candidate_id] = was.get(row.candidate_id, False) or row.verdict != "rejected"
    totals = LabelTotals()
    if was:
        would_be = evidence.judge(limits, was)
        for candidate_id, is_kept in was.items():
            totals += LabelTotals.of(words[candidate_id], is_kept, would_be[candidate_id])
    for candidate_id in hidden:
        totals += LabelTotals.of(words[candidate_id], None, None)
    return totals
