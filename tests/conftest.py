"""What every test shares."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

from tests.skips import pytest_sessionfinish, pytest_terminal_summary
from xray.capture.guard import raising

__all__ = ["pytest_sessionfinish", "pytest_terminal_summary"]

# A loaded machine makes single examples slow; a whole test that hangs still fails.
settings.register_profile("xray", deadline=None)
settings.load_profile("xray")

_states = count()

_LONG_FIRST = ("web", "fault", "oracle", "e2e", "contract", "property")
"""Folders whose files take long, the longest first; the others come after them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No worker is left alone with a long file at the end while the others have none."""
    folders = {name: place for place, name in enumerate(_LONG_FIRST)}
    tests = Path(__file__).parent

    def place_of(item: pytest.Item) -> int:
        return folders.get(item.path.relative_to(tests).parts[0], len(folders))

    items.sort(key=place_of)


@pytest.fixture
def swallowing() -> None:
    """The guard swallows in this test, as it does around a pipeline."""


@pytest.fixture(autouse=True)
def _keep_spools_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No test finds what another left undelivered, and none writes to the user's own directory."""
    place = tmp_path_factory.getbasetemp() / "state" / str(next(_states))
    monkeypatch.setenv("XDG_STATE_HOME", str(place))


@pytest.fixture(autouse=True)
def _raise_what_the_guard_catches(request: pytest.FixtureRequest) -> Iterator[None]:
    if "swallowing" in request.fixturenames:
        yield
        return
    with raising():
        yield
