"""Runs that are as they should be: nothing false is reported of them, at any capture level."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import pytest

from tests.unit.scenarios import (
    Recorded,
    categorize,
    discover,
    optimize,
    places,
    record,
    replaced,
    resolve,
    rivals,
    search,
    searching_in_shards,
    shelves,
    shop,
    titles,
)
from xray import XRay
from xray.capture.run import Run
from xray.model.vocabulary import CAPTURE_LEVELS, CaptureLevel

UNTOLD = {"flow_unknown"}
"""What a run says that recorded counts or samples only; nobody has to look at it first."""

levels = pytest.mark.parametrize("capture", CAPTURE_LEVELS)


def assert_clean(recorded: Recorded) -> None:
    assert set(recorded.codes) <= UNTOLD, [one.text for one in recorded.found.findings]
    assert recorded.first == []


@levels
@pytest.mark.parametrize(
    ("title", "price"),
    [
        ("iPhone 15 Case", 24.99),
        ("Cast Iron Frying Pan", 39.0),
        ("65W USB-C Charger", 39.0),
        ("Stainless Steel Water Bottle", 24.0),
        ("Steel Bottle 1 Litre", 18.0),
    ],
)
def test_a_search_that_checks_everything(title: str, price: float, capture: CaptureLevel) -> None:
    assert_clean(record(lambda: search(title, price), capture=capture))


@levels
def test_a_search_for_what_nobody_sells(capture: CaptureLevel) -> None:
    with replaced(shop, COMPETING_CATEGORIES={**shop.COMPETING_CATEGORIES, "zyx": ["Zyx"]}):
        recorded = record(lambda: search("Zyx", 10.0), capture=capture)
    assert recorded.first == []


@levels
def test_shelves_that_are_found(capture: CaptureLevel) -> None:
    for title, _ in shelves.LISTINGS:
        recorded = record(lambda title=title: categorize(title), capture=capture)  # type: ignore[misc]
        assert set(recorded.codes) <= {"empty", *UNTOLD}
        if recorded.store.run(recorded.run_id).output["category"]:  # type: ignore[union-attr]
            assert_clean(recorded)


@levels
def test_titles_whose_variants_are_all_ranked(capture: CaptureLevel) -> None:
    for product_id in titles.PRODUCT_IDS:
        assert_clean(record(lambda: optimize(product_id), capture=capture))  # noqa: B023


@levels
def test_competitors_of_which_only_samples_are_logged(capture: CaptureLevel) -> None:
    for product_id in rivals.PRODUCT_IDS:
        recorded = record(lambda: discover(product_id), capture=capture)  # noqa: B023
        assert set(recorded.codes) <= {"empty", *UNTOLD}


@levels
def test_places_that_come_out_right(capture: CaptureLevel) -> None:
    for query, expected in places.QUERIES:
        recorded = record(lambda: resolve(query), capture=capture)  # noqa: B023
        output = recorded.store.run(recorded.run_id).output  # type: ignore[union-attr]
        if output["selected"]:
            assert_clean(recorded)
        else:
            assert set(recorded.codes) <= {"empty", *UNTOLD}, expected


@levels
@pytest.mark.parametrize("query", ["Xyzzyville", "", "near Boston", "St.", "Ft. Worth, TX"])
def test_places_that_are_not_there_or_hardly(query: str, capture: CaptureLevel) -> None:
    recorded = record(lambda: resolve(query), capture=capture)
    assert set(recorded.codes) <= {"empty", *UNTOLD}


@levels
@pytest.mark.parametrize("query", ["San Jose", "Springfield", "Cambridge", "San Antonio", "Paris"])
def test_shards_that_all_answer(query: str, capture: CaptureLevel) -> None:
    with searching_in_shards():
        recorded = record(lambda: resolve(query), capture=capture)
    assert set(recorded.codes) <= UNTOLD


@pytest.mark.parametrize("query", ["Tbilisi", "Vienna, VA", "Saigon"])
def test_shards_of_which_one_has_nothing_because_there_is_little(query: str) -> None:
    with searching_in_shards():
        recorded = record(lambda: resolve(query))
    assert set(recorded.codes) <= {"empty", *UNTOLD}


def test_ties_at_the_top_and_at_the_cut() -> None:
    original = shop.score_product

    def coarse(*given: object) -> dict[str, float]:
        return {name: round(score, 1) for name, score in original(*given).items()}  # type: ignore[arg-type]

    with replaced(shop, score_product=coarse, SHORTLIST=3):
        assert_clean(record(lambda: search("Cast Iron Frying Pan", 39.0)))


@pytest.mark.parametrize("hits", [1, 2, 3])
def test_small_inputs(hits: int) -> None:
    with replaced(shop, HITS_PER_KEYWORD=hits):
        recorded = record(search)
    assert set(recorded.codes) <= {"empty"}


def test_a_retriever_that_returns_exactly_what_it_is_asked_for() -> None:
    for hits in (5, 10, 25):
        with replaced(shop, HITS_PER_KEYWORD=hits):
            assert_clean(record(lambda: search("Cast Iron Frying Pan", 39.0)))


def test_one_timeout_that_a_retry_makes_good() -> None:
    def pipeline() -> None:
        with XRay("shop").run() as run:
            try:
                with run.step("find", step_type="retrieve"):
                    raise TimeoutError("late")
            except TimeoutError:
                retrieve(run, 12)

    assert_clean(record(pipeline))


def retrieve(run: Run, count: int) -> list[str]:
    names = [f"p{number}" for number in range(count)]
    with run.step("find", step_type="retrieve", params={"limit": 100}) as step:
        for name in names:
            step.accept(name)
    return names


def ranking(
    score: Callable[[int], object], *, is_rank_told: bool = True, keep: int = 4
) -> Recorded:
    """A pipeline that ranks twelve candidates in the order in which it finds them."""

    def pipeline() -> None:
        with XRay("shop").run() as run:
            names = retrieve(run, 12)
            with run.step("rank", step_type="rank", params={"top_k": keep}) as step:
                for place, name in enumerate(names, 1):
                    rank = place if is_rank_told else None
                    if place <= keep:
                        step.accept(name, score=score(place), rank=rank)
                    else:
                        step.reject(name, "below_cut", score=score(place), rank=rank)
            run.set_output({"best": names[0]})

    return record(pipeline)


def test_a_ranking_by_distance_puts_the_lowest_number_first() -> None:
    assert_clean(ranking(lambda place: place / 10))
    assert_clean(ranking(lambda place: {"distance": place / 10}))
    assert_clean(ranking(lambda place: place / 10, is_rank_told=False))


def test_a_ranking_that_is_diversified_after_it_was_scored() -> None:
    assert_clean(ranking(lambda place: (place * 7 % 12) / 12))
    assert_clean(ranking(lambda place: {"relevance": (place * 5 % 12) / 12}))


def test_a_ranking_that_scores_only_what_it_keeps() -> None:
    assert_clean(ranking(lambda place: 1 / place if place <= 4 else None))


def test_a_ranking_without_scores_or_with_minus_infinity_at_the_end() -> None:
    assert_clean(ranking(lambda _: None))
    assert_clean(ranking(lambda place: 1 / place if place < 12 else -1e308))


def test_a_few_scores_at_the_maximum() -> None:
    assert_clean(ranking(lambda place: min(1.0, 4 / place)))


@levels
def test_a_run_of_thousands_of_candidates_in_a_random_order(capture: CaptureLevel) -> None:
    random = Random(3)

    def pipeline() -> None:
        with XRay("crowd").run() as run:
            scores = sorted((random.random() for _ in range(3_000)), reverse=True)
            names = [f"p{number}" for number in range(3_000)]
            with run.step("find", step_type="retrieve") as step:
                for name in random.sample(names, 3_000):
                    step.accept(name)
            kept = []
            with run.step("rules", step_type="filter") as step:
                for place, name in enumerate(names):
                    if step.check(name, "weight", observed=place % 100, op="<=", limit=80):
                        step.accept(name)
                        kept.append((scores[place], name))
                    else:
                        step.reject(name)
            with run.step("rank", step_type="rank") as step:
                for rank, (score, name) in enumerate(kept, 1):
                    if rank <= 50:
                        step.accept(name, score={"total": score}, rank=rank)
                    else:
                        step.reject(name, "below_cut", score={"total": score}, rank=rank)
            run.set_output({"best": kept[0][1]})

    assert_clean(record(pipeline, capture=capture))


def test_rules_that_stop_at_the_first_that_fails() -> None:
    def pipeline() -> None:
        with XRay("shop").run() as run:
            names = retrieve(run, 30)
            with run.step("rules", step_type="filter") as step:
                for place, name in enumerate(names):
                    is_kept = step.check(name, "too_dear", observed=place, op="<=", limit=24)
                    if is_kept:
                        age = place % 5
                        is_kept = step.check(name, "too_old", observed=age, op="<=", limit=3)
                    if is_kept:
                        step.accept(name)
                    else:
                        step.reject(name)

    assert_clean(record(pipeline))


def test_a_check_that_only_advises_or_is_meant_for_some() -> None:
    def pipeline() -> None:
        with XRay("shop").run() as run:
            names = retrieve(run, 30)
            with run.step("rules", step_type="filter") as step:
                for place, name in enumerate(names):
                    step.check(name, "has_image", observed=place % 2, op="==", limit=1)
                    if place % 6 == 0:
                        step.check(name, "deal_over", observed=place, op="<=", limit=26)
                    if step.check(name, "too_dear", observed=place, op="<=", limit=24):
                        step.accept(name)
                    else:
                        step.reject(name, "too_dear")

    assert_clean(record(pipeline))


def test_an_output_that_holds_more_than_the_answer_or_something_made_of_it() -> None:
    outputs: list[object] = [
        {"best": "p0", "also": ["p1", "p2"]},
        {"text": "We recommend the first."},
        ["p0"],
        "p0",
        None,
        {"count": 3},
    ]
    for output in outputs:

        def pipeline(output: object = output) -> None:
            with XRay("shop").run() as run:
                names = retrieve(run, 9)
                with run.step("pick", step_type="select") as step:
                    step.select(names[0], score=math.pi)
                    for name in names[1:]:
                        step.reject(name, "not_selected", score=1.0)
                if output is not None:
                    run.set_output(output)

        assert_clean(record(pipeline))
