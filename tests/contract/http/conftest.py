"""One real server a store, for every test of the HTTP contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.contract.http.api import Api
from tests.postgres_server import create_database, drop_database, locate
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings


@pytest.fixture(scope="session", params=["memory", "sqlite", "postgres"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("contract")
    with (
        _place(request.param, folder) as store,
        BackgroundServer(ServerSettings(store=store, port=0)) as server,
        closing(Api(server.url)) as api,
    ):
        yield api


@contextmanager
def _place(engine: str, folder: Path) -> Iterator[str]:
    """The URL of an empty store."""
    if engine == "postgres":
        name = create_database(is_prepared=False)
        yield locate(name)
        drop_database(name)
    else:
        yield "memory:" if engine == "memory" else f"sqlite:///{folder / 'xray.db'}"
