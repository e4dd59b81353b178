"""Commands ask a PostgreSQL database as they ask a server on it, and change nothing there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg.sql import SQL

import xray
from tests.postgres_server import (
    create_database,
    drop_database,
    execute,
    give_back,
    locate,
    take_database,
)
from xray.cli.main import main
from xray.errors import StoreError
from xray.local import DatabaseClient
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings


@pytest.fixture
def place() -> Iterator[str]:
    name = take_database()
    yield locate(name)
    give_back(name)


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main([*words, "--json"]) == 0
    answered: dict[str, object] = json.loads(capsys.readouterr().out)
    return answered


def test_a_command_answers_as_it_does_over_a_server(
    place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with BackgroundServer(ServerSettings(store=place, port=0)) as server:
        client = xray.XRay("shop", url=server.url)
        with client.run(input="case") as run, run.step("price", step_type="filter") as step:
            step.accept("cheap")
            step.reject("dear", "price", observed=9, op="<=", limit=5)
        assert xray.flush(timeout_s=30).is_complete
        xray.close()
        for words in (["runs"], ["why", run.run_id, "dear"], ["show", run.run_id]):
            over_server = ask(capsys, *words, "--url", server.url)
            assert ask(capsys, *words, "--store", place) == over_server


def test_nothing_is_changed(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["label", "last", "good", "--store", place]) != 0
    with closing(DatabaseClient(place)) as client:
        with pytest.raises(StoreError, match="read only") as refused:
            client.send("POST", "/v1/labels", body=b"{}")
        assert refused.value.code == "read_only"
        assert client.health() == "ok"


def test_a_role_that_may_only_read_is_enough(place: str) -> None:
    role = f"reader_{place.partition('?')[0].rpartition('_')[2]}"
    execute(SQL("create role {} login in role pg_read_all_data"), role)
    try:
        with psycopg.connect(place) as connection:
            told = connection.info
            url = f"postgresql://{role}@/{told.dbname}?host={told.host}&port={told.port}"
        with closing(DatabaseClient(url)) as client:
            assert client.runs().items == []
    finally:
        execute(SQL("drop role {}"), role)


def test_a_database_without_runs_of_x_ray_is_said_to_be_one() -> None:
    name = create_database(is_prepared=False)
    try:
        with pytest.raises(StoreError, match="holds nothing of X-Ray") as refused:
            DatabaseClient(locate(name))
        assert refused.value.code == "no_such_store"
    finally:
        drop_database(name)


def test_a_database_of_another_version_is_not_read(place: str) -> None:
    with psycopg.connect(place) as connection:
        connection.execute("insert into xray_schema (version) values (99)")
    try:
        with pytest.raises(StoreError, match="has schema version 99"):
            DatabaseClient(place)
    finally:
        with psycopg.connect(place) as connection:
            connection.execute("delete from xray_schema where version = 99")
