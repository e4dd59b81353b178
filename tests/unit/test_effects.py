"""How far apart two groups are, and the bounds of that."""

from __future__ import annotations

import itertools
import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xray.forensics.groups.effects import (
    change_of_means,
    change_of_pairs,
    change_of_shares,
    find_dominance,
    find_mean,
    find_median,
    weighted_p,
)
from xray.forensics.groups.samples import Paired, Sample, Share, pair

amounts = st.lists(st.integers(0, 40), min_size=1, max_size=12)


def sample_of(values: list[float], weights: list[float] | None = None) -> dict[float, Share]:
    sample = Sample()
    for place, value in enumerate(values):
        sample.add(value, 1.0 if weights is None else weights[place], ("r", ""))
    return sample.values


def paired(a: list[float], b: list[float]) -> Paired:
    return pair(sample_of(a), sample_of(b))


@settings(deadline=None)
@given(a=amounts, b=amounts)
def test_dominance_counts_pairs(a: list[float], b: list[float]) -> None:
    won = sum((y > x) - (y < x) for x, y in itertools.product(a, b))
    assert find_dominance(paired(a, b)) == pytest.approx(won / len(a) / len(b))


@settings(deadline=None)
@given(a=amounts, b=amounts)
def test_the_typical_difference_is_the_median_of_all_pairs(a: list[float], b: list[float]) -> None:
    found = change_of_pairs(paired(a, b), is_ratio=False)
    wanted = statistics.median(y - x for x, y in itertools.product(a, b))
    assert found.change == pytest.approx(wanted, abs=1e-4)
    assert found.least <= found.change + 1e-6
    assert found.most >= found.change - 1e-6
    mirrored = change_of_pairs(paired(b, a), is_ratio=False)
    assert mirrored.least == pytest.approx(-found.most, abs=1e-4)


def test_a_ratio_is_found_where_everything_takes_as_many_times_as_long() -> None:
    dice = random.Random(1)
    a = [dice.lognormvariate(3, 1) for _ in range(200)]
    b = [dice.lognormvariate(3, 1) * 4 for _ in range(200)]
    found = change_of_pairs(paired(a, b), is_ratio=True)
    assert found.least < 4 < found.most
    assert found.least > 2
    assert found.most < 8


@pytest.mark.parametrize("kind", ["pairs", "means", "shares"])
def test_bounds_hold_the_truth_as_often_as_they_say(kind: str) -> None:
    dice = random.Random(kind)
    held = 0
    for _ in range(400):
        if kind == "shares":
            a = [float(dice.random() < 0.1) for _ in range(60)]
            b = [float(dice.random() < 0.3) for _ in range(40)]
            found, truth = change_of_shares(paired(a, b)), 0.2
        elif kind == "means":
            a = [dice.betavariate(2, 6) for _ in range(60)]
            b = [dice.betavariate(3, 5) for _ in range(40)]
            found, truth = change_of_means(paired(a, b)), 3 / 8 - 2 / 8
        else:
            a = [dice.gauss(5, 2) for _ in range(30)]
            b = [dice.gauss(7, 2) for _ in range(30)]
            found, truth = change_of_pairs(paired(a, b), is_ratio=False), 2.0
        held += found.least <= truth <= found.most
    assert held >= 388  # 99 % of 400 are 396; fewer than 388 would be a chance of one in 2,000


def test_runs_that_stand_for_several_count_as_often() -> None:
    twice = sample_of([1.0, 5.0], [3.0, 1.0])
    values = sorted(twice)
    shares = [twice[value] for value in values]
    assert find_mean(values, shares) == 2.0
    assert find_median(values, shares) == 1.0


def test_weights_that_are_all_alike_change_little() -> None:
    dice = random.Random(7)
    a = [dice.gauss(0, 1) for _ in range(150)]
    b = [dice.gauss(0.5, 1) for _ in range(150)]
    plain = paired(a, b)
    heavy = pair(sample_of(a, [20.0] * 150), sample_of(b, [20.0] * 150))
    assert weighted_p(heavy) == pytest.approx(weighted_p(plain), rel=1e-6)
    assert find_dominance(heavy) == pytest.approx(find_dominance(plain))


def test_one_heavy_run_tells_less_than_many() -> None:
    values = [float(number) for number in range(60)]
    a = sample_of(values[:30])
    even = sample_of(values[30:])
    uneven = sample_of(values[30:], [100.0] + [0.01] * 29)
    assert weighted_p(pair(a, even)) < 1e-6
    assert weighted_p(pair(a, uneven)) == 1.0


def test_values_are_kept_to_a_thousandth_and_small_counts_exactly() -> None:
    sample = Sample()
    for number in range(1_025):
        sample.add(number, 1.0, ("r", ""))
    assert sorted(sample.values) == list(range(1_025))
    dice = random.Random(2)
    fine = Sample()
    for _ in range(20_000):
        value = dice.lognormvariate(0, 4)
        fine.add(value, 1.0, ("r", ""))
    assert len(fine.values) < 15_000
    nearest = min(fine.values, key=lambda kept: abs(kept - 3.14159))
    assert nearest == pytest.approx(3.14159, rel=0.001)


def test_runs_that_were_not_added_hold_the_rest() -> None:
    among = Share(("r0", ""))
    for _ in range(10):
        among.add(2.0)
    sample = Sample(0.0)
    sample.add(0.5, 2.0, ("r1", "s1"))
    filled = sample.fill(among)
    assert {value: (share.runs, share.weight) for value, share in filled.items()} == {
        0.0: (9, 18.0),
        0.5: (1, 2.0),
    }
