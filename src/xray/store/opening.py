"""From a URL to a store; an engine is imported when its URL is opened."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote, urlsplit

from xray.errors import ConfigurationError
from xray.store.protocol import Store

_CHOICES: Final = "memory:, sqlite:///relative.db or sqlite:////absolute.db"


def open_store(url: str) -> Store:
    """The store at *url*, made when it does not exist yet.

    Args:
        url: `memory:`, `sqlite:///relative.db` or `sqlite:////absolute.db`.

    Raises:
        ConfigurationError: no engine answers to *url*, or its packages are not installed.
        StoreError: the database cannot be opened.
    """
    scheme = urlsplit(url).scheme
    if scheme == "memory":
        from xray.store.memory import MemoryStore

        return MemoryStore()
    if scheme == "sqlite":
        return _open_sqlite(url)
    raise ConfigurationError(
        f"No store is known for {url!r}.", hint=f"Use {_CHOICES}.", code="unknown_store"
    )


def _open_sqlite(url: str) -> Store:
    address, has_path, path = url.partition("///")
    if address != "sqlite:" or not has_path or not path:
        raise ConfigurationError(
            f"{url!r} names no database file.", hint=f"Use {_CHOICES}.", code="unknown_store"
        )
    try:
        from xray.store.sqlite.engine import SqliteStore
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("sqlalchemy", "zstandard"):
            raise
        raise ConfigurationError(
            f"A SQLite store needs the package {error.name}, which is not installed.",
            hint="Run: pip install 'xray-forensics[server]'",
            code="missing_extra",
        ) from error
    return SqliteStore(unquote(path))
