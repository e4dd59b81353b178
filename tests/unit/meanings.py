"""One row of a table of meanings: the facts of a small pipeline, and what must come out of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.unit.small_runs import evidence_of, step_named
from xray.forensics.findings.finders import find
from xray.forensics.why import explain
from xray.model.answers import Outcome
from xray.model.facts import StepFinished
from xray.model.vocabulary import RateBasis


@dataclass(frozen=True)
class Meaning:
    """A pipeline and what it means.

    Args:
        says: the meaning, in words.
        steps: the pipeline's facts.
        counts: (rejected, accepted, selected) by step.
        shown: (input_count, output_count) by step.
        rates: (rejection_rate, rate_basis) by step.
        outcomes: what `why` says of candidates.
        findings: (code, step) of every finding, all of them.
        status: how the run ended.
    """

    says: str
    steps: tuple[StepFinished, ...]
    counts: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    shown: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)
    rates: dict[str, tuple[float | None, RateBasis | None]] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    findings: set[tuple[str, str]] = field(default_factory=set)

    def __str__(self) -> str:
        return self.says


def prove(meaning: Meaning) -> None:
    """Compare what comes out of the facts with what *meaning* says must."""
    evidence = evidence_of(*meaning.steps)
    for name, expected in meaning.counts.items():
        counted = step_named(evidence, name).counts
        assert (counted.rejected, counted.accepted, counted.selected) == expected, name
    for name, shown in meaning.shown.items():
        step = step_named(evidence, name)
        assert (step.input_count, step.output_count) == shown, name
    for name, (rate, basis) in meaning.rates.items():
        step = step_named(evidence, name)
        assert step.rejection_rate == (None if rate is None else pytest.approx(rate)), name
        assert step.rate_basis == basis, name
    said = {candidate: explain(evidence, candidate) for candidate in meaning.outcomes}
    assert {candidate: why.outcome for candidate, why in said.items()} == meaning.outcomes
    for why in said.values():
        assert why.answer.endswith((".", "?"))
        assert why.certainty == "known" or why.because
    found = [(finding.code, finding.step_name) for finding in find(evidence)]
    assert sorted(found) == sorted(meaning.findings)
