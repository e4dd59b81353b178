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

_LONG = ("web", "fault", "oracle", "e2e")
"""Folders whose files take long: some are busy all the time, others mostly wait."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files come first and by turns.

    So no worker is left alone with one of them at the end, and while one waits another is busy.
    """
    tests = Path(__file__).parent
    files: dict[str, dict[Path, int]] = {}
    for item in items:
        places = files.setdefault(item.path.relative_to(tests).parts[0], {})
        places.setdefault(item.path, len(places))

    def find_turn(item: pytest.Item) -> tuple[bool, float]:
        folder = item.path.relative_to(tests).parts[0]
        is_short = folder not in _LONG
        return is_short, 0.0 if is_short else files[folder][item.path] / len(files[folder])

    items.sort(key=find_turn)


@pytest.fixture
def swallowing() -> None:
    """The guard swallows in this test, as it does around a pipeline."""


@pytest.fixture(scope="session", autouse=True)
def _keep_home_clean(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What outlives a test does not write to the user's own directory either."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state" / "session"))
        yield


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
