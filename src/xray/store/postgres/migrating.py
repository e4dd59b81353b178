"""The schema: numbered scripts that only lead forward, run by one server at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import psycopg

from xray.errors import StoreError
from xray.model.migration import Migration, MigrationReport, report_migrated, report_schema
from xray.store.postgres.connection import MIN_VERSION, connect_writer, translate_error
from xray.store.postgres.driver import Connection
from xray.store.scripts import list_due, read_scripts

_LOCK: Final = 0x58526179_01  # "XRay", and what it is for
_VERSIONS: Final = """
    create table if not exists xray_schema (
        version integer primary key,
        since timestamptz not null default now()
    )"""


def migrate(
    connection: Connection, show: Callable[[Migration], None] = lambda _: None
) -> MigrationReport:
    """Bring the schema up to date; several servers that start at once do it once.

    Args:
        connection: the one that writes.
        show: is told each migration before it is run.

    Raises:
        StoreError: a later version of X-Ray made the database, or PostgreSQL is too old.
    """
    scripts = read_scripts("xray.store.postgres")
    if not show_schema(connection).due:
        return report_schema(len(scripts), len(scripts), [])
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        # Once asked for in vain, a name stays unknown to a session until it locks a table.
        connection.execute(_VERSIONS)
        version = _read_version(connection)
        _require_known(version, len(scripts))
        due = list_due(scripts, version)
        for one in due:
            show(one)
            connection.execute(scripts[one.version - 1].encode())
            connection.execute("insert into xray_schema (version) values (%s)", (one.version,))
    return report_migrated(version, len(scripts), due)


def show_schema(connection: Connection) -> MigrationReport:
    """Which schema the database has, and which migrations are due.

    Raises:
        StoreError: a later version of X-Ray made the database, PostgreSQL is too old, or the
            database does not hold every text.
    """
    if connection.info.server_version < MIN_VERSION:
        raise StoreError(
            f"PostgreSQL {connection.info.server_version // 10_000} is too old.",
            hint=f"Use PostgreSQL {MIN_VERSION // 10_000} or later.",
            code="store_too_old",
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreError(
            f"The database has the encoding {encoding}, which does not hold every text.",
            hint="Make one with: create database xray template template0 encoding 'UTF8'",
            code="store_encoding",
        )
    scripts = read_scripts("xray.store.postgres")
    version = _read_version(connection)
    _require_known(version, len(scripts))
    return report_schema(version, len(scripts), list_due(scripts, version))


def migrate_database(
    url: str, show: Callable[[Migration], None], *, is_dry: bool = False
) -> MigrationReport:
    """Run the migrations that are due to the database at *url*, all in one transaction.

    Args:
        url: the database.
        show: is told each migration before it is run.
        is_dry: only say which are due.

    Raises:
        StoreError: the database cannot be reached, or a later version of X-Ray made it.
    """
    try:
        with connect_writer(url) as connection:
            return show_schema(connection) if is_dry else migrate(connection, show)
    except psycopg.Error as error:
        raise translate_error(error) from error


def _require_known(version: int, latest: int) -> None:
    if version > latest:
        raise StoreError(
            f"The database has schema version {version}; this X-Ray knows up to {latest}.",
            hint="Use the version of X-Ray that wrote it, or a later one.",
            code="store_too_new",
        )


def check_version(connection: Connection) -> None:
    """Find out whether what is in the database can be read.

    Raises:
        StoreError: it holds nothing of X-Ray, or what another version wrote.
    """
    version, latest = _read_version(connection), len(read_scripts("xray.store.postgres"))
    if version == 0:
        raise StoreError(
            "The database holds nothing of X-Ray.",
            hint="Start a server on it first, or name another one.",
            code="no_such_store",
        )
    if version != latest:
        raise StoreError(
            f"The database has schema version {version}; this X-Ray reads {latest}.",
            hint="Use the version of X-Ray that its servers have.",
            code="store_too_new" if version > latest else "store_too_old",
        )


def _read_version(connection: Connection) -> int:
    """The number of the last script that was run; 0 in an empty database."""
    (exists,) = connection.execute("select to_regclass('xray_schema') is not null").fetchone() or (
        False,
    )
    if not exists:
        return 0
    found = connection.execute("select max(version) from xray_schema").fetchone()
    return 0 if found is None else int(found[0] or 0)
