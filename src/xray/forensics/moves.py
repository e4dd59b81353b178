"""Candidates that fared otherwise at the same step of two runs."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from msgspec import Struct

from xray.forensics.orders import kendall_tau, rank_biased_overlap
from xray.forensics.outcomes import Name, Outcomes, name_of, stand_as
from xray.model.differences import Move, MoveKind, Moves, Standing
from xray.model.fates import Fate
from xray.model.vocabulary import Verdict

MAX_EXAMPLES: Final = 20
_DUST: Final = 1e-9
"""Scores closer than this share of the larger differ by rounding, not by what they say."""

_ORDER: Final[tuple[MoveKind, ...]] = (
    "newly_rejected",
    "newly_kept",
    "reason_changed",
    "only_in_a",
    "only_in_b",
    "rank_moved",
    "score_changed",
)


_Weighed = tuple[float, str, bool, str]
"""How far a candidate moved, negated, so that the furthest comes first; its id, and its `by`."""


class Comparison(Struct, frozen=True):
    """The candidates of one step in two runs.

    Args:
        moves: those that fared otherwise, by how.
        jaccard: the survivors of both, as a share of the survivors of either.
        rank_overlap: how alike the rankings of the survivors are.
        kendall_tau: how far the candidates that both ranked stand in the same order.
    """

    moves: list[Moves]
    jaccard: float | None = None
    rank_overlap: float | None = None
    kendall_tau: float | None = None


def compare_outcomes(
    a: Outcomes,
    b: Outcomes,
    survives_in_a: Verdict,
    survives_in_b: Verdict,
    max_examples: int = MAX_EXAMPLES,
) -> Comparison:
    """Compare what a step decided in two runs.

    Args:
        a: what it decided in one.
        b: what it decided in the other.
        survives_in_a: the verdict of those it let through there.
        survives_in_b: the verdict of those it let through in the other.
        max_examples: how many candidates are named of those that fared otherwise in one way.
    """
    found: dict[MoveKind, _Moved] = {kind: _Moved(max_examples) for kind in _ORDER}
    kept: Counter[tuple[bool, bool]] = Counter()
    both_complete = a.is_complete and b.is_complete
    for name, own, other in _pair_known(a.known, b.known):
        is_kept_in_a = own is not None and own.decision == survives_in_a
        is_kept_in_b = other is not None and other.decision == survives_in_b
        kept[is_kept_in_a, is_kept_in_b] += 1
        if own == other and is_kept_in_a == is_kept_in_b:
            continue
        if (own is None and not a.is_complete) or (other is None and not b.is_complete):
            continue  # it may have been decided there too
        for kind, weight in _list_kinds(own, other, is_kept_in_a, is_kept_in_b):
            found[kind].add(name, weight)
    if both_complete:
        stand = cache(stand_as)
        for one, another in _match_hashed(a, b):
            own = None if one is None else stand(one)
            other = None if another is None else stand(another)
            is_kept_in_a = own is not None and own.decision == survives_in_a
            is_kept_in_b = other is not None and other.decision == survives_in_b
            kept[is_kept_in_a, is_kept_in_b] += 1
            for kind, _ in _list_kinds(own, other, is_kept_in_a, is_kept_in_b):
                found[kind].count += 1
    either = kept.total() - kept[False, False]
    return Comparison(
        moves=[
            Moves(kind=kind, count=moved.count, examples=_describe(moved, a, b))
            for kind, moved in found.items()
            if moved.count
        ],
        jaccard=kept[True, True] / either if either and both_complete else None,
        rank_overlap=_overlap_ranks(a, b, survives_in_a, survives_in_b),
        kendall_tau=_compare_ranks(a, b),
    )


class _Moved:
    """The candidates that moved in one way: how many, and the *most* that moved furthest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._max_waiting = 10 * most
        self.count = 0
        self._furthest: list[_Weighed] = []
        self._nearest: _Weighed = (math.inf, "", False, "")

    def add(self, name: Name, weight: float) -> None:
        """Count a candidate that moved as far as *weight* says."""
        self.count += 1
        if -weight > self._nearest[0]:
            return
        weighed: _Weighed
        if isinstance(name, str):
            weighed = (-weight, name, False, "")
        else:
            weighed = (-weight, name[1], True, name[0] or "")
        if weighed < self._nearest:
            self._furthest.append(weighed)
            if len(self._furthest) > self._max_waiting:
                self._furthest = heapq.nsmallest(self._most, self._furthest)
                self._nearest = self._furthest[-1]

    def furthest(self) -> Iterator[tuple[str | None, str]]:
        """Those that moved furthest, in an order that does not depend on which run comes first."""
        for _, candidate_id, has_partition, by in heapq.nsmallest(self._most, self._furthest):
            yield by if has_partition else None, candidate_id


