"""Attributes that another thread changes while a verb reads them cost no decision."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

import xray
from xray import XRay
from xray.capture import sampled
from xray.capture.step import Step
from xray.model.facts import StepFinished
from xray.testing import MemorySink

SHORT_CENSUS = 3
SOURCE = xray.__file__.removesuffix("__init__.py")
Attributes = dict[str, Any]
Trace = Callable[[FrameType, str, Any], Any]

CHANGES: dict[str, Callable[[Attributes], object]] = {
    "a field comes": lambda held: held.update(late=1),
    "all fields go": lambda held: held.clear(),
    "an object takes a place": lambda held: held.update(price=object()),
}
VERBS: dict[str, Callable[[Step, Attributes], object]] = {
    "reject": lambda step, held: step.reject("x", "dear", held),
    "reject with more": lambda step, held: step.reject("x", "dear", held, score=0.5),
    "accept": lambda step, held: step.accept("x", 0.5, held),
    "select": lambda step, held: step.select("x", 0.5, held),
}


@contextmanager
def changed_at(line: int, change: Callable[[], object]) -> Iterator[list[int]]:
    """Let *change* happen before one line of X-Ray's is run; holds how many lines were."""
    seen = [0]

    def step(frame: FrameType, event: str, argument: Any) -> Trace:
        if event == "line":
            seen[0] += 1
            if seen[0] == line:
                change()
        return step

    def enter(frame: FrameType, event: str, argument: Any) -> Trace | None:
        return step if frame.f_code.co_filename.startswith(SOURCE) else None

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        yield seen
    finally:
        sys.settrace(before)


def decide(step: Step, verb: str, change: str, line: int) -> int:
    """Decide about one candidate whose attributes change at *line*; how many lines were run."""
    held: Attributes = {"price": 40, "name": "lamp", "stock": 3}
    with changed_at(line, lambda: CHANGES[change](held)) as lines:
        VERBS[verb](step, held)
    return lines[0]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("earlier", [0, SHORT_CENSUS + 1], ids=["in the census", "after it"])
def test_a_decision_is_kept_whichever_moment_its_attributes_change(
    verb: str, change: str, earlier: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampled, "CENSUS_ROWS", SHORT_CENSUS)
    sink, line, last = MemorySink(), 1, 2
    with XRay("p", sink=sink).run() as run:
        while line <= last:
            with run.step("work", "filter", capture="sample") as step:
                for number in range(earlier):
                    step.reject(f"c{number}", "dear", {"price": 1})
                last = max(last, decide(step, verb, change, line))
            line += 1
    facts = [fact for fact in sink.facts if isinstance(fact, StepFinished)]
    assert len(facts) == last > 5
    for fact in facts:
        sampled_rows = [row for one in fact.reservoirs for row in one.rows]
        assert sum(row.candidate_id == "x" for row in [*fact.rows, *sampled_rows]) == 1
