"""Matching many hashes with a holding at once says what its entries say one by one."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right

from hypothesis import given
from hypothesis import strategies as st

from xray.model.compact import Universe
from xray.model.facts import ACCEPTED, REJECTED
from xray.model.fates import Fate
from xray.model.hashing import hash64
from xray.model.holdings import (
    CompactEntries,
    HashedEntries,
    Holding,
    NamedEntries,
    compact_entries,
)
from xray.model.ranking import SCORE_BITS
from xray.model.roster import Roster

FATES = [Fate(REJECTED, "price"), Fate(ACCEPTED), Fate(REJECTED, "price", by="q")]
_LAST = (1 << 64) - 1

# Neighbours share a number in any universe this small, so that lookalikes and twins occur.
hashes_near_each_other = st.builds(
    lambda start, steps: min(start + steps, _LAST),
    st.sampled_from([0, 1 << 40, 1 << 63, _LAST - 8]) | st.integers(0, _LAST),
    st.integers(0, 3),
)
entries = st.lists(
    st.tuples(hashes_near_each_other, st.integers(0, 2), st.integers(0, 40)), max_size=30
)


def make_holdings(drawn: list[tuple[int, int, int]]) -> list[Holding]:
    ordered = sorted({(hashed, code): place for hashed, code, place in drawn}.items())
    places = [place << SCORE_BITS for _, place in ordered]
    hashed = HashedEntries(
        FATES,
        array("Q", [one for (one, _), _ in ordered]),
        array("H", [code for (_, code), _ in ordered]),
        array("Q", places if any(places) else []),
    )
    parts = dict(compact_entries(hashed)) if ordered else {}
    compact = CompactEntries(FATES, Universe(len(ordered)), parts, len(ordered))
    return [hashed, compact] if ordered else [hashed]


def match_one_by_one(
    holding: Holding, hashes: list[int]
) -> tuple[list[tuple[int, int]], list[tuple[int, int, int]]]:
    found, others = [], []
    for first, last, code in holding.spans():
        hit = hashes[bisect_left(hashes, first) : bisect_right(hashes, last)]
        found += [(one, code) for one in hit]
        if not hit:
            others.append((first, last, code))
    return found, others


@given(entries, st.sets(hashes_near_each_other, max_size=30))
def test_matched_hashes_are_those_that_the_spans_hold(
    drawn: list[tuple[int, int, int]], asked: set[int]
) -> None:
    hashes = sorted(asked | {hashed for hashed, _, _ in drawn[::2]})
    for holding in make_holdings(drawn):
        found, others = holding.match(hashes)
        wanted, left = match_one_by_one(holding, hashes)
        assert sorted((hashed, code) for hashed, code, _ in found) == sorted(wanted)
        assert list(others) == left


@given(entries)
def test_a_matched_entry_comes_with_its_own_place(drawn: list[tuple[int, int, int]]) -> None:
    places = {(hashed, code): place << SCORE_BITS for hashed, code, place in drawn}
    for holding in make_holdings(drawn):
        for hashed, _, _ in drawn:
            for _, code, place in holding.match([hashed])[0]:
                assert places.get((hashed, code), place) == place


@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=3), st.integers(0, 2)), max_size=20),
    st.sets(st.text(min_size=1, max_size=3), max_size=20),
)
def test_a_roster_in_pieces_matches_as_its_pieces_do(
    named: list[tuple[str, int]], asked: set[str]
) -> None:
    half = len(named) // 2
    pieces = [
        NamedEntries(FATES, [(name, code, 0) for name, code in some])
        for some in (named[:half], named[half:])
    ]
    roster = Roster("s", "r", len(named), pieces).only(lambda fate: fate.by is None)
    matched = roster.match({hash64(name) for name in asked})
    met = sorted((hashed, matched.fates[code].verdict) for hashed, code, _ in matched.found)
    kept = [(name, FATES[code]) for name, code in named if FATES[code].by is None]
    assert met == sorted((hash64(name), fate.verdict) for name, fate in kept if name in asked)
    lasts = [last for _, last, _ in matched.others]
    assert lasts == sorted(hash64(name) for name, _ in kept if name not in asked)
