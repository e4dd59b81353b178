"""Matching many hashes with a holding at once says what its entries say one by one."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.model import missing
from xray.model.compact_entries import CompactEntries, compact_entries
from xray.model.facts import ACCEPTED, REJECTED
from xray.model.fates import Fate
from xray.model.hashing import hash64
from xray.model.holdings import HashedEntries, Holding, NamedEntries
from xray.model.missing import Candidates, find_missing
from xray.model.ranking import SCORE_BITS
from xray.model.roster import Roster
from xray.model.spans import list_apart
from xray.model.universe import Universe

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


@given(entries, st.sets(hashes_near_each_other, max_size=30))
def test_entries_beside_and_spans_are_what_matching_tells_apart(
    drawn: list[tuple[int, int, int]], asked: set[int]
) -> None:
    hashes = sorted(asked | {hashed for hashed, _, _ in drawn[::2]})
    for holding in make_holdings(drawn):
        found, others = holding.match(hashes)
        assert holding.list_beside(hashes) == others
        met = list(holding.find_spans(hashes))
        assert [(hashed, code) for hashed, code, _ in found] == [(h, s[2]) for h, s in met]
        assert all(first <= hashed <= last for hashed, (first, last, _) in met)


@given(
    entries,
    st.sets(hashes_near_each_other, max_size=30),
    st.sets(hashes_near_each_other, max_size=30),
)
def test_what_was_expected_is_answered_as_what_was_not(
    drawn: list[tuple[int, int, int]], asked: set[int], others: set[int]
) -> None:
    expected = frozenset(asked | others | {hashed for hashed, _, _ in drawn[::2]})
    pairs = zip(make_holdings(drawn), make_holdings(drawn), strict=True)
    for holding, ready in pairs:
        ready.expect(expected)
        for hashes in (asked, set(expected), set[int](), {*asked, 1 << 63}):
            assert sorted(ready.find_all(hashes)) == sorted(holding.find_all(hashes))
            assert sorted(ready.find_spans(hashes)) == sorted(holding.find_spans(hashes))
            assert ready.list_beside(hashes) == holding.list_beside(hashes)


spans = st.lists(
    st.tuples(hashes_near_each_other, st.integers(0, 5)).map(
        lambda one: (one[0], min(one[0] + one[1], _LAST))
    ),
    max_size=30,
)


@given(spans, spans)
def test_spans_apart_are_those_that_touch_no_other(
    one: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    ordered = sorted(one, key=lambda span: span[1])
    apart = [
        span
        for span in ordered
        if not any(first <= span[1] and span[0] <= last for first, last in others)
    ]
    assert list_apart(ordered, sorted(others)) == apart


@given(entries, spans, st.lists(st.booleans(), min_size=3, max_size=3))
def test_a_holding_leaves_the_spans_that_none_of_its_wanted_entries_may_mean(
    drawn: list[tuple[int, int, int]], asked: list[tuple[int, int]], is_wanted: list[bool]
) -> None:
    ordered = sorted(asked, key=lambda span: span[1])
    for holding in make_holdings(drawn):
        wanted = [span for span in holding.spans() if is_wanted[span[2]]]
        apart = [
            span
            for span in ordered
            if not any(first <= span[1] and span[0] <= last for first, last, _ in wanted)
        ]
        assert holding.list_apart(ordered, is_wanted) == apart


def candidates(ids: set[str], named: list[set[str]]) -> Candidates:
    rosters = [
        Roster("s", "r", len(names), make_holdings([(hash64(one), 1, 0) for one in names]))
        for names in named
    ]
    return Candidates(sorted(ids), rosters)


few = st.sets(st.integers(0, 60).map(str), max_size=30)


@given(few, st.lists(few, max_size=3), few, st.lists(few, max_size=3))
def test_what_is_missing_is_the_same_at_once_and_entry_by_entry(
    ids: set[str], named: list[set[str]], decided_ids: set[str], decided_named: list[set[str]]
) -> None:
    offered, decided = candidates(ids, named), candidates(decided_ids, decided_named)
    at_once = find_missing(offered, decided)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(missing, "_MAX_SORTED", -1)
        assert find_missing(offered, decided) == at_once
    everybody = ids.union(*named)
    assert at_once.count <= len(everybody - decided_ids.union(*decided_named))
