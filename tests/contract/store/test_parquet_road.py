"""A file, PostgreSQL, Parquet and a file again: what was recorded answers as it did."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from tests.contract.store.conftest import some_engines
from tests.contract.store.test_store_exporting import OpenEmpty, give, labelled_worlds, spell
from tests.contract.store.worlds import NOW_US, everything
from xray.model.facts import Fact, RosterGroup, StepFinished, StepRoster
from xray.model.labels import LabelsAsked
from xray.model.ranking import make_ranking
from xray.model.stored_facts import PackedRoster
from xray.model.transfer import Amounts
from xray.store.protocol import Store
from xray.transfer.copying import copy_runs
from xray.transfer.parquet.folder import FolderSource, export_folder
from xray.transfer.sources import StoreSource

RUN_ID = "0190a000-0000-7000-8000-000000000001"
STEP_ID = "0190b000-0000-7000-8000-000000000001"


def show(amounts: Amounts, count: int | None) -> None:
    assert amounts.total >= 0


def write_folder(store: Store, folder: Path) -> Amounts:
    books = export_folder(store, folder, source="here", query="", now_us=NOW_US, show=show)
    assert not books.differing
    return books.compared


def read_folder(folder: Path, target: Store) -> Amounts:
    books = copy_runs(FolderSource(folder), target)
    assert not books.differing, books.differences
    return books.compared


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(facts=labelled_worlds(), engines=some_engines)
def test_what_went_through_every_engine_and_parquet_answers_as_it_did(
    open_empty: OpenEmpty, facts: list[Fact], engines: Sequence[str]
) -> None:
    origin = open_empty("sqlite")
    origin.submit("recorded", facts).result()
    database = open_empty(engines[-1])
    assert not copy_runs(StoreSource(origin, "", NOW_US), database).differing
    with tempfile.TemporaryDirectory() as folder:
        amounts = write_folder(database, Path(folder))
        database.close()
        for engine in ("sqlite", "memory"):
            target = open_empty(engine)
            assert read_folder(Path(folder), target) == amounts
            assert everything(target) == everything(origin)
            assert target.labels(LabelsAsked()) == origin.labels(LabelsAsked())
            assert spell(give(target)) == spell(give(origin))
            assert target.submit("again", facts).result().accepted == 0
            target.close()
    origin.close()


def ranked_roster(names: Sequence[str], chunk: int, total: int) -> StepRoster:
    places = range(1, len(names) + 1)
    ranking = make_ranking(places, [1 / place for place in places])
    group = RosterGroup(0, "below_cut", None, None, list(names), ranking)
    return StepRoster(run_id=RUN_ID, step_id=STEP_ID, chunk=chunk, total=total, groups=[group])


def test_a_roster_of_many_parts_comes_back_to_the_byte(
    open_empty: Callable[[str], Store], tmp_path: Path
) -> None:
    step = StepFinished(
        run_id=RUN_ID, step_id=STEP_ID, pipeline="p", name="s", step_type="rank", ordinal=0,
        started_at_us=NOW_US,
    )  # fmt: skip
    names = [f"candidate {number}" for number in range(24_000)]
    chunks = [
        ranked_roster(names[at : at + 8_000], 1 + at // 8_000, len(names))
        for at in range(0, len(names), 8_000)
    ]
    store = open_empty("sqlite")
    store.submit("1", [step, *chunks]).result()
    # The tidying that merges the chunks comes before the next commit.
    for number in range(2_000):
        if any(isinstance(fact, PackedRoster) for fact in give(store)):
            break
        store.submit(f"more {number}", []).result()
    write_folder(store, tmp_path / "folder")
    target = open_empty("memory")
    assert read_folder(tmp_path / "folder", target).candidates == len(names)
    (packed,) = (fact for fact in give(store) if isinstance(fact, PackedRoster))
    (again,) = (fact for fact in give(target) if isinstance(fact, PackedRoster))
    assert len(packed.parts) > 1
    assert again == packed
    rosters = [one.roster_of_step(STEP_ID) for one in (store, target)]
    for name in names[::1_000]:
        found, expected = (roster and roster.find(name) for roster in rosters)
        assert found == expected
        assert found
