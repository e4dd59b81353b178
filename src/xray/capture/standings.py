"""Where the candidates of a step stand, as far as their rosters tell: ranks and scores."""

from __future__ import annotations

import math
from array import array
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Final

from xray.capture.evidence import read_rank, read_score
from xray.model.counts import score_value
from xray.model.ids import canonical_id
from xray.model.packed_arrays import to_bytes
from xray.model.ranking import NO_RANK, Ranking

Standing = tuple[int | None, float | None]
"""A rank and a score."""

Entered = tuple[Hashable, int | None, float | None]
"""What tells a candidate's decision apart, its rank and its score."""

_NOWHERE: Final[Entered] = (None, None, None)


class Standings:
    """The ranks and scores of candidates in some order.

    Args:
        ranks: one for each, `NO_RANK` where it has none; empty where none has.
        scores: one for each, not a number where it has none; empty where none has.
    """

    __slots__ = ("_ranks", "_scores")

    def __init__(self, ranks: Sequence[int], scores: array[float]) -> None:
        self._ranks = ranks
        self._scores = scores

    def at(self, place: int) -> Standing:
        """That of the candidate at *place*."""
        rank = self._ranks[place] if self._ranks else NO_RANK
        score = self._scores[place] if self._scores else math.nan
        return None if rank == NO_RANK else rank, None if math.isnan(score) else score

    def pick(self, places: Sequence[int]) -> Standings:
        """Those of the candidates at *places*."""
        ranks, scores = self._ranks, self._scores
        return Standings(
            [ranks[place] for place in places] if ranks else (),
            array("d", [scores[place] for place in places] if scores else ()),
        )

    def tell(self, start: int, stop: int) -> Ranking:
        """Those from *start* to *stop* as they travel."""
        ranks = array("I", self._ranks[start:stop])
        return Ranking(to_bytes(ranks), to_bytes(self._scores[start:stop]))


def read_standing(rank: object, score: object) -> Standing:
    """What a verb was given as rank and score."""
    number = read_score(score)
    return read_rank(rank), None if number is None else score_value(number)


def join_standings(entered: Sequence[Entered]) -> dict[Hashable, Entered]:
    """Where each candidate stands: what its last verdict does not say, the one before it does."""
    found = {one[0]: one for one in entered}
    if len(found) == len(entered) and all(type(key) is not str or key.isascii() for key in found):
        return found
    found.clear()
    for key, rank, score in entered:
        name = canonical_id(key) if type(key) is str else key
        _, rank_before, score_before = found.get(name, _NOWHERE)
        found[name] = (
            name,
            rank_before if rank is None else rank,
            score_before if score is None else score,
        )
    return found


def gather_standings(
    by: str | None, ids: Iterable[str], standings: Mapping[Hashable, Entered]
) -> Standings | None:
    """The ranks and scores of candidates in their order; None where no candidate has any."""
    if not standings:
        return None
    keys: Iterable[Hashable] = ids if by is None else ((by, one) for one in ids)
    found = [standings.get(key, _NOWHERE) for key in keys]
    ranks = [NO_RANK if rank is None or not 0 <= rank < NO_RANK else rank for _, rank, _ in found]
    scores = array("d", [math.nan if score is None else score for _, _, score in found])
    has_ranks = ranks.count(NO_RANK) < len(ranks)
    has_scores = any(score == score for score in scores)
    if not has_ranks and not has_scores:
        return None
    return Standings(ranks if has_ranks else (), scores if has_scores else array("d"))
