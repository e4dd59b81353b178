"""Fixtures for pytest; everything is imported only by the tests that ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xray.testing.clock import FakeClock
    from xray.testing.server import FaultServer
    from xray.testing.sink import MemorySink


@pytest.fixture
def xray_sink() -> MemorySink:
    """A sink that keeps what a pipeline records in memory, as a server would have read it."""
    from xray.testing.sink import MemorySink

    return MemorySink()


@pytest.fixture
def xray_clock() -> FakeClock:
    """A clock that stands still until the test moves it."""
    from xray.testing.clock import FakeClock

    return FakeClock()


@pytest.fixture
def xray_server() -> Iterator[FaultServer]:
    """A real HTTP server that stores what it is sent, and misbehaves when told to."""
    from xray.testing.server import FaultServer

    with FaultServer() as server:
        yield server
