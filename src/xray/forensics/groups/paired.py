"""What chance explains of one figure of two groups, weighted or not."""

from __future__ import annotations

from typing import Final

from xray.forensics.groups.chance import least_p, rank_p
from xray.forensics.groups.effects import weighted_p
from xray.forensics.groups.samples import Paired, count_runs, effective_runs

_MIN_WEIGHTED_RUNS: Final = 20


def find_p(paired: Paired) -> float:
    """How often chance puts two groups at least as far apart."""
    if paired.is_weighted:
        return weighted_p(paired)
    return rank_p([share.runs for share in paired.a], [share.runs for share in paired.b])


def find_least_p(paired: Paired) -> float:
    """The least `find_p` there can be, however the labels fall."""
    if paired.is_weighted:
        told = min(effective_runs(paired.a), effective_runs(paired.b))
        is_constant = sum(a.runs + b.runs > 0 for a, b in zip(paired.a, paired.b, strict=True)) < 2
        return 1.0 if told < _MIN_WEIGHTED_RUNS or is_constant else 0.0
    pooled = [a.runs + b.runs for a, b in zip(paired.a, paired.b, strict=True)]
    return least_p(pooled, count_runs(paired.b))
