"""From a URL to a store; an engine is imported when its URL is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from xray.errors import ConfigurationError, StoreError
from xray.model.addresses import without_password
from xray.model.backup import Backup
from xray.model.migration import Migration, MigrationReport
from xray.store.protocol import Store

if TYPE_CHECKING:
    from xray.store.sqlite.inlet import Inlet

_CHOICES: Final = (
    "memory:, sqlite:///relative.db, sqlite:////absolute.db or postgresql://user@host/database"
)


def open_store(url: str, *, index_stats: Sequence[str] | None = None) -> Store:
    """The store at *url*, made when it does not exist yet.

    Args:
        url: `memory:`, `sqlite:///relative.db`, `sqlite:////absolute.db` or
            `postgresql://user:password@host:port/database`.
        index_stats: the statistics of steps that are indexed, where the store has indexes; None
            leaves them as they are.

    Raises:
        ConfigurationError: no engine answers to *url*, or its packages are not installed.
        StoreError: the database cannot be opened.
    """
    scheme = urlsplit(url).scheme
    if scheme == "memory":
        from xray.store.memory import MemoryStore

        return MemoryStore()
    if scheme == "sqlite":
        return _open_sqlite(url, index_stats)
    if scheme == "postgresql":
        return _open_postgres(url, index_stats)
    raise ConfigurationError(
        f"No store is known for {without_password(url)!r}.",
        hint=f"Use {_CHOICES}.",
        code="unknown_store",
    )


def open_inlet(url: str) -> Inlet:
    """The way into the SQLite store at *url*, which is made when it does not exist yet.

    Raises:
        ConfigurationError: *url* names no database file, or a package is not installed.
        StoreError: the database cannot be opened, or another process writes it.
    """
    path = _find_path(url)
    with _required_packages():
        from xray.store.sqlite.inlet import Inlet
    return Inlet(path)


def open_view(url: str) -> Store:
    """The store at *url* to ask and not to write, also while others write it.

    Raises:
        ConfigurationError: *url* names no database, or a package is not installed.
        StoreError: there is no such database, or it cannot be read.
    """
    if urlsplit(url).scheme == "postgresql":
        with _required_packages():
            from xray.store.postgres.view import PostgresView
        return PostgresView(url)
    path = _find_path(url)
    with _required_packages():
        from xray.store.sqlite.view import SqliteView
    return SqliteView(path)


def back_up(url: str, target: Path, show: Callable[[int], None]) -> Backup:
    """Copy the SQLite store at *url* to the file *target*, while it is written.

    Raises:
        ConfigurationError: *url* names no database file, or a package is not installed.
        StoreError: there is no such database, or the copy cannot be written.
    """
    path = Path(_find_path(url))
    if not path.is_file():
        raise StoreError(f"There is no database {path}.", code="no_such_store")
    with _required_packages():
        from xray.store.sqlite.backup import back_up
    return back_up(path, target, show)


def migrate(
    url: str, show: Callable[[Migration], None], *, is_dry: bool = False
) -> MigrationReport:
    """Run the migrations that are due to the store at *url*.

    Args:
        url: a database file or a PostgreSQL database.
        show: is told each migration before it is run.
        is_dry: only say which are due.

    Raises:
        ConfigurationError: *url* names no database, or a package is not installed.
        StoreError: it cannot be opened, a later version made it, or another process writes it.
    """
    if urlsplit(url).scheme == "postgresql":
        with _required_packages():
            from xray.store.postgres.migrating import migrate_database
        return migrate_database(url, show, is_dry=is_dry)
    path = Path(_find_path(url))
    with _required_packages():
        from xray.store.sqlite.migrating import migrate_file
    return migrate_file(path, show, is_dry=is_dry)


def _open_sqlite(url: str, index_stats: Sequence[str] | None) -> Store:
    path = _find_path(url)
    with _required_packages():
        from xray.store.sqlite.engine import SqliteStore
    return SqliteStore(path, index_stats=index_stats)


def _open_postgres(url: str, index_stats: Sequence[str] | None) -> Store:
    with _required_packages():
        from xray.store.postgres.engine import PostgresStore
    return PostgresStore(url, index_stats=index_stats)


def _find_path(url: str) -> str:
    address, has_path, path = url.partition("///")
    if address != "sqlite:" or not has_path or not path:
        raise ConfigurationError(
            f"{url!r} names no database file.", hint=f"Use {_CHOICES}.", code="unknown_store"
        )
    return unquote(path)


@contextmanager
def _required_packages() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("sqlalchemy", "zstandard", "psycopg", "psycopg_pool"):
            raise
        extra = "server,postgres" if package.startswith("psycopg") else "server"
        raise ConfigurationError(
            f"This store needs the package {error.name}, which is not installed.",
            hint=f"Run: pip install 'xray-forensics[{extra}]'",
            code="missing_extra",
        ) from error
