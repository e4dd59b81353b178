"""One real server over a store in memory, for every test of the HTTP contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.contract.http.api import Api
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings


@pytest.fixture(scope="session")
def api() -> Iterator[Api]:
    settings = ServerSettings(store="memory:", port=0)
    with BackgroundServer(settings) as server, closing(Api(server.url)) as api:
        yield api
