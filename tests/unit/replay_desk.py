"""Pipelines recorded into a store in memory, whose steps are then replayed from there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from xray import XRay, reading
from xray.client import Client
from xray.model.clock import SystemClock
from xray.model.differences import MoveKind
from xray.model.ids import new_uuid7
from xray.model.replay import Replay
from xray.model.vocabulary import CaptureLevel
from xray.questions import Pairs
from xray.replaying import ReplayRequest, perform
from xray.session import recording_into
from xray.store.memory import MemoryStore
from xray.testing import MemorySink


class StoreClient(Client):
    """Asks a store in memory what `Client` asks a server."""

    def __init__(self, store: MemoryStore) -> None:
        self.url = "memory:"
        self.store = store

    def get(self, path: str, parameters: Pairs = ()) -> bytes:
        now_us = SystemClock().wall_us()
        return msgspec.json.encode(reading.answer(self.store, path, parameters, now_us))

    def close(self) -> None:
        pass


def record(
    pipeline: Callable[[], object], *, capture: CaptureLevel = "full", in_run: bool = True
) -> StoreClient:
    """What asks about the runs that *pipeline* records, inside a run of its own unless told not."""
    sink = MemorySink()
    with recording_into(sink):
        try:
            if in_run:
                with XRay("shop", capture=capture).run():
                    pipeline()
            else:
                pipeline()
        except ArithmeticError:
            pass
    store = MemoryStore()
    store.submit(new_uuid7(), sink.facts).result()
    return StoreClient(store)


def replay(client: Client, step: str | None, code: Any = None, **asked: Any) -> Replay:
    """Replay a step of the last run."""
    return perform(client, ReplayRequest(run="last", step=step, code=code, **asked)).replay


def moved(replay: Replay, kind: MoveKind, step: int = 0) -> set[str]:
    """The candidates of a step that fared otherwise in one way."""
    moves = [one for one in replay.steps[step].moves if one.kind == kind]
    named = {move.candidate_id for one in moves for move in one.examples}
    assert len(named) == sum(one.count for one in moves)
    return named
