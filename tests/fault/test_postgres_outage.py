"""PostgreSQL that is away while programs record: they are asked to wait, and every run arrives."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import urllib3

from tests.fault.killed_server import ServerFork
from tests.fault.test_outage import PROGRAM, check_stored
from tests.fault.test_server_kill import make_batch
from tests.postgres_server import OwnServer
from xray.store.opening import open_store

QUICK_S, QUICK_PROGRAMS = 2, 2
PROVEN_S, PROVEN_PROGRAMS = 60, 8
PER_S = 50
BEFORE, AFTER = 25, 25
END_S = 300


@pytest.fixture
def postgres() -> Iterator[OwnServer]:
    with closing(OwnServer()) as server:
        yield server


def post(url: str, path: str, body: bytes) -> urllib3.BaseHTTPResponse:
    return urllib3.request(
        "POST",
        f"{url}{path}",
        body=body,
        headers={"Content-Type": "application/msgpack"},
        retries=False,
    )


def read_lines(program: subprocess.Popen[str], count: int) -> None:
    assert program.stdout is not None
    for _ in range(count):
        assert program.stdout.readline()


@pytest.mark.parametrize(
    ("outage_s", "programs"),
    [
        (QUICK_S, QUICK_PROGRAMS),
        pytest.param(PROVEN_S, PROVEN_PROGRAMS, marks=pytest.mark.prove),
    ],
)
def test_a_database_that_is_away_loses_no_run_and_doubles_none(
    postgres: OwnServer,
    outage_s: int,
    programs: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XRAY_SPOOL_DIR", str(tmp_path / "spool"))
    runs = BEFORE + outage_s * PER_S + AFTER
    run_id, batch = make_batch()
    with closing(ServerFork()) as fork:
        server = fork.start(postgres.url)
        recording = [
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, server.url, str(runs), str(PER_S)],
                stdout=subprocess.PIPE, text=True,
            )
            for _ in range(programs)
        ]  # fmt: skip
        try:
            for program in recording:
                read_lines(program, BEFORE)
            postgres.stop()
            refused = post(server.url, "/v1/batches", batch)
            assert (refused.status, refused.json()["code"]) == (503, "store_busy")
            assert int(refused.headers["Retry-After"]) > 0
            read_lines(recording[0], outage_s * PER_S)
            postgres.start_again()
            for program in recording:
                said, _ = program.communicate(timeout=END_S)
                assert program.returncode == 0
                assert list(map(int, said.split()[-3:])) == [runs * 3, runs * 3, 0]
        finally:
            for program in recording:
                program.kill()
            server.kill()
    with closing(open_store(postgres.url)) as store:
        assert store.run(run_id) is None
        check_stored(store, list(range(runs)) * programs)
