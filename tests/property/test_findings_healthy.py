"""Random pipelines that do as they should have no finding; a planted fault is named first."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.generated_runs import arbitrary_steps
from tests.property.healthy_runs import NAMED, Fault, World
from tests.unit.scenarios import Recorded, keep
from tests.unit.small_runs import evidence_of
from xray.forensics.findings.attention import MAX_FIRST, count_first, order_findings
from xray.forensics.findings.finders import find
from xray.model.facts import StepFinished
from xray.model.vocabulary import CAPTURE_LEVELS, CaptureLevel

seeds = st.integers(0, 2**32)


def ask(world: World) -> Recorded:
    return keep(*world.record())


@settings(deadline=None, max_examples=50)
@given(seeds, st.sampled_from(CAPTURE_LEVELS))
def test_a_healthy_pipeline_has_nothing_to_look_at(seed: int, capture: CaptureLevel) -> None:
    recorded = ask(World(seed, capture=capture))
    assert set(recorded.codes) <= {"flow_unknown"}, recorded.found
    assert recorded.first == []


@pytest.mark.parametrize("fault", NAMED)
@settings(deadline=None, max_examples=8)
@given(seed=seeds)
def test_a_fault_planted_into_any_pipeline_is_named_first(fault: Fault, seed: int) -> None:
    recorded = ask(World(seed, fault))
    assert NAMED[fault] in [(one.code, one.step_name) for one in recorded.first], recorded.found


@settings(deadline=None, max_examples=50)
@given(arbitrary_steps())
def test_findings_of_any_run_are_ordered_and_say_what_they_rest_on(
    steps: list[StepFinished],
) -> None:
    evidence = evidence_of(*steps)
    found = find(evidence)
    ordered = order_findings(evidence, found)
    assert sorted(map(repr, ordered)) == sorted(map(repr, found))
    assert count_first(ordered) <= MAX_FIRST
    for one in ordered:
        assert 0 <= one.surprise <= 1
        assert one.text.endswith(".")
        assert one.certainty == "known" or one.because
        assert len(one.examples) <= 10
