"""Candidates that fared otherwise at the same step of two runs.

Two steps may share thousands of candidates that all moved, so they are compared column by column.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, compress, pairwise, repeat
from operator import and_, eq, gt, le, lt, ne, sub
from typing import Final, TypeVar

from msgspec import Struct

from xray.forensics.orders import kendall_tau, rank_biased_overlap
from xray.forensics.outcomes import Name, Outcomes, Standings, pick, stand_as
from xray.model.differences import Move, MoveKind, Moves, Standing
from xray.model.holdings import Span
from xray.model.spans import BEYOND
from xray.model.vocabulary import VERDICTS, Verdict

MAX_EXAMPLES: Final = 20
_DUST: Final = 1e-9
"""Scores closer than this share of the larger differ by rounding, not by what they say."""

_EXACT: Final = (None, None)
_Number = TypeVar("_Number", int, float)

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
    shared = _pair(a.known, b.known)
    kept = _compare_known(found, a, b, shared, survives_in_a, survives_in_b)
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
        kendall_tau=_compare_ranks(a.known, b.known, shared),
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
        foremost = compress(zip(names, weights, strict=True), map(bar.__le__, weights))
        told = [(-weight, _spell(name), name) for name, weight in foremost]
        return [name for _, _, name in heapq.nsmallest(self._most, told)]


def _spell(name: Name) -> tuple[str, bool, str]:
    """By what names are ordered: the candidate, then what it was decided by."""
    return (name, False, "") if isinstance(name, str) else (name[1], True, name[0] or "")


_Found = dict[MoveKind, _Moved]
_Matched = tuple[int | None, int | None]
"""The codes of what stands for one candidate in A and in B; None where it is not there."""
_Kept = Counter[tuple[bool, bool]]
"""How many candidates were let through in A and in B."""


class _Shared(Struct, frozen=True):
    """The candidates that two runs know by id.

    Args:
        names: their names.
        in_a: the place of each in the columns of A.
        in_b: the place of each in those of B.
    """

    names: list[Name]
    in_a: list[int]
    in_b: list[int]

    def only(self, wanted: Sequence[object]) -> _Shared:
        """Those for which *wanted*, one for each, is true."""
        if all(wanted):
            return self
        names, in_a, in_b = (
            list(compress(column, wanted)) for column in (self.names, self.in_a, self.in_b)
        )
        return _Shared(names, in_a, in_b)  # type: ignore[arg-type]


def _pair(a: Standings, b: Standings) -> _Shared:
    is_shared = list(map(b.places.__contains__, a.names))
    names = list(compress(a.names, is_shared))
    in_a = list(compress(range(len(a.names)), is_shared))
    return _Shared(names, in_a, list(map(b.places.__getitem__, names)))


def _compare_known(
    found: _Found,
    a: Outcomes,
    b: Outcomes,
    shared: _Shared,
    survives_in_a: Verdict,
    survives_in_b: Verdict,
) -> _Kept:
    """Compare the candidates that either knows by id."""
    names = shared.names
    if b.is_complete:  # else they may have been decided there too
        found["only_in_a"].add_all(list(a.known.places.keys() - names))
    if a.is_complete:
        found["only_in_b"].add_all(list(b.known.places.keys() - names))
    is_kept_in_a = a.known.codes.translate(_IS_ONE[survives_in_a])
    is_kept_in_b = b.known.codes.translate(_IS_ONE[survives_in_b])
    kept_in_a = bytes(pick(is_kept_in_a, shared.in_a))
    kept_in_b = bytes(pick(is_kept_in_b, shared.in_b))
    if kept_in_a != kept_in_b:
        found["newly_rejected"].add_all(list(compress(names, map(gt, kept_in_a, kept_in_b))))
        found["newly_kept"].add_all(list(compress(names, map(lt, kept_in_a, kept_in_b))))
    alike = shared.only(list(map(eq, kept_in_a, kept_in_b)))
    _compare_columns(found, alike, a.known, b.known)
    both = sum(map(and_, kept_in_a, kept_in_b))
    only_a, only_b = sum(is_kept_in_a) - both, sum(is_kept_in_b) - both
    return Counter({(True, True): both, (True, False): only_a, (False, True): only_b})


_IS_ONE: Final[Mapping[Verdict, bytes]] = {
    verdict: bytes(code == wanted for code in range(256)) for wanted, verdict in enumerate(VERDICTS)
}
"""For each verdict what turns codes of verdicts into truths."""


def _compare_columns(found: _Found, alike: _Shared, a: Standings, b: Standings) -> None:
    """Compare reason, rank and score of candidates that were let through in both or in neither.

    Args:
        found: takes those that differ.
        alike: the candidates.
        a: how candidates stood in A.
        b: how they stood in B.
    """
    changed = map(ne, pick(a.reasons, alike.in_a), pick(b.reasons, alike.in_b))
    found["reason_changed"].add_all(list(compress(alike.names, changed)))
    if a.has_ranks and b.has_ranks:
        ranked, own_ranks, other_ranks = _list_values(alike, a.ranks, b.ranks)
        far = [float(abs(rank - other)) for rank, other in zip(own_ranks, other_ranks, strict=True)]
        found["rank_moved"].add_all(list(compress(ranked.names, far)), list(filter(None, far)))
    if a.has_scores and b.has_scores:
        scored, own, other = _list_values(alike, a.scores, b.scores)
        far = list(map(abs, map(sub, own, other)))
        doubts = [pick(a.score_errors, scored.in_a), pick(b.score_errors, scored.in_b)]
        is_far = _exceed_dust(far, own, other, zip(*doubts, strict=True))
        moved = list(compress(scored.names, is_far))
        found["score_changed"].add_all(moved, list(compress(far, is_far)))


def _list_values(
    shared: _Shared, a: Sequence[_Number | None], b: Sequence[_Number | None]
) -> tuple[_Shared, list[_Number], list[_Number]]:
    """Those that have a value in a column of A and in the same column of B, and the values."""
    own, other = pick(a, shared.in_a), pick(b, shared.in_b)
    if None in own or None in other:
        shared = shared.only([None not in pair for pair in zip(own, other, strict=True)])
        own, other = pick(a, shared.in_a), pick(b, shared.in_b)
    return shared, own, other  # type: ignore[return-value]


def _exceed_dust(
    far: Sequence[float],
    own: Sequence[float],
    other: Sequence[float],
    errors: Iterable[tuple[float | None, float | None]],
) -> list[bool]:
    """Which of the gaps *far* between scores say more than how they were rounded.

    Args:
        far: how far apart two scores are.
        own: the one score.
        other: the other.
        errors: by how much each may be off.
    """
    if not any(far):
        return [False] * len(far)
    most = max(map(abs, chain(own, other)))
    doubts = [0.0 if doubt == _EXACT else sum(filter(None, doubt)) for doubt in errors]
    bar = _DUST * most + max(doubts)
    is_far = [gap > bar for gap in far]
    for at, gap in enumerate(far):
        if 0.0 < gap <= bar:  # few are that near, unless all are
            dust = _DUST * max(abs(own[at]), abs(other[at]))
            is_far[at] = gap > dust + doubts[at]
    return is_far


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


def _match_hashed(a: Outcomes, b: Outcomes) -> Iterable[_Matched]:
    """The codes of entries that stand for the same candidate, and of those without a partner."""
    if all(fate.by is None for fate in chain(a.fates, b.fates)):
        matched = _match_apart(a.hashed, b.hashed)
        if matched is not None:
            return matched
    return _match_in_order(a, b)


def _match_apart(a: Sequence[Span], b: Sequence[Span]) -> list[_Matched] | None:
    """The same for entries that may each mean one of the other side at most; else None."""
    firsts, lasts = [span[0] for span in b], [span[1] for span in b]
    if any(map(le, firsts[1:], lasts)):
        return None
    at = list(map(bisect_left, repeat(lasts), [span[0] for span in a]))
    is_met = list(map(le, map([*firsts, BEYOND].__getitem__, at), [span[1] for span in a]))
    met = list(compress(at, is_met))
    if len(set(met)) < len(met):
        return None
    codes: list[int | None] = [span[2] for span in b]
    own = [span[2] for span in a]
    partners = map([*codes, None].__getitem__, at)
    matched = [
        (code, partner if has_one else None)
        for code, partner, has_one in zip(own, partners, is_met, strict=True)
    ]
    for place in met:
        codes[place] = None
    return [*matched, *((None, code) for code in codes if code is not None)]


def _match_in_order(a: Outcomes, b: Outcomes) -> Iterator[_Matched]:
    """The same where entries may mean several of the other side, or were decided by something."""
    by_in_a, by_in_b = [fate.by for fate in a.fates], [fate.by for fate in b.fates]
    left, at = b.hashed, 0
    waiting: list[Span] = []
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
    is_kept = known.codes.translate(_IS_ONE[survives])
    ranks = [rank for rank in compress(known.ranks, is_kept) if rank is not None]
    if len(ranks) < sum(is_kept) or not outcomes.is_complete:
        return None
    if any(outcomes.fates[code].decision == survives for _, _, code in outcomes.hashed):
        return None
    names = list(compress(known.names, is_kept))
    if all(rank < following for rank, following in pairwise(ranks)):
        return names
    ranked = [(rank, _spell(name)[0], name) for rank, name in zip(ranks, names, strict=True)]
    return [name for _, _, name in sorted(ranked, key=lambda one: one[:2])]


def _compare_ranks(a: Standings, b: Standings, shared: _Shared) -> float | None:
    if not (a.has_ranks and b.has_ranks):
        return None
    _, own, other = _list_values(shared, a.ranks, b.ranks)
    return kendall_tau(own, other)
