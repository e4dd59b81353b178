"""How well steps keep what is labelled good: exact on planted runs, bounded on partly labelled."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray import XRay
from xray.errors import InvalidQueryError
from xray.forensics.evidence import load_evidence
from xray.forensics.quality import RankedList, rate_run
from xray.model.ids import new_uuid7
from xray.model.labels import Labelled, LabelsAsked
from xray.model.quality import Quality, StepQuality
from xray.model.vocabulary import LabelWord
from xray.reading import rate_quality
from xray.store.memory import MemoryStore
from xray.testing import MemorySink

NOW_US = 1_760_000_000_000_000
FOUND = [f"p{number}" for number in range(10)]


def record(sink: MemorySink, kept: int = 6, ranks: list[str] | None = None) -> str:
    """A search that finds p0 to p9, a filter that keeps the first, a ranking that keeps three."""
    with XRay("shop", sink=sink, capture="full").run() as run:
        with run.step("keywords", step_type="generate") as step:
            step.accept("stand")
        with run.step("search", step_type="retrieve") as step:
            for name in FOUND:
                step.accept(name, origin="stand")
        with run.step("price", step_type="filter") as step:
            for number, name in enumerate(FOUND):
                if number < kept:
                    step.accept(name)
                else:
                    step.reject(name, "too_dear")
        with run.step("rank", step_type="rank") as step:
            for place, name in enumerate(ranks or FOUND[:kept]):
                if place < 3:
                    step.accept(name, rank=place + 1)
                else:
                    step.reject(name, "below_cut", rank=place + 1)
    return run.run_id


def label(store: MemoryStore, run_id: str, **words: LabelWord) -> None:
    facts = [
        Labelled(
            label_id=new_uuid7(NOW_US),
            run_id=run_id,
            labelled_at_us=NOW_US,
            candidate_id=name,
            label=word,
            note=f"{name} is {word}",
        )
        for name, word in words.items()
    ]
    store.submit("labels", facts).result()


def store_of(sink: MemorySink) -> MemoryStore:
    store = MemoryStore()
    store.submit("01890000-0000-7000-8000-000000000000", sink.facts).result()
    return store


def rate(sink: MemorySink, run_id: str, k: int = 10, **words: LabelWord) -> Quality:
    store = store_of(sink)
    label(store, run_id, **words)
    return rate_run(load_evidence(store, run_id), store.labels(LabelsAsked()), k)


def by_name(quality: Quality) -> dict[str, StepQuality]:
    return {step.name: step for step in quality.steps}


def test_precision_and_recall_are_told_for_each_step(xray_sink: MemorySink) -> None:
    run_id = record(xray_sink)
    quality = rate(xray_sink, run_id, p0="good", p1="bad", p4="good", p7="good", p8="bad")
    assert (quality.good, quality.bad, quality.runs) == (3, 2, 1)
    steps = by_name(quality)
    assert list(steps) == ["search", "price", "rank"]
    search, price, rank = steps.values()
    assert search.recall is not None
    assert (search.recall.value, search.recall.n) == (1.0, 3)
    assert price.recall is not None
    assert price.recall.value == pytest.approx(2 / 3)
    assert (price.good.kept, price.good.dropped, price.bad.kept, price.bad.dropped) == (2, 1, 1, 1)
    assert price.precision is not None
    assert price.precision.value == pytest.approx(2 / 3)
    assert rank.recall is not None
    assert rank.recall_so_far is not None
    assert (rank.recall.value, rank.recall_so_far.value) == (0.5, pytest.approx(1 / 3))
    assert [miss.candidate_id for miss in price.lost_good] == ["p7"]
    assert price.lost_good[0].reason == "too_dear"
    assert price.lost_good[0].note == "p7 is good"
    assert [miss.candidate_id for miss in rank.kept_bad] == ["p1"]
    assert "Most good ones are lost at price" in quality.answer
    assert "1 of the 3 that come there (p7)" in quality.answer


def test_the_others_are_unknown_and_bound_precision(xray_sink: MemorySink) -> None:
    run_id = record(xray_sink)
    price = by_name(rate(xray_sink, run_id, p0="good", p1="bad"))["price"]
    assert price.precision is not None
    assert (price.precision.value, price.precision.n) == (0.5, 2)
    assert (price.precision.least, price.precision.most) == (1 / 6, 5 / 6)


def test_a_good_one_that_was_never_found_lowers_the_recall_of_the_search(
    xray_sink: MemorySink,
) -> None:
    run_id = record(xray_sink)
    quality = rate(xray_sink, run_id, p0="good", elsewhere="good")
    search = by_name(quality)["search"]
    assert search.recall is not None
    assert (search.recall.value, search.good.absent) == (0.5, 1)
    price = by_name(quality)["price"]
    assert price.recall is not None
    assert price.recall_so_far is not None
    assert (price.recall.value, price.recall_so_far.value) == (1.0, 0.5)
    assert "search does not find 1 of the 2 good" in quality.answer


def test_orders_are_rated_where_candidates_are_ranked(xray_sink: MemorySink) -> None:
    run_id = record(xray_sink, ranks=["p1", "p5", "p0", "p3", "p4", "p2"])
    rank = by_name(rate(xray_sink, run_id, k=3, p0="good", p1="bad", p4="good"))["rank"]
    assert rank.reciprocal_rank is not None
    assert (rank.reciprocal_rank.value, rank.reciprocal_rank.n) == (0.5, 1)
    assert (rank.reciprocal_rank.least, rank.reciprocal_rank.most) == (1 / 3, 0.5)
    ideal = 1 + 1 / math.log2(3)
    assert rank.ndcg is not None
    assert rank.ndcg.value == pytest.approx((1 / math.log2(3) + 1 / math.log2(4)) / ideal)
    assert rank.precision_at_k is not None
    assert (rank.precision_at_k.value, rank.precision_at_k.n) == (0.5, 2)
    assert (rank.precision_at_k.least, rank.precision_at_k.most) == (1 / 3, 2 / 3)
    price = by_name(rate(xray_sink, run_id, p0="good", p1="bad"))["price"]
    assert (price.reciprocal_rank, price.ndcg, price.precision_at_k) == (None, None, None)


def test_with_labels_of_one_kind_there_is_no_order_to_rate(xray_sink: MemorySink) -> None:
    run_id = record(xray_sink)
    rank = by_name(rate(xray_sink, run_id, p0="bad", p1="bad"))["rank"]
    assert (rank.ndcg, rank.reciprocal_rank, rank.recall) == (None, None, None)
    rank = by_name(rate(xray_sink, run_id, p0="good", p1="good"))["rank"]
    assert rank.ndcg is None


def test_what_was_not_recorded_is_unknown_and_bounds_recall(xray_sink: MemorySink) -> None:
    with XRay("shop", sink=xray_sink).run() as run:
        with run.step("search", step_type="retrieve") as step:
            step.accept_many(["p0", "p1", "p2"])
        with run.step("price", step_type="filter") as step:
            step.log_sampled_candidates(accepted=["p0"], rejected=["p1"])
            step.set_input_count(3)
            step.set_output_count(1)
    price = by_name(rate(xray_sink, run.run_id, p0="good", p1="good", p2="good"))["price"]
    assert price.good.unknown == 1
    assert price.certainty == "unknown"
    assert price.recall is not None
    assert (price.recall.value, price.recall.n) == (0.5, 2)
    assert (price.recall.least, price.recall.most) == (1 / 3, 2 / 3)


def test_without_labels_it_says_how_to_give_some(xray_sink: MemorySink) -> None:
    run_id = record(xray_sink)
    quality = rate(xray_sink, run_id)
    assert quality.steps == []
    assert "xray label RUN good --candidate ID" in quality.answer


def test_runs_add_up_and_a_query_chooses_them(xray_sink: MemorySink) -> None:
    runs = [record(xray_sink, kept=kept) for kept in (4, 6, 8)]
    store = store_of(xray_sink)
    for run_id in runs:
        label(store, run_id, p5="good", p0="bad")
    whole = rate_quality(store, [], NOW_US)
    assert (whole.runs, whole.good, whole.bad, whole.complete) == (3, 3, 3, True)
    price = by_name(whole)["price"]
    assert (price.runs, price.good.kept, price.good.dropped) == (3, 2, 1)
    one = rate_quality(store, [("q", f"run_id = '{runs[0]}'")], NOW_US)
    assert by_name(one)["price"].good.dropped == 1
    part = rate_quality(store, [("runs", "2")], NOW_US)
    assert (part.runs, part.complete) == (2, False)


@pytest.mark.parametrize(
    "asked", [("k", "0"), ("k", "x"), ("runs", "1001"), ("runz", "1"), ("q", "pipelin = 'x'")]
)
def test_what_cannot_be_asked_is_refused(asked: tuple[str, str]) -> None:
    with pytest.raises(InvalidQueryError):
        rate_quality(MemoryStore(), [asked], NOW_US)


lists = st.lists(st.sampled_from(["good", "bad", None]), min_size=1, max_size=9)


@given(labels=lists, k=st.integers(1, 10))
def test_bounds_hold_for_every_label_the_others_may_have(
    labels: list[LabelWord | None], k: int
) -> None:
    size = len(labels)
    known = [(rank + 1, word) for rank, word in enumerate(labels) if word is not None]
    ranked = RankedList.of(known, size)
    good, bad, top = ranked.count_top(k)
    assert top == min(k, size)
    unknown = [rank for rank, word in enumerate(labels) if word is None]
    for guess in itertools.product(("good", "bad"), repeat=len(unknown)):
        truth = list(labels)
        for rank, word in zip(unknown, guess, strict=True):
            truth[rank] = "good" if word == "good" else "bad"
        whole = truth[:k].count("good")
        assert good <= whole <= top - bad
        reciprocal = ranked.reciprocal_rank
        if reciprocal is not None:
            value, least, most = reciprocal
            assert least <= 1 / (truth.index("good") + 1) <= most
            assert least <= value <= most


@given(words=st.lists(st.sampled_from(["good", "bad"]), max_size=12))
def test_an_order_is_best_with_all_good_before_all_bad(words: list[LabelWord]) -> None:
    ndcg = RankedList.of(list(enumerate(words, 1))).ndcg
    best = RankedList.of(list(enumerate(sorted(words, reverse=True), 1))).ndcg
    worst = RankedList.of(list(enumerate(sorted(words), 1))).ndcg
    if ndcg is None:
        assert len(set(words)) < 2
        return
    assert best is not None
    assert worst is not None
    assert 0 < worst <= ndcg + 1e-12
    assert ndcg <= best + 1e-12
    assert best == pytest.approx(1.0)
