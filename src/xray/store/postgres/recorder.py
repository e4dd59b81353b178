"""Facts into rows of PostgreSQL, which several servers write at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from xray.model.baseline import Usual
from xray.model.facts import Receipt
from xray.store.frames import Compressor, Decompressor, DictionarySet, Samples
from xray.store.postgres.dims import SharedDims
from xray.store.postgres.directory import SharedDirectory
from xray.store.postgres.driver import PostgresDriver
from xray.store.postgres.text import escape_json, exact_number
from xray.store.postgres.upkeep import hold_together, load_newest
from xray.store.sql.baselines import Baselines, StoredKey, encode_usual
from xray.store.sql.forgotten import has_forgotten
from xray.store.sql.postings import Postings
from xray.store.sql.recorder import Recorder, Submitted
from xray.store.sql.rows import PUT_STEP, RUN_COLUMNS, STEP_COLUMNS, spell_upsert
from xray.store.sql.stat_index import StatIndex

_PUT_RUN: Final = spell_upsert("runs", (*RUN_COLUMNS, "key_folded"))
_KEY: Final = RUN_COLUMNS.index("key")
_JSON_OF_RUN: Final = [
    RUN_COLUMNS.index(name) for name in ("tags", "metadata", "correlation", "error")
]
_FLOATS_OF_RUN: Final = [RUN_COLUMNS.index(name) for name in ("duration_ms", "weight")]
_JSON_OF_STEP: Final = [STEP_COLUMNS.index(name) for name in ("stats", "error")]
_FLOATS_OF_STEP: Final = [
    STEP_COLUMNS.index(name) for name in ("duration_ms", "rejection_rate", "score")
]
_ADD_USUAL: Final = (
    "insert into baselines (day, pipeline, name, step_type, usual) values (?, ?, ?, ?, ?)"
)


class SharedBaselines(Baselines):
    """Baselines to which every transaction adds what it changes, so that none waits for another."""

    def refresh(self) -> None:
        """Start again with nothing that waits."""
        self._waiting = {}
        self._taken_back = {}
        self._filled_from = 0

    def _put(self, changes: Sequence[tuple[StoredKey, Usual]]) -> None:
        rows = [(*key, encode_usual(usual)) for key, usual in changes]
        self._connection.executemany(_ADD_USUAL, rows)


class SharedStats(StatIndex):
    """The index of statistics, which another server may be told to extend."""

    def __init__(self, driver: PostgresDriver) -> None:
        super().__init__(driver, exact_number)

    def refresh(self) -> None:
        """Start again with nothing that waits; what is indexed is asked in each transaction."""
        self._rows.clear()
        self._wanted: dict[str, int] = {}
        self.is_due = False

    def load(self) -> None:
        """Ask what is indexed; who changes it waits until the transaction is over."""
        super().refresh()


class SharedRecorder(Recorder):
    """Turns facts into rows; used by the writer alone.

    Args:
        driver: the writer's connection.
        directory: numbers for runs and steps.
        dims: numbers for repeated text.
        postings: the candidate index.
        decompressor: opens what has to change.
        training_bytes: how much of decision bodies makes training dictionaries worth while.
    """

    baselines: SharedBaselines
    stats: SharedStats

    def __init__(
        self,
        driver: PostgresDriver,
        directory: SharedDirectory,
        dims: SharedDims,
        postings: Postings,
        decompressor: Decompressor,
        training_bytes: int,
    ) -> None:
        self._driver = driver
        self._training_bytes = training_bytes
        self._epoch = 0
        nothing = Compressor(DictionarySet(0, {}))
        super().__init__(driver, directory, dims, postings, nothing, decompressor, None)

    def record(self, batches: Sequence[Submitted]) -> list[Receipt]:
        """Write *batches*; the caller's transaction makes them durable."""
        self._catch_up()
        self.stats.load()
        receipts = super().record(batches)
        self.rosters.leave_due()
        return receipts

    def _catch_up(self) -> None:
        """Remember nothing any more that somebody has taken back since the last transaction."""
        upkeep = hold_together(self._driver)
        if upkeep.epoch == self._epoch:
            return
        self._dims.forget()
        newest = load_newest(self._driver, self._decompressor)
        self.compressor = Compressor(newest)
        self.has_forgotten = has_forgotten(self._driver)
        # What waits to be trained on may be of runs that were forgotten.
        self.samples = None if newest.is_trained else Samples(self._training_bytes)
        self._epoch = upkeep.epoch

    def _make_stats(self) -> StatIndex:
        return SharedStats(self._driver)

    def _make_baselines(self) -> Baselines:
        return SharedBaselines(self._connection, self._dims, self._open_body)

    def _put_runs(self, rows: Sequence[tuple[Any, ...]]) -> None:
        listed = [
            (*_exact_row(row, _JSON_OF_RUN, _FLOATS_OF_RUN), _fold(row[_KEY])) for row in rows
        ]
        self._driver.executemany(_PUT_RUN, listed)

    def _put_steps(
        self,
        rows: Sequence[tuple[Any, ...]],
        bodies: Sequence[tuple[int, bytes]],
        *,
        are_new: bool,
    ) -> None:
        exact = [
            (*_exact_row(row, _JSON_OF_STEP, _FLOATS_OF_STEP)[:-1], _exact_brief(row[-1]))
            for row in rows
        ]
        if are_new:
            self._driver.copy("steps", STEP_COLUMNS, exact)
            self._driver.copy("step_bodies", ("seq", "data"), bodies)
        else:
            self._driver.executemany(PUT_STEP, exact)
            self._put_bodies(bodies)

    def _insert_blocks(self, rows: Sequence[tuple[int, int, int, bytes]]) -> None:
        self._driver.copy("blocks", ("id", "chunk", "part", "data"), rows)


def _exact_row(
    row: tuple[Any, ...], json_places: Sequence[int], float_places: Sequence[int]
) -> list[Any]:
    exact = list(row)
    for place in json_places:
        exact[place] = escape_json(exact[place])
    for place in float_places:
        value = exact[place]
        # Not a number is no value; SQL would sort it above every number.
        if value is not None and math.isnan(value):
            exact[place] = None
    return exact


def _exact_brief(stored: bytes | int | None) -> bytes | None:
    # The last column of a step: bytes alone, none for nothing.
    return b"" if stored == 0 else stored  # type: ignore[return-value]


def _fold(text: str | None) -> bytes | None:
    return None if text is None else text.casefold().encode()
