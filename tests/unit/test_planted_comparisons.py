"""Defects that a run alone cannot show: a healthy one beside it, other limits, or an origin do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import pytest

from examples.language_model import Keyword
from tests.unit.planted_defects import finding_at_most, rescore, sorting, total_of
from tests.unit.scenarios import (
    Pipeline,
    categorize,
    compare,
    open_gazetteer,
    optimize,
    optimize_sliced,
    places,
    record,
    replaced,
    resolve,
    search,
    search_unrepaired,
    searching_in_shards,
    shelves,
    shop,
    titles,
)
from xray.model.differences import StepDiff
from xray.session import XRay


@dataclass(frozen=True)
class Divergence:
    """A defect, and where a healthy run and one that has it first part.

    Args:
        says: the defect, in words.
        pipeline: the scenario.
        plant: replaces the collaborator.
        step: the step at which they first part.
        reason: a reason whose number differs there; empty where none must.
        more: whether there are more rejections for it than in the healthy run.
        words: what the sentence of the whole answer must hold.
    """

    says: str
    pipeline: Pipeline
    plant: Callable[[], AbstractContextManager[object]]
    step: str
    reason: str = ""
    more: bool = True
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.says


def keywords(*texts: str) -> AbstractContextManager[object]:
    """The language model says these words, whatever it is asked."""
    said = [Keyword(text, "out of the blue") for text in texts]
    return replaced(shop, suggest_keywords=lambda _: said)


def releasing(version: str, **constants: Any) -> AbstractContextManager[object]:
    """Another version of the search, with other constants."""

    def make(pipeline: str, **_: object) -> XRay:
        return XRay(pipeline, version=version)

    return replaced(shop, XRay=make, **constants)


DIVERGENCES = (
    Divergence(
        "a wrong keyword", search, lambda: keywords("case", "bottle", "cover"),
        "generate_keywords", words=("generate_keywords",),
    ),
    Divergence(
        "a check of the category left out",
        search, lambda: replaced(shop, competing_categories=lambda *_, **__: None),
        "filter_candidates", "category_mismatch", more=False,
    ),
    Divergence(
        "a limit that became stricter",
        search, lambda: replaced(shop, MIN_RATING=4.7),
        "filter_candidates", "rating_too_low",
    ),
    Divergence(
        "a limit that became more lenient",
        search, lambda: replaced(shop, MIN_RATING=1.0),
        "filter_candidates", "rating_too_low", more=False,
    ),
    Divergence(
        "a version that changed a rule",
        search, lambda: releasing("1.2", MIN_RATING=4.6),
        "filter_candidates", "rating_too_low", words=("version", "1.1", "1.2"),
    ),
    Divergence(
        "an index that returns fewer hits",
        search, lambda: finding_at_most(11), "search_products",
    ),
    Divergence(
        "a dropped index of names",
        lambda: resolve("San Jose, CA"),
        lambda: replaced(open_gazetteer(), search_names=lambda *_: []),
        "search_names", words=("search_names",),
    ),
    Divergence(
        "weights of another experiment",
        search,
        lambda: replaced(
            shop, WEIGHTS={"title": 0.7, "price": 0.1, "rating": 0.1, "popularity": 0.1}
        ),
        "rank_candidates", words=("rank_candidates",),
    ),
    Divergence(
        "scores from a model that drifted",
        resolve, lambda: rescore(places, "score_place", total_of(lambda total, _: total / 2)),
        "rank_places",
    ),
    Divergence(
        "a flipped sort order", search, lambda: sorting(shop, reverse=True), "rank_candidates",
    ),
    Divergence(
        "a shorter list of stop words",
        lambda: categorize("Case for Bluetooth earbuds"),
        lambda: replaced(shelves, _STOP_WORDS=frozenset()),
        "extract_words", "stop_word", more=False,
    ),
    Divergence(
        "a dropped shard",
        lambda: resolve("San Jose"), lambda: searching_in_shards(search_shard_3=[]),
        "search_shard_3",
    ),
)  # fmt: skip


@pytest.mark.parametrize("defect", DIVERGENCES, ids=str)
def test_a_healthy_run_and_a_bad_one_first_part_at_the_planted_step(defect: Divergence) -> None:
    sharded = defect.step.startswith("search_shard")
    with searching_in_shards() if sharded else nullcontext():
        healthy = record(defect.pipeline)
    with defect.plant():
        diff = compare(healthy, defect.pipeline)
    assert diff.first_divergence is not None
    step: StepDiff = diff.steps[diff.first_divergence]
    assert step.name == defect.step
    assert [word for word in (defect.step, *defect.words) if word not in diff.answer] == []
    if defect.reason:
        (shift,) = [one for one in step.reasons if one.reason == defect.reason]
        assert (shift.b > shift.a) == defect.more


def test_runs_of_unchanged_code_do_not_part() -> None:
    for pipeline in (search, categorize, optimize, resolve):
        diff = compare(record(pipeline), pipeline)
        assert diff.is_same, diff.answer


def test_a_wrong_keyword_is_named_by_all_it_brought() -> None:
    lineage = record(search_unrepaired).trace("stand")
    assert "40 retrieved" in lineage.answer
    assert "it is the winner" in lineage.answer


def test_a_keyword_that_was_repaired_wins_nothing() -> None:
    lineage = record(search).trace("stand")
    assert "40 retrieved" in lineage.answer
    assert "the winner is none of them" in lineage.answer


@pytest.mark.parametrize(
    ("pipeline", "module", "constants", "limit", "step"),
    [
        (search, shop, {"MIN_RATING": 5.1}, "rating_too_low=4.0", "filter_candidates"),
        (optimize, titles, {"MAX_LENGTH": 6, "MIN_LENGTH": 3}, "too_long=60", "check_variants"),
        (
            resolve,
            places,
            {"MIN_POPULATION": 20_000_000},
            "population_too_small=20000",
            "apply_hints",
        ),
        (
            lambda: categorize("Bamboo riser for two screens"),
            shelves,
            {"MIN_REVIEWS": 1_000_000},
            "too_few_reviews=100",
            "filter_neighbours",
        ),
    ],
    ids=["rating", "length", "population", "reviews"],
)
def test_what_if_tells_that_the_right_limit_gives_back_what_a_healthy_run_keeps(
    pipeline: Pipeline, module: Any, constants: dict[str, Any], limit: str, step: str
) -> None:
    healthy = record(pipeline)
    kept = next(
        one for one in healthy.store.steps_of_run(healthy.run_id) if one.name == step
    ).counts.accepted
    with replaced(module, **constants):
        bad = record(pipeline)
    answer = bad.try_limit(limit)
    (told,) = [one for one in answer.steps if one.name == step]
    assert told.kept == 0
    assert told.least == told.most == kept > 0
    assert told.certainty == "known"


def test_what_a_silent_slice_lost_is_found_by_the_answer_it_changes() -> None:
    healthy = record(optimize)
    diff = compare(healthy, optimize_sliced)
    assert diff.first_divergence is not None
    assert diff.steps[diff.first_divergence].name == "rank_variants"
