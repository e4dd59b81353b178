"""A PostgreSQL store to ask and not to write, beside the servers that do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing, nullcontext

import psycopg

from xray.errors import StoreError
from xray.model.clock import Clock, SystemClock
from xray.model.facts import Receipt
from xray.model.forgetting import Forgotten, Progress
from xray.model.removal import Removed
from xray.model.stored_facts import StoredFact
from xray.store.frames import Decompressor, DictionarySet
from xray.store.postgres.connection import connect_writer, translate_error
from xray.store.postgres.driver import PostgresDriver
from xray.store.postgres.migrating import check_version
from xray.store.postgres.reader import Reader
from xray.store.scanning import ScanBudget
from xray.store.sql.answers import Answers
from xray.store.sql.payloads import load_dictionaries
from xray.store.sql.snapshot import Snapshot


class PostgresView(Answers):
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

    def submit(self, batch_id: str, facts: Sequence[StoredFact]) -> Future[Receipt]:  # noqa: ARG002
        """Refuse: this is for questions.

        Raises:
            StoreError: always.
        """
        raise StoreError("The database was opened to be read only.", code="read_only")

    def delete_runs(self, run_ids: Sequence[str]) -> Future[Removed]:  # noqa: ARG002
        """Refuse: this is for questions.

        Raises:
            StoreError: always.
        """
        raise StoreError("The database was opened to be read only.", code="read_only")

    def forget_runs(
        self,
        run_ids: Sequence[str],  # noqa: ARG002
        pipelines: Sequence[str],  # noqa: ARG002
        show: Callable[[Progress], None],  # noqa: ARG002
    ) -> Future[Forgotten]:
        """Refuse: this is for questions.

        Raises:
            StoreError: always.
        """
        raise StoreError("The database was opened to be read only.", code="read_only")

    def claim(self, task: str) -> AbstractContextManager[bool]:  # noqa: ARG002
        """Never: nothing is written by who only looks."""
        return nullcontext(False)

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
