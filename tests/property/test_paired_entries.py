"""Candidates that two runs know by hash only are compared as if their ids were known."""

from __future__ import annotations

from array import array
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from xray.forensics.moves import compare_outcomes
from xray.forensics.outcomes import Outcomes, Standings
from xray.model.compact_entries import CompactEntries, compact_entries
from xray.model.facts import ACCEPTED, REJECTED
from xray.model.fates import Fate
from xray.model.hashing import hash64
from xray.model.holdings import HashedEntries
from xray.model.universe import Universe

PLAIN = [Fate(REJECTED, "price"), Fate(REJECTED, "brand"), Fate(ACCEPTED)]
PARTED = [Fate(REJECTED, "price", by="q1"), Fate(REJECTED, "price", by="q2"), Fate(ACCEPTED)]

fates_of = st.dictionaries(st.integers(0, 400).map("c{}".format), st.integers(0, 2), max_size=60)


def outcomes_of(codes: dict[str, int], fates: list[Fate], *, is_compact: bool) -> Outcomes:
    ordered = sorted((hash64(name), code) for name, code in codes.items())
    columns = array("Q", [one for one, _ in ordered]), array("H", [code for _, code in ordered])
    hashed = HashedEntries(fates, *columns, array("Q"))
    spans = list(hashed.spans())
    if is_compact and ordered:
        parts, universe = dict(compact_entries(hashed)), Universe(len(ordered))
        spans = list(CompactEntries(fates, universe, parts, len(ordered)).spans())
    return Outcomes(Standings([], b"", [], [], []), spans, fates, is_complete=True)


def count_moves(a: dict[str, int], b: dict[str, int], fates: list[Fate]) -> dict[str, int]:
    """How many fared otherwise in which way, by their ids."""
    moves: Counter[str] = Counter()
    own = {(name, fates[code].by): fates[code] for name, code in a.items()}
    other = {(name, fates[code].by): fates[code] for name, code in b.items()}
    for key in {*own, *other}:
        before, after = own.get(key), other.get(key)
        if before is None or after is None:
            moves["only_in_b" if before is None else "only_in_a"] += 1
        elif (before.verdict == ACCEPTED) != (after.verdict == ACCEPTED):
            moves["newly_rejected" if before.verdict == ACCEPTED else "newly_kept"] += 1
        elif before.reason != after.reason:
            moves["reason_changed"] += 1
    return dict(moves)


@given(fates_of, fates_of, st.sampled_from([PLAIN, PARTED]), st.booleans(), st.booleans())
def test_candidates_known_by_hash_fare_as_their_ids_say(
    a: dict[str, int],
    b: dict[str, int],
    fates: list[Fate],
    is_a_compact: bool,
    is_b_compact: bool,
) -> None:
    compared = compare_outcomes(
        outcomes_of(a, fates, is_compact=is_a_compact),
        outcomes_of(b, fates, is_compact=is_b_compact),
        "accepted",
        "accepted",
    )
    assert {one.kind: one.count for one in compared.moves} == count_moves(a, b, fates)
