"""A pool of connections that cannot write, and a view of one moment on one of them."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import (
    Connection,
    create_engine,
    event,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from xray.errors import StoreBusyError, StoreError
from xray.model.clock import Clock
from xray.store.frames import Decompressor
from xray.store.scanning import ScanBudget
from xray.store.sql.snapshot import Snapshot
from xray.store.sqlite.connection import connect_reader, translate_error
from xray.store.sqlite.spelling import SPELLING

_POOL_SIZE: Final = 4
_POOL_OVERFLOW: Final = 12


class Reader:
    """Answers questions over a pool of connections that cannot write.

    Args:
        path: the database file.
        decompressor: opens blocks and bodies.
        clock: tells when a run without an end counts as abandoned.
        budget: where scans stop.
        connect: makes a connection that cannot write.
    """

    def __init__(
        self,
        path: Path,
        decompressor: Decompressor,
        clock: Clock,
        budget: ScanBudget,
        connect: Callable[[Path], sqlite3.Connection] = connect_reader,
    ) -> None:
        self._decompressor = decompressor
        self._clock = clock
        self._budget = budget
        self._engine = create_engine(
            "sqlite://",
            creator=lambda: connect(path),
            poolclass=QueuePool,
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_OVERFLOW,
        )
        event.listen(self._engine, "begin", _begin)

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """A view of one moment of the database, as long as the context lasts."""
        try:
            with self._engine.connect() as connection, connection.begin():
                driver = connection.connection.driver_connection
                assert isinstance(driver, sqlite3.Connection)
                yield Snapshot(
                    connection, driver, SPELLING, self._decompressor, self._clock, self._budget
                )
        except sqlite3.Error as error:
            raise translate_error(error) from error
        except PoolTimeoutError as error:
            raise StoreBusyError("Too many questions at once.", hint="Try again.") from error
        except DBAPIError as error:
            if isinstance(error.orig, sqlite3.Error):
                raise translate_error(error.orig) from error
            raise StoreError(f"The database failed: {error}.") from error


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("begin")
