"""Delivery knows hosts that hold up its threads, or end processes without notice."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from xray.delivery import delivery as deliveries
from xray.delivery import notices
from xray.delivery.delivery import Delivery
from xray.delivery.hosts import are_threads_held_up, is_about_to_fork, may_end_unseen
from xray.delivery.settings import DeliverySettings
from xray.model.facts import RunStarted
from xray.model.ids import new_uuid7

SERVERLESS = (
    "AWS_LAMBDA_FUNCTION_NAME", "FUNCTIONS_WORKER_RUNTIME", "FUNCTION_TARGET", "K_SERVICE",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _nowhere_special(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SERVERLESS:
        monkeypatch.delenv(name, raising=False)


def be_in_uwsgi(
    monkeypatch: pytest.MonkeyPatch, *, has_threads: int = 1, worker: int = 1, master: int = 1
) -> None:
    """What uWSGI puts into the interpreter it embeds."""
    module = ModuleType("uwsgi")
    vars(module).update(has_threads=has_threads, worker_id=lambda: worker, masterpid=lambda: master)
    monkeypatch.setitem(sys.modules, "uwsgi", module)


def test_an_ordinary_process_is_told_of_its_end_and_runs_threads() -> None:
    assert not may_end_unseen()
    assert not are_threads_held_up()


@pytest.mark.parametrize("name", SERVERLESS)
def test_a_serverless_process_may_end_unseen(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    assert may_end_unseen()
    assert not are_threads_held_up()


@pytest.mark.parametrize("has_threads", [0, 1])
def test_a_process_of_uwsgi_may_end_unseen_and_runs_threads_where_they_are_enabled(
    monkeypatch: pytest.MonkeyPatch, has_threads: int
) -> None:
    be_in_uwsgi(monkeypatch, has_threads=has_threads)
    assert may_end_unseen()
    assert are_threads_held_up() is not bool(has_threads)


@pytest.mark.parametrize(
    ("worker", "master", "is_expected"),
    [(0, os.getpid(), True), (0, 0, True), (1, 0, False), (1, 1, False), (0, 1, False)],
    ids=["the master", "no master, not yet serving", "no master", "a worker", "a mule"],
)
def test_no_thread_is_started_in_a_process_that_uwsgi_is_about_to_fork(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    worker: int,
    master: int,
    is_expected: bool,
) -> None:
    be_in_uwsgi(monkeypatch, worker=worker, master=master)
    monkeypatch.setattr(deliveries, "_exit", deliveries._Exit())
    assert is_about_to_fork() is is_expected
    settings = DeliverySettings(url="http://127.0.0.1:9", spool_places=(tmp_path,))
    delivery = Delivery(settings)
    run_id = new_uuid7()
    delivery.put(RunStarted(run_id=run_id, pipeline="p", started_at_us=1))
    delivery.settle_run(run_id)
    assert not delivery._road()._threads if is_expected else delivery._road()._threads
    assert list(tmp_path.rglob("*.seg"))
    delivery.close(0)


def test_who_runs_uwsgi_without_threads_is_told_once_and_each_run_is_on_disk_at_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    be_in_uwsgi(monkeypatch, has_threads=0)
    monkeypatch.setattr(deliveries, "_exit", deliveries._Exit())
    monkeypatch.setattr(notices.of_process, "_last_s", {})
    url = "http://127.0.0.1:9"
    delivery = Delivery(DeliverySettings(url=url, spool_places=(tmp_path,), poll_interval_s=60))
    with caplog.at_level(logging.WARNING, "xray"):
        for _ in range(2):
            run_id = new_uuid7()
            delivery.put(RunStarted(run_id=run_id, pipeline="p", started_at_us=1))
            delivery.settle_run(run_id)
            assert not len(delivery._road().queue)
    assert sum("--enable-threads" in record.getMessage() for record in caplog.records) == 1
    assert list(tmp_path.rglob("*.seg"))
    delivery.close(0)
