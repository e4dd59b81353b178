"""Runs that were asked about stay open, and nobody is told what was so before they changed."""

from __future__ import annotations

import pytest

from xray import XRay, reading
from xray.errors import NotFoundError
from xray.forensics import evidence as evidence_module
from xray.forensics.evidence import RunEvidence
from xray.model.facts import Fact
from xray.model.ids import new_uuid7
from xray.reading import shelf as shelf_module
from xray.reading.shelf import Shelf, open_run, put_up_shelf
from xray.server.context import Context
from xray.server.placement import StepPlacement
from xray.server.settings import ServerSettings
from xray.store.memory import MemoryStore
from xray.store.protocol import Store
from xray.testing import FakeClock, MemorySink


def record(rejected: int = 3) -> tuple[str, list[Fact]]:
    sink = MemorySink()
    with XRay("p", sink=sink).run() as run, run.step("filter", step_type="filter") as step:
        for number in range(rejected):
            step.reject(f"c{number}", "too_dear")
    return run.run_id, sink.facts


def stored(*batches: list[Fact]) -> MemoryStore:
    store = MemoryStore()
    for facts in batches:
        store.submit(new_uuid7(), facts).result()
    return store


def test_a_run_is_read_once_until_it_changes() -> None:
    run_id, facts = record()
    store = stored(facts)
    shelf = put_up_shelf(store, FakeClock())
    first = open_run(store, run_id)
    assert open_run(store, run_id) is first
    shelf.forget([new_uuid7()])
    assert open_run(store, run_id) is first
    shelf.forget([run_id])
    assert open_run(store, run_id) is not first


def test_a_store_without_a_shelf_is_read_every_time() -> None:
    run_id, facts = record()
    store = stored(facts)
    assert open_run(store, run_id) is not open_run(store, run_id)


@pytest.mark.parametrize(
    ("address", "is_kept"), [("sqlite:///runs.db", True), ("postgresql://u@h/runs", False)]
)
def test_a_server_keeps_runs_open_where_nobody_else_writes_them(
    address: str, is_kept: bool
) -> None:
    run_id, facts = record()
    store = stored(facts)
    context = Context(ServerSettings(store=address), store, StepPlacement(store))
    assert (open_run(store, run_id) is open_run(store, run_id)) is is_kept
    context.note_changes(facts)
    assert open_run(store, run_id).run.run_id == run_id


def test_what_was_read_before_a_change_does_not_outlive_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_id, facts = record()
    store = stored(facts)
    shelf = Shelf(FakeClock())

    def change_meanwhile(asked: Store, of: str) -> RunEvidence:
        read = evidence_module.load_evidence(asked, of)
        shelf.forget([run_id])
        return read

    monkeypatch.setattr(shelf_module, "load_evidence", change_meanwhile)
    old = shelf.take(store, run_id)
    monkeypatch.undo()
    assert shelf.take(store, run_id) is not old


def test_a_change_that_was_forgotten_since_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_module, "_MAX_CHANGES", 2)
    run_id, facts = record()
    store = stored(facts)
    shelf = Shelf(FakeClock())

    def change_much_meanwhile(asked: Store, of: str) -> RunEvidence:
        read = evidence_module.load_evidence(asked, of)
        for changed in (run_id, new_uuid7(), new_uuid7(), new_uuid7()):
            shelf.forget([changed])
        return read

    monkeypatch.setattr(shelf_module, "load_evidence", change_much_meanwhile)
    old = shelf.take(store, run_id)
    monkeypatch.undo()
    monkeypatch.setattr(shelf_module, "_MAX_CHANGES", 2)
    assert shelf.take(store, run_id) is not old


def test_the_shelf_holds_so_many_decisions_and_no_run_that_is_half_of_them() -> None:
    runs = [record(3) for _ in range(4)]
    large_id, large = record(6)
    store = stored(*(facts for _, facts in runs), large)
    shelf = Shelf(FakeClock(), max_decisions=10)
    opened = [shelf.take(store, run_id) for run_id, _ in runs]
    assert shelf.take(store, runs[3][0]) is opened[3]
    assert shelf.take(store, runs[0][0]) is not opened[0]
    assert shelf.take(store, large_id) is not shelf.take(store, large_id)


def test_a_run_is_read_again_after_a_while() -> None:
    run_id, facts = record()
    store, clock = stored(facts), FakeClock()
    shelf = Shelf(clock)
    first = shelf.take(store, run_id)
    clock.advance(299)
    assert shelf.take(store, run_id) is first
    clock.advance(2)
    assert shelf.take(store, run_id) is not first


def test_a_run_nobody_stored_is_not_found_on_a_shelf_either() -> None:
    store = stored()
    put_up_shelf(store, FakeClock())
    with pytest.raises(NotFoundError):
        reading.list_findings(store, new_uuid7())
