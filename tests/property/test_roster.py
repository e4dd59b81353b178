"""A roster never forgets a candidate, never confuses fates, and says little that is not so."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from xray.model.compact import CODE_BITS, Part, encode_part, encode_parts
from xray.model.compact_entries import CompactEntries, compact_entries
from xray.model.facts import OriginRef, RosterGroup, StepRoster
from xray.model.fates import Fate, FateTable, decode_fates, encode_fates
from xray.model.hashing import hash64
from xray.model.holdings import (
    Entries,
    HashedEntries,
    Holding,
    NamedEntries,
    hash_entries,
    name_entries,
)
from xray.model.missing import Candidates, find_missing
from xray.model.ranking import make_ranking
from xray.model.roster import Roster
from xray.model.universe import Universe

_QUICK_PROBES = 200_000
_PROVEN_PROBES = 3_000_000
# The rate is n / (1.6 n · 2^16); three standard deviations above it at 200,000 probes.
_MAX_QUICK_RATE = 3.1e-5
_MAX_PROVEN_RATE = 1.2e-5

names = st.integers(0, 400).map(lambda number: f"c{number}") | st.text(max_size=5)
fates = st.tuples(
    st.integers(0, 2),
    st.sampled_from([None, "", "price", "stock"]),
    st.sampled_from([None, [OriginRef("stand", None, 3, 0.5)], [OriginRef("a"), OriginRef("b")]]),
    st.sampled_from([None, "q1"]),
)


def chunk_of(groups: Sequence[RosterGroup], total: int | None = None) -> StepRoster:
    size = sum(len(group.ids) for group in groups)
    return StepRoster(
        run_id="r", step_id="s", chunk=1, total=size if total is None else total, groups=[*groups]
    )


@st.composite
def chunks(draw: st.DrawFn) -> StepRoster:
    """Candidates, each once, spread over groups."""
    ids = draw(st.lists(names, unique=True, max_size=120))
    marks = draw(st.lists(fates, min_size=1, max_size=20, unique_by=repr))
    groups = [RosterGroup(*mark, ids=[]) for mark in marks]
    for candidate_id in ids:
        groups[draw(st.integers(0, len(groups) - 1))].ids.append(candidate_id)
    return chunk_of([draw(ranked(group)) for group in groups])


def ranked(group: RosterGroup) -> st.SearchStrategy[RosterGroup]:
    """*group* with ranks, scores, both or neither, and some of its candidates without them."""
    count = len(group.ids)
    each = st.none() | st.lists(st.none() | st.integers(0, 1 << 33), min_size=count, max_size=count)
    scores = st.lists(st.none() | st.floats(), min_size=count, max_size=count)
    rankings = st.builds(make_ranking, each, st.none() | scores)
    return rankings.map(lambda ranking: replace(group, ranking=ranking))


def numbered(ids: Sequence[str], groups: int = 3) -> StepRoster:
    spread = [
        RosterGroup(number % 3, f"r{number}", None, None, list(ids[number::groups]))
        for number in range(groups)
    ]
    return chunk_of(spread)


def roster_over(*holdings: Holding, total: int | None = None) -> Roster:
    held = sum(map(len, holdings))
    return Roster("s", "r", held if total is None else total, holdings)


def compacted(chunk: StepRoster) -> CompactEntries:
    hashed = hash_entries(chunk)
    count = len(hashed)
    return CompactEntries(hashed.fates, Universe(count), dict(compact_entries(hashed)), count)


def resting(chunk: StepRoster) -> Roster:
    return roster_over(compacted(chunk))


def exact(chunk: StepRoster) -> Roster:
    return roster_over(name_entries([chunk]))


def stored_bytes(chunk: StepRoster) -> int:
    return sum(len(data) for _, data in compact_entries(hash_entries(chunk)))


@settings(max_examples=80)
@given(chunks())
def test_every_form_of_a_roster_finds_each_member_with_its_fate(chunk: StepRoster) -> None:
    known = exact(chunk)
    waiting = hash_entries(chunk)
    stored = HashedEntries.decode(decode_fates(encode_fates(waiting.fates)), waiting.encode())
    for roster in (resting(chunk), roster_over(waiting), roster_over(stored)):
        assert roster.is_complete
        assert roster.held == chunk.size
        assert roster.counts() == known.counts()
        for group in chunk.groups:
            for candidate_id in group.ids:
                assert candidate_id in roster
                assert roster.find(candidate_id) == known.find(candidate_id)


@settings(max_examples=60)
@given(chunks(), chunks())
def test_the_same_candidate_for_two_queries_is_found_twice(
    one: StepRoster, other: StepRoster
) -> None:
    both = chunk_of(
        [RosterGroup(g.verdict, g.reason, g.origin, "q1", g.ids) for g in one.groups]
        + [RosterGroup(g.verdict, g.reason, g.origin, "q2", g.ids) for g in other.groups]
    )
    found, known = resting(both), exact(both)
    for group in both.groups:
        for candidate_id in group.ids:
            assert sorted(map(repr, found.find(candidate_id))) == sorted(
                map(repr, known.find(candidate_id))
            )


@settings(max_examples=60)
@given(chunks(), chunks(), st.integers(0, 200))
def test_many_are_found_at_once_as_each_is_alone(
    one: StepRoster, other: StepRoster, strangers: int
) -> None:
    both = chunk_of([*one.groups, *other.groups])
    members = [name for group in both.groups for name in group.ids]
    names = {hash64(name): name for name in members[::2] + [f"s{n}" for n in range(strangers)]}
    for make in (compacted, hash_entries, lambda chunk: name_entries([chunk])):
        alone, at_once = make(both), make(both)
        found = [(hashed, code) for hashed in names for code in alone.find(names[hashed])]
        assert sorted(at_once.find_all(names)) == sorted(found)
        lookups = [(name, list(alone.find(name))) for name in members * 3]
        assert lookups == [(name, list(make(both).find(name))) for name in members * 3]


def test_lookalikes_are_told_apart_also_when_many_are_asked_for() -> None:
    *members, stranger = find_lookalikes(Universe(8))
    chunk = numbered([*members, *(f"c{number}" for number in range(6))])
    entries = compacted(chunk)
    for _ in range(20):
        assert [entries.fates[code] for code in entries.find(members[0])] == [
            entries.fates[code] for code in name_entries([chunk]).find(members[0])
        ]
        assert not entries.find(stranger)
    assert {hashed for hashed, _ in entries.find_all([*map(hash64, (*members, stranger))])} == {
        hash64(name) for name in members
    }


def find_lookalikes(universe: Universe, count: int = 3) -> list[str]:
    """Candidates that stand at one number of *universe*."""
    at: dict[tuple[int, int], list[str]] = {}
    for number in itertools.count():
        names = at.setdefault(universe.place(hash64(f"twin-{number}")), [])
        names.append(f"twin-{number}")
        if len(names) == count:
            return names
    raise AssertionError


def test_members_that_share_a_number_are_told_apart_each_with_its_fate() -> None:
    crowd = [f"c{number}" for number in range(5)]
    *members, stranger = find_lookalikes(Universe(len(crowd) + 3))
    groups = [
        RosterGroup(0, "dull", None, None, [members[0], *crowd]),
        RosterGroup(0, "dear", None, "q1", [members[1]]),
        RosterGroup(1, None, None, "q2", [members[1]]),
    ]
    roster, known = resting(chunk_of(groups)), exact(chunk_of(groups))
    for name in [*members, *crowd]:
        assert roster.find(name) == known.find(name)
        assert roster.overlaps(hash64(name), hash64(name))
    assert stranger not in roster
    assert not roster.overlaps(hash64(stranger), hash64(stranger))
    hashes = {hash64(name) for name in members}
    assert {first for name in members for first, _ in roster.spans_of(name)} == hashes
    assert hashes == {first for first, last in roster.spans() if first == last}


@settings(max_examples=40)
@given(st.lists(chunks(), min_size=1, max_size=4))
def test_chunks_merged_part_by_part_are_the_set_built_at_once(pieces: list[StepRoster]) -> None:
    groups = [group for piece in pieces for group in piece.groups]
    at_once = dict(compact_entries(hash_entries(chunk_of(groups))))
    table = FateTable()
    for group in groups:
        table.code(Fate(group.verdict, group.reason, tuple(group.origin or ()), group.by))
    universe = Universe(sum(piece.size for piece in pieces))
    holdings = [hash_entries(piece) for piece in pieces]
    merged: dict[int, bytes] = {}
    for part in range(universe.part_count):
        first, beyond = universe.part_start(part), universe.part_start(part + 1)
        entries = Entries([], [])
        for holding in holdings:
            codes = [table.code(fate) for fate in holding.fates]
            entries.add(holding.between(first, beyond, codes))
        entries.sort()
        if entries.coded:
            merged[part] = encode_part(
                universe, part, entries.coded, len(table.fates), entries.places
            )
    assert merged == at_once


@settings(max_examples=100)
@given(
    st.integers(1, 60_000),
    st.lists(st.tuples(st.integers(0, (1 << 64) - 1), st.integers(0, 299)), max_size=40),
)
def test_a_span_holds_every_hash_that_stands_at_its_place(
    total: int, pairs: list[tuple[int, int]]
) -> None:
    universe = Universe(total)
    entries = sorted(hashed << CODE_BITS | code for hashed, code in pairs)
    parts = dict(encode_parts(universe, entries, 300))
    opened = {part: Part(universe, part, data) for part, data in parts.items()}
    for hashed, code in pairs:
        part, number = universe.place(hashed)
        found = opened[part].find(number, hashed, hashed)
        assert code in map(opened[part].code, found)
        first, last = universe.span(part, number)
        assert first <= hashed <= last
        assert universe.place(first) == universe.place(last) == (part, number)
        assert first == 0 or universe.place(first - 1) != (part, number)
    spans = [span for part in sorted(opened) for span in opened[part].spans()]
    assert [first for first, _, _ in spans] == sorted(first for first, _, _ in spans)
    assert all(first <= last for first, last, _ in spans)
    assert sorted((universe.place(first), code) for first, _, code in spans) == sorted(
        (universe.place(hashed), code) for hashed, code in pairs
    )


def test_the_bounds_of_all_parts_cover_every_hash_once() -> None:
    for total in (0, 1, 10_240, 10_241, 100_000, 33_546_240):
        universe = Universe(total)
        assert universe.part_start(0) == 0
        assert universe.part_start(universe.part_count) == 1 << 64
        for part in range(1, universe.part_count):
            start = universe.part_start(part)
            assert (universe.place(start)[0], universe.place(start - 1)[0]) == (part, part - 1)


@pytest.mark.parametrize("size", [100, 1_000, 8_192, 40_000])
def test_twelve_groups_take_at_most_three_bytes_a_candidate(size: int) -> None:
    dice = random.Random(size)
    groups = [RosterGroup(number % 3, f"r{number}", None, None, []) for number in range(12)]
    for number in range(size):
        groups[min(11, int(dice.expovariate(0.4)))].ids.append(f"id-{number}")
    assert stored_bytes(chunk_of(groups)) <= 3 * size


def test_one_group_costs_next_to_nothing_beside_the_set() -> None:
    ids = [f"id-{number}" for number in range(5_000)]
    assert stored_bytes(numbered(ids, groups=1)) < 2.35 * len(ids)


@pytest.mark.parametrize("groups", [1, 16, 17, 256, 257, 4_000])
def test_any_number_of_groups_is_told_apart(groups: int) -> None:
    chunk = numbered([f"id-{number}" for number in range(4_000)], groups)
    roster = resting(chunk)
    for number in range(0, 4_000, 97):
        assert roster.find(f"id-{number}")[0].reason == f"r{number % groups}"


@pytest.mark.parametrize(
    ("probes", "max_rate"),
    [
        (_QUICK_PROBES, _MAX_QUICK_RATE),
        pytest.param(_PROVEN_PROBES, _MAX_PROVEN_RATE, marks=pytest.mark.prove),
    ],
    ids=["quick", "proven"],
)
def test_a_stranger_is_taken_for_a_member_once_in_a_hundred_thousand(
    probes: int, max_rate: float
) -> None:
    dice = random.Random(20_261_121)
    for size in (100, 1_000, 5_000):
        universe = Universe(size)
        members = sorted(dice.getrandbits(64) << CODE_BITS for _ in range(size))
        parts = dict(encode_parts(universe, members, 1))
        opened = {part: Part(universe, part, data) for part, data in parts.items()}
        mistaken = 0
        for _ in range(probes // 3):
            hashed = dice.getrandbits(64)
            part, number = universe.place(hashed)
            mistaken += part in opened and bool(opened[part].find(number, hashed, hashed))
        assert mistaken / (probes // 3) <= max_rate


def test_a_roster_short_of_candidates_is_not_complete() -> None:
    chunk = numbered(["a", "b", "c"])
    assert not roster_over(hash_entries(chunk), total=4).is_complete
    assert not roster_over(total=1).is_complete
    assert roster_over(total=0).is_complete


def test_a_rejection_without_a_reason_is_unspecified() -> None:
    roster = resting(chunk_of([RosterGroup(0, None, None, None, ["a"])]))
    (decision,) = roster.find("a")
    assert (decision.decision, decision.reason) == ("rejected", "unspecified")
    assert (decision.has_detail, decision.weight) == (False, 0.0)


def test_a_restricted_roster_knows_only_the_fates_it_keeps() -> None:
    roster = resting(numbered([f"id-{number}" for number in range(30)]))
    kept = roster.only(lambda fate: fate.decision != "rejected")
    assert "id-0" not in kept
    assert "id-1" in kept
    assert len(list(kept.spans())) == 20
    assert kept.is_complete
    assert list(kept.only(lambda fate: fate.decision == "rejected").spans()) == []


@settings(max_examples=80)
@given(
    st.lists(st.sets(st.integers(0, 250)), min_size=0, max_size=3),
    st.lists(st.sets(st.integers(0, 250)), min_size=0, max_size=3),
    st.sets(st.integers(0, 250), max_size=30),
    st.sets(st.integers(0, 250), max_size=30),
    st.booleans(),
)
def test_what_is_missing_is_counted_as_sets_of_ids_would(
    offered_sets: list[set[int]],
    decided_sets: list[set[int]],
    offered_ids: set[int],
    decided_ids: set[int],
    is_resting: bool,
) -> None:
    def candidates(ids: set[int], sets: list[set[int]]) -> Candidates:
        made = resting if is_resting else exact
        rosters = [made(numbered([f"b{each}" for each in sorted(one)])) for one in sets]
        return Candidates([f"b{each}" for each in sorted(ids)], rosters)

    offered = offered_ids.union(*offered_sets)
    decided = decided_ids.union(*decided_sets)
    missing = find_missing(
        candidates(offered_ids, offered_sets), candidates(decided_ids, decided_sets)
    )
    # Of these 251 ids none looks like another to a roster of any size up to theirs.
    assert missing.count == len(offered - decided)
    assert missing.compared == len(offered)
    assert missing.shared == len(offered & decided)
    assert missing.ids == [f"b{each}" for each in sorted(offered_ids - decided)]
    assert missing.overlooked <= 0.01


def test_a_small_roster_beside_a_large_one_overlooks_as_rarely_as_it_says() -> None:
    dice = random.Random(4)
    decided = resting(numbered([f"kept-{number}" for number in range(8_000)]))
    small = [numbered([f"lost-{dice.random()}" for _ in range(40)]) for _ in range(60)]
    found = [
        find_missing(Candidates((), [resting(one)]), Candidates((), [decided])) for one in small
    ]
    overlooked = sum(40 - missing.count for missing in found)
    promised = sum(40 * missing.overlooked for missing in found)
    assert 4 < promised < 6
    assert overlooked <= promised + 4 * promised**0.5
    assert all(missing.count <= 40 for missing in found)


def test_nothing_is_missing_where_everything_was_decided() -> None:
    ids = [f"id-{number}" for number in range(20_000)]
    offered = Candidates((), [resting(numbered(ids[:300])), resting(numbered(ids[100:12_000]))])
    decided = Candidates(ids[:1_000], [resting(numbered(ids[1_000:]))])
    assert find_missing(offered, decided).count == 0


def test_a_named_entry_is_looked_up_by_its_own_hash() -> None:
    entries = NamedEntries([Fate(1)], [("a", 0, 0), ("b", 0, 0)])
    assert [first for first, _, _ in entries.spans()] == sorted([hash64("a"), hash64("b")])
