"""Connections to one database file: its settings, its owner, its schema version."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from xray.errors import StoreBusyError, StoreError
from xray.store.scripts import read_scripts
from xray.store.sqlite.functions import register_functions

APPLICATION_ID: Final = 0x58526179  # "XRay"
_WRITER_CACHE_KB: Final = 65_536
_READER_CACHE_KB: Final = 16_384
_PAGE_BYTES: Final = 8192
_BUSY_MS: Final = 10_000
_READERS_WAIT_MS: Final = 30_000
# Result codes of SQLite; the sqlite3 module names them only from Python 3.11 on.
_BUSY_CODES: Final = frozenset({5, 6})
_IO_CODE: Final = 10
_FULL_CODE: Final = 13


def translate_error(error: sqlite3.Error) -> StoreError:
    """The store's own error for what SQLite reports."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    text = str(error)
    if code in _BUSY_CODES or "locked" in text:
        return StoreBusyError(f"The database is busy: {text}.", hint="Try again.")
    if code == _FULL_CODE or "full" in text:
        return StoreError(
            f"The database cannot grow: {text}.", hint="Free some disk space.", code="disk_full"
        )
    if code == _IO_CODE:
        return StoreError(
            f"The disk under the database failed: {text}.",
            hint="See that it can be written, and that no quota or size limit is reached.",
            code="disk_failed",
        )
    return StoreError(f"The database failed: {text}.")


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Within it, what SQLite raises becomes a `StoreError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate_error(error) from error


class FileLock:
    """The right to write a database file, held by one process at a time.

    Args:
        path: the database file, made empty when it is missing; the lock is a file beside it.
    """

    def __init__(self, path: Path) -> None:
        # SQLite would make the database readable by everybody the umask allows.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock_descriptor(self._descriptor)
        except OSError as error:
            os.close(self._descriptor)
            raise StoreError(
                f"Another process has the database {path} open for writing.",
                hint="Stop that process, or talk to its server instead.",
                code="store_in_use",
            ) from error

    def release(self) -> None:
        """Let another process have the file."""
        os.close(self._descriptor)


def _lock_descriptor(descriptor: int) -> None:
    try:
        import fcntl
    except ModuleNotFoundError:
        import msvcrt  # Windows

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def connect_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes; makes the file and its schema when they are missing.

    Raises:
        StoreError: the file is no X-Ray database, or a later version of X-Ray made it.
    """
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        _require_ours(connection, path)
        _prepare(connection, _WRITER_CACHE_KB)
        migrate(connection)
    except sqlite3.DatabaseError as error:
        if connection is not None:
            connection.close()
        if "not a database" in str(error):
            raise _not_ours(path) from error
        raise translate_error(error) from error
    except StoreError:
        if connection is not None:
            connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    _prepare(connection, _READER_CACHE_KB)
    connection.execute("pragma query_only = 1")
    register_functions(connection)
    return connection


def connect_view(path: Path) -> sqlite3.Connection:
    """A connection that reads a file this process does not write, and never makes one.

    Raises:
        StoreError: it is no X-Ray database, of another version, or cannot be read.
    """
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?{_choose_mode(path)}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        _require_ours(connection, path)
        _require_current(connection, path)
        _prepare(connection, _READER_CACHE_KB)
    except sqlite3.DatabaseError as error:
        if connection is not None:
            connection.close()
        if "not a database" in str(error):
            raise _not_ours(path) from error
        raise translate_error(error) from error
    except StoreError:
        if connection is not None:
            connection.close()
        raise
    connection.execute("pragma query_only = 1")
    register_functions(connection)
    return connection


def _choose_mode(path: Path) -> str:
    wal = Path(f"{path}-wal")
    is_settled = not wal.exists() or wal.stat().st_size == 0
    # Where no file can be made beside it, SQLite cannot share the database with a writer, and
    # need not: nobody can write it.
    if is_settled and not os.access(path.parent, os.W_OK):
        return "immutable=1"
    return "mode=rw"


def _require_current(connection: sqlite3.Connection, path: Path) -> None:
    version, latest = _pragma(connection, "user_version"), len(read_scripts("xray.store.sqlite"))
    if version < latest:
        raise StoreError(
            f"The database {path} holds no records yet."
            if not version
            else f"The database {path} has schema version {version}; this X-Ray reads {latest}.",
            hint="Run `xray migrate --store` with it, or record into it with this X-Ray.",
            code="store_too_old",
        )


def _prepare(connection: sqlite3.Connection, cache_kb: int) -> None:
    connection.execute(f"pragma busy_timeout = {_BUSY_MS}")
    connection.execute("pragma synchronous = full")
    connection.execute("pragma temp_store = memory")
    connection.execute("pragma mmap_size = 0")
    connection.execute("pragma wal_autocheckpoint = 4000")
    connection.execute("pragma journal_size_limit = 67108864")
    connection.execute(f"pragma cache_size = -{cache_kb}")


def _require_ours(connection: sqlite3.Connection, path: Path) -> None:
    application_id = _pragma(connection, "application_id")
    tables = connection.execute("select count(*) from sqlite_master").fetchone()[0]
    if application_id != APPLICATION_ID and (application_id or tables):
        raise _not_ours(path)
    latest = len(read_scripts("xray.store.sqlite"))
    version = _pragma(connection, "user_version")
    if version > latest:
        raise StoreError(
            f"The database {path} has schema version {version}; this X-Ray knows up to {latest}.",
            hint="Use the version of X-Ray that wrote it, or a later one.",
            code="store_too_new",
        )


def _not_ours(path: Path) -> StoreError:
    return StoreError(
        f"{path} is not an X-Ray database.",
        hint="Name another file; this one was not changed.",
        code="not_a_store",
    )


def connect_to_migrate(path: Path) -> sqlite3.Connection:
    """A connection to a database file of this or an earlier version, whose schema it leaves.

    Raises:
        StoreError: it is no X-Ray database, or a later version of X-Ray made it.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{_choose_mode(path)}", uri=True, isolation_level=None
    )
    try:
        _require_ours(connection, path)
        _prepare(connection, _READER_CACHE_KB)
    except sqlite3.DatabaseError as error:
        connection.close()
        if "not a database" in str(error):
            raise _not_ours(path) from error
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def read_version(connection: sqlite3.Connection) -> int:
    """The number of the last script that was run; 0 in an empty file."""
    return _pragma(connection, "user_version")


def migrate(connection: sqlite3.Connection, to: int | None = None) -> None:
    """Run the scripts that are due, each in a transaction.

    Args:
        connection: the one that writes.
        to: the version to stop at; the latest when absent.
    """
    if _pragma(connection, "application_id") != APPLICATION_ID:
        # Page size and vacuum mode can only be chosen before the first table exists.
        connection.execute(f"pragma page_size = {_PAGE_BYTES}")
        connection.execute("pragma auto_vacuum = incremental")
        connection.execute("pragma journal_mode = wal")
        connection.execute(f"pragma application_id = {APPLICATION_ID}")
    connection.execute("pragma journal_mode = wal")
    version = read_version(connection)
    due = read_scripts("xray.store.sqlite")[version:to]
    for number, script in enumerate(due, start=version + 1):
        connection.executescript(f"begin;\n{script}\npragma user_version = {number};\ncommit;")


def compact(connection: sqlite3.Connection) -> str:
    """Write the file anew without free space, and empty its log.

    Deleting leaves bytes behind that `secure_delete` would not reach: copies that SQLite made when
    it moved rows between pages. Only a file that is written anew has none.

    Returns:
        What is left to be done, a sentence; empty where nothing is.
    """
    # It takes as much room as the records do, which need not be memory.
    connection.execute("pragma temp_store = file")
    try:
        connection.execute("vacuum")
    finally:
        connection.execute("pragma temp_store = memory")
    connection.execute(f"pragma busy_timeout = {_READERS_WAIT_MS}")
    try:
        is_held = connection.execute("pragma wal_checkpoint(truncate)").fetchone()[0]
    finally:
        connection.execute(f"pragma busy_timeout = {_BUSY_MS}")
    if not is_held:
        return ""
    return (
        "The log beside the file still holds pages as they were, since somebody reads them:"
        " ask again when they are done."
    )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"pragma {name}").fetchone()[0])
