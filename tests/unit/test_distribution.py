"""Quantiles are exact while numbers are few, and as near as is said where they are many."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.query.aggregate import Figure, Shape
from xray.query.distribution import (
    MAX_LEVEL,
    coarsen,
    find_quantile,
    relative_error,
    round_number,
)
from xray.query.figures import add_parts, answer_groups
from xray.query.groups import Groups
from xray.query.plan import FieldRef

DURATION = FieldRef("step", "duration_ms")
MEDIAN, P99 = Figure("quantile", DURATION, "50"), Figure("quantile", DURATION, "99")
SHAPE = Shape(scope="step", by=(FieldRef("step", "name"),), figures=(MEDIAN, P99))

numbers = st.floats(1e-300, 1e300) | st.integers(-(2**63), 2**64 - 1) | st.just(0)


@given(numbers, st.integers(1, MAX_LEVEL))
def test_the_number_of_a_bin_is_as_near_as_is_said(number: float, level: int) -> None:
    middle = round_number(number, level)
    assert abs(middle - number) <= relative_error(level) * abs(number) * (1 + 1e-9)


@given(numbers, st.integers(1, MAX_LEVEL - 1))
def test_bins_of_bins_are_the_bins_of_the_numbers(number: float, level: int) -> None:
    twice = round_number(round_number(number, level), level + 1)
    assert twice == pytest.approx(round_number(number, level + 1), rel=1e-9)


def test_the_first_bins_are_one_percent_wide_to_either_side() -> None:
    assert relative_error(1) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("percent", "value"), [("0", 1), ("7", 7), ("50", 50), ("95", 95), ("99.9", 100), ("100", 100)]
)
def test_a_quantile_is_a_number_that_occurs(percent: str, value: int) -> None:
    spread = dict.fromkeys(range(1, 101), 1.0)
    assert find_quantile(spread, Fraction(percent) / 100) == value


def test_weights_move_a_quantile() -> None:
    assert find_quantile({1: 1.0, 2: 1.0, 3: 98.0}, Fraction(1, 10)) == 3
    assert find_quantile({}, Fraction(1, 2)) is None


def count(values: list[float], max_numbers: int, max_groups: int = 10) -> Groups:
    groups = Groups(SHAPE, max_groups=max_groups, max_numbers=max_numbers)
    for value in values:
        groups.add(("a" if value > 100 else "b",), None, 1.0, [value])
    return groups


def test_too_many_numbers_are_put_in_bins_and_the_answer_says_so() -> None:
    chance = random.Random(4)
    values = [chance.lognormvariate(4, 2) for _ in range(5_000)]
    exact, near = answer_groups(count(values, 10_000)), answer_groups(count(values, 2_000))
    assert exact.quantiles is not None
    assert near.quantiles is not None
    assert (exact.quantiles.method, near.quantiles.method) == ("exact", "sketch")
    assert near.quantiles.relative_error == pytest.approx(0.01)
    for group, other in zip(exact.groups, near.groups, strict=True):
        for label, value in group.figures.items():
            assert other.figures[label] == pytest.approx(value, rel=0.0101)


def test_in_which_order_numbers_came_and_in_which_parts_makes_no_difference() -> None:
    chance = random.Random(5)
    values = [float(chance.randrange(1, 10**6)) for _ in range(3_000)]
    whole = answer_groups(count(values, 700))
    chance.shuffle(values)
    assert answer_groups(count(values, 700)).groups == whole.groups
    exact = answer_groups(count(values, 100_000))
    parts = [
        answer_groups(count(values[start : start + 1_000], 100_000), is_part=True)
        for start in (0, 1_000, 2_000)
    ]
    assert add_parts(parts).groups == exact.groups


def test_coarser_bins_hold_the_same_weight() -> None:
    spread = {float(number): 2.0 for number in range(1, 1_000)}
    assert sum(coarsen(spread, 3).values()) == sum(spread.values())


def test_groups_beyond_those_told_apart_are_counted_as_others() -> None:
    groups = Groups(SHAPE, max_groups=2)
    for number in range(5):
        groups.add((f"n{number}",), None, 1.0, [number])
    answer = answer_groups(groups)
    assert (len(answer.groups), answer.rows, answer.count) == (2, 5, 5)
    assert answer.other is not None
    assert (answer.other.rows, answer.other.groups, answer.other.groups_is_exact) == (3, 1, False)
    assert answer.other.figures["p50(duration_ms)"] == 3
