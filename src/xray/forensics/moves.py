"""Candidates that fared otherwise at the same step of two runs.

Two steps may share thousands of candidates that all moved, so they are compared column by column.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from xray.forensics.orders import kendall_tau, rank_biased_overlap
from xray.forensics.outcomes import Name, Outcomes, Standings, stand_as
from xray.model.differences import Move, MoveKind, Moves, Standing
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
    both_complete = a.is_complete and b.is_complete
    found = {kind: _Moved(max_examples) for kind in _ORDER}
    kept = _compare_known(found, a, b, survives_in_a, survives_in_b)
    if both_complete:
        kept += _compare_hashed(found, a, b, survives_in_a, survives_in_b)
    either = kept.total() - kept[False, False]
    return Comparison(
        moves=[
            Moves(kind=kind, count=moved.count, examples=_describe(moved, a, b))
            for kind, moved in found.items()
            if moved.count
        ],
        jaccard=kept[True, True] / either if either and both_complete else None,
        rank_overlap=_overlap_ranks(a, b, survives_in_a, survives_in_b),
        kendall_tau=_compare_ranks(a.known, b.known),
    )


class _Moved:
    """The candidates that moved in one way: how many, and the *most* that moved furthest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.count = 0
        self._names: list[Name] = []
        self._weights: list[float] = []

    def add_all(self, names: Sequence[Name], weights: Sequence[float] = ()) -> None:
        """Count candidates, each of which moved as far as its weight says, or all alike."""
        self.count += len(names)
        self._names.extend(names)
        self._weights.extend(weights)

    def furthest(self) -> list[Name]:
        """Those that moved furthest, in an order that does not depend on which run comes first."""
        names, weights = self._names, self._weights
        if not weights:
            is_plain = {str}.issuperset(map(type, names))
            return heapq.nsmallest(self._most, names, key=None if is_plain else _spell)
        bar = heapq.nlargest(self._most, weights)[-1]
        told = [
            (-w, _spell(name), name) for name, w in zip(names, weights, strict=True) if w >= bar
        ]
        return [name for _, _, name in heapq.nsmallest(self._most, told)]


def _spell(name: Name) -> tuple[str, bool, str]:
    """By what names are ordered: the candidate, then what it was decided by."""
    return (name, False, "") if isinstance(name, str) else (name[1], True, name[0] or "")


_Found = dict[MoveKind, _Moved]
_Kept = Counter[tuple[bool, bool]]
"""How many candidates were let through in A and in B."""


def _compare_known(
    found: _Found, a: Outcomes, b: Outcomes, survives_in_a: Verdict, survives_in_b: Verdict
) -> _Kept:
    """Compare the candidates that either knows by id."""
    names = list(a.known)
    in_b = list(map(b.known.places.get, names))
    kept_in_a = [decision == survives_in_a for decision in a.known.decisions]
    kept_in_b = [decision == survives_in_b for decision in b.known.decisions]
    only_in_a = [at for at, place in enumerate(in_b) if place is None]
    only_in_b = [name for name in b.known if name not in a.known.places]
    if b.is_complete:  # else they may have been decided there too
        found["only_in_a"].add_all([names[at] for at in only_in_a])
    if a.is_complete:
        found["only_in_b"].add_all(only_in_b)
    shared = [(at, place) for at, place in enumerate(in_b) if place is not None]
    both = [(kept_in_a[at], kept_in_b[place]) for at, place in shared]
    kept: _Kept = Counter(both)
    kept.update((kept_in_a[at], False) for at in only_in_a)
    kept.update((False, kept_in_b[b.known.places[name]]) for name in only_in_b)
    for kind, wanted in _TURNS:
        turned = zip(shared, both, strict=True)
        found[kind].add_all([names[at] for (at, _), was in turned if was == wanted])
    alike = [pair for pair, (one, other) in zip(shared, both, strict=True) if one == other]
    _compare_columns(found, names, alike, a.known, b.known)
    return kept


_TURNS: Final[tuple[tuple[MoveKind, tuple[bool, bool]], ...]] = (
    ("newly_rejected", (True, False)),
    ("newly_kept", (False, True)),
)


