"""Fixtures and golden files for pytest; everything is imported only where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xray.testing.clock import FakeClock
    from xray.testing.golden_files import GoldenFile
    from xray.testing.server import FaultServer
    from xray.testing.sink import MemorySink


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let golden decisions be checked beside other tests."""
    parser.getgroup("xray").addoption(
        "--xray-golden",
        nargs="?",
        const="",
        metavar="URL",
        help="test the golden decisions in *.expect files against the runs of a server, or of a "
        "file (sqlite:///runs.db); XRAY_URL when no URL is given",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> GoldenFile | None:
    """A file of golden decisions, where they are asked for."""
    if file_path.suffix != ".expect" or parent.config.getoption("xray_golden") is None:
        return None
    from xray.testing.golden_files import GoldenFile

    return GoldenFile.from_parent(parent, path=file_path)


@pytest.fixture
def xray_sink() -> MemorySink:
    """A sink that keeps what a pipeline records in memory, as a server would have read it."""
    from xray.testing.sink import MemorySink

    return MemorySink()


@pytest.fixture
def xray_recorded() -> Iterator[MemorySink]:
    """A sink that takes what any pipeline of this process records during the test."""
    from xray.session import recording_into
    from xray.testing.sink import MemorySink

    sink = MemorySink()
    with recording_into(sink):
        yield sink


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
