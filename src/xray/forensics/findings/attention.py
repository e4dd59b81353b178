"""Where to look first: findings by how surprising they are, and how near to the output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from xray.forensics.case import Case
from xray.forensics.evidence import RunEvidence
from xray.model.answers import Finding
from xray.model.records import Step

MAX_FIRST: Final = 3
_NEARNESS: Final = 0.97
"""What a finding keeps of its weight with every step it is further from the output.

A contradiction five steps back still comes before a habit of the last step.
"""
_MIN_SURPRISE: Final = 0.4
"""What is less surprising than this is told, but nobody has to look at it first."""


def order_findings(evidence: RunEvidence, findings: Iterable[Finding]) -> list[Finding]:
    """*findings*, those that deserve a look first; ties stay as they were.

    Args:
        evidence: the run they are about.
        findings: whoever found them.
    """
    distances = measure_distances(Case.of(evidence))

    def weigh(finding: Finding) -> float:
        distance = distances.get(finding.step_id or "", 0)
        return -finding.surprise * _NEARNESS**distance

    return sorted(findings, key=weigh)


def count_first(findings: Sequence[Finding]) -> int:
    """How many of *findings*, which come in order, to look at first: at most three."""
    head = findings[:MAX_FIRST]
    return sum(finding.surprise >= _MIN_SURPRISE for finding in head)


def measure_distances(case: Case) -> dict[str, int]:
    """How many steps lie between each step and the output, along the way candidates take.

    A step whose candidates no later step takes, such as one that makes keywords, is one further
    away than the nearest step after it.
    """
    flow = case.flow
    steps = flow.deciding_steps
    if not steps:
        return {}
    last = case.origins.answering_step or steps[-1]
    distances = {last.step_id: 0}
    waiting = [last]
    for step in waiting:
        for edge in flow.edges(step):
            for nearer, source in enumerate((*edge.through, edge.source), start=1):
                if source.step_id not in distances:
                    distances[source.step_id] = distances[step.step_id] + nearer
                    waiting.append(source)
    _place_others(distances, steps, last)
    return distances


def _place_others(distances: dict[str, int], steps: Sequence[Step], last: Step) -> None:
    behind = 0
    for step in reversed(steps):
        if step.step_id not in distances:
            distances[step.step_id] = 0 if step.ordinal > last.ordinal else behind + 1
        behind = distances[step.step_id]
