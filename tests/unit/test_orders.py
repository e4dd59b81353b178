"""How alike two orders are, against what the papers and plain counting say."""

from __future__ import annotations

import math
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.forensics.orders import kendall_tau, rank_biased_overlap

RANKINGS = st.lists(st.integers(0, 30), max_size=30, unique=True)
GRADES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=40)


@given(RANKINGS)
def test_a_ranking_overlaps_itself_wholly(ranking: list[int]) -> None:
    overlap = rank_biased_overlap(ranking, ranking)
    assert overlap is None if not ranking else overlap == pytest.approx(1.0)


@given(RANKINGS, RANKINGS)
def test_overlap_is_symmetric_and_between_0_and_1(one: list[int], other: list[int]) -> None:
    overlap = rank_biased_overlap(one, other)
    assert overlap == rank_biased_overlap(other, one)
    if overlap is not None:
        assert 0 <= overlap <= 1
        assert (overlap == 0) == set(one).isdisjoint(other)


def test_rankings_of_one_length_overlap_as_the_paper_defines_it() -> None:
    # Equation 30 for two lists of the same length, by its definition.
    random = Random(3)
    for _ in range(50):
        one, other = random.sample(range(20), 10), random.sample(range(20), 10)
        agreement = [len({*one[:depth]} & {*other[:depth]}) / depth for depth in range(1, 11)]
        summed = sum(share * 0.9 ** (depth - 1) for depth, share in enumerate(agreement, 1))
        expected = agreement[-1] * 0.9**10 + 0.1 * summed
        assert rank_biased_overlap(one, other) == pytest.approx(expected)


def test_a_change_at_the_top_weighs_more_than_one_at_the_end() -> None:
    ranking = list(range(20))
    top = rank_biased_overlap(ranking, [1, 0, *range(2, 20)])
    end = rank_biased_overlap(ranking, [*range(18), 19, 18])
    assert top is not None
    assert end is not None
    assert top < end < 1


@given(GRADES)
def test_tau_is_what_counting_all_pairs_gives(grades: list[tuple[int, int]]) -> None:
    one, other = [first for first, _ in grades], [second for _, second in grades]
    signs = [
        (_sign(first[0] - second[0]), _sign(first[1] - second[1]))
        for first, second in combinations(grades, 2)
    ]
    total = sum(first * second for first, second in signs)
    weights = [sum(abs(pair[side]) for pair in signs) for side in (0, 1)]
    tau = kendall_tau(one, other)
    if 0 in weights:
        assert tau is None
    else:
        assert tau == pytest.approx(total / math.sqrt(weights[0] * weights[1]))


def _sign(difference: int) -> int:
    return (difference > 0) - (difference < 0)