def _pair_known(
    a: Mapping[Name, Standing], b: Mapping[Name, Standing]
) -> Iterator[tuple[Name, Standing | None, Standing | None]]:
    """Every candidate that either knows by id, as it stood in both."""
    for name, standing in a.items():
        yield name, standing, b.get(name)
    for name, standing in b.items():
        if name not in a:
            yield name, None, standing


def _list_kinds(
    a: Standing | None, b: Standing | None, is_kept_in_a: bool, is_kept_in_b: bool
) -> list[tuple[MoveKind, float]]:
    """How a candidate fared otherwise, and how far it moved."""
    if a is None or b is None:
        return [("only_in_b" if a is None else "only_in_a", 0.0)]
    if is_kept_in_a != is_kept_in_b:
        return [("newly_rejected" if is_kept_in_a else "newly_kept", 0.0)]
    kinds: list[tuple[MoveKind, float]] = []
    if a.reason != b.reason:
        kinds.append(("reason_changed", 0.0))
    if a.rank is not None and b.rank is not None and a.rank != b.rank:
        kinds.append(("rank_moved", float(abs(a.rank - b.rank))))
    if a.score is not None and b.score is not None:
        difference = abs(a.score - b.score)
        allowed = (a.score_error or 0.0) + (b.score_error or 0.0)
        if difference > allowed + _DUST * max(abs(a.score), abs(b.score)):
            kinds.append(("score_changed", difference))
    return kinds


def _match_hashed(a: Outcomes, b: Outcomes) -> Iterator[tuple[Fate | None, Fate | None]]:
    """Pairs of entries that stand for the same candidate, and those without a partner."""
    left, at = [*b.hashed], 0
    waiting: list[tuple[int, int, Fate]] = []
    for first, last, fate in a.hashed:
        while at < len(left) and left[at][0] <= last:
            waiting.append(left[at])
            at += 1
        partner = next(
            (
                entry
                for entry in waiting
                if entry[0] <= last and entry[1] >= first and entry[2].by == fate.by
            ),
            None,
        )
        if partner is not None:
            waiting.remove(partner)
        yield fate, None if partner is None else partner[2]
        for entry in [entry for entry in waiting if entry[1] < first]:
            waiting.remove(entry)
            yield None, entry[2]
    for _, _, fate in [*waiting, *left[at:]]:
        yield None, fate


def _describe(moved: _Moved, a: Outcomes, b: Outcomes) -> list[Move]:
    moves = []
    for by, candidate_id in moved.furthest():
        name = name_of(by, candidate_id)
        own, other = a.known.get(name), b.known.get(name)
        moves.append(Move(candidate_id=candidate_id, by=by, a=own, b=other))
    return moves


def _overlap_ranks(
    a: Outcomes, b: Outcomes, survives_in_a: Verdict, survives_in_b: Verdict
) -> float | None:
    own, other = _rank_survivors(a, survives_in_a), _rank_survivors(b, survives_in_b)
    return None if own is None or other is None else rank_biased_overlap(own, other)


def _rank_survivors(outcomes: Outcomes, survives: Verdict) -> list[Name] | None:
    """The survivors by rank; None where not all of them are known by id and rank."""
    kept = [(name, one.rank) for name, one in outcomes.known.items() if one.decision == survives]
    ranked = [
        (rank, name if isinstance(name, str) else name[1], name)
        for name, rank in kept
        if rank is not None
    ]
    is_hidden = any(fate.decision == survives for _, _, fate in outcomes.hashed)
    if is_hidden or not outcomes.is_complete or len(ranked) < len(kept):
        return None
    return [name for _, _, name in sorted(ranked, key=lambda one: one[:2])]


def _compare_ranks(a: Outcomes, b: Outcomes) -> float | None:
    pairs = [
        (own.rank, other.rank)
        for name, own in a.known.items()
        if own.rank is not None
        and (other := b.known.get(name)) is not None
        and other.rank is not None
    ]
    return kendall_tau([one for one, _ in pairs], [other for _, other in pairs])
