"""Baselines add up in any order, give back what was added, and are off by as much as they say."""

from __future__ import annotations

import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.forensics.unusual.tails import bound_rate, chance_beyond
from xray.model.baseline import MAX_KINDS, OTHER, StepFigures, Usual, sum_usual
from xray.model.bins import (
    LEAST,
    MAX_WEIGHT,
    RELATIVE_ERROR,
    bin_amount,
    bin_count,
    bin_rate,
    find_bin,
    middle_amount,
    middle_count,
    middle_rate,
    round_weight,
    span_amount,
    span_rate,
    sum_bins,
)

amounts = st.floats(0, 1e15) | st.sampled_from([0.0, 5e-324, LEAST, 0.5, 1.0, 1e15])
rates = st.floats(0, 1)
counts = st.integers(0, 2**63 - 1) | st.integers(0, 200)
weights = st.sampled_from([1 / 64, 0.5, 1.0, 1.5, 10 / 3, 100.0, 1e4, 1e15]).map(round_weight)
figures = st.builds(
    StepFigures,
    status=st.sampled_from(["completed", "completed", "failed", "cancelled"]),
    failure=st.sampled_from(["", "TimeoutError", "ValueError"]),
    duration_ms=st.none() | amounts,
    input_count=st.none() | counts,
    output_count=st.none() | counts,
    rejection_rate=st.none() | rates,
    reasons=st.dictionaries(st.sampled_from(["a", "b", "ä"]), st.integers(0, 9)),
)
weighted = st.lists(st.tuples(figures, weights), max_size=12)


def add_up(steps: list[tuple[StepFigures, float]], sign: int = 1) -> Usual:
    usual = Usual()
    for step, weight in steps:
        usual.add(step, weight, sign)
    return usual


@given(parts=st.lists(weighted, min_size=3, max_size=3), data=st.data())
def test_parts_add_up_to_the_same_in_any_order_and_grouping(
    parts: list[list[tuple[StepFigures, float]]], data: st.DataObject
) -> None:
    one, two, three = map(add_up, parts)
    whole = sum_usual([add_up([pair for part in parts for pair in part])])
    assert sum_usual([one, two, three]) == whole
    assert sum_usual([sum_usual([three, one]), two]) == whole
    assert sum_usual([three, sum_usual([two, one])]) == whole
    shuffled = data.draw(st.permutations([pair for part in parts for pair in part]))
    assert sum_usual([add_up(shuffled)]) == whole


@given(kept=weighted, gone=weighted)
def test_what_is_taken_back_leaves_nothing_behind(
    kept: list[tuple[StepFigures, float]], gone: list[tuple[StepFigures, float]]
) -> None:
    left = sum_usual([add_up([*kept, *gone]), add_up(gone, -1)])
    assert left == sum_usual([add_up(kept)])
    assert sum_usual([add_up(gone), add_up(gone, -1)]) == Usual()


@given(steps=weighted)
def test_what_is_stored_is_read_back_as_it_was(steps: list[tuple[StepFigures, float]]) -> None:
    usual = add_up(steps)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(usual), type=Usual) == usual


@given(amount=amounts)
def test_an_amount_is_off_by_no_more_than_is_said(amount: float) -> None:
    number = bin_amount(amount)
    first, behind = span_amount(number)
    if amount < LEAST:
        assert (number, middle_amount(number)) == (0, 0.0)
    else:
        assert first <= amount < behind
        assert abs(middle_amount(number) - amount) <= RELATIVE_ERROR * amount


@given(count=counts)
def test_a_count_is_off_by_no_more_than_is_said_and_exact_below_64(count: int) -> None:
    assert bin_count(count) == bin_amount(count)
    middle = middle_count(bin_count(count))
    assert middle == count if count < 64 else abs(middle - count) <= RELATIVE_ERROR * count + 0.5


@given(rate=rates)
def test_a_rate_and_its_complement_are_off_by_no_more_than_is_said(rate: float) -> None:
    smaller = min(rate, 1.0 - rate)
    number = bin_rate(rate)
    error = max(RELATIVE_ERROR * smaller, LEAST)
    assert abs(middle_rate(number) - rate) <= error + 1e-15
    first, last = span_rate(number)
    assert first - LEAST - 1e-15 <= rate <= last + LEAST + 1e-15


