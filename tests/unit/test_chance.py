"""What chance explains: against every way the labels can fall, counted out one by one."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xray.forensics.groups.chance import adjust, least_p, pick_answerable, rank_p, score_ranks
from xray.forensics.groups.saddlepoint import approximate_tail

tables = (
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=6)
    .filter(lambda rows: 2 <= sum(map(sum, rows)) <= 13)
    .filter(lambda rows: sum(a for a, _ in rows) > 0 and sum(b for _, b in rows) > 0)
)


def spread_out(counts: Sequence[int], values: Sequence[int]) -> list[int]:
    return [value for value, count in zip(values, counts, strict=True) for _ in range(count)]


def count_out(a: Sequence[int], b: Sequence[int]) -> float:
    """The doubled tail over every choice of a group of B's size."""
    pooled = [one + other for one, other in zip(a, b, strict=True)]
    scores = score_ranks(pooled)
    everyone = spread_out(pooled, scores)
    total = sum(spread_out(b, scores))
    sums = [sum(some) for some in itertools.combinations(everyone, sum(b))]
    up = sum(one >= total for one in sums)
    down = sum(one <= total for one in sums)
    return min(1.0, 2 * min(up, down) / len(sums))


def tail_by_polynomials(pooled: Sequence[int], drawn: int, total: int) -> float:
    """The exact chance of a sum of ranks on the side of *total*, by adding ways to draw."""
    scores = score_ranks(pooled)
    ways: list[dict[int, int]] = [{} for _ in range(drawn + 1)]
    ways[0][0] = 1
    for score in spread_out(pooled, scores):
        for size in range(drawn, 0, -1):
            for known, count in ways[size - 1].items():
                ways[size][known + score] = ways[size].get(known + score, 0) + count
    whole = sum(ways[drawn].values())
    up = sum(count for one, count in ways[drawn].items() if one >= total)
    down = sum(count for one, count in ways[drawn].items() if one <= total)
    return min(up, down) / whole


@settings(max_examples=150, deadline=None)
@given(rows=tables)
def test_small_groups_are_counted_out_exactly(rows: list[tuple[int, int]]) -> None:
    a, b = [one for one, _ in rows], [other for _, other in rows]
    assert rank_p(a, b) == pytest.approx(count_out(a, b), rel=1e-9)
    assert rank_p(a, b) == pytest.approx(rank_p(b, a), rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(rows=tables)
def test_the_least_chance_is_that_of_the_most_extreme_labels(rows: list[tuple[int, int]]) -> None:
    pooled = [sum(row) for row in rows]
    drawn = sum(other for _, other in rows)
    everyone = spread_out(pooled, range(len(pooled)))
    least = 1.0
    for chosen in (everyone[:drawn], everyone[-drawn:]):
        b = [chosen.count(place) for place in range(len(pooled))]
        a = [whole - one for whole, one in zip(pooled, b, strict=True)]
        least = min(least, count_out(a, b))
    assert least_p(pooled, drawn) == pytest.approx(least, rel=1e-9)


def test_two_values_are_fishers_table() -> None:
    # Fisher's tea: 8 cups, 4 of each kind, 3 of 4 named rightly.
    assert rank_p([3, 1], [1, 3]) == pytest.approx(2 * 17 / 70)
    assert rank_p([4, 0], [0, 4]) == pytest.approx(2 / 70)


def test_rarities_in_a_small_group_beside_a_large_one_are_no_wonder() -> None:
    # One run of 5 has what none of 500 has: that happens once in a hundred.
    assert rank_p([500, 0], [4, 1]) == pytest.approx(2 * 5 / 505)
    assert rank_p([497, 2, 1], [3, 1, 1]) > 1e-3


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([30, 5, 4, 3, 2, 1], [10, 2, 3, 3, 4, 5]),
        ([45, 10, 10, 10, 10, 5], [4, 1, 2, 3, 4, 5]),
        ([6] * 6, [2, 2, 3, 4, 7, 9]),
    ],
)
def test_the_saddlepoint_is_near_the_exact_tail_however_far_out(a: list[int], b: list[int]) -> None:
    pooled = [one + other for one, other in zip(a, b, strict=True)]
    drawn = sum(b)
    scores = score_ranks(pooled)
    total = sum(spread_out(b, scores))
    exact = tail_by_polynomials(pooled, drawn, total)
    assert exact < 0.05
    assert approximate_tail(pooled, scores, drawn, total) == pytest.approx(exact, rel=0.25)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([3, 9, 27, 30, 27, 9], [2, 1, 1, 0, 0, 0]),
        ([0, 0, 1, 1, 0, 2], [60, 20, 20, 20, 20, 10]),
        ([40, 1, 1, 1, 1, 1, 0, 0], [20, 0, 1, 0, 1, 1, 3, 4]),
        ([0] * 60 + [1] * 5, [1] * 65),
    ],
)
def test_a_small_group_beside_a_large_one_is_counted_out_exactly(
    a: list[int], b: list[int]
) -> None:
    pooled = [one + other for one, other in zip(a, b, strict=True)]
    small = min(a, b, key=sum)
    total = sum(spread_out(small, score_ranks(pooled)))
    exact = min(1.0, 2 * tail_by_polynomials(pooled, sum(small), total))
    assert rank_p(a, b) == pytest.approx(exact, rel=1e-9)


def test_the_saddlepoint_of_many_values_is_that_of_all_of_them() -> None:
    dice = random.Random(5)
    a = [int(dice.random() < 0.5) for _ in range(900)]
    b = [int(not one and dice.random() < 0.2 + place / 1200) for place, one in enumerate(a)]
    coarse_p = rank_p(a, b)
    size, drawn = sum(a) + sum(b), sum(b)
    scores = score_ranks([one + other for one, other in zip(a, b, strict=True)])
    draws = 4_000
    everyone = spread_out([one + other for one, other in zip(a, b, strict=True)], scores)
    seen = abs(sum(spread_out(b, scores)) - drawn * size)
    hits = sum(abs(sum(dice.sample(everyone, drawn)) - drawn * size) >= seen for _ in range(draws))
    error = 4 * math.sqrt((hits + 1) / draws**2)
    assert abs(hits / draws - coarse_p) < error


def test_groups_of_nobody_or_of_one_value_tell_nothing() -> None:
    assert rank_p([0, 0], [3, 4]) == 1.0
    assert rank_p([5], [7]) == 1.0
    assert least_p([12], 7) == 1.0
    assert least_p([3, 4], 7) == 1.0


def test_chances_are_adjusted_as_holm_does() -> None:
    assert adjust([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjust([0.9, 0.8]) == [1.0, 1.0]
    assert adjust([]) == []


def test_questions_that_no_answer_could_settle_are_not_asked() -> None:
    # With four questions left, none may need a chance above a quarter of the level.
    assert pick_answerable([0.0001, 0.5, 0.002, 0.004, 0.0001], 0.01) == [0, 2, 4]
    assert pick_answerable([0.008], 0.01) == [0]
    assert pick_answerable([0.02, 1.0], 0.01) == []
    assert pick_answerable([], 0.01) == []
