"""Where nothing changed, findings by baselines hold their tongue: counted over simulated runs."""

from __future__ import annotations

import math
import random

import pytest

from tests.property.usual_runs import UsualPipeline, a_run, summarize_usual
from xray.forensics.unusual.deviations import find_deviations

QUICK_TRIALS = 120
PROVEN_TRIALS = 2_000
MOST = 0.05
CONFIDENCE = 0.95


def is_told(seed: int) -> bool:
    """Whether anything is called unusual about a run like those before it."""
    pipeline = UsualPipeline(seed)
    count = random.Random(seed + 1_000_000).choice((20, 30, 60, 120, 250, 500))
    baselines = summarize_usual(pipeline.runs(count), count)
    steps = next(pipeline.runs(1))
    return any(found.surprise for found in find_deviations(a_run(), steps, baselines))


def upper_bound(hits: int, trials: int) -> float:
    """The greatest rate at which so few hits still come in one of twenty cases."""
    low, high = hits / trials, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        logs = [
            math.lgamma(trials + 1)
            - math.lgamma(k + 1)
            - math.lgamma(trials - k + 1)
            + k * math.log(rate)
            + (trials - k) * math.log1p(-rate)
            for k in range(hits + 1)
        ]
        if sum(map(math.exp, logs)) > 1 - CONFIDENCE:
            low = rate
        else:
            high = rate
    return high


@pytest.mark.parametrize(
    "trials", [QUICK_TRIALS, pytest.param(PROVEN_TRIALS, marks=pytest.mark.prove)]
)
def test_at_most_five_of_a_hundred_unchanged_runs_are_called_unusual(trials: int) -> None:
    hits = sum(is_told(seed) for seed in range(trials))
    bound = upper_bound(hits, trials)
    print(f"{hits} of {trials} unchanged runs; the rate is at most {100 * bound:.2f} %")
    assert bound <= MOST
