"""Chance of places: as counted out by hand, and never called rarer than it is."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xray.forensics.audits import places as module
from xray.forensics.audits.places import Draw, chance_of_hits, chance_of_places
from xray.forensics.audits.shares import DOUBT, bound_share


def every_way(draws: list[Draw]) -> list[tuple[tuple[int, ...], ...]]:
    """Each way to choose as many of each list."""
    lists = [
        list(itertools.combinations(range(1, draw.offered + 1), len(draw.places)))
        for draw in draws
    ]  # fmt: skip
    return list(itertools.product(*lists))


def doubled_tail(values: list[float], seen: float) -> float:
    up = sum(value >= seen - 1e-9 for value in values)
    down = sum(value <= seen + 1e-9 for value in values)
    return min(1.0, 2 * min(up, down) / len(values))


@st.composite
def some_draws(draw: st.DrawFn, most: int = 1) -> list[Draw]:
    found = []
    for _ in range(draw(st.integers(1, 4))):
        offered = draw(st.integers(2, 5))
        chosen = draw(st.integers(1, min(most, offered - 1)))
        places = draw(st.permutations(range(1, offered + 1)))[:chosen]
        found.append(Draw(offered, tuple(places)))
    return found


@given(some_draws(most=3))
def test_how_often_the_first_is_chosen_is_counted_out(draws: list[Draw]) -> None:
    hits = sum(1 in draw.places for draw in draws)
    ways = [float(sum(1 in places for places in way)) for way in every_way(draws)]
    assert chance_of_hits(draws, hits) == pytest.approx(doubled_tail(ways, hits))


@given(some_draws())
def test_the_sum_of_single_places_is_counted_out(draws: list[Draw]) -> None:
    total = sum(draw.places[0] for draw in draws)
    sums = [float(sum(places[0] for places in way)) for way in every_way(draws)]
    assert chance_of_places(draws) == pytest.approx(doubled_tail(sums, total))


@given(some_draws(most=3))
@settings(max_examples=60)
def test_the_bound_is_never_below_what_is_so(draws: list[Draw]) -> None:
    total = sum(map(sum, (draw.places for draw in draws)))
    sums = [float(sum(map(sum, way))) for way in every_way(draws)]
    mean = math.fsum(sums) / len(sums)
    excess = abs(total - mean)
    bound = module._bound_tail(draws, excess)
    assert bound >= sum(value >= mean + excess - 1e-9 for value in sums) / len(sums) - 1e-9


def test_many_choices_are_bounded_in_no_time_and_close_to_the_truth() -> None:
    rng = random.Random(5)
    few = [Draw(10, (rng.randint(1, 7),)) for _ in range(60)]
    exact = chance_of_places(few)
    excess = abs(sum(draw.places[0] for draw in few) - 60 * 5.5)
    assert exact <= 2 * module._bound_tail(few, excess) <= 100 * exact
    many = [Draw(400, (rng.randint(1, 400),)) for _ in range(1_000)]
    assert chance_of_places(many) > 0.01
    assert chance_of_places([Draw(400, (1,))] * 1_000) < 1e-100


def test_a_place_that_is_always_chosen_is_as_unlikely_as_its_chances_together() -> None:
    draws = [Draw(10, (1,))] * 5
    assert chance_of_hits(draws, 5) == pytest.approx(2e-5)
    assert chance_of_places(draws) == pytest.approx(2e-5)
    assert chance_of_hits([Draw(2, (1,))] * 10, 5) == 1.0


@pytest.mark.parametrize(
    ("hits", "size"), [(0, 60), (3, 60), (55, 60), (60, 60), (1, 1), (500, 999)]
)
def test_the_bounds_of_a_share_are_those_at_which_it_would_be_a_surprise(
    hits: int, size: int
) -> None:
    least, most = bound_share(hits, size)
    assert least <= hits / size <= most

    def chance(numbers: range, share: float) -> float:
        ways = (math.comb(size, one) * share**one * (1 - share) ** (size - one) for one in numbers)
        return math.fsum(ways)

    if hits < size:
        assert chance(range(hits + 1), most) == pytest.approx(DOUBT)
    if hits:
        assert chance(range(hits, size + 1), least) == pytest.approx(DOUBT)
