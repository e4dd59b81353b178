"""What every test shares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from xray.capture.guard import raising

# A loaded machine makes single examples slow; a whole test that hangs still fails.
settings.register_profile("xray", deadline=None)
settings.load_profile("xray")


@pytest.fixture
def swallowing() -> None:
    """The guard swallows in this test, as it does around a pipeline."""


@pytest.fixture(autouse=True)
def _raise_what_the_guard_catches(request: pytest.FixtureRequest) -> Iterator[None]:
    if "swallowing" in request.fixturenames:
        yield
        return
    with raising():
        yield
