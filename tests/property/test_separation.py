"""What separates two sides: against brute force, and silent where the sides are drawn by lot."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.test_compared_groups import bound_share
from xray.forensics.separation.clustering import bound_flips, combine_runs, least_flips
from xray.forensics.separation.describing import describe, find_round, meets
from xray.forensics.separation.judging import LEVEL, MIN_RUNS, judge
from xray.forensics.separation.table import MISSING, Cell, Table
from xray.model.separation import Example, Separator

QUICK_TRIALS, PROVEN_TRIALS = 90, 2_000
MOST_FALSE = 0.05
NAMES = ("rejected", "kept")


def lay_out(
    dice: random.Random,
    count: int,
    *,
    runs: int = 1,
    is_weighted: bool = False,
    swayed: float = 0.0,
    catalogue: int | None = None,
) -> Table:
    """Candidates whose fields have nothing to do with their side.

    Args:
        dice: what is drawn.
        count: how many of each run.
        runs: how many runs.
        is_weighted: rows stand for different numbers, other ones on each side.
        swayed: how often a run decides by a whim about categories that other runs do not share.
        catalogue: the same so many candidates, always decided alike, come up in every run.
    """
    table = Table()
    share = dice.choice((0.1, 0.3, 0.5))
    known = [draw_fields(dice, count) for _ in range(catalogue or 0)]
    fates = [dice.random() < share for _ in known]
    for run in range(runs):
        whims = {name: dice.random() < 0.5 for name in "abcdef"}
        for number in range(count):
            at = dice.randrange(len(known)) if known else 0
            fields = known[at] if known else draw_fields(dice, count)
            is_in_a = fates[at] if known else dice.random() < share
            if not known and dice.random() < swayed:
                is_in_a = whims[str(fields["category"])]
            weight = dice.choice((1.0, 8.0) if is_in_a else (1.0, 20.0)) if is_weighted else 1.0
            row = table.add(
                Example(run_id=str(run)), is_in_a=is_in_a, weight=weight, run=run,
                name=f"k{at}" if known else f"{run} {number}",
            )  # fmt: skip
            for path, cell in fields.items():
                table.put(row, path, cell, "attribute")
    return table


def draw_fields(dice: random.Random, count: int) -> dict[str, Cell]:
    return {
        "category": dice.choice("abcdef"),
        "price": dice.gauss(0, 1),
        "skewed": dice.random() ** 4,
        "stars": dice.randrange(5),
        "rare": dice.random() < 0.05,
        "gone": dice.choice("uv") if dice.random() < 0.8 else MISSING,
        "origin": tuple({dice.choice("pqrstuvw") for _ in range(2)}),
        "brand": f"v{dice.randrange(count // 3 + 1)}",
    }


WORLDS = {
    "one run": {},
    "sampled rows": {"is_weighted": True},
    "a few runs": {"runs": 5},
    "many runs": {"runs": 30},
    "runs with whims of their own": {"runs": 30, "swayed": 0.5},
    "a catalogue that comes up again and again": {"runs": 30, "catalogue": 40},
}


@pytest.mark.parametrize(
    "trials", [QUICK_TRIALS, pytest.param(PROVEN_TRIALS, marks=pytest.mark.prove)]
)
def test_calibration_of_separation_where_sides_are_drawn_by_lot(trials: int) -> None:
    named = 0
    worlds = list(WORLDS.values())
    for trial in range(trials):
        dice = random.Random(trial)
        world = worlds[trial % len(worlds)]
        count = 20 if world.get("runs", 1) > 5 else dice.choice((20, 60, 100, 300))
        named += bool(judge(lay_out(dice, count, **world), NAMES).judged)  # type: ignore[arg-type]
    if trials == PROVEN_TRIALS:
        print(f"{named} of {trials:,} separations by lot named something")
        assert bound_share(named, trials) <= MOST_FALSE
    else:
        assert named <= 5  # were it one in a hundred, more would come once in 2,500 times


def test_a_whim_that_all_runs_share_is_named_among_whims_of_their_own() -> None:
    found = 0
    for seed in range(10):
        dice = random.Random(seed)
        table = lay_out(dice, 20, runs=MIN_RUNS + 10, swayed=0.3)
        category = table.columns[None, "category"]
        for row, cell in category.cells.items():
            if cell == "a" and dice.random() < 0.7:
                table.is_in_a[row] = True
        judged = judge(table, NAMES).judged
        found += any(one.question.column is category for one in judged)
    assert found >= 9


scores = st.lists(st.floats(-10, 10, allow_nan=False).map(lambda x: round(x, 3)), max_size=10)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(scores)
def test_flipped_signs_are_bounded_by_what_counting_them_out_gives(drawn: list[float]) -> None:
    told = [one for one in drawn if one]
    total = abs(math.fsum(told))
    flips = itertools.product((1, -1), repeat=len(told))
    sums = [abs(math.fsum(a * b for a, b in zip(told, signs, strict=True))) for signs in flips]
    exact = sum(one >= total - 1e-9 for one in sums) / len(sums)
    bound = bound_flips(drawn)
    assert exact <= bound + 1e-9
    assert bound >= least_flips(len(told)) - 1e-12


def test_scores_of_one_size_and_sign_are_bounded_exactly() -> None:
    assert bound_flips([0.25] * 20) == pytest.approx(2.0**-19, rel=1e-9)
    assert bound_flips([-3.0] * 4) == pytest.approx(2.0**-3, rel=1e-9)
    assert bound_flips([]) == bound_flips([1.0, -1.0]) == 1.0


def test_runs_that_lean_the_same_way_tell_more_together_and_others_less() -> None:
    assert combine_runs([(0.05, 1.0)]) == pytest.approx(0.05)
    assert combine_runs([(0.05, 1.0), (0.05, 1.0)]) < 0.02
    assert combine_runs([(0.05, 1.0), (0.05, -1.0)]) > 0.05
    assert combine_runs([(1.0, 0.0)]) == 1.0


cells = st.one_of(
    st.sampled_from(["x", "y", True, False, 0, 1, 2.5, MISSING]),
    st.tuples(st.sampled_from(["x", "y"])),
)
rows = st.lists(st.tuples(cells, st.booleans()), min_size=12, max_size=40)


def table_of(drawn: Sequence[tuple[Cell, bool]], times: int = 3) -> Table:
    table = Table()
    for number, (cell, is_in_a) in enumerate(list(drawn) * times):
        row = table.add(
            Example(run_id="r", candidate_id=f"p{number}"), is_in_a=is_in_a, weight=1.0, run=0,
            name=f"p{number}",
        )  # fmt: skip
        table.put(row, "field", cell, "attribute")
    return table


@settings(max_examples=150, deadline=None, derandomize=True)
@given(rows, st.sampled_from(["x", True, 1, 2.5]))
def test_counts_and_examples_are_those_of_the_rows(
    drawn: list[tuple[Cell, bool]], planted: str | bool | float
) -> None:
    drawn = [*drawn, *[(planted, True)] * 12]
    table = table_of(drawn)
    for one in list_separators(table):
        split = one.split
        told = [
            (is_in_a, meets(split.condition, split.value, cell))
            for cell, is_in_a in list(drawn) * 3
            if split.condition not in ("above", "at_most") or is_plain_number(cell)
        ]
        assert split.a == sum(is_in_a and is_met for is_in_a, is_met in told)
        assert split.b == sum(not is_in_a and is_met for is_in_a, is_met in told)
        assert (split.a_of, split.b_of) == (
            sum(is_in_a for is_in_a, _ in told),
            sum(not is_in_a for is_in_a, _ in told),
        )
        assert one.effect == pytest.approx(split.a / split.a_of - split.b / split.b_of)
        assert 0 <= one.effect_least <= abs(one.effect) + 1e-9
        assert one.p < LEVEL
        for example in one.a_examples:
            at = int(str(example.candidate_id)[1:]) % len(drawn)
            assert drawn[at][1]
            assert meets(split.condition, split.value, drawn[at][0]) == (one.effect > 0)


def is_plain_number(cell: Cell) -> bool:
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def list_separators(table: Table) -> list[Separator]:
    separators, rules = describe(table, judge(table, NAMES).judged, NAMES)
    assert rules == []
    return separators


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(0, 30), min_size=8, max_size=40),
    st.lists(st.integers(20, 60), min_size=8, max_size=40),
)
def test_no_threshold_tells_the_sides_apart_better_than_the_one_that_is_named(
    low: list[int], high: list[int]
) -> None:
    table = table_of([(value, True) for value in low] + [(value, False) for value in high], 1)
    found = [one for one in list_separators(table) if one.split.condition == "at_most"]
    best = max(
        sum(value <= cut for value in low) / len(low)
        - sum(value <= cut for value in high) / len(high)
        for cut in (*low, *high)
    )
    for one in found:
        assert one.effect == pytest.approx(best)


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_a_round_threshold_lies_between_its_neighbours(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    if low < high:
        assert low <= find_round(low, high) < high


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(
    drawn: list[tuple[Cell, bool]], dice: random.Random
) -> None:
    shuffled = list(drawn)
    dice.shuffle(shuffled)
    there, back = (list_separators(table_of(some)) for some in (drawn, shuffled))
    assert [(one.path, one.effect_least, one.p) for one in there] == [
        (one.path, pytest.approx(one.effect_least), pytest.approx(one.p)) for one in back
    ]
