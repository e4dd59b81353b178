"""What one step decided, candidate by candidate: by id as far as they are known, else by hash."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cache, cached_property
from itertools import repeat

from msgspec import Struct
from msgspec.structs import replace

from xray.forensics.evidence import Ledger, RunEvidence
from xray.forensics.keys import Key
from xray.model.counts import score_value
from xray.model.differences import Standing
from xray.model.fates import Fate
from xray.model.records import Decision
from xray.model.vocabulary import RANKING_STEP_TYPES, UNNAMED_REASON

Name = str | Key
"""What a decision is about: a candidate's id, or where it was decided `by` something, its key."""


class Outcomes(Struct, frozen=True):
    """What a step decided.

    Args:
        known: the candidates known by id.
        hashed: the others, ascending: the hashes each can stand for, and its fate.
        is_complete: whether these are all that the step decided.
    """

    known: dict[Name, Standing]
    hashed: list[tuple[int, int, Fate]]
    is_complete: bool


def read_outcomes(ledger: Ledger, names: Names) -> Outcomes:
    """What a step decided.

    Args:
        ledger: the decisions of the step.
        names: every candidate that is to be known by id.
    """
    known = _read_rows(ledger)
    hashed: list[tuple[int, int, Fate]] = []
    if ledger.roster is not None:
        # Only where candidates have an order is there more to know than their fate.
        is_ranked = ledger.step.step_type in RANKING_STEP_TYPES and ledger.roster.has_places
        stand = cache(stand_as)
        for first, last, fate in ledger.roster.entries():
            found = names.between(first, last)
            if not found:
                hashed.append((first, last, fate))
            for candidate_id in found:
                name = name_of(fate.by, candidate_id)
                if name not in known:
                    placed = ledger.roster.find(candidate_id) if is_ranked else []
                    rows = [row for row in placed if row.by == fate.by]
                    known[name] = _place(fate, rows[0]) if rows else stand(fate)
    return Outcomes(known, hashed, ledger.is_complete())


def name_of(by: str | None, candidate_id: str) -> Name:
    """What names a candidate that was decided *by* something, or for nothing in particular."""
    return candidate_id if by is None else (by, candidate_id)


def _read_rows(ledger: Ledger) -> dict[Name, Standing]:
    table = ledger.table
    nameless = table.anonymous if ledger.anonymous_count else repeat(False)
    columns = zip(
        table.partitions,
        table.candidate_ids,
        table.verdicts,
        table.reasons,
        table.ranks,
        map(score_value, table.scores),
        table.logged,
        nameless,
        strict=False,
    )
    return {
        name if by is None else (by, name): Standing(
            verdict, reason if verdict == "rejected" else None, rank, score
        )
        for by, name, verdict, reason, rank, score, is_logged, is_nameless in columns
        if verdict is not None and not is_logged and not is_nameless
    }


def _place(fate: Fate, row: Decision) -> Standing:
    return replace(
        stand_as(fate), rank=row.rank, score=score_value(row.score), score_error=row.score_error
    )


def stand_as(fate: Fate) -> Standing:
    """How a candidate of that fate stood."""
    reason = (fate.reason or UNNAMED_REASON) if fate.decision == "rejected" else None
    return Standing(decision=fate.decision, reason=reason)


class Names:
    """Ids that are looked up by the hashes they may have.

    Args:
        runs: the runs whose ids they are; read when the first is looked up.
    """

    def __init__(self, *runs: RunEvidence) -> None:
        self._runs = runs

    @cached_property
    def _sorted(self) -> list[tuple[int, str]]:
        hashes = {name: hashed for run in self._runs for name, hashed in run.known_ids.items()}
        return sorted((hashed, name) for name, hashed in hashes.items())

    @cached_property
    def _hashes(self) -> list[int]:
        return [hashed for hashed, _ in self._sorted]

    def between(self, first: int, last: int) -> list[str]:
        """The ids whose hash lies from *first* to *last*."""
        hashes = self._hashes
        at = bisect_left(hashes, first)
        if at == len(hashes) or hashes[at] > last:
            return []
        return [name for _, name in self._sorted[at : bisect_right(hashes, last, at)]]
