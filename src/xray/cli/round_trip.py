"""A run that `xray doctor` records and reads back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from xray.cli.checkpoint import Checkpoint
from xray.cli.wording import say_duration
from xray.client import Client
from xray.errors import XRayError
from xray.model.clock import SystemClock
from xray.model.facts import (
    ACCEPTED,
    REJECTED,
    DecisionRow,
    Fact,
    RunFinished,
    RunStarted,
    StepFinished,
)
from xray.model.ids import new_uuid7

DEADLINE_S: Final = 5.0
ROUND_TRIP_PIPELINE: Final = "xray-doctor"


def check_round_trip(
    url: str, api_key: str | None, open_client: Callable[[], Client]
) -> Checkpoint:
    """Whether a run that is recorded comes back as it was.

    Args:
        url: where it is recorded: a server or a database file.
        api_key: the server's key.
        open_client: gives the client to ask, once the run is written.
    """
    from xray.delivery.delivery import Delivery
    from xray.delivery.settings import DeliverySettings
    from xray.destinations import find_transport

    began_s = time.perf_counter()
    delivery = Delivery(
        DeliverySettings(
            url=url,
            api_key=api_key,
            offline_mode="fail",
            fail_deadline_s=DEADLINE_S,
        ),
        find_transport(url),
    )
    run_id = new_uuid7()
    try:
        for fact in _make_facts(run_id, SystemClock().wall_us()):
            delivery.put(fact)
        delivery.flush(DEADLINE_S)
        stored = open_client().run(run_id)
    except XRayError as error:
        todo = error.hint or "Look at the server's log."
        return Checkpoint("round trip", "problem", error.detail, todo)
    finally:
        delivery.close(0)
    took = say_duration((time.perf_counter() - began_s) * 1000)
    if [step.counts.rejected for step in stored.steps] != [1]:
        todo = "Look at the server's log."
        return Checkpoint("round trip", "problem", "the run came back incomplete", todo)
    return Checkpoint("round trip", "ok", f"run {run_id} written and read in {took}")


def _make_facts(run_id: str, now_us: int) -> tuple[Fact, ...]:
    return (
        RunStarted(run_id=run_id, pipeline=ROUND_TRIP_PIPELINE, started_at_us=now_us),
        StepFinished(
            run_id=run_id,
            step_id=new_uuid7(),
            pipeline=ROUND_TRIP_PIPELINE,
            name="check",
            step_type="filter",
            ordinal=0,
            started_at_us=now_us,
            rows=[
                DecisionRow(ACCEPTED, "kept"),
                DecisionRow(REJECTED, "dropped", reason="round_trip"),
            ],
        ),
        RunFinished(run_id=run_id, status="completed"),
    )