@given(one=amounts, other=amounts, rate=rates, second=rates)
def test_ranges_are_numbered_in_their_order(
    one: float, other: float, rate: float, second: float
) -> None:
    assert bin_amount(min(one, other)) <= bin_amount(max(one, other))
    assert bin_rate(min(rate, second)) <= bin_rate(max(rate, second))


@given(values=st.lists(st.floats(LEAST, 1e9), min_size=1, max_size=50), share=st.floats(0, 1))
def test_a_quantile_is_off_by_no_more_than_is_said(values: list[float], share: float) -> None:
    bins: dict[int, float] = {}
    for value in values:
        bins[bin_amount(value)] = bins.get(bin_amount(value), 0) + 1
    number = find_bin(bins, share)
    assert number is not None
    place = max(1, math.ceil(share * len(values)))
    exact = sorted(values)[place - 1]
    assert abs(middle_amount(number) - exact) <= RELATIVE_ERROR * exact


def test_more_reasons_than_a_day_tells_apart_count_as_one() -> None:
    usual = Usual()
    for number in range(MAX_KINDS + 9):
        reasons = {f"reason {number}": 1}
        usual.add(StepFigures("completed", "", None, None, None, 0.5, reasons), 1)
        usual.add(StepFigures("failed", f"Error{number}", None, None, None, None, {}), 1)
    assert len(usual.shares) == MAX_KINDS + 1
    assert sum_bins(usual.shares[OTHER]) == 9
    assert usual.failures[OTHER] == 9


@given(weight=st.floats(1e-9, 1e15))
def test_a_weight_is_off_by_little_and_sums_of_it_are_exact(weight: float) -> None:
    rounded = round_weight(weight)
    assert rounded * 64 == int(rounded * 64)
    if 1 / 64 <= weight <= MAX_WEIGHT:
        assert abs(rounded - weight) <= max(1 / 128, weight / 1024)


tail_values = st.lists(st.floats(-5, 5), min_size=20, max_size=60)


@given(values=tail_values, near=st.floats(-6, 20), further=st.floats(0, 20))
def test_what_lies_further_out_is_never_more_likely(
    values: list[float], near: float, further: float
) -> None:
    history = [(value, 1.0) for value in values]
    close = chance_beyond(history, len(values), near)
    assert 0 < chance_beyond(history, len(values), near + further) <= close <= 1


@pytest.mark.parametrize("draw", ["lognormal", "pareto", "student"])
@pytest.mark.parametrize("size", [20, 50, 200])
def test_a_chance_is_not_smaller_than_how_often_it_happens(draw: str, size: int) -> None:
    dice = random.Random(f"{draw} {size}")

    def value() -> float:
        if draw == "lognormal":
            return dice.gauss(0, 0.7)
        if draw == "pareto":
            return dice.expovariate(2.0)
        return dice.gauss(0, 1) / math.sqrt(dice.gammavariate(2.0, 0.5))

    trials = 600
    claims = dict.fromkeys((0.05, 0.01, 0.002), 0)
    for _ in range(trials):
        chance = chance_beyond([(value(), 1.0) for _ in range(size)], size, value())
        for limit in claims:
            claims[limit] += chance <= limit
    for limit, hits in claims.items():
        assert hits <= trials * limit + 3.5 * math.sqrt(trials * limit) + 1


@given(
    rate=st.floats(0, 1), count=st.integers(1, 10_000), doubt=st.sampled_from([0.05, 1e-3, 1e-6])
)
def test_a_bound_lies_towards_the_side_it_is_asked_for(
    rate: float, count: int, doubt: float
) -> None:
    least, most = bound_rate(rate, count, doubt, 1), bound_rate(rate, count, doubt, -1)
    assert 0 <= least <= rate <= most <= 1
    assert bound_rate(rate, count * 4, doubt, 1) >= least - 1e-9


def test_a_bound_on_a_rate_holds_as_often_as_it_says() -> None:
    dice = random.Random(5)
    for rate, count in ((0.02, 50), (0.3, 20), (0.9, 200)):
        wrong = 0
        for _ in range(1_000):
            seen = sum(dice.random() < rate for _ in range(count)) / count
            wrong += bound_rate(seen, count, 0.05, 1) > rate
        assert wrong <= 50 + 3.5 * math.sqrt(50)
