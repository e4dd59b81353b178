"""Candidates like one that were decided otherwise in the same run."""

from __future__ import annotations

from msgspec import Struct

from xray.model.differences import Change
from xray.model.notebook import Shown
from xray.model.records import Check
from xray.model.vocabulary import Certainty, Verdict


class Neighbour(Struct, frozen=True, kw_only=True):
    """A candidate that is like another and was decided otherwise.

    Args:
        candidate_id: that candidate.
        step_id: the step that told the two apart.
        step_name: its name.
        decision: what that step decided about this one.
        reason: why it rejected this one, where it did.
        likeness: how alike the two are in what was recorded, from 0 to 1.
        alike: what is the same of both.
        differing: what is not, `a` being the candidate asked about; what decided stands first.
        checks: those that the rejected one of the two failed.
        text: the same in one plain sentence.
    """

    candidate_id: str
    step_id: str
    step_name: str
    decision: Verdict
    reason: str | None = None
    likeness: float
    alike: list[str] = []
    differing: list[Change] = []
    checks: list[Check] = []
    text: str = ""


class Neighbours(Shown, Struct, frozen=True, kw_only=True):
    """The candidates most like one among those that were decided otherwise.

    Args:
        run_id: the run.
        pipeline: its pipeline.
        candidate_id: the candidate asked about.
        answer: one plain sentence.
        certainty: `known` where every candidate that was decided otherwise was looked at.
        because: why nearer ones may not be known.
        neighbours: the most like it first.
        looked_at: how many that were decided otherwise were looked at.
        opposed: how many of them there were with detail.
    """

    run_id: str
    pipeline: str
    candidate_id: str
    answer: str
    certainty: Certainty
    because: str = ""
    neighbours: list[Neighbour] = []
    looked_at: int = 0
    opposed: int = 0
