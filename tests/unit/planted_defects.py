"""Defects planted into the scenarios of examples/, and what a run that has one must say of it.

Each replaces one collaborator of a scenario and nothing else: a language model, an index, a scoring
function, a constant, the code of one step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from tests.unit.scenarios import (
    Pipeline,
    categorize,
    discover,
    open_catalogue,
    optimize,
    optimize_sliced,
    places,
    replaced,
    resolve,
    rivals,
    search,
    search_unrepaired,
    searching_in_shards,
    shelves,
    shop,
    titles,
)
from xray.capture.step import Step


@dataclass(frozen=True)
class Defect:
    """A defect and the finding that names it.

    Args:
        says: the defect, in words.
        pipeline: the scenario.
        plant: replaces the collaborator.
        code: the finding's code.
        step: the step it must name.
        words: what its sentence must hold.
        place: its place in the list, at worst.
    """

    says: str
    pipeline: Pipeline
    plant: Callable[[], AbstractContextManager[object]]
    code: str
    step: str
    words: tuple[str, ...]
    place: int = 0

    def __str__(self) -> str:
        return self.says


Scores = dict[str, float]
Change = Callable[[Scores, int], Scores]
"""What becomes of the scores of the candidate whose turn it is, counted from 0."""


def rescore(module: Any, name: str, change: Change) -> AbstractContextManager[object]:
    """The scoring function of a scenario gives other scores."""
    original = getattr(module, name)
    turn = iter(range(10_000))

    def score(*given: object) -> Scores:
        return change(original(*given), next(turn))

    return replaced(module, **{name: score})


def after(module: Any, name: str, change: Callable[[Any], Any]) -> AbstractContextManager[object]:
    """A step of a scenario that hands on something else than it decided."""
    original = getattr(module, name)
    return replaced(module, **{name: lambda *given, **named: change(original(*given, **named))})


def sorting(module: Any, **changes: Any) -> AbstractContextManager[object]:
    """The scenario sorts otherwise whatever it sorts by a key."""

    def sort(items: Iterable[Any], **asked: Any) -> list[Any]:
        return sorted(items, **({**asked, **changes} if asked else {}))

    return replaced(module, sorted=sort)


def ignoring(check_name: str) -> AbstractContextManager[object]:
    """The result of one check is not looked at."""
    original = Step.check

    def check(self: Step, candidate_id: object, name: str, *given: Any, **named: Any) -> bool:
        return original(self, candidate_id, name, *given, **named) or name == check_name

    return replaced(Step, check=check)


def inverting(check_name: str) -> AbstractContextManager[object]:
    """The result of one check is taken for its contrary."""
    original = Step.check

    def check(self: Step, candidate_id: object, name: str, *given: Any, **named: Any) -> bool:
        return original(self, candidate_id, name, *given, **named) != (name == check_name)

    return replaced(Step, check=check)


def finding_at_most(hits: int) -> AbstractContextManager[object]:
    """The index returns fewer hits than it is asked for."""
    catalogue = open_catalogue()
    original = catalogue.search
    return replaced(catalogue, search=lambda text, limit: original(text, limit)[:hits])


def failing(module: Any, name: str, times: int) -> AbstractContextManager[object]:
    """What a step calls does not answer in time, some times; the pipeline tries three times."""
    catalogue = open_catalogue()
    original_search, original_step = catalogue.search, getattr(module, name)
    left = iter(range(times))

    def search_late(*given: Any) -> Any:
        if next(left, None) is not None:
            raise TimeoutError("no answer from the index in 5 s")
        return original_search(*given)

    def retry(*given: Any) -> Any:
        for attempt in range(3):
            try:
                return original_step(*given)
            except TimeoutError:
                if attempt == 2:
                    raise
        return None

    stack = ExitStack()
    stack.enter_context(replaced(catalogue, search=search_late))
    stack.enter_context(replaced(module, **{name: retry}))
    return stack


@contextmanager
def losing_a_field() -> Iterator[None]:
    """The feed of the catalogue no longer says how many reviews a product has."""
    catalogue = open_catalogue()
    bare = {name: replace(one, reviews=None) for name, one in catalogue.products.items()}  # type: ignore[arg-type]
    with replaced(catalogue, products=bare):
        yield


def invent(shortlist: Iterable[Any]) -> list[Any]:
    """A language model adds a product that does not exist."""
    first, *rest = shortlist
    ghost = replace(first.product, id="phone_case_9999")
    return [replace(first, product=ghost), first, *rest]


def bring_back(module: Any) -> AbstractContextManager[object]:
    """A cache hands on, besides what the filter kept, one that it rejected."""
    original = module.filter_candidates

    def filter_candidates(found: list[Any], *given: Any, **named: Any) -> list[Any]:
        kept = original(found, *given, **named)
        back = next(entry for entry in found if entry not in kept)
        return [*kept, back]

    return replaced(module, filter_candidates=filter_candidates)


def total_of(change: Callable[[float, int], float]) -> Change:
    """A change of the total alone."""
    return lambda scores, turn: {**scores, "total": change(scores["total"], turn)}


DEFECTS = (
    Defect(
        "a wrong keyword whose hits nothing checks",
        search_unrepaired, nullcontext,
        "unchecked", "filter_candidates",
        ("category_mismatch", 'keyword "stand"', "the answer"),
    ),
    Defect(
        "a limit on ratings that hardly a product meets",
        search, lambda: replaced(shop, MIN_RATING=5.1),
        "empty", "filter_candidates", ("nothing went on", "failed rating_too_low", ">= 5.1"),
    ),
    Defect(
        "a limit on the length of titles in the wrong unit",
        optimize, lambda: replaced(titles, MAX_LENGTH=6, MIN_LENGTH=3),
        "empty", "check_variants", ("all 129", "too_long", "<= 6"),
    ),
    Defect(
        "the two limits of a title's length exchanged",
        optimize, lambda: replaced(titles, MAX_LENGTH=30, MIN_LENGTH=60),
        "limits_exclude", "check_variants", ("length", ">= 60", "<= 30", "at once"),
    ),
    Defect(
        "a negative price, so that the band around it is upside down",
        lambda: search("iPhone 15 Case", -24.99), nullcontext,
        "limits_exclude", "filter_candidates", ("price", "at once"),
    ),
    Defect(
        "a check whose result nobody looks at",
        search, lambda: ignoring("price_too_high"),
        "kept_though_failed", "filter_candidates", ("price_too_high",),
    ),
    Defect(
        "a check taken for its contrary",
        categorize, lambda: inverting("low_confidence"),
        "rejected_though_passed", "choose_category", ("low_confidence", "passed"),
    ),
    Defect(
        "a silent slice between filter and ranking",
        optimize_sliced, nullcontext,
        "vanished", "rank_variants", ("109 of the 129", "first 20"),
    ),
    Defect(
        "the filter's list cut by whoever carries it on",
        search, lambda: after(shop, "filter_candidates", lambda kept: kept[:3]),
        "vanished", "rank_candidates", ("never decided", "first 3"),
    ),
    Defect(
        "the best of the shortlist skipped by one",
        search, lambda: after(shop, "rank_candidates", lambda shortlist: shortlist[1:]),
        "vanished", "select_best", ("never decided 1",),
    ),
    Defect(
        "an index that returns fewer hits than it is asked for",
        search, lambda: finding_at_most(12),
        "short_of_limit", "search_products", ("exactly 12", "hits_per_keyword is 40"),
    ),
    Defect(
        "scores that all reach the maximum",
        search,
        lambda: rescore(shop, "score_product", total_of(lambda total, _: min(1, 9 * total))),
        "saturated", "rank_candidates", ("the same total of 1",),
    ),
    Defect(
        "a place's scores all alike",
        lambda: resolve("San Antonio"),
        lambda: rescore(places, "score_place", total_of(lambda *_: 0.5)),
        "saturated", "rank_places", ("same total of 0.5",),
    ),
    Defect(
        "scores that are no numbers",
        search,
        lambda: rescore(
            shop, "score_product", total_of(lambda total, turn: total if turn % 3 else math.nan)
        ),
        "not_a_number", "rank_candidates", ("no finite total", "NaN"),
    ),
    Defect(
        "scores that are no numbers, where only samples are logged",
        discover,
        lambda: rescore(
            rivals, "score_candidate",
            lambda scores, turn: scores if turn % 2 else {**scores, "overall": math.nan},
        ),
        "not_a_number", "RankAndSelect", ("no finite overall", "NaN"),
    ),
    Defect(
        "a flipped sort order",
        search, lambda: sorting(shop, reverse=True),
        "order_flipped", "rank_candidates", ("lowest total first",),
    ),
    Defect(
        "a flipped sort order of places",
        lambda: resolve("San Antonio"), lambda: sorting(places, reverse=True),
        "order_flipped", "rank_places", ("lowest total first",),
    ),
    Defect(
        "a flipped sort order, where only samples are logged",
        discover, lambda: sorting(rivals, reverse=True),
        "order_flipped", "RankAndSelect", ("lowest in overall",),
    ),
    Defect(
        "a ranking by a part of the score",
        search, lambda: sorting(shop, key=lambda entry: -entry.scores["popularity"]),
        "out_of_order", "rank_candidates", ("did not rank by total", "follows popularity"),
    ),
    Defect(
        "a dropped shard",
        lambda: resolve("San Jose"), lambda: searching_in_shards(search_shard_3=[]),
        "silent_part", "search_shard_3", ("returned nothing", "3 siblings"),
    ),
    Defect(
        "a shard that is never asked",
        lambda: resolve("San Jose"), lambda: searching_in_shards(search_shard_2=None),
        "missing_part", "search_shard_4", ("search_shard_2 was not recorded",),
    ),
    Defect(
        "an id that a language model invented",
        search, lambda: after(shop, "rank_candidates", invent),
        "not_offered", "select_best", ("phone_case_9999", "had not let through"),
    ),
    Defect(
        "a rejected candidate that a cache brings back",
        search, lambda: bring_back(shop),
        "not_offered", "rank_candidates", ("filter_candidates had rejected it",),
    ),
    Defect(
        "an answer that is not what was chosen",
        search,
        lambda: after(shop, "select_best", lambda _: open_catalogue().products["iphone_case_61"]),
        "answer_differs", "select_best", ("output names iphone_case_61", "chose"),
    ),
    Defect(
        "an answer that gets lost after it was chosen",
        resolve, lambda: after(places, "select_place", lambda _: None),
        "answer_differs", "select_place", ("output is empty", "chose"),
    ),
    Defect(
        "an index that never answers in time",
        search, lambda: failing(shop, "search_products", 3),
        "failed", "search_products", ("TimeoutError", "5 s"),
    ),
    Defect(
        "an index that answers at the third attempt",
        search, lambda: failing(shop, "search_products", 2),
        "retried", "search_products", ("failed 2 times", "TimeoutError (2)"),
    ),
    Defect(
        "a feed that lost a field",
        categorize, losing_a_field,
        "values_missing", "filter_neighbours", ("60 of 60", "had no reviews"), 1,
    ),
    Defect(
        "a hint read as another country",
        lambda: resolve("Tbilisi, Georgia"), nullcontext,
        "empty", "apply_hints", ("country_mismatch",),
    ),
    Defect(
        "a population in the wrong unit",
        resolve, lambda: replaced(places, MIN_POPULATION=20_000_000),
        "empty", "apply_hints", ("nothing went on", "failed population_too_small", ">= 20000000"),
    ),
    Defect(
        "a confidence that no category reaches",
        categorize, lambda: replaced(shelves, MIN_CONFIDENCE=1.5),
        "empty", "choose_category", ("low_confidence", ">= 1.5"),
    ),
    Defect(
        "a price band that nothing lies in",
        discover, lambda: replaced(rivals, PRICE_BAND=0.9),
        "empty", "FilterCompetitors", ("nothing went on",),
    ),
)  # fmt: skip
