"""Labels in a database file: there when it is opened again, and after its upgrade."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.contract.store.conftest import FORGET_LABELS
from xray.model.facts import ACCEPTED, DecisionRow, RunStarted, StepFinished
from xray.model.ids import new_uuid7
from xray.model.labels import Labelled, LabelsAsked
from xray.store.sqlite.engine import SqliteStore

NOW_US = 1_767_225_600_000_000
RUN, STEP = new_uuid7(NOW_US), new_uuid7(NOW_US)
FACTS = [
    RunStarted(
        run_id=RUN,
        pipeline="p",
        started_at_us=NOW_US,
        correlation={"order": "bestellung-ä", "trace_id": "t1"},
    ),
    StepFinished(
        run_id=RUN,
        step_id=STEP,
        pipeline="p",
        name="filter",
        step_type="filter",
        ordinal=0,
        started_at_us=NOW_US,
        rows=[DecisionRow(ACCEPTED, "a")],
    ),
]


def a_label(candidate_id: str | None = None) -> Labelled:
    return Labelled(
        label_id=new_uuid7(NOW_US),
        run_id=RUN,
        labelled_at_us=NOW_US,
        candidate_id=candidate_id,
        label="bad",
        note="größer",
    )


def check(store: SqliteStore) -> None:
    run = store.run(RUN)
    assert run is not None
    assert run.label == "bad"
    assert [row.label for row in store.decisions_of_step(STEP)] == ["bad"]
    assert [label.note for label in store.labels(LabelsAsked())] == ["größer", "größer"]


def test_labels_are_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "x.db")) as store:
        receipt = store.submit("b", [a_label(), *FACTS, a_label("a")]).result()
        assert receipt.accepted == 4
    with closing(SqliteStore(tmp_path / "x.db")) as store:
        check(store)
        assert store.submit("b", [FACTS[0]]).result().duplicate == 1


def test_runs_of_an_older_file_are_labelled_and_found_by_correlation(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with closing(SqliteStore(path)) as store:
        store.submit("b", FACTS).result()
    with closing(sqlite3.connect(path)) as database:
        database.executescript(f"{FORGET_LABELS} pragma user_version = 5;")
    with closing(SqliteStore(path)) as store:
        assert store.correlated("t1", 5) == [RUN]
        assert store.correlated("bestellung-ä", 5) == [RUN]
        store.submit("b", [a_label(), a_label("a")]).result()
        check(store)
