"""The schema: numbered scripts that only lead forward, run by one server at a time."""

from __future__ import annotations

from importlib import resources
from typing import Final

from xray.errors import StoreError
from xray.store.postgres.connection import MIN_VERSION
from xray.store.postgres.driver import Connection

_LOCK: Final = 0x58526179_01  # "XRay", and what it is for
_VERSIONS: Final = """
    create table if not exists xray_schema (
        version integer primary key,
        since timestamptz not null default now()
    )"""


def migrate(connection: Connection) -> None:
    """Bring the schema up to date; several servers that start at once do it once.

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
    latest = len(_scripts())
    if _read_version(connection) == latest:
        return
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        # Once asked for in vain, a name stays unknown to a session until it locks a table.
        connection.execute(_VERSIONS)
        version = _read_version(connection)
        if version > latest:
            raise StoreError(
                f"The database has schema version {version}; this X-Ray knows up to {latest}.",
                hint="Use the version of X-Ray that wrote it, or a later one.",
                code="store_too_new",
            )
        for number, script in enumerate(_scripts()[version:], start=version + 1):
            connection.execute(script.encode())
            connection.execute("insert into xray_schema (version) values (%s)", (number,))


def check_version(connection: Connection) -> None:
    """Find out whether what is in the database can be read.

    Raises:
        StoreError: it holds nothing of X-Ray, or what another version wrote.
    """
    version, latest = _read_version(connection), len(_scripts())
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


def _scripts() -> list[str]:
    folder = resources.files("xray.store.postgres") / "migrations"
    scripts = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )
    return [script.read_text(encoding="utf-8") for script in scripts]
