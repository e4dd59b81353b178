"""A view of one moment of the database, on a connection of a pool that cannot write."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from xray.errors import StoreError
from xray.model.clock import Clock
from xray.store.frames import Decompressor
from xray.store.postgres.connection import open_readers, translate_error
from xray.store.postgres.driver import PostgresDriver
from xray.store.postgres.spelling import SPELLING
from xray.store.scanning import ScanBudget
from xray.store.sql.snapshot import Snapshot


class Reader:
    """Answers questions over a pool of connections that cannot write.

    Args:
        url: the database.
        decompressor: opens blocks and bodies.
        clock: tells when a run without an end counts as abandoned.
        budget: where scans stop.
    """

    def __init__(
        self, url: str, decompressor: Decompressor, clock: Clock, budget: ScanBudget
    ) -> None:
        self._decompressor = decompressor
        self._clock = clock
        self._budget = budget
        self._pool = open_readers(url)
        # The pool knows which connections are alive; SQLAlchemy only spells questions on them.
        self._engine = create_engine(
            "postgresql+psycopg://",
            creator=self._pool.getconn,
            poolclass=NullPool,
            use_native_hstore=False,
        )

    def close(self) -> None:
        """Give all connections back."""
        self._pool.close()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """A view of one moment of the database, as long as the context lasts."""
        try:
            with self._engine.connect() as connection, connection.begin():
                opened = connection.connection.driver_connection
                assert isinstance(opened, psycopg.Connection)
                driver = PostgresDriver(opened)
                yield Snapshot(
                    connection, driver, SPELLING, self._decompressor, self._clock, self._budget
                )
        except psycopg.Error as error:
            raise translate_error(error) from error
        except DBAPIError as error:
            if isinstance(error.orig, psycopg.Error):
                raise translate_error(error.orig) from error
            raise StoreError(f"The database failed: {error}.") from error