def _compare_columns(
    found: _Found,
    names: Sequence[Name],
    alike: Sequence[tuple[int, int]],
    a: Standings,
    b: Standings,
) -> None:
    """Compare reason, rank and score of candidates that were let through in both or in neither.

    Args:
        found: takes those that differ.
        names: the candidates of A.
        alike: the places of each in A and in B.
        a: how candidates stood in A.
        b: how they stood in B.
    """
    found["reason_changed"].add_all(
        [names[at] for at, place in alike if a.reasons[at] != b.reasons[place]]
    )
    if a.has_ranks and b.has_ranks:
        moved = [
            (names[at], float(abs(rank - other)))
            for at, place in alike
            if (rank := a.ranks[at]) is not None
            and (other := b.ranks[place]) is not None
            and rank != other
        ]
        found["rank_moved"].add_all([name for name, _ in moved], [far for _, far in moved])
    if a.has_scores and b.has_scores:
        moved = [
            (names[at], far)
            for at, place in alike
            if (score := a.scores[at]) is not None
            and (beside := b.scores[place]) is not None
            and (far := abs(score - beside))
            and far
            > _DUST * max(abs(score), abs(beside))
            + (a.score_errors[at] or 0.0)
            + (b.score_errors[place] or 0.0)
        ]
        found["score_changed"].add_all([name for name, _ in moved], [far for _, far in moved])


def _compare_hashed(
    found: _Found, a: Outcomes, b: Outcomes, survives_in_a: Verdict, survives_in_b: Verdict
) -> _Kept:
    """Compare the candidates that are known by hash only: those of one fate in each run at once."""
    in_a, in_b = list(map(stand_as, a.fates)), list(map(stand_as, b.fates))
    kept: _Kept = Counter()
    for (one, another), count in Counter(_match_hashed(a, b)).items():
        own = None if one is None else in_a[one]
        other = None if another is None else in_b[another]
        is_kept_in_a = own is not None and own.decision == survives_in_a
        is_kept_in_b = other is not None and other.decision == survives_in_b
        kept[is_kept_in_a, is_kept_in_b] += count
        kind = _find_kind(own, other, is_kept_in_a, is_kept_in_b)
        if kind is not None:
            found[kind].count += count
    return kept


def _find_kind(
    a: Standing | None, b: Standing | None, is_kept_in_a: bool, is_kept_in_b: bool
) -> MoveKind | None:
    """How candidates fared otherwise of which no more than their fate is known."""
    if a is None or b is None:
        return "only_in_b" if a is None else "only_in_a"
    if is_kept_in_a != is_kept_in_b:
        return "newly_rejected" if is_kept_in_a else "newly_kept"
    return "reason_changed" if a.reason != b.reason else None


def _match_hashed(a: Outcomes, b: Outcomes) -> Iterator[tuple[int | None, int | None]]:
    """The codes of entries that stand for the same candidate, and of those without a partner."""
    by_in_a, by_in_b = [fate.by for fate in a.fates], [fate.by for fate in b.fates]
    left, at = b.hashed, 0
    waiting: list[tuple[int, int, int]] = []
    for first, last, code in a.hashed:
        while at < len(left) and left[at][0] <= last:
            waiting.append(left[at])
            at += 1
        partner = None
        for entry in waiting:
            if entry[0] <= last and entry[1] >= first and by_in_b[entry[2]] == by_in_a[code]:
                partner = entry
                break
        if partner is not None:
            waiting.remove(partner)
        yield code, None if partner is None else partner[2]
        if waiting:
            for entry in [entry for entry in waiting if entry[1] < first]:
                waiting.remove(entry)
                yield None, entry[2]
    for _, _, code in [*waiting, *left[at:]]:
        yield None, code


def _describe(moved: _Moved, a: Outcomes, b: Outcomes) -> list[Move]:
    moves = []
    for name in moved.furthest():
        by, candidate_id = (None, name) if isinstance(name, str) else name
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
    known = outcomes.known
    rows = zip(known, known.decisions, known.ranks, strict=True)
    kept = [(rank, name) for name, decision, rank in rows if decision == survives]
    ranked = [(rank, _spell(name)[0], name) for rank, name in kept if rank is not None]
    codes = {code for _, _, code in outcomes.hashed}
    is_hidden = any(outcomes.fates[code].decision == survives for code in codes)
    if is_hidden or not outcomes.is_complete or len(ranked) < len(kept):
        return None
    return [name for _, _, name in sorted(ranked, key=lambda one: one[:2])]


def _compare_ranks(a: Standings, b: Standings) -> float | None:
    if not (a.has_ranks and b.has_ranks):
        return None
    pairs = [
        (own, other)
        for name, own in zip(a, a.ranks, strict=True)
        if own is not None
        and (place := b.places.get(name)) is not None
        and (other := b.ranks[place]) is not None
    ]
    return kendall_tau([one for one, _ in pairs], [other for _, other in pairs])
