"""What one step decided, candidate by candidate: by id as far as they are known, else by hash."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable

from msgspec import Struct

from xray.forensics.evidence import Key, Ledger
from xray.model.counts import score_value
from xray.model.differences import Standing
from xray.model.hashing import hash64
from xray.model.holdings import Fate
from xray.model.records import Decision
from xray.model.vocabulary import RANKING_STEP_TYPES, UNNAMED_REASON, VERDICTS


class Outcomes(Struct, frozen=True):
    """What a step decided.

    Args:
        known: the candidates known by id, with `by` where they were decided for something.
        hashed: the others, ascending: the hashes each can stand for, and its fate.
        is_complete: whether these are all that the step decided.
    """

    known: dict[Key, Standing]
    hashed: list[tuple[int, int, Fate]]
    is_complete: bool


def read_outcomes(ledger: Ledger, ids: Collection[str]) -> Outcomes:
    """What a step decided.

    Args:
        ledger: the decisions of the step.
        ids: every candidate that is to be known by id.
    """
    known: dict[Key, Standing] = {}
    for row in ledger.rows(VERDICTS):
        if not row.is_logged and not row.is_anonymous:
            known[row.by, row.candidate_id] = _stand(row)
    hashed: list[tuple[int, int, Fate]] = []
    if ledger.roster is not None:
        names = _Names(ids)
        is_ordering = ledger.step.step_type in RANKING_STEP_TYPES
        for first, last, fate in ledger.roster.entries():
            found = names.between(first, last)
            if not found:
                hashed.append((first, last, fate))
            for candidate_id in found:
                key = (fate.by, candidate_id)
                if key not in known:
                    # Only where candidates have an order is there more to know than their fate.
                    placed = ledger.find(candidate_id) if is_ordering else []
                    rows = [row for row in placed if row.by == fate.by and row.decision]
                    known[key] = _stand(rows[0]) if rows else stand_as(fate)
    return Outcomes(known, hashed, ledger.is_complete())


def _stand(row: Decision) -> Standing:
    assert row.decision is not None
    return Standing(
        decision=row.decision,
        reason=row.reason if row.decision == "rejected" else None,
        rank=row.rank,
        score=score_value(row.score),
        score_error=row.score_error,
    )


def stand_as(fate: Fate) -> Standing:
    """How a candidate of that fate stood."""
    reason = (fate.reason or UNNAMED_REASON) if fate.decision == "rejected" else None
    return Standing(decision=fate.decision, reason=reason)


class _Names:
    """Ids that are looked up by the hashes they may have."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._sorted = sorted((hash64(candidate_id), candidate_id) for candidate_id in ids)
        self._hashes = [hashed for hashed, _ in self._sorted]

    def between(self, first: int, last: int) -> list[str]:
        """The ids whose hash lies from *first* to *last*."""
        at = bisect_left(self._hashes, first)
        found = []
        while at < len(self._hashes) and self._hashes[at] <= last:
            found.append(self._sorted[at][1])
            at += 1
        return found
