"""Groups of runs compared by precision and recall, where their candidates are labelled."""

from __future__ import annotations

import random

import pytest

from xray import XRay
from xray.forensics.groups import rating
from xray.forensics.groups.comparing import compare_groups
from xray.model.comparison import Comparison
from xray.model.facts import Fact
from xray.model.ids import new_uuid7
from xray.model.labels import Labelled
from xray.store.memory import MemoryStore
from xray.testing import MemorySink

NOW_US = 1_900_000_000_000_000
RUNS = 30


def record(sink: MemorySink, version: str, chance: random.Random, skill: float) -> list[Fact]:
    """A run that keeps about half; *skill* is the chance to tell a good one; ten are labelled."""
    good = set(chance.sample(range(20), 10))
    with XRay("shop", sink=sink, capture="full", version=version).run() as run:
        with run.step("search", step_type="retrieve") as step:
            for number in range(20):
                step.accept(f"p{number}")
        with run.step("filter", step_type="filter") as step:
            for number in range(20):
                is_told = chance.random() < skill
                is_kept = (number in good) if is_told else chance.random() < 0.5
                if is_kept:
                    step.accept(f"p{number}")
                else:
                    step.reject(f"p{number}", "off_topic")
    return [
        Labelled(
            label_id=new_uuid7(NOW_US),
            run_id=run.run_id,
            labelled_at_us=NOW_US,
            candidate_id=f"p{number}",
            label="good" if number in good else "bad",
        )
        for number in chance.sample(range(20), 10)
    ]


def compare(sink: MemorySink, skills: tuple[float, float], *, is_labelled: bool) -> Comparison:
    chance = random.Random(5)
    labels = [
        label
        for version, skill in zip(("1", "2"), skills, strict=True)
        for _ in range(RUNS)
        for label in record(sink, version, chance, skill)
    ]
    store = MemoryStore()
    store.submit("runs", sink.facts).result()
    if is_labelled:
        store.submit("labels", labels).result()
    return compare_groups(store, "version = '1'", "version = '2'", NOW_US, budget_s=600)


def test_a_filter_that_tells_good_from_bad_less_well_is_named(xray_sink: MemorySink) -> None:
    compared = compare(xray_sink, (0.9, 0.1), is_labelled=True)
    found = {(one.kind, one.step): one for one in compared.differences}
    precision, recall = found["precision", "filter"], found["recall", "filter"]
    assert precision.a > 0.85 > 0.65 > precision.b
    assert (precision.a_runs, precision.b_runs) == (RUNS, RUNS)
    assert precision.text.startswith("Of the labelled that filter kept, ")
    assert "were good in B" in precision.text
    assert recall.text.startswith("filter kept ")
    assert "of those labelled good in B" in recall.text
    assert ("recall", "search") not in found


def test_groups_that_are_alike_differ_in_neither(xray_sink: MemorySink) -> None:
    compared = compare(xray_sink, (0.6, 0.6), is_labelled=True)
    assert not {one.kind for one in compared.differences} & {"precision", "recall"}


def test_without_labels_nobody_asks(xray_sink: MemorySink) -> None:
    compared = compare(xray_sink, (0.9, 0.1), is_labelled=False)
    assert not {one.kind for one in compared.differences} & {"precision", "recall"}


def test_so_many_runs_of_a_group_are_rated_and_no_more(
    xray_sink: MemorySink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rating, "MAX_RATED_RUNS", 20)
    compared = compare(xray_sink, (0.95, 0.05), is_labelled=True)
    found = {(one.kind, one.step): one for one in compared.differences}
    assert found["precision", "filter"].a_runs == 20
