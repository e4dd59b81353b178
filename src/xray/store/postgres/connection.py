"""Connections to one database: their settings, and what its failures mean."""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg import IsolationLevel, errors
from psycopg_pool import ConnectionPool, PoolTimeout

from xray.errors import StoreBusyError, StoreError
from xray.store.postgres.driver import Connection, adapt

_CONNECT_S: Final = 10
_POOL_SIZE: Final = 16
_POOL_WAIT_S: Final = 10.0
_POOL_IDLE_S: Final = 60.0
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


def connect_writer(url: str) -> Connection:
    """A connection that writes; every statement outside a transaction is one by itself.

    Raises:
        psycopg.Error: the database cannot be reached.
    """
    connection: Connection = psycopg.connect(
        url, autocommit=True, connect_timeout=_CONNECT_S, application_name="xray writer"
    )
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
        url,
        kwargs={"connect_timeout": _CONNECT_S, "application_name": "xray reader"},
        configure=_prepare_reader,
        check=ConnectionPool.check_connection,
        min_size=0,
        max_size=_POOL_SIZE,
        timeout=_POOL_WAIT_S,
        max_idle=_POOL_IDLE_S,
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
