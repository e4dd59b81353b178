"""Readers beside the writer: each sees whole commits and none waits for it."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.contract.store.test_store_verbs import ask, finished_step, rejected, started
from tests.contract.store.worlds import NOW_US
from xray.model.facts import RunFinished
from xray.model.ids import new_uuid7
from xray.query.plan import Plan
from xray.store.sqlite.engine import SqliteStore

_READERS = 8
_BATCHES = 60


def test_readers_in_many_threads_see_runs_whole_while_they_are_written(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "busy.db", merge_fanout=2)
    is_over = threading.Event()
    failures: list[BaseException] = []
    pages: list[int] = []

    def read() -> None:
        try:
            while not is_over.is_set():
                page = store.runs(Plan(scope="run", limit=5))
                for run in page.items:
                    assert run.status == "completed"
                    (step,) = store.steps_of_run(run.run_id)
                    assert len(store.decisions_of_step(step.step_id)) == 20
                assert store.decisions(ask("candidate_id", "c7", limit=3)).complete
                pages.append(len(page.items))
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(_READERS)]
    for reader in readers:
        reader.start()
    for number in range(_BATCHES):
        run_id = new_uuid7(NOW_US + number)
        step = finished_step(
            *(rejected(f"c{each}") for each in range(20)),
            step_id=new_uuid7(NOW_US),
            run_id=run_id,
        )
        facts = [started(run_id), step, RunFinished(run_id=run_id, status="completed")]
        assert store.submit(str(number), facts).result().accepted == 3
    is_over.set()
    for reader in readers:
        reader.join()
    store.close()
    assert not failures
    assert max(pages) == 5
