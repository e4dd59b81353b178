"""Each defect planted into a scenario is named by a finding, among the first three to look at."""

from __future__ import annotations

import pytest

from tests.unit.planted_defects import DEFECTS, Defect
from tests.unit.scenarios import record


@pytest.mark.parametrize("defect", DEFECTS, ids=str)
def test_a_planted_defect_is_named_where_to_look_first(defect: Defect) -> None:
    with defect.plant():
        recorded = record(defect.pipeline)
    found = recorded.found
    assert found.look_here_first <= 3
    named = [(finding.code, finding.step_name) for finding in found.first]
    assert (defect.code, defect.step) in named[: defect.place + 1]
    finding = found.first[named.index((defect.code, defect.step))]
    assert [word for word in defect.words if word not in finding.text] == []
    assert finding.certainty == "known" or finding.because
    assert finding.certainty != "unknown"
    assert finding.surprise > 0.4


@pytest.mark.parametrize("defect", DEFECTS, ids=str)
def test_a_planted_defect_is_named_the_same_at_full_capture(defect: Defect) -> None:
    with defect.plant():
        recorded = record(defect.pipeline, capture="full")
    assert (defect.code, defect.step) in [(one.code, one.step_name) for one in recorded.first]


def test_a_planted_defect_is_what_makes_the_difference() -> None:
    harmless = [defect for defect in DEFECTS if defect.plant().__class__.__name__ != "nullcontext"]
    assert len(harmless) > 20
    for defect in harmless:
        healthy = record(defect.pipeline)
        assert defect.code not in healthy.codes, defect


def test_there_are_defects_of_every_scenario_and_of_many_kinds() -> None:
    assert len(DEFECTS) >= 30
    assert len({defect.code for defect in DEFECTS}) >= 15
    assert len({defect.step for defect in DEFECTS}) >= 12
