"""How many runs there were, where only some of them are stored.

Where whole runs are sampled, a stored run stands for `weight` runs: one that only the draw kept for
all that are like it, one that a rule kept for itself. Each run that began is therefore expected to
count once, whatever is asked. What was tallied counts the runs that are not stored, so a number of
runs is either estimated from the weights of those stored, or exact as those stored plus those
tallied; to add tallies to weights would count runs twice. Rates of a step are its own and need
no weight.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import fsum

from xray.model.records import Run
from xray.model.tallies import MinuteTally


def estimate_runs(runs: Iterable[Run]) -> float:
    """How many runs *runs*, which are stored, stand for; exact where none was left out."""
    return fsum(run.weight for run in runs)


def estimate_mean(weighted: Iterable[tuple[float, float]]) -> float | None:
    """The mean over all runs of a value that is known of those stored; None without any.

    Args:
        weighted: the value of each stored run and that run's weight.
    """
    pairs = list(weighted)
    weight = fsum(weight for _, weight in pairs)
    return fsum(value * weight for value, weight in pairs) / weight if weight else None


def estimate_share(weighted: Iterable[tuple[bool, float]]) -> float | None:
    """The share of all runs for which something holds, seen in those stored; None without any.

    Args:
        weighted: whether it holds for a stored run, and that run's weight.
    """
    return estimate_mean((float(holds), weight) for holds, weight in weighted)


def count_runs(stored: int, tallies: Iterable[MinuteTally]) -> int:
    """How many runs there were, exactly.

    Args:
        stored: how many of them are stored, each counted once.
        tallies: what is stored of the others, over the same time and pipelines.
    """
    return stored + sum(minute.runs.count for minute in tallies)
