"""What delivery says of faults of its own: once a process, and never more than a line."""

from __future__ import annotations

import pytest

from xray.delivery import notices, road
from xray.delivery.delivery import Delivery
from xray.delivery.settings import DeliverySettings
from xray.delivery.writer import Writer
from xray.testing import FakeClock


def fail(*_: object) -> str:
    raise ValueError("a value of the pipeline's")


def test_what_cannot_even_be_told_is_let_go(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "name_kind", fail)
    notices.attempt("the test", fail)
    assert caplog.messages == []


def test_a_fault_of_our_own_is_told_once_by_all_clients_of_a_process(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(road, "of_process", notices.Notices(FakeClock()))
    monkeypatch.setattr(Writer, "run_once", fail)
    for _ in range(2):
        Delivery(DeliverySettings(offline_mode="silent"))._road().write_once()
    assert caplog.messages == ["X-Ray: the writer met ValueError."]
