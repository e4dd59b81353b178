"""What no engine keeps is refused alone, with the reason."""

from __future__ import annotations

import pytest

from tests.contract.store.worlds import NOW_US, RUN_IDS, STEP_IDS
from xray.model.facts import RunStarted, StepFinished
from xray.store.protocol import Store

RUN, (STEP, OTHER_STEP) = RUN_IDS[0], STEP_IDS[:2]


def step_of(step_id: str, takes: list[str], ordinal: int = 0) -> StepFinished:
    return StepFinished(
        run_id=RUN, step_id=step_id, pipeline="search", name="filter", step_type="filter",
        ordinal=ordinal, started_at_us=NOW_US, takes=takes,
    )  # fmt: skip


@pytest.mark.parametrize("bad", ["search", "", STEP.upper()])
def test_a_step_that_takes_from_what_is_no_id_is_refused_alone(store: Store, bad: str) -> None:
    run = RunStarted(run_id=RUN, pipeline="search", started_at_us=NOW_US)
    facts = [run, step_of(STEP, [OTHER_STEP, bad]), step_of(OTHER_STEP, [STEP], 1)]
    receipt = store.submit("batch", facts).result()
    (refusal,) = receipt.rejected
    assert (refusal.id, refusal.code) == (f"step:{STEP}", "invalid_record")
    assert refusal.detail == f"takes[1] {bad!r} is not a UUID."
    assert receipt.accepted == 2
    assert [(step.step_id, step.takes) for step in store.steps_of_run(RUN)] == [
        (OTHER_STEP, [STEP])
    ]
