"""Connections to one database: their settings, and what its failures mean."""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg import IsolationLevel, errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from xray.errors import StoreBusyError, StoreError
from xray.store.postgres.driver import Connection, adapt

_REACHING: Final[dict[str, str | int]] = {
    "client_encoding": "UTF8",
    "connect_timeout": 10,
    # A machine that vanished says nothing; unasked, the system would wait for it for hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
_POOL_SIZE: Final = 16
_POOL_WAIT_S: Final = 10.0
_POOL_IDLE_S: Final = 60.0
# Its attempts become rarer; given up, it begins anew with whoever asks next.
_POOL_RECONNECT_S: Final = 3.0
_STATEMENT_MS: Final = 30_000
_LOCK_MS: Final = 30_000
MIN_VERSION: Final = 140_000

RETRIED: Final = (errors.DeadlockDetected, errors.SerializationFailure)
"""What two servers at once may run into; the transaction is begun again."""


def translate_error(error: psycopg.Error) -> StoreError:
    """The store's own error for what PostgreSQL or the way to it reports."""
    text = str(error).strip().partition("\n")[0]
    if isinstance(error, errors.QueryCanceled):
        return StoreBusyError(
            f"The database took longer than {_STATEMENT_MS // 1000} s.",
            hint="Ask for less at once, or try again.",
        )
    if isinstance(error, (errors.DiskFull, errors.OutOfMemory)):
        return StoreError(
            f"The database cannot grow: {text}.", hint="Free some disk space.", code="disk_full"
        )
    if isinstance(error, (*RETRIED, errors.LockNotAvailable, errors.TooManyConnections)):
        return StoreBusyError(f"The database is busy: {text}.", hint="Try again.")
    if isinstance(error, PoolTimeout):
        return StoreBusyError("No connection to the database became free.", hint="Try again.")
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return StoreBusyError(f"The database cannot be reached: {text}.", hint="Try again.")
    return StoreError(f"The database failed: {text}.")


def _describe(url: str, name: str) -> str:
    """The way to the database as libpq takes it; what *url* says itself holds."""
    way: dict[str, str | int | None] = {**_REACHING, "application_name": name}
    return make_conninfo("", **{**way, **conninfo_to_dict(url)})


def connect_writer(url: str) -> Connection:
    """A connection that writes; every statement outside a transaction is one by itself.

    Raises:
        psycopg.Error: the database cannot be reached.
    """
    connection: Connection = psycopg.connect(_describe(url, "xray writer"), autocommit=True)
    try:
        adapt(connection)
        # Whoever has an answer has it after the commit is on disk, whatever the server's default.
        connection.execute("set synchronous_commit = on")
        connection.execute(f"set lock_timeout = {_LOCK_MS}")
        connection.execute("set timezone = 'UTC'")
    except BaseException:
        connection.close()
        raise
    return connection


def open_readers(url: str) -> ConnectionPool[Any]:
    """Connections that cannot write, each of whose transactions sees one moment."""
    return ConnectionPool(
        _describe(url, "xray reader"),
        configure=_prepare_reader,
        check=ConnectionPool.check_connection,
        min_size=0,
        max_size=_POOL_SIZE,
        timeout=_POOL_WAIT_S,
        max_idle=_POOL_IDLE_S,
        reconnect_timeout=_POOL_RECONNECT_S,
        num_workers=1,
        close_returns=True,
        open=True,
    )


def _prepare_reader(connection: Connection) -> None:
    adapt(connection)
    connection.execute(f"set statement_timeout = {_STATEMENT_MS}")
    # An index of small tables is worth more than the planner's guess about an empty one.
    connection.execute("set jit = off")
    connection.commit()
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
