"""Every stored decision of a step in columns: to sort and search thousands at once."""

from __future__ import annotations

from msgspec import Struct

from xray.model.vocabulary import Verdict


class StepOutline(Struct, frozen=True, kw_only=True):
    """The stored decisions of one step without their detail, in recorded order.

    Args:
        step_id: the step.
        count: how many there are.
        candidate_ids: the candidates.
        verdicts: what `verdict` counts through.
        verdict: for each decision the place of its verdict in `verdicts`.
        reasons: what `reason` counts through.
        reason: for each decision the place of its reason in `reasons`.
        scores: for each its one score; empty where none has one.
        ranks: for each its rank; empty where none has one.
        examples: the places of rows that only illustrate and count nowhere.
    """

    step_id: str
    count: int
    candidate_ids: list[str]
    verdicts: list[Verdict | None]
    verdict: list[int]
    reasons: list[str | None]
    reason: list[int]
    scores: list[float | None] = []
    ranks: list[int | None] = []
    examples: list[int] = []
