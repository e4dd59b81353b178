"""One real server a store, for every test of the HTTP contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.contract.http.api import Api
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings


@pytest.fixture(scope="session", params=["memory", "sqlite"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    path = tmp_path_factory.mktemp("contract") / "xray.db"
    store = f"sqlite:///{path}" if request.param == "sqlite" else "memory:"
    settings = ServerSettings(store=store, port=0)
    with BackgroundServer(settings) as server, closing(Api(server.url)) as api:
        yield api
