"""Starting and stopping: addresses, stores that cannot be opened, the app uvicorn asks for."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.contract.http.api import Api
from xray.errors import ConfigurationError
from xray.server.serving import BackgroundServer, serve
from xray.server.settings import ServerSettings
from xray.store.memory import MemoryStore


def test_a_server_beside_a_program_keeps_its_records_when_it_is_closed(tmp_path: Path) -> None:
    settings = ServerSettings(store=f"sqlite:///{tmp_path}/xray.db", port=0)
    with BackgroundServer(settings) as server, closing(Api(server.url)) as api:
        run_id = api.create_run()
    with BackgroundServer(settings) as server, closing(Api(server.url)) as api:
        assert api.get(f"/v1/runs/{run_id}").status == 200


def test_a_store_that_is_somebody_elses_is_left_open() -> None:
    store = MemoryStore()
    with BackgroundServer(ServerSettings(port=0), store) as server, closing(Api(server.url)) as api:
        run_id = api.create_run()
    assert store.run(run_id) is not None
    store.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_the_address_of_a_server_is_one_that_reaches_it(host: str) -> None:
    settings = ServerSettings(store="memory:", host=host, port=0, api_key="key")
    with BackgroundServer(settings) as server, closing(Api(server.url)) as api:
        assert server.url == f"http://127.0.0.1:{server.port}"
        answer = api.ask("GET", "/runs", headers={"Authorization": "Bearer key"})
        assert answer.status == 200


@pytest.mark.parametrize("start", [BackgroundServer, serve])
def test_a_server_that_cannot_start_says_why_at_once(start: object) -> None:
    assert callable(start)
    with pytest.raises(ConfigurationError, match="No store is known") as refused:
        start(ServerSettings(store="mongodb://me:secret@x", port=0))
    assert "secret" not in str(refused.value)
    with pytest.raises(ConfigurationError, match="Without a key"):
        start(ServerSettings(store="memory:", host="0.0.0.0", port=0))


def test_importing_the_app_reads_no_environment_and_asking_for_it_does() -> None:
    program = (
        "import xray.server.app as module\n"
        "from xray.errors import ConfigurationError\n"
        "assert 'app' not in vars(module)\n"
        "try:\n"
        "    module.app\n"
        "except ConfigurationError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"XRAY_PORT": "http"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "XRAY_PORT" in done.stdout
    assert "0 to 65535" in done.stdout
