"""Sketches merge in any order to the same, and their bounds hold the truth."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from xray.model.sketch import MAX_EXACT, MAX_RANGES, Sketch, sketch_values

finite = st.floats(allow_nan=False, allow_infinity=False)
prices = st.integers(0, 40_000).map(lambda cents: cents / 100)
few = st.sampled_from([0.0, -0.0, 1.0, -2.5, 1e-320, 1.7e308])
samples = st.one_of(
    st.lists(few, min_size=1, max_size=30),
    st.lists(prices, min_size=1, max_size=300),
    st.lists(finite, min_size=1, max_size=300),
    st.lists(few | prices, min_size=80, max_size=300),
)


def sketch(values: Sequence[float]) -> Sketch:
    found = sketch_values(array("d", values))
    assert found is not None
    assert found.find_fault() is None
    return found


@settings(max_examples=150)
@given(samples, samples, samples)
def test_merging_is_associative_and_commutative_and_equals_one_sketch_of_all(
    one: list[float], other: list[float], third: list[float]
) -> None:
    first, second, last = map(sketch, (one, other, third))
    whole = sketch([*one, *other, *third])
    assert first.merge(second).merge(last) == whole
    assert first.merge(second.merge(last)) == whole
    assert last.merge(second).merge(first) == whole


@settings(max_examples=150)
@given(samples, st.floats(0, 1))
def test_a_quantile_lies_within_its_bounds(values: list[float], share: float) -> None:
    found = sketch(values)
    truth = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    first, last = found.bounds_at(share)
    assert first <= truth <= last
    assert (found.count, found.least, found.greatest) == (len(values), min(values), max(values))
    for quantile in found.describe().quantiles:
        exact = sorted(values)[max(1, math.ceil(quantile.share * len(values))) - 1]
        assert abs(quantile.value - exact) <= quantile.error * (1 + 1e-9) + 5e-324


@settings(max_examples=150)
@given(samples, st.one_of(finite, prices, few), st.booleans())
def test_what_lies_below_a_limit_is_counted_within_bounds(
    values: list[float], limit: float, is_included: bool
) -> None:
    surely, possibly = sketch(values).bound_below(limit, is_included=is_included)
    truth = sum(value < limit or (is_included and value == limit) for value in values)
    assert surely <= truth <= possibly


@given(samples, st.randoms())
def test_the_order_of_the_values_does_not_matter(values: list[float], dice: object) -> None:
    shuffled = list(values)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert sketch(shuffled) == sketch(values)


@given(st.lists(finite, min_size=1, max_size=MAX_EXACT))
def test_few_values_are_counted_as_they_are(values: list[float]) -> None:
    found = sketch(values)
    assert found.bits is None
    assert found.keys == sorted(set(values))
    assert all(quantile.error == 0 for quantile in found.describe().quantiles)


def test_a_range_reaches_at_most_a_128th_above_its_first_number() -> None:
    found = sketch([1 + number / 1_000 for number in range(3_000)])
    assert found.bits == 7
    for share in (0.01, 0.3, 0.5, 0.99):
        first, last = found.bounds_at(share)
        assert (last - first) / first <= 1 / 128


def test_values_of_every_size_fit_in_a_few_hundred_ranges() -> None:
    values = [sign * 2.0**exponent for exponent in range(-1074, 1024) for sign in (1, -1)]
    found = sketch(values)
    assert len(found.keys) <= MAX_RANGES
    assert found.count == len(values)


def test_what_is_not_finite_is_left_out() -> None:
    assert sketch_values(array("d", [math.nan, math.inf, -math.inf])) is None
    assert sketch([1.0, math.nan, 2.0, math.inf]).count == 2


@settings(max_examples=60)
@given(samples)
def test_a_sketch_travels_as_it_is(values: list[float]) -> None:
    found = sketch(values)
    for library in (msgspec.msgpack, msgspec.json):
        assert library.decode(library.encode(found), type=Sketch) == found


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (Sketch(1, 1, None, [], []), "at least one value"),
        (Sketch(1, 1, None, [1.0], [0]), "at least one value"),
        (Sketch(1, 1, None, [1.0], [1, 2]), "at least one value"),
        (Sketch(1, 2, None, [2.0, 1.0], [1, 1]), "do not ascend"),
        (Sketch(1, 99, None, [float(n) for n in range(99)], [1] * 99), "99 keys"),
        (Sketch(1, 1, 9, [1.0], [1]), "9 bits"),
        (Sketch(1, 1, 7, [0.5], [1]), "the number of no range"),
        (Sketch(1, 1, 7, [1e9], [1]), "the number of no range"),
        (Sketch(0, 3, None, [1.0], [1]), "do not lie within"),
        (Sketch(math.nan, 1, None, [1.0], [1]), "no finite number"),
    ],
)
def test_a_sketch_that_cannot_be_is_found_out(broken: Sketch, fault: str) -> None:
    found = broken.find_fault()
    assert found is not None
    assert fault in found


@given(samples, samples)
def test_a_merged_sketch_has_no_fault(one: list[float], other: list[float]) -> None:
    assume(one != other)
    assert sketch(one).merge(sketch(other)).find_fault() is None
