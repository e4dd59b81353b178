"""A PostgreSQL store to ask and not to write, beside the servers that do."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing

import psycopg

from xray.model.clock import Clock, SystemClock
from xray.store.frames import Decompressor, DictionarySet
from xray.store.postgres.connection import connect_writer, translate_error
from xray.store.postgres.driver import PostgresDriver
from xray.store.postgres.migrating import check_version
from xray.store.postgres.reader import Reader
from xray.store.scanning import ScanBudget
from xray.store.sql.payloads import load_dictionaries
from xray.store.sql.snapshot import Snapshot
from xray.store.sql.view import View


class PostgresView(View):
    """Runs, steps and decisions of a database, as they are whenever it is asked.

    Args:
        url: the database; a role that may only read it is enough.
        clock: tells when a run without an end counts as abandoned.
        budget: where scans stop.

    Raises:
        StoreError: it cannot be reached, is no X-Ray database, or of another version.
    """

    def __init__(
        self, url: str, *, clock: Clock | None = None, budget: ScanBudget | None = None
    ) -> None:
        self._url = url
        try:
            with closing(connect_writer(url)) as connection:
                check_version(connection)
        except psycopg.Error as error:
            raise translate_error(error) from error
        self._reader = Reader(
            url,
            Decompressor(self._load_dictionaries),
            clock or SystemClock(),
            budget or ScanBudget(),
        )

    def close(self) -> None:
        """Give the connections back."""
        self._reader.close()

    def _snapshot(self) -> AbstractContextManager[Snapshot]:
        return self._reader.snapshot()

    def _load_dictionaries(self) -> list[DictionarySet]:
        """Those that a server may have added since."""
        try:
            with closing(connect_writer(self._url)) as connection:
                return load_dictionaries(PostgresDriver(connection))
        except psycopg.Error as error:
            raise translate_error(error) from error
