"""Comparing groups: chance is not named, what was changed is, and either way round alike."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.property.compared_groups import SIZES, STILL, World, draw_group, fold
from xray.forensics.groups.comparison import Found, find_differences
from xray.model.comparison import Difference, SettingDifference
from xray.model.run_figures import RunFigures

QUICK_TRIALS = 120
PROVEN_TRIALS = 2_000
MOST_FALSE = 0.05
_OPPOSITES = {"new_reason": "vanished_reason", "new_step": "vanished_step"}
_OPPOSITES |= {other: one for one, other in _OPPOSITES.items()}

CHANGES: dict[str, tuple[dict[str, object], set[tuple[str, str | None, str]]]] = {
    "slow search": ({"slow": 5.0}, {("duration", "search", "")}),
    "strict limit": ({"price_limit": 45.0}, {("reason", "filter", "price")}),
    "new reason": ({"extra_reason": 0.12}, {("new_reason", "filter", "novel")}),
    "timeouts": (
        {"search_fails": 0.35},
        {("failure", "search", ""), ("error", "search", "TimeoutError")},
    ),
    "new step": ({"has_dedupe": True}, {("new_step", "dedupe", "")}),
}


@pytest.mark.parametrize(
    "trials", [QUICK_TRIALS, pytest.param(PROVEN_TRIALS, marks=pytest.mark.prove)]
)
def test_calibration_of_groups_that_are_alike(trials: int) -> None:
    sizes = SIZES if trials == PROVEN_TRIALS else SIZES[:5]
    named = 0
    for trial in range(trials):
        dice = random.Random(trial)
        world = STILL[trial % len(STILL)]
        a, b = sizes[trial // len(STILL) % len(sizes)]
        runs = draw_group(dice, world, a + b)
        found = find_differences(fold(runs[:a]), fold(runs[a:]))
        named += bool(found.differences or found.settings)
    if trials == PROVEN_TRIALS:
        print(f"{named} of {trials:,} comparisons of like groups named something")
        assert bound_share(named, trials) <= MOST_FALSE
    else:
        assert named <= 6  # were it one in a hundred, more would come once in 4,000 times


def bound_share(hits: int, trials: int) -> float:
    """The share that *hits* or fewer would come of once in twenty times (Clopper & Pearson)."""
    low, high = hits / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        at_most = math.fsum(
            math.exp(
                math.lgamma(trials + 1) - math.lgamma(hit + 1) - math.lgamma(trials - hit + 1)
                + hit * math.log(middle) + (trials - hit) * math.log1p(-middle)
            )
            for hit in range(hits + 1)
        )  # fmt: skip
        low, high = (middle, high) if at_most > 0.05 else (low, middle)
    return high


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_comes_first_nearly_always(name: str) -> None:
    change, wanted = CHANGES[name]
    first = 0
    for seed in range(10):
        dice = random.Random(seed)
        world = replace(World(version="1"), **change)  # type: ignore[arg-type]
        a, b = draw_group(dice, World(version="1"), 100), draw_group(dice, world, 100)
        found = find_differences(fold(a), fold(b)).differences
        if found and (found[0].kind, found[0].step, found[0].name) in wanted:
            first += 1
    assert first >= 9


worlds = st.builds(
    World,
    skew=st.sampled_from([0.3, 1.0, 2.0]),
    failing=st.sampled_from([0.0, 0.1]),
    sampled=st.sampled_from([1.0, 1.0, 0.3]),
    price_limit=st.sampled_from([30.0, 100.0]),
    version=st.sampled_from([None, "1", "2"]),
    slow=st.sampled_from([1.0, 6.0]),
    extra_reason=st.sampled_from([0.0, 0.3]),
    search_fails=st.sampled_from([0.0, 0.5]),
    has_dedupe=st.booleans(),
)
_few = settings(max_examples=25, deadline=None, derandomize=True)


@_few
@given(worlds, worlds, st.integers(0, 99), st.sampled_from(SIZES[1:5]))
def test_comparing_the_other_way_round_mirrors_the_answer(
    one: World, other: World, seed: int, size: tuple[int, int]
) -> None:
    dice = random.Random(seed)
    a, b = draw_group(dice, one, size[0]), draw_group(dice, other, size[1])
    there, back = compare(a, b), compare(b, a)
    assert there.tests == back.tests
    assert [describe(mirror(found)) for found in there.differences] == [
        describe(found) for found in back.differences
    ]
    assert [(found.path, found.step, found.a, found.b) for found in there.settings] == [
        (found.path, found.step, found.b, found.a) for found in back.settings
    ]


def compare(a: Sequence[RunFigures], b: Sequence[RunFigures]) -> Found:
    return find_differences(fold(a), fold(b))


def mirror(found: Difference) -> Difference:
    return structs.replace(
        found,
        kind=_OPPOSITES.get(found.kind, found.kind),
        a=found.b, b=found.a, a_runs=found.b_runs, b_runs=found.a_runs, effect=-found.effect,
    )  # fmt: skip


def describe(found: Difference) -> tuple[object, ...]:
    """What must be the same either way round; numbers to nine digits."""
    return (
        found.kind, found.step, found.name, found.measure, found.test, found.follows,
        found.a_runs, found.b_runs,
        *(f"{number:.9g}" for number in (found.a, found.b, found.effect + 0.0, found.effect_least)),
        f"{found.p:.6g}",
    )  # fmt: skip


@_few
@given(worlds, worlds, st.randoms(use_true_random=False))
def test_the_order_of_the_runs_does_not_matter(
    one: World, other: World, dice: random.Random
) -> None:
    source = random.Random(dice.random())
    a, b = draw_group(source, one, 30), draw_group(source, other, 40)
    first = compare(a, b)
    dice.shuffle(a)
    dice.shuffle(b)
    second = compare(a, b)
    assert [describe(found) for found in first.differences] == [
        describe(found) for found in second.differences
    ]
    assert [told(found) for found in first.settings] == [told(found) for found in second.settings]


def told(found: SettingDifference) -> tuple[object, ...]:
    return found.path, found.pipeline, found.step, found.text, f"{found.p:.6g}"
