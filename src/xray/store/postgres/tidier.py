"""What can wait is done by one server at a time, beside its writer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from xray.store.frames import Compressor, Decompressor
from xray.store.postgres.connection import connect_writer
from xray.store.postgres.driver import PostgresDriver
from xray.store.postgres.partitions import make_partitions
from xray.store.postgres.recorder import SharedStats
from xray.store.postgres.upkeep import TIDYING_LOCK, load_newest, merge_scattered
from xray.store.sql.postings import Postings
from xray.store.sql.rosters import Rosters

_PAUSE_S: Final = 1.0
_AT_LEAST_EVERY_S: Final = 600.0
_MANY_ROWS: Final = 16
_log: Final = logging.getLogger("xray.store")


class Tidier:
    """Merges what commits have added, in a thread and on a connection of its own.

    Args:
        url: the database.
        decompressor: opens what has to change.
        merge_fanout: how many segments of the candidate index become one.
    """

    def __init__(self, url: str, decompressor: Decompressor, *, merge_fanout: int) -> None:
        self._url = url
        self._decompressor = decompressor
        self._merge_fanout = merge_fanout
        self._changed = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="xray-store-tidier", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something to tidy."""
        self._changed.set()

    def close(self) -> None:
        """Stop after the piece of work at hand."""
        self._closing.set()
        self._changed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._changed.wait(_AT_LEAST_EVERY_S)
            self._changed.clear()
            # What comes at short intervals is tidied together.
            if self._closing.wait(_PAUSE_S):
                return
            try:
                self.tidy()
            except Exception as error:  # noqa: BLE001  (tidying is optional)
                _log.warning("What is stored could not be tidied and is left as it is: %s", error)

    def tidy(self) -> bool:
        """Do everything that is due; False where another server is at it."""
        connection = connect_writer(self._url)
        try:
            driver = PostgresDriver(connection)
            (is_ours,) = driver.execute(
                "select pg_try_advisory_lock(?)", (TIDYING_LOCK,)
            ).fetchone()
            if is_ours:
                make_partitions(connection)
                self._merge_segments(driver)
                self._merge_rosters(driver)
                self._fill_stats(driver)
                self._merge_baselines(driver)
            return bool(is_ours)
        finally:
            connection.close()

    def _merge_segments(self, driver: PostgresDriver) -> None:
        postings = Postings(driver, fanout=self._merge_fanout)
        self._repeat(driver, postings.merge_due)

    def _merge_rosters(self, driver: PostgresDriver) -> None:
        # Nobody trains others meanwhile: that takes the same lock.
        compressor = Compressor(load_newest(driver, self._decompressor))
        rosters = Rosters(driver, self._decompressor, lambda: compressor)

        def merge() -> bool:
            if rosters.is_due:
                rosters.merge_slice()
            return bool(rosters.is_due)

        self._repeat(driver, merge)

    def _fill_stats(self, driver: PostgresDriver) -> None:
        stats = SharedStats(driver)
        stats.load()

        def fill() -> bool:
            if stats.is_due:
                stats.fill_slice()
                stats.load()
            return bool(stats.is_due)

        self._repeat(driver, fill)

    def _merge_baselines(self, driver: PostgresDriver) -> None:
        self._repeat(driver, lambda: merge_scattered(driver, _MANY_ROWS))

    def _repeat(self, driver: PostgresDriver, work: Callable[[], bool]) -> None:
        is_due = True
        while is_due and not self._closing.is_set():
            with driver.connection.transaction():
                is_due = work()
