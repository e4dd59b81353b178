"""The books over several closings: what one delivery left and the next took up is counted once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import xray
from xray.delivery.losses import DeliveryStats
from xray.destinations import forget_destinations
from xray.testing import FaultServer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FaultServer]:
    with FaultServer() as server:
        monkeypatch.setenv("XRAY_URL", server.url)
        monkeypatch.setenv("XRAY_SPOOL_DIR", str(tmp_path))
        xray.close(timeout_s=0)
        forget_destinations()
        yield server
        xray.close()


def record() -> None:
    with xray.xray_run("p"), xray.xray_step("s", "filter") as step:
        step.reject("a", "r")


def settled_books(records: int) -> DeliveryStats:
    for _ in range(100):
        books = xray.stats()
        if books.acknowledged.records >= records:
            break
        xray.flush(timeout_s=0.1)
    return xray.stats()


@pytest.mark.parametrize("closings", [1, 2, 4])
def test_what_was_left_at_closing_is_delivered_later_and_counted_once(
    server: FaultServer, closings: int
) -> None:
    server.refuse()
    for number in range(1, closings + 1):
        record()
        assert xray.close(timeout_s=0).pending.records == 3 * number
        assert xray.stats().offered.records == 3 * number
    server.listen()
    record()
    expected = 3 * closings + 3
    assert server.wait_for(expected)
    books = settled_books(expected)
    assert len(server.facts) == books.offered.records == books.acknowledged.records == expected
    assert books.acknowledged.decisions == closings + 1
    assert not books.pending
    assert not books.adopted
    assert not books.total_lost


def test_closing_without_anything_open_changes_nothing(server: FaultServer) -> None:
    record()
    assert xray.close(timeout_s=10).is_complete
    before = xray.stats()
    assert xray.close(timeout_s=10).is_complete
    assert xray.stats() == before
    assert before.acknowledged.records == 3
