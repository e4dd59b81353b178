"""Deviations: what is unusual of a run is told with both numbers, and what is usual is not."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace

from tests.property.usual_runs import TODAY, a_run, summarize_usual
from xray.forensics.unusual.deviations import find_deviations
from xray.forensics.unusual.usual import ENOUGH_RUNS, MIN_RUNS, window_us
from xray.model.answers import Finding
from xray.model.baseline import DAY_US, Baseline, Usual, recall_figures, sum_usual
from xray.model.clock import from_wall_us
from xray.model.facts import ErrorInfo
from xray.model.records import Counts, Rejection, Step

RUNS = 200


def a_step(name: str, step_type: str, ordinal: int, **fields: object) -> Step:
    base = Step(
        step_id=f"{name}-{ordinal}",
        run_id="r",
        pipeline="p",
        name=name,
        step_type=step_type,  # type: ignore[arg-type]
        ordinal=ordinal,
        started_at=from_wall_us(TODAY * DAY_US + 1),
        status="completed",
    )
    return replace(base, **fields)


def filtered(reasons: dict[str, int], kept: int, duration_ms: float = 40.0) -> Step:
    rejected = sum(reasons.values())
    return a_step(
        "filter",
        "filter",
        2,
        duration_ms=duration_ms,
        input_count=rejected + kept,
        output_count=kept,
        counts=Counts(rejected=rejected, accepted=kept),
        rejection_rate=rejected / (rejected + kept),
        rate_basis="counted",
        rejections={reason: Rejection(count=count) for reason, count in reasons.items()},
    )


def generated(duration_ms: float = 1_200.0, failure: str = "") -> Step:
    step = a_step("generate", "generate", 0, duration_ms=duration_ms, output_count=5)
    if not failure:
        return step
    return replace(step, status="failed", error=ErrorInfo(type=failure, message=""))


def retrieved(count: int) -> Step:
    return a_step("search", "retrieve", 1, duration_ms=80.0, output_count=count)


def usual_steps(dice: random.Random) -> list[Step]:
    """A run like most: about 500 found, 9.8 % of them kept, most rejected for their price."""
    found = round(dice.gauss(500, 60))
    kept = round(found * 0.098 * math.exp(dice.gauss(0, 0.15)))
    price = round((found - kept) * min(0.9, max(0.1, dice.gauss(0.4, 0.04))))
    stock = round((found - kept - price) * 0.9)
    reasons = {"price_too_high": price, "stock": stock, "other": found - kept - price - stock}
    failure = "" if dice.random() > 0.05 else dice.choice(["TimeoutError"] * 4 + ["ValueError"])
    return [
        generated(1_200 * math.exp(dice.gauss(0, 0.3)), failure),
        retrieved(found),
        filtered(reasons, kept, 40 * math.exp(dice.gauss(0, 0.4))),
    ]


@pytest.fixture(scope="module")
def baselines() -> list[Baseline]:
    dice = random.Random(7)
    return summarize_usual([usual_steps(dice) for _ in range(RUNS)], RUNS)


def find(baselines: Sequence[Baseline], *steps: Step) -> list[Finding]:
    return find_deviations(a_run(), steps, baselines)


USUAL = filtered({"price_too_high": 180, "stock": 240, "other": 31}, 49)


def test_a_run_like_the_others_has_no_deviation(baselines: list[Baseline]) -> None:
    assert find(baselines, generated(), retrieved(500), USUAL) == []


def test_a_step_that_took_ten_times_longer_is_found(baselines: list[Baseline]) -> None:
    (found,) = find(baselines, generated(12_000.0), retrieved(500), USUAL)
    assert found.code == "unusual_duration"
    assert found.step_id == "generate-0"
    assert found.surprise >= 0.99
    assert found.observed == 12_000
    assert found.expected == pytest.approx(1_200, rel=0.1)
    assert found.text == (
        f"generate took 12 s, {12_000 / (found.expected or 1):.3g} times its 30-day median of "
        f"{(found.expected or 0) / 1000:.3g} s ({found.text.split('(')[1]}"
    )


def test_a_filter_that_keeps_far_less_is_found_with_both_rates(baselines: list[Baseline]) -> None:
    (found,) = find(baselines, filtered({"price_too_high": 195, "stock": 262, "other": 31}, 12))
    assert found.code == "unusual_rejection_rate"
    assert found.expected is not None
    assert found.text == (
        "filter kept 2.4 % of its candidates (12 of 500); its 30-day median is "
        f"{100 * found.expected:.3g} % (200 runs)."
    )
    assert found.observed == pytest.approx(0.024)
    assert found.expected == pytest.approx(0.098, rel=0.05)


def test_a_filter_that_keeps_nearly_all_is_found(baselines: list[Baseline]) -> None:
    (found,) = find(baselines, filtered({"price_too_high": 20}, 480))
    assert found.code == "unusual_rejection_rate"
    assert found.text.startswith("filter kept 96 % of its candidates (480 of 500)")


def test_a_reason_whose_share_doubles_is_found(baselines: list[Baseline]) -> None:
    found = find(baselines, filtered({"price_too_high": 370, "stock": 50, "other": 31}, 49))
    assert {one.code for one in found} == {"unusual_reason"}
    told = next(one for one in found if "for price_too_high" in one.text)
    assert told.text.startswith("filter rejected 74 % of its candidates for price_too_high; its ")
    assert told.observed == pytest.approx(0.74)
    assert told.expected == pytest.approx(0.36, abs=0.02)


def test_a_rate_names_the_reason_that_moved_with_it(baselines: list[Baseline]) -> None:
    found = find(baselines, filtered({"price_too_high": 497, "stock": 1, "other": 1}, 1))
    assert [one.code for one in found] == ["unusual_rejection_rate"]
    assert "; price_too_high alone rejected 99.4 %, usually 3" in found[0].text


@pytest.mark.parametrize("count", [0, 20, 5_000])
def test_a_source_that_returns_far_more_or_less_is_found(
    baselines: list[Baseline], count: int
) -> None:
    (found,) = find(baselines, retrieved(count))
    assert found.code == "unusual_output_count"
    assert found.text.startswith(
        "search passed on no candidate;" if not count else f"search passed on {count:,} candidates;"
    )


def test_what_follows_from_an_earlier_deviation_is_not_told_again(
    baselines: list[Baseline],
) -> None:
    few = filtered({"price_too_high": 4, "stock": 5, "other": 1}, 1)
    assert [one.step_name for one in find(baselines, retrieved(11), few)] == ["search"]
    assert [one.code for one in find(baselines, few)] == ["unusual_input_count"]


def test_few_candidates_do_not_make_a_rate_unusual(baselines: list[Baseline]) -> None:
    codes = {one.code for one in find(baselines, filtered({"stock": 1}, 2))}
    assert codes == {"unusual_input_count"}


def test_what_the_failures_of_a_step_usually_are_is_told(baselines: list[Baseline]) -> None:
    (found,) = find(baselines, generated(failure="TimeoutError"))
    assert (found.code, found.surprise) == ("failure_kinds", 0.0)
    kinds = sum_usual(one.usual for one in baselines if one.step_name == "generate").failures
    failed = sum(kinds.values())
    share = 100 * kinds["TimeoutError"] / failed
    assert found.text == (
        f"{share:.3g} % of the {failed} failures of generate in 30 days are TimeoutError, as this "
        f"one is. It failed in {100 * failed / RUNS:.3g} % of 200 runs."
    )
    (other,) = find(baselines, generated(failure="KeyError"), retrieved(500), USUAL)
    assert "are TimeoutError; this one is KeyError." in other.text


def test_a_failure_that_thousands_of_runs_did_not_have_is_unusual() -> None:
    usual = Usual()
    for _ in range(3_000):
        usual.add(recall_figures(generated()), 1)
    usual.runs = 3_000
    day = [a_baseline("generate", "generate", TODAY - 3, usual)]
    (found,) = find(day, generated(failure="TimeoutError"))
    assert found.code == "unusual_failure"
    assert found.text == (
        "generate failed with TimeoutError, as never before in 3 days (3,000 runs)."
    )
    assert find(day, generated()) == []


def a_baseline(name: str, step_type: str, day: int, usual: Usual) -> Baseline:
    return Baseline(pipeline="p", step_name=name, step_type=step_type, day=day, usual=usual)  # type: ignore[arg-type]


def usual_durations(count: int, *, weight: float = 1, seed: int = 1) -> Usual:
    dice, usual = random.Random(seed), Usual(runs=count)
    for _ in range(count):
        usual.add(recall_figures(generated(1_000 * math.exp(dice.gauss(0, 0.2)))), weight)
    return usual


@pytest.mark.parametrize(("count", "is_told"), [(MIN_RUNS - 1, False), (MIN_RUNS + 10, True)])
def test_nothing_is_said_before_there_are_enough_runs(count: int, is_told: bool) -> None:
    day = [a_baseline("generate", "generate", TODAY - 1, usual_durations(count))]
    assert bool(find(day, generated(20_000.0))) is is_told


def test_days_outside_of_the_window_do_not_count() -> None:
    usual = usual_durations(RUNS)
    for day in (TODAY - 31, TODAY + 1):
        assert find([a_baseline("generate", "generate", day, usual)], generated(20_000.0)) == []
    for day in (TODAY - 30, TODAY):
        assert find([a_baseline("generate", "generate", day, usual)], generated(20_000.0))
    from_us, to_us = window_us(a_run())
    assert (from_us, to_us) == ((TODAY - 30) * DAY_US, (TODAY + 1) * DAY_US)


def test_the_run_itself_does_not_hide_among_what_is_usual() -> None:
    slow = generated(20_000.0)
    usual = usual_durations(MIN_RUNS + 5)
    alone = find([a_baseline("generate", "generate", TODAY, usual)], slow)
    own = Usual(runs=1)
    own.add(recall_figures(slow), 1)
    together = sum_usual([usual, own])
    (found,) = find([a_baseline("generate", "generate", TODAY, together)], slow)
    assert (found.surprise, found.expected) == (alone[0].surprise, alone[0].expected)
    assert "median of that day" in alone[0].text


def test_a_day_on_which_all_runs_are_slow_does_not_hide_it() -> None:
    slow = Usual(runs=500)
    for _ in range(500):
        slow.add(recall_figures(generated(20_000.0)), 1)
    days = [
        a_baseline("generate", "generate", TODAY - 1, usual_durations(ENOUGH_RUNS)),
        a_baseline("generate", "generate", TODAY, slow),
    ]
    (found,) = find(days, generated(20_000.0))
    assert "its 1-day median" in found.text
    assert "(100 runs)" in found.text


def test_weighted_runs_count_for_what_they_are_worth_and_are_said_to_be() -> None:
    usual = usual_durations(RUNS, weight=100)
    (found,) = find([a_baseline("generate", "generate", TODAY - 1, usual)], generated(20_000.0))
    assert found.certainty == "inferred"
    assert "(200 runs)" in found.text
    few = usual_durations(5, weight=100_000)
    few.merge(usual_durations(MIN_RUNS))
    assert find([a_baseline("generate", "generate", TODAY - 1, few)], generated(20_000.0)) == []


def test_steps_of_one_run_are_not_taken_for_as_many_runs() -> None:
    usual = usual_durations(RUNS)
    usual.runs = MIN_RUNS
    day = a_baseline("generate", "generate", TODAY - 1, usual)
    as_runs = a_baseline("generate", "generate", TODAY - 1, usual_durations(RUNS))
    slow = generated(2_700.0)
    assert find([as_runs], slow)
    assert (
        find([day], slow)[:1] == []
        or find([day], slow)[0].surprise < find([as_runs], slow)[0].surprise
    )


def test_a_parent_that_is_slow_because_of_its_child_is_not_told(
    baselines: list[Baseline],
) -> None:
    parent = a_step("outer", "group", 0, step_id="outer", duration_ms=20_000.0)
    child = replace(generated(20_000.0), parent_step_id="outer")
    outer = Usual(runs=RUNS)
    for _ in range(RUNS):
        outer.add(recall_figures(replace(parent, duration_ms=1_300.0)), 1)
    days = [*baselines, a_baseline("outer", "group", TODAY - 1, outer)]
    assert [one.step_name for one in find(days, parent, child)] == ["generate"]


def test_many_figures_share_one_probability() -> None:
    usual = usual_durations(60)
    days = [a_baseline("generate", "generate", TODAY - 1, usual)]

    def at(place: int, duration_ms: float) -> Step:
        return replace(generated(duration_ms), step_id=f"s{place}", ordinal=place)

    rather = 3_500.0
    assert find(days, at(0, rather))
    assert not find(days, at(0, rather), *(at(place, 1_000.0) for place in range(1, 400)))


planted: list[Callable[[random.Random], list[Step]]] = [
    lambda dice: [generated(12_000.0)],
    lambda dice: [filtered({"price_too_high": 195, "stock": 262, "other": 31}, 12)],
    lambda dice: [filtered({"price_too_high": 370, "stock": 50, "other": 31}, 49)],
    lambda dice: [retrieved(0)],
]


@pytest.mark.parametrize(("runs", "found"), [(60, 7), (120, 9), (500, 10)])
@pytest.mark.parametrize("plant", planted, ids=["slow", "strict", "reason", "empty"])
def test_planted_deviations_are_found_after_few_runs(
    plant: Callable[[random.Random], list[Step]], runs: int, found: int
) -> None:
    hits = 0
    for seed in range(10):
        dice = random.Random(seed)
        history = summarize_usual([usual_steps(dice) for _ in range(runs)], runs)
        rest = {step.name: step for step in usual_steps(random.Random(99))}
        rest |= {step.name: step for step in plant(dice)}
        name = plant(dice)[0].name
        told = find_deviations(a_run(), list(rest.values()), history)
        hits += name in {one.step_name for one in told if one.surprise >= 0.99}
    assert hits >= found
