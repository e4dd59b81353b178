"""A SQLite store to ask and not to write, also while another process writes it."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from xray.errors import StoreError
from xray.model.clock import Clock, SystemClock
from xray.store.frames import Decompressor, DictionarySet
from xray.store.scanning import ScanBudget
from xray.store.sql.payloads import load_dictionaries
from xray.store.sql.snapshot import Snapshot
from xray.store.sql.view import View
from xray.store.sqlite.connection import connect_view, translated_errors
from xray.store.sqlite.reader import Reader


class SqliteView(View):
    """Runs, steps and decisions of a database file, as they are whenever it is asked.

    Args:
        path: the database file.
        clock: tells when a run without an end counts as abandoned.
        budget: where scans stop.

    Raises:
        StoreError: there is no such file, it is no X-Ray database, or of another version.
    """

    def __init__(
        self, path: str | Path, *, clock: Clock | None = None, budget: ScanBudget | None = None
    ) -> None:
        path = Path(path)
        if not path.is_file():
            raise StoreError(
                f"There is no database {path}.",
                hint="Record something into it first, or name another file.",
                code="no_such_store",
            )
        connect_view(path).close()
        self._reader = Reader(
            path,
            Decompressor(partial(_load_dictionaries, path)),
            clock or SystemClock(),
            budget or ScanBudget(),
            connect_view,
        )

    def _snapshot(self) -> AbstractContextManager[Snapshot]:
        return self._reader.snapshot()

    def close(self) -> None:
        """Give the connections back."""
        self._reader.close()


def _load_dictionaries(path: Path) -> list[DictionarySet]:
    """Those that another process may have added since."""
    with translated_errors(), contextlib.closing(connect_view(path)) as connection:
        return load_dictionaries(connection)
