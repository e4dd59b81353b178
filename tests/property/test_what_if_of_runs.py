"""What many runs would have decided is what a rerun of each decides, added up in any order."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.property.test_what_if_against_truth import PRICE, RATING, keep, make_products
from xray import XRay
from xray.forensics.evidence import load_evidence
from xray.forensics.what_if import try_limits
from xray.forensics.what_if_runs import LimitTrial
from xray.model.checked import CheckedRun
from xray.model.ids import new_uuid7
from xray.model.limit_totals import Totals
from xray.model.vocabulary import CaptureLevel
from xray.query.plan import Plan
from xray.query.what_if_parts import add_parts, answer_totals, unpack
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.store.sqlite.engine import SqliteStore
from xray.testing.sink import MemorySink

Products = list[dict[str, Any]]
Recorded = list[tuple[str, Products]]


def record_runs(
    random: Random, capture: CaptureLevel, store: Store, sizes: list[int], evaluate: Any = "all"
) -> Recorded:
    """Runs of a filter and a selection; the last one checks something else."""
    recorded: Recorded = []
    sink = MemorySink()
    for number, size in enumerate(sizes):
        products = make_products(random, size)
        rules = [("price_too_high", "price", "<=", PRICE), ("rating_low", "rating", ">=", RATING)]
        if number == len(sizes) - 1:
            rules = rules[1:]
        with XRay(f"shop-{number % 2}", sink=sink, capture=capture).run() as run:
            with run.step("filter", step_type="filter") as step:
                kept = step.filter(products, rules, evaluate=evaluate)
            with run.step("pick", step_type="select") as step:
                step.take(kept, 1)
        recorded.append((run.run_id, products))
    store.submit(new_uuid7(), sink.facts).result()
    return recorded


def try_all(store: Store, limits: dict[str, Any]) -> Totals:
    trial = LimitTrial(limits)
    visited = store.check_runs(Plan(scope="run"), trial.words, trial.add)
    assert visited.end is None
    return trial.totals()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    opened: Store = MemoryStore()
    if request.param == "sqlite":
        opened = SqliteStore(tmp_path / "runs.db")
    yield opened
    opened.close()


@pytest.mark.parametrize("seed", range(3))
def test_the_sums_over_fully_evaluated_runs_are_those_of_reruns(store: Store, seed: int) -> None:
    random = Random(seed)
    recorded = record_runs(random, "full", store, [5, 40, 0, 17, 90, 12])
    judged = [(run_id, products) for run_id, products in recorded[:-1] if products]
    for _ in range(15):
        price = random.choice([PRICE, random.uniform(0, 210)])
        answer = answer_totals(try_all(store, {"price": price}))
        gained = lost = gaining = losing = touched = 0
        for run_id, products in judged:
            before, after = keep(products, PRICE, RATING), keep(products, price, RATING)
            gained += len(after - before)
            lost += len(before - after)
            gaining += bool(after - before)
            losing += bool(before - after)
            picked = [one["id"] for one in products if one["id"] in before][:1]
            touched += any(one not in after for one in picked)
            (step,) = try_limits(load_evidence(store, run_id), {"price": price}).steps
            assert step.least == step.most == len(after)
        kept, dropped = answer.newly_kept, answer.newly_dropped
        assert (kept.least, kept.most, dropped.least, dropped.most) == (gained, gained, lost, lost)
        assert (kept.runs.least, kept.runs.most) == (gaining, gaining)
        assert (dropped.runs.least, dropped.runs.most) == (losing, losing)
        assert (answer.touched.least, answer.touched.most) == (touched, touched)
        assert (answer.runs, answer.judged, answer.exact) == (6, len(judged), len(judged))
        assert [(one.why, one.runs) for one in answer.unjudged] == [("no_such_check", 2)]
        assert (answer.certainty, answer.because) == ("known", "")
        for group in answer.steps:
            mine = [
                products
                for number, (_, products) in enumerate(recorded[:-1])
                if products and f"shop-{number % 2}" == group.pipeline
            ]
            for point in group.curve:
                truth = sum(len(keep(products, point.limit, RATING)) for products in mine)
                assert point.least <= truth <= point.most
                assert point.most - point.least <= 0.05 * sum(map(len, mine))


@pytest.mark.parametrize("evaluate", ["first", "all"])
def test_the_truth_of_sampled_runs_lies_within_the_sums(store: Store, evaluate: str) -> None:
    random = Random(7)
    recorded = record_runs(random, "sample", store, [2_500, 30, 1_400, 60], evaluate)
    for _ in range(12):
        limits: dict[str, Any] = {"price": random.uniform(0, 210)}
        if random.random() < 0.3:
            limits["rating"] = random.choice([0, 2, 2.6, 4])
        answer = answer_totals(try_all(store, limits))
        gained = lost = 0
        for number, (_, products) in enumerate(recorded):
            before = keep(products, PRICE, RATING)
            after = keep(products, limits["price"], limits.get("rating", RATING))
            if number == len(recorded) - 1:
                if "rating" not in limits:
                    continue
                before = {one["id"] for one in products if one["rating"] >= RATING}
                after = {one["id"] for one in products if one["rating"] >= limits["rating"]}
            gained += len(after - before)
            lost += len(before - after)
        assert answer.newly_kept.least <= gained <= answer.newly_kept.most
        assert answer.newly_dropped.least <= lost <= answer.newly_dropped.most
        for group in answer.steps:
            for point in group.curve if group.changes[0].field == "price" else ():
                truth = sum(
                    len(keep(products, point.limit, RATING))
                    for number, (_, products) in enumerate(recorded[:-1])
                    if f"shop-{number % 2}" == group.pipeline
                )
                assert point.least <= truth <= point.most


_SHOWN: list[CheckedRun] = []


def shown_runs() -> list[CheckedRun]:
    if not _SHOWN:
        store = MemoryStore()
        random = Random(3)
        record_runs(random, "sample", store, [3, 8, 1_300, 0, 5, 70, 9, 2, 30, 4], "first")
        store.check_runs(Plan(scope="run"), frozenset(("price",)), _SHOWN.append)
    return _SHOWN


@settings(deadline=None, max_examples=30)
@given(
    order=st.permutations(range(10)),
    cuts=st.lists(st.integers(0, 10), max_size=4),
    weights=st.lists(st.sampled_from([1.0, 1 / 0.3, 100.0]), min_size=10, max_size=10),
    price=st.sampled_from([20, 80.5, 100, 140]),
)
def test_parts_add_up_to_the_whole_in_any_order_and_grouping(
    order: list[int], cuts: list[int], weights: list[float], price: float
) -> None:
    runs = [replace(run, weight=weights[at]) for at, run in enumerate(shown_runs())]

    def sum_up(some: list[CheckedRun]) -> Totals:
        trial = LimitTrial({"price": price})
        for run in some:
            trial.add(run)
        return trial.totals()

    whole = sum_up(runs)
    bounds = sorted({0, *cuts, 10})
    parts = [sum_up([runs[at] for at in order[a:b]]) for a, b in pairwise(bounds)]
    left = reduce(lambda one, other: one + other, parts)
    right = reduce(lambda one, other: other + one, reversed(parts))
    assert left == right == whole
    answers = [answer_totals(part, is_part=True) for part in parts]
    assert [unpack(str(answer.state)) for answer in answers] == parts
    added = add_parts(answers)
    assert replace(added, state="", scan=None) == replace(answer_totals(whole), state="", scan=None)
