"""What a step would have decided at other limits is what it decides when it is run with them."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from xray import XRay
from xray.forensics.evidence import RunEvidence, load_evidence
from xray.forensics.what_if import try_limits
from xray.model.ids import new_uuid7
from xray.model.vocabulary import CaptureLevel
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.store.sqlite.engine import SqliteStore
from xray.testing.sink import MemorySink

Product = dict[str, Any]
PRICE, RATING = 100.0, 3.0
SAMPLED_TRIES, PROVEN_TRIES = 50, 500
"""Limits tried of each sampled run; ten such runs are made, so 500 limits together, or 5,000."""


def make_products(random: Random, count: int) -> list[Product]:
    return [
        {
            "id": f"p{number}",
            "price": None if random.random() < 0.02 else round(random.uniform(1, 200), 2),
            "rating": random.choice([1, 2, 2.5, 3, 3.5, 4, 5]),
        }
        for number in range(count)
    ]


def keep(products: list[Product], price: float, rating: float) -> set[str]:
    return {
        one["id"]
        for one in products
        if one["price"] is not None and one["price"] <= price and one["rating"] >= rating
    }


def record(
    products: list[Product], capture: CaptureLevel, evaluate: Any, store: Store
) -> RunEvidence:
    sink = MemorySink()
    with XRay("shop", sink=sink, capture=capture).run() as run:
        with run.step("search", step_type="retrieve") as step:
            step.accept_many([one["id"] for one in products])
        with run.step("filter", step_type="filter") as step:
            rules = [
                ("price_too_high", "price", "<=", PRICE),
                ("rating_too_low", "rating", ">=", RATING),
            ]
            step.filter(products, rules, evaluate=evaluate)
    store.submit(new_uuid7(), sink.facts).result()
    return load_evidence(store, run.run_id)


TRIES = pytest.mark.parametrize("tries", [100, pytest.param(2_000, marks=pytest.mark.prove)])
"""Limits tried of each of five runs: 500 together, or at full size 10,000."""


@TRIES
@pytest.mark.parametrize("seed", range(5))
def test_where_every_check_was_evaluated_the_answer_is_what_a_rerun_decides(
    seed: int, tries: int
) -> None:
    random = Random(seed)
    products = make_products(random, 300)
    evidence = record(products, "full", "all", MemoryStore())
    before = keep(products, PRICE, RATING)
    for _ in range(tries):
        price = random.choice(
            [PRICE, random.uniform(0, 210), random.choice(products)["price"] or 1.0]
        )
        rating = random.choice([RATING, 0, 2, 2.5, 2.6, 4, 6])
        (step,) = try_limits(evidence, {"price_too_high": price, "rating": rating}).steps
        after = keep(products, price, rating)
        assert (step.certainty, step.because) == ("known", "")
        assert (step.least, step.most) == (len(after), len(after))
        gained, lost = after - before, before - after
        assert (step.newly_kept.least, step.newly_kept.most) == (len(gained), len(gained))
        assert (step.newly_dropped.least, step.newly_dropped.most) == (len(lost), len(lost))
        assert {flip.candidate_id for flip in step.newly_kept.examples} <= gained
        assert {flip.candidate_id for flip in step.newly_dropped.examples} <= lost
        assert {flip.certainty for flip in step.newly_kept.examples} <= {"known"}


@pytest.mark.parametrize("size", [4_000, pytest.param(40_000, marks=pytest.mark.prove)])
@pytest.mark.parametrize("evaluate", ["first", "all"])
@pytest.mark.parametrize("seed", range(5))
def test_where_detail_was_sampled_out_the_truth_always_lies_within_the_bounds(
    seed: int, evaluate: str, size: int, tmp_path: Path
) -> None:
    random = Random(seed)
    products = make_products(random, size)
    store: Store = SqliteStore(tmp_path / "runs.db") if seed == 0 else MemoryStore()
    evidence = record(products, "sample", evaluate, store)
    for _ in range(SAMPLED_TRIES if size == 4_000 else PROVEN_TRIES):
        limits: dict[str, Any] = {}
        if random.random() < 0.8:
            limits["price"] = random.uniform(0, 210)
        if random.random() < 0.6 or not limits:
            limits["rating_too_low"] = random.choice([0, 2, 2.6, 4, 6])
        answer = try_limits(evidence, limits)
        (step,) = answer.steps
        truth = len(
            keep(products, limits.get("price", PRICE), limits.get("rating_too_low", RATING))
        )
        assert step.least <= truth <= step.most, (limits, step.text)
        assert step.certainty == ("known" if step.least == step.most else "unknown"), step
        curve = step.curve if random.random() < 0.2 else []
        for point in curve:
            name = step.changes[0].field
            at = (point.limit, RATING) if name == "price" else (PRICE, point.limit)
            assert point.least <= len(keep(products, *at)) <= point.most, (name, point)
    store.close()
