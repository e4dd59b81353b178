"""Candidates that fared otherwise at the same step of two runs."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct

from xray.forensics.keys import Key
from xray.forensics.orders import kendall_tau, rank_biased_overlap
from xray.forensics.outcomes import Outcomes, stand_as
from xray.model.differences import Move, MoveKind, Moves, Standing
from xray.model.holdings import Fate
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
    a: Outcomes, b: Outcomes, survives_in_a: Verdict, survives_in_b: Verdict
) -> Comparison:
    """Compare what a step decided in two runs.

    Args:
        a: what it decided in one.
        b: what it decided in the other.
        survives_in_a: the verdict of those it let through there.
        survives_in_b: the verdict of those it let through in the other.
    """
    found: dict[MoveKind, list[_Weighed]] = {}
    kept = Counter[str]()
    both_complete = a.is_complete and b.is_complete
    for key, own, other in _pair_known(a.known, b.known):
        _count_survival(kept, own, other, survives_in_a, survives_in_b)
        if own == other and survives_in_a == survives_in_b:
            continue
        if (own is None and not a.is_complete) or (other is None and not b.is_complete):
            continue  # it may have been decided there too
        for kind, weight in _list_kinds(own, other, survives_in_a, survives_in_b):
            by, candidate_id = key
            weighed = (-weight, candidate_id, by is not None, by or "")
            found.setdefault(kind, []).append(weighed)
    counts = Counter({kind: len(moved) for kind, moved in found.items()})
    if both_complete:
        for one, another in _match_hashed(a, b):
            own = None if one is None else stand_as(one)
            other = None if another is None else stand_as(another)
            _count_survival(kept, own, other, survives_in_a, survives_in_b)
            counts.update(kind for kind, _ in _list_kinds(own, other, survives_in_a, survives_in_b))
    either = kept.total()
    return Comparison(
        moves=[
            Moves(kind=kind, count=counts[kind], examples=_choose(found.get(kind, []), a, b))
            for kind in _ORDER
            if counts[kind]
        ],
        jaccard=kept["both"] / either if either and both_complete else None,
        rank_overlap=_overlap_ranks(a, b, survives_in_a, survives_in_b),
        kendall_tau=_compare_ranks(a, b),
    )


def _pair_known(
    a: Mapping[Key, Standing], b: Mapping[Key, Standing]
) -> Iterator[tuple[Key, Standing | None, Standing | None]]:
    """Every candidate that either knows by id, as it stood in both."""
    for key, standing in a.items():
        yield key, standing, b.get(key)
    for key, standing in b.items():
        if key not in a:
            yield key, None, standing


def _list_kinds(
    a: Standing | None, b: Standing | None, survives_in_a: Verdict, survives_in_b: Verdict
) -> Iterator[tuple[MoveKind, float]]:
    """How a candidate fared otherwise, and how far it moved."""
    if a is None or b is None:
        yield "only_in_b" if a is None else "only_in_a", 0.0
        return
    is_kept_in_a, is_kept_in_b = a.decision == survives_in_a, b.decision == survives_in_b
    if is_kept_in_a != is_kept_in_b:
        yield "newly_rejected" if is_kept_in_a else "newly_kept", 0.0
        return
    if a.reason != b.reason:
        yield "reason_changed", 0.0
    if a.rank is not None and b.rank is not None and a.rank != b.rank:
        yield "rank_moved", float(abs(a.rank - b.rank))
    if a.score is not None and b.score is not None:
        difference = abs(a.score - b.score)
        allowed = (a.score_error or 0.0) + (b.score_error or 0.0)
        allowed += _DUST * max(abs(a.score), abs(b.score))
        if difference > allowed:
            yield "score_changed", difference


def _count_survival(
    kept: Counter[str],
    a: Standing | None,
    b: Standing | None,
    survives_in_a: Verdict,
    survives_in_b: Verdict,
) -> None:
    is_kept_in_a = a is not None and a.decision == survives_in_a
    is_kept_in_b = b is not None and b.decision == survives_in_b
    if is_kept_in_a or is_kept_in_b:
        kept["both" if is_kept_in_a and is_kept_in_b else "one"] += 1


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


def _choose(moved: Iterable[_Weighed], a: Outcomes, b: Outcomes) -> list[Move]:
    """The furthest moved, in an order that does not depend on which run comes first."""
    chosen = []
    for _, candidate_id, has_partition, partition in heapq.nsmallest(MAX_EXAMPLES, moved):
        by = partition if has_partition else None
        own, other = a.known.get((by, candidate_id)), b.known.get((by, candidate_id))
        chosen.append(Move(candidate_id=candidate_id, by=by, a=own, b=other))
    return chosen


def _overlap_ranks(
    a: Outcomes, b: Outcomes, survives_in_a: Verdict, survives_in_b: Verdict
) -> float | None:
    own, other = _rank_survivors(a, survives_in_a), _rank_survivors(b, survives_in_b)
    return None if own is None or other is None else rank_biased_overlap(own, other)


def _rank_survivors(outcomes: Outcomes, survives: Verdict) -> list[Key] | None:
    """The survivors by rank; None where not all of them are known by id and rank."""
    kept = [(key, one.rank) for key, one in outcomes.known.items() if one.decision == survives]
    ranked = [(rank, key[1], key) for key, rank in kept if rank is not None]
    is_hidden = any(fate.decision == survives for _, _, fate in outcomes.hashed)
    if is_hidden or not outcomes.is_complete or len(ranked) < len(kept):
        return None
    return [key for _, _, key in sorted(ranked, key=lambda one: one[:2])]


def _compare_ranks(a: Outcomes, b: Outcomes) -> float | None:
    pairs = [
        (own.rank, other.rank)
        for key, own in a.known.items()
        if own.rank is not None
        and (other := b.known.get(key)) is not None
        and other.rank is not None
    ]
    return kendall_tau([one for one, _ in pairs], [other for _, other in pairs])
