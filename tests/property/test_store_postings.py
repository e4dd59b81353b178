"""The candidate index against a dictionary, over several levels and windows."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xray.model.hashing import hash64
from xray.store.sql.postings import Postings, find_steps

hashes = st.sampled_from([0, 1, 2**16 - 1, 2**16, 2**63, 2**64 - 1, *map(hash64, "abcdefgh")])


def _database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    script = resources.files("xray.store.sqlite") / "migrations" / "0001.sql"
    connection.executescript(script.read_text())
    return connection


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    commits=st.lists(st.lists(st.tuples(hashes, st.integers(1, 9)), max_size=8), max_size=40),
    window_bits=st.sampled_from([2, 4, 16]),
)
def test_every_step_of_every_hash_is_found_after_any_merges(
    commits: list[list[tuple[int, int]]], window_bits: int
) -> None:
    connection = _database()
    postings = Postings(connection, fanout=2, window_bits=window_bits)
    expected: defaultdict[int, set[int]] = defaultdict(set)
    base = 0
    for commit in commits:
        entries = [(hashed, base + step) for hashed, step in commit]
        base += 5  # commits overlap: a late chunk names an older step
        postings.add([(step, [hashed]) for hashed, step in entries])
        while postings.merge_due():
            pass
        for hashed, step in entries:
            expected[hashed >> 16].add(step)
    for hashed in (*(prefix << 16 for prefix in expected), 12345 << 16):
        found = find_steps(connection, hashed, window_bits=window_bits)
        assert found == sorted(expected[hashed >> 16])


@pytest.mark.parametrize("window_bits", [8, 16])
def test_many_commits_leave_few_segments_and_reach_the_upper_levels(window_bits: int) -> None:
    connection = _database()
    postings = Postings(connection, fanout=4, window_bits=window_bits)
    expected: defaultdict[str, list[int]] = defaultdict(list)
    for step in range(2000):
        names = {f"c{step % 7}", f"c{step % 501}", f"only{step}"}
        postings.add([(step, [hash64(name) for name in names])])
        for name in names:
            expected[name].append(step)
        postings.merge_due()
    levels = {level for (level,) in connection.execute("select distinct level from cand_seg")}
    assert max(levels) >= 2
    (segments,) = connection.execute("select count(*) from cand_seg").fetchone()
    assert segments < 40
    (parts,) = connection.execute("select count(*) from cand_post").fetchone()
    assert parts > segments
    for name, steps in expected.items():
        assert find_steps(connection, hash64(name), window_bits=window_bits) == steps
    assert find_steps(connection, hash64("absent"), window_bits=window_bits) == []
