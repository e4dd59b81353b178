"""What is usual of a pipeline is told as it was, and a day is only called unlike it when it is."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.cli.baselines import draw_report, draw_trend
from xray.cli.terminal import Terminal
from xray.forensics.unusual.reporting import MIN_DAYS, report_baselines
from xray.model.baseline import Baseline, StepFigures, Usual
from xray.model.baseline_report import BaselineReport, FigureKind, UsualFigure
from xray.model.bins import Number

FIRST = 20_000
Draw = Callable[[random.Random, int], StepFigures]


def figures(
    rate: float | None = 0.5,
    duration_ms: float = 100.0,
    inputs: int = 100,
    failure: str | None = None,
    **reasons: int,
) -> StepFigures:
    outputs = inputs if rate is None else round(inputs * (1 - rate))
    status = "completed" if failure is None else "failed"
    return StepFigures(status, failure or "", duration_ms, inputs, outputs, rate, reasons)  # type: ignore[arg-type]


def usual(rng: random.Random, _: int) -> StepFigures:
    rejected = sum(rng.random() < 0.5 for _ in range(100))
    dear = rng.randrange(rejected + 1)
    return figures(
        rejected / 100, rng.lognormvariate(4.6, 0.4), dear=dear, far=rejected - dear
    )  # fmt: skip


def record(
    draw: Draw, days: int = 31, runs: int = 20, weight: Number = 1, seed: int = 7
) -> list[Baseline]:
    rng = random.Random(seed)
    found = []
    for day in range(days):
        summed = Usual(runs=runs)
        for _ in range(runs):
            summed.add(draw(rng, day), weight)
        found.append(
            Baseline(pipeline="p", step_name="filter", step_type="filter", day=FIRST + day,
                     usual=summed)
        )  # fmt: skip
    return found


def figure_of(report: BaselineReport, kind: FigureKind, reason: str = "") -> UsualFigure:
    (step,) = report.steps
    (found,) = [one for one in step.figures if (one.kind, one.reason) == (kind, reason)]
    return found


def test_days_that_are_alike_have_nothing_to_tell_but_what_is_usual() -> None:
    report = report_baselines("p", record(usual))
    assert report.answer == (
        "p: usual is what 600 runs of 30 days showed; 2024-11-03 (20 runs) is like the days before."
    )
    assert (report.certainty, report.deviations, report.tests) == ("known", [], 7)
    rate = figure_of(report, "rejection_rate")
    assert rate.typical == pytest.approx(0.5, abs=0.03)
    assert 0.4 < rate.low < 0.47 < 0.53 < rate.high < 0.6
    assert len(rate.by_day) == len(report.days) == 31
    assert figure_of(report, "reason", "dear").typical == pytest.approx(0.25, abs=0.03)
    assert figure_of(report, "duration_ms").typical == pytest.approx(100, rel=0.1)
    assert figure_of(report, "failure_rate").typical == 0


DEFECTS: dict[str, tuple[Draw, FigureKind, str, str]] = {
    "a stricter limit": (
        lambda rng, day: figures(0.8 if day == 30 else rng.uniform(0.4, 0.6), dear=4),
        "rejection_rate", "", "filter rejected 80 % of its candidates (usually ",
    ),
    "a new reason": (
        lambda rng, day: figures(0.5, **{"dear": 40, "far" if day == 30 else "odd": 10}),
        "reason", "far", "filter rejected 10 % for far (usually 0 %, more",
    ),
    "a slow day": (
        lambda rng, day: figures(duration_ms=rng.uniform(90, 110) * (3 if day == 30 else 1)),
        "duration_ms", "", "filter took ",
    ),
    "less to choose from": (
        lambda rng, day: figures(inputs=20 if day == 30 else rng.randrange(90, 110)),
        "input_count", "", "filter took in 20 candidates (usually 9",
    ),
    "failures": (
        lambda rng, day: figures(failure="Timeout" if rng.random() < (0.5 if day == 30 else 0.02)
                                 else None),
        "failure_rate", "", "filter failed in ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("says", DEFECTS)
def test_a_day_unlike_all_before_is_named_by_the_figure_that_shows_it(says: str) -> None:
    draw, kind, reason, text = DEFECTS[says]
    report = report_baselines("p", record(draw))
    found = figure_of(report, kind, reason)
    assert found.deviates
    assert found.text.startswith(text)
    assert found.p is not None
    assert found.p <= report.level
    assert found.text in report.answer or "more" in report.answer
    assert report.certainty == "inferred"
    assert report.latest_runs == (
        "pipeline = 'p' and started_at >= 2024-11-03 and started_at < 2024-11-04"
    )


def test_days_that_differ_of_their_own_accord_make_no_day_unusual() -> None:
    def moody(rng: random.Random, day: int) -> StepFigures:
        return figures(0.3 + 0.4 * (day % 7) / 7, duration_ms=50.0 * (1 + day % 7))

    assert not report_baselines("p", record(moody, runs=200)).deviations


def test_where_no_day_differs_hardly_any_is_called_unlike_the_others() -> None:
    said = sum(
        bool(report_baselines("p", record(usual, days=8, seed=seed)).deviations)
        for seed in range(150)
    )
    # At one in a hundred, more than six in 150 would come up once in 1,000 tries.
    assert said <= 6


def test_a_few_days_are_nothing_to_hold_a_day_against() -> None:
    def slow_at_last(days: int) -> Draw:
        return lambda rng, day: figures(duration_ms=1000.0 if day == days - 1 else 10.0)

    alone = report_baselines("p", record(slow_at_last(1), days=1))
    assert alone.answer == (
        "p has one day of history, 2024-10-04 (20 runs): nothing to hold it against."
    )
    few = report_baselines("p", record(slow_at_last(MIN_DAYS), days=MIN_DAYS))
    assert "is not held against so few days" in few.answer
    assert (few.tests, few.deviations) == (0, [])
    enough = report_baselines("p", record(slow_at_last(MIN_DAYS + 1), days=MIN_DAYS + 1))
    assert [one.kind for one in enough.deviations] == ["duration_ms"]


def test_sampled_runs_count_by_their_weight_but_prove_no_more_than_they_are() -> None:
    report = report_baselines("p", record(usual, runs=3, weight=64))
    (step,) = report.steps
    assert (step.steps, step.stands_for) == (90, 90 * 64)
    assert (report.certainty, report.because) == (
        "inferred",
        "whole runs were sampled and weighted",
    )

    def two_of_three(rng: random.Random, day: int) -> StepFigures:
        return figures(0.9 if day == 6 else rng.uniform(0.45, 0.55))

    # Two runs of a day that stand for 128 are two runs.
    assert not report_baselines("p", record(two_of_three, days=7, runs=2, weight=64)).deviations
    assert report_baselines("p", record(two_of_three, days=7, runs=128)).deviations


def test_failures_are_told_by_kind() -> None:
    kinds = ["Timeout"] * 4 + ["Refused"]

    def failing(rng: random.Random, _: int) -> StepFigures:
        return figures(failure=rng.choice(kinds) if rng.random() < 0.5 else None)

    (step,) = report_baselines("p", record(failing)).steps
    assert list(step.failures) == ["Timeout", "Refused"]
    assert step.failures["Timeout"] == pytest.approx(0.8, abs=0.06)


@given(st.lists(st.none() | st.floats(0, 1e9), max_size=40), st.booleans())
def test_a_trend_has_one_character_a_day(values: list[float | None], is_unicode: bool) -> None:
    drawn = draw_trend(values, Terminal(is_unicode=is_unicode))
    assert len(drawn) == len(values)
    assert drawn.isascii() or is_unicode
    most = max((value for value in values if value is not None), default=0)
    if most:
        assert drawn[values.index(most)] == ("█" if is_unicode else "#")


def test_the_table_marks_what_deviates_and_asks_for_the_runs() -> None:
    report = report_baselines("p", record(DEFECTS["a stricter limit"][0]))
    lines = draw_report(report, Terminal(width=100))
    (rate,) = [line for line in lines if line.startswith("rejected")]
    assert "80 % !" in rate
    assert rate.endswith("█")
    assert any("xray runs \"pipeline = 'p'" in line for line in lines)
