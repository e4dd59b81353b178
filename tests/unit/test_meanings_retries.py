"""What retries mean, as a table."""

from __future__ import annotations

import pytest

from tests.unit.meanings import Meaning, prove
from tests.unit.small_runs import accept, reject, step

RETRIES = [
    Meaning(
        "after a failure the step of the same name counts",
        (
            step("find", "retrieve", accept("a", "b")),
            step("r", "rank", accept("b"), status="failed", error="model overloaded"),
            step("r", "rank", accept("a"), reject("b", reason="below_cut")),
        ),
        outcomes={"a": "survived", "b": "outranked"},
    ),
    Meaning(
        "a retried retriever counts with its last attempt",
        (
            step("find", "retrieve", accept("old"), status="failed"),
            step("find", "retrieve", accept("a")),
            step("f", "filter", accept("a")),
        ),
        outcomes={"a": "survived", "old": "never_retrieved"},
    ),
    Meaning(
        "what a retried group contained is replaced with it",
        (
            step("all", "group", status="failed", step_id="018f0000-0000-7000-8000-000000000001"),
            step(
                "find",
                "retrieve",
                accept("old"),
                parent_step_id="018f0000-0000-7000-8000-000000000001",
            ),
            step("all", "group", step_id="018f0000-0000-7000-8000-000000000002"),
            step(
                "find",
                "retrieve",
                accept("a"),
                parent_step_id="018f0000-0000-7000-8000-000000000002",
            ),
            step("f", "filter", accept("a")),
        ),
        outcomes={"a": "survived", "old": "never_retrieved"},
    ),
    Meaning(
        "the same name after a success is no retry",
        (
            step("find", "retrieve", accept("a")),
            step("find", "retrieve", accept("b")),
            step("f", "filter", accept("a", "b")),
        ),
        outcomes={"a": "survived", "b": "survived"},
    ),
]


@pytest.mark.parametrize("meaning", RETRIES, ids=str)
def test_retries_mean_what_the_design_says(meaning: Meaning) -> None:
    prove(meaning)
