"""What only the SQLite engine promises: its file, its owner, its limits."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.store.conftest import FORGET_LABELS
from tests.contract.store.test_store_verbs import RUN, ask, finished_step, put, rejected, started
from tests.contract.store.worlds import NOW_US
from xray.errors import ConfigurationError, StoreBusyError, StoreError
from xray.model.facts import ACCEPTED, REJECTED, DecisionRow, Fact, RunFinished, StepRows
from xray.model.ids import new_uuid7
from xray.model.values import pack_value
from xray.query.cursor import decode_cursor
from xray.query.plan import Comparison, FieldRef, Plan
from xray.store.memory import MemoryStore
from xray.store.opening import open_store
from xray.store.scanning import ScanBudget
from xray.store.sqlite.engine import SqliteStore
from xray.store.sqlite.view import SqliteView


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "xray.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(path, merge_fanout=2)
    yield opened
    opened.close()


def test_what_was_stored_is_there_after_reopening(path: Path) -> None:
    store = SqliteStore(path)
    put(store, started(), finished_step(rejected("a")))
    before = (store.run(RUN), store.steps_of_run(RUN))
    store.close()
    again = SqliteStore(path)
    assert (again.run(RUN), again.steps_of_run(RUN)) == before
    assert put(again, started()).duplicate == 1
    put(again, finished_step(rejected("a"), step_id=new_uuid7(NOW_US)))
    assert again.decisions(ask("candidate_id", "a")).total == 2
    again.close()


def test_the_file_is_readable_by_its_owner_alone(store: SqliteStore, path: Path) -> None:
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_a_second_writer_is_refused_and_the_first_goes_on(store: SqliteStore, path: Path) -> None:
    with pytest.raises(StoreError, match="Another process has the database") as refused:
        SqliteStore(path)
    assert refused.value.code == "store_in_use"
    assert put(store, started()).accepted == 1


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_text("these are somebody's notes\n" * 100)
    with pytest.raises(StoreError, match="is not an X-Ray database"):
        SqliteStore(path)
    assert path.read_text().startswith("these are somebody's notes")


def test_somebody_elses_database_is_refused_and_left_alone(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("create table notes (text)")
    other.close()
    content = path.read_bytes()
    with pytest.raises(StoreError, match="is not an X-Ray database"):
        SqliteStore(path)
    assert path.read_bytes() == content


def test_a_database_of_a_later_version_is_refused_in_one_sentence(path: Path) -> None:
    SqliteStore(path).close()
    raw = sqlite3.connect(path)
    raw.execute("pragma user_version = 99")
    raw.close()
    with pytest.raises(StoreError) as refused:
        SqliteStore(path)
    assert re.search(r"has schema version 99; this X-Ray knows up to \d+\.$", refused.value.detail)
    assert refused.value.hint
    assert refused.value.code == "store_too_new"


def test_a_folder_that_cannot_be_made_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened"):
        SqliteStore(tmp_path / "file" / "xray.db")


def test_a_full_queue_refuses_the_batch_and_takes_it_later(path: Path) -> None:
    store = SqliteStore(path, max_queued_bytes=2_000)
    taken = 0

    def submit_until_refused() -> None:
        nonlocal taken
        for _ in range(10_000):
            store.submit("b", [started(new_uuid7(NOW_US)) for _ in range(3)])
            taken += 1

    with pytest.raises(StoreBusyError, match="Too much waits"):
        submit_until_refused()
    assert taken > 0
    store.close()
    again = SqliteStore(path)
    assert again.runs(Plan(scope="run")).total == min(taken * 3, 10_000)
    again.close()


def test_a_disk_that_is_full_fails_the_batch_with_a_reason_and_spares_the_rest(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(path)
    put(store, started())
    writer = store._inlet._writer._ledger._connection
    (pages,) = writer.execute("pragma page_count").fetchone()
    writer.execute(f"pragma max_page_count = {pages}")
    big = [rejected(f"c{number}", os.urandom(64).hex()) for number in range(5_000)]
    with pytest.raises(StoreError, match="cannot grow") as failed:
        put(store, finished_step(*big))
    assert failed.value.code == "disk_full"
    assert store.run(RUN) is not None
    writer.execute(f"pragma max_page_count = {pages * 100}")
    assert put(store, finished_step(*big)).accepted == 1
    assert writer.execute("pragma integrity_check").fetchone() == ("ok",)
    store.close()


@pytest.mark.parametrize(
    "spoilt",
    [
        started(new_uuid7(NOW_US), pipeline="lone \ud800 surrogate"),
        started(new_uuid7(NOW_US), attempt=1 << 70),
        started(new_uuid7(NOW_US), key=object()),
        finished_step(DecisionRow(REJECTED, "a", score=1 << 80), step_id=new_uuid7(NOW_US)),
        finished_step(rejected(None), step_id=new_uuid7(NOW_US)),  # type: ignore[arg-type]
        finished_step(input_count=1 << 63, step_id=new_uuid7(NOW_US)),
        finished_step(DecisionRow(300, "a"), step_id=new_uuid7(NOW_US)),
    ],
    ids=["surrogate", "huge", "object", "score", "no-id", "count", "verdict"],
)
def test_a_fact_that_cannot_be_written_does_not_fail_its_neighbours(
    store: SqliteStore, spoilt: Fact
) -> None:
    receipt = put(store, started(), spoilt, finished_step(rejected("a")))
    assert receipt.accepted == 2
    assert len(receipt.rejected) == 1
    assert receipt.rejected[0].code == "invalid_record"
    assert store.run(RUN) is not None
    assert store.decisions(ask("candidate_id", "a")).total == 1
    assert put(store, RunFinished(run_id=RUN, status="completed")).accepted == 1


def test_more_rows_than_a_block_holds_are_read_as_one_table(store: SqliteStore) -> None:
    names = [f"c{number}" for number in range(20_000)]
    put(store, finished_step(*(DecisionRow(ACCEPTED, name) for name in names[:9000])))
    rows = [DecisionRow(ACCEPTED, name) for name in names[9000:]]
    put(store, StepRows(run_id=RUN, step_id=finished_step().step_id, chunk=1, rows=rows))
    table = store.decisions_of_step(finished_step().step_id)
    assert list(table.candidate_ids) == names
    assert table.row(12_345).candidate_id == "c12345"
    assert store.decisions(ask("candidate_id", "c19999")).total == 1
    page = store.decisions(ask("run_id", RUN, limit=1000))
    assert (page.total, page.total_is_exact) == (10_000, False)
    assert page.next_cursor is not None


def test_the_row_groups_of_an_earlier_schema_are_found_after_its_upgrade(path: Path) -> None:
    step_ids = [new_uuid7(NOW_US) for _ in range(20)]
    rows = [DecisionRow(ACCEPTED, f"c{number}") for number in range(1_000)]
    store = SqliteStore(path)
    put(store, started(), *(finished_step(*rows, step_id=step_id) for step_id in step_ids))
    store.close()
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("update blocks set id = (id >> 16 << 12) | (id & 65535)")
    raw.executescript(FORGET_LABELS)
    raw.executescript("drop table baselines; drop table baseline_fill; pragma user_version = 3")
    raw.close()
    upgraded = SqliteStore(path)
    tables = [upgraded.decisions_of_step(step_id) for step_id in step_ids]
    upgraded.close()
    names = [row.candidate_id for row in rows]
    assert [list(table.candidate_ids) for table in tables] == [names] * len(step_ids)


def test_dictionaries_are_trained_once_there_is_enough_and_older_blocks_stay_readable(
    path: Path,
) -> None:
    store = SqliteStore(path)
    step_ids = [new_uuid7(NOW_US) for _ in range(1500)]
    for start in range(0, len(step_ids), 100):
        put(store, *(_wordy_step(step_id, at) for at, step_id in enumerate(step_ids[start:][:100])))
    writer = store._inlet._writer._ledger._connection
    generations = writer.execute("select max(generation) from codec_dict")
    assert generations.fetchone() == (1,)
    first, last = (len(store.decisions_of_step(step_ids[at])) for at in (0, -1))
    store.close()
    again = SqliteStore(path)
    assert [len(again.decisions_of_step(step_ids[at])) for at in (0, -1)] == [first, last]
    assert [row.attributes["title"][:5] for row in again.decisions_of_step(step_ids[-1])] == [
        "title"
    ] * last
    again.close()


def _wordy_step(step_id: str, at: int) -> Fact:
    rows = [
        rejected(
            f"product-{at}-{number}",
            reasoning=f"price {number * 7} exceeds the limit of {at}",
            attributes=pack_value({"title": f"title number {number} of the catalogue " * 3}),
        )
        for number in range(8)
    ]
    return finished_step(*rows, step_id=step_id)


@pytest.mark.parametrize("field", [("stats", "x"), ("input", "x")])
def test_a_scan_stops_at_its_budget_and_its_cursor_goes_on(
    path: Path, field: tuple[str, str]
) -> None:
    store = SqliteStore(path, budget=ScanBudget(json_rows=10, opened_rows=10))
    step_ids = [new_uuid7(NOW_US) for _ in range(35)]
    put(
        store,
        *(
            finished_step(
                step_id=step_id,
                started_at_us=NOW_US - at,
                **{field[0]: pack_value({"x": at})},
            )
            for at, step_id in enumerate(step_ids)
        ),
    )
    where = Comparison(FieldRef("step", field[0], (field[1],)), ">=", 30)
    plan = Plan(scope="step", where=where, limit=3)
    seen: list[str] = []
    stops = 0
    while True:
        page = store.steps(plan)
        seen += [step.step_id for step in page.items]
        stops += not page.complete
        if page.next_cursor is None:
            break
        after = decode_cursor(page.next_cursor, plan)
        plan = Plan(scope="step", where=where, limit=3, after=after)
    assert seen == step_ids[30:]
    assert stops >= 3
    store.close()


def test_a_url_chooses_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(open_store("memory:"), MemoryStore)
    absolute = open_store(f"sqlite:///{tmp_path}/abs.db")
    absolute.close()
    monkeypatch.chdir(tmp_path)
    relative = open_store("sqlite:///folder/rel%20ative.db")
    relative.close()
    assert (tmp_path / "abs.db").exists()
    assert (tmp_path / "folder" / "rel ative.db").exists()


@pytest.mark.parametrize("url", ["", "xray.db", "postgres://host/db", "sqlite:", "sqlite://x.db"])
def test_a_url_that_names_no_engine_is_refused_with_the_choices(url: str) -> None:
    with pytest.raises(ConfigurationError, match="memory:, sqlite:///"):
        open_store(url)


def test_where_no_thread_can_be_started_whoever_submits_writes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    store = SqliteStore(path)
    assert put(store, started()).accepted == 1
    assert put(store, started()).duplicate == 1
    assert store.run(RUN) is not None
    store.close()
    with pytest.raises(StoreError, match="closed"):
        put(store, started())
    again = SqliteStore(path)
    assert again.run(RUN) is not None
    again.close()


def test_a_view_sees_what_a_writer_adds_and_cannot_write(path: Path) -> None:
    store = SqliteStore(path)
    view = SqliteView(path)
    assert view.run(RUN) is None
    put(store, started(), finished_step(rejected("a")))
    assert view.run(RUN) == store.run(RUN)
    assert view.steps_of_run(RUN) == store.steps_of_run(RUN)
    with pytest.raises(StoreError, match="read only"):
        view.submit("b", [started()])
    store.close()
    assert view.run(RUN) is not None
    view.close()


def test_a_view_makes_no_database(path: Path) -> None:
    with pytest.raises(StoreError, match="There is no database"):
        SqliteView(path)
    assert not path.exists()
