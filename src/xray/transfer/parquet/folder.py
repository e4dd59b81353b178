"""A folder of Parquet files: written part by part, each read again before it counts, and read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from xray.errors import ConfigurationError, StoreError
from xray.model.stored_facts import StoredFact
from xray.model.tallies import Tallied
from xray.model.transfer import Amounts, Difference
from xray.query.plan import Position
from xray.store.protocol import Store
from xray.transfer.copying import Books
from xray.transfer.parquet.manifest import (
    FileEntry,
    Manifest,
    PartEntry,
    read_manifest,
    write_manifest,
)
from xray.transfer.parquet.reading import PartReader
from xray.transfer.parquet.tables import SCHEMAS, count_rows
from xray.transfer.parquet.writing import PartWriter, find_file
from xray.transfer.prints import Prints
from xray.transfer.sources import Portion, StoreSource

PART_RUNS: Final = 5_000
PART_ROWS: Final = 500_000
"""A part ends with the portion of runs in which it reaches one of the two."""


def export_folder(
    store: Store,
    folder: Path,
    *,
    source: str,
    query: str,
    now_us: int,
    show: Callable[[Amounts, int | None], None],
) -> Books:
    """Write the runs of *store* that meet *query* into *folder*.

    An export that was stopped goes on behind the last part that was whole.

    Args:
        store: the store.
        folder: made when it does not exist.
        source: what the store is called.
        query: which runs; all, and what is known besides, where it is empty.
        now_us: the moment of asking.
        show: is told how far it is.

    Raises:
        ConfigurationError: the folder holds something else.
        StoreError: the store failed, or the folder cannot be written.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        manifest = Manifest(source=source, query=query, asked_us=now_us)
    elif (manifest.source, manifest.query) != (source, query):
        asked = f" ({manifest.query})" if manifest.query else ""
        raise ConfigurationError(
            f"{folder} holds an export of {manifest.source}{asked}.",
            hint="Name another folder, or the same store and query to go on with it.",
            code="foreign_folder",
        )
    try:
        export = _Export(store, folder, manifest, show)
        return export.run()
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written: {error.strerror or error}.",
            hint="Free some space, or name a folder that can be written; then call it again.",
            code="disk_full" if error.errno == 28 else None,
        ) from error


class _Export:
    def __init__(
        self,
        store: Store,
        folder: Path,
        manifest: Manifest,
        show: Callable[[Amounts, int | None], None],
    ) -> None:
        self._store = store
        self._folder = folder
        self._manifest = manifest
        self._source = StoreSource(store, manifest.query, manifest.asked_us)
        self._show = show
        self._books = Books()
        self._count: int | None = None

    def run(self) -> Books:
        """Write what is missing."""
        done = self._manifest.amounts
        self._books.add(done, ())
        self._books.already = done.runs
        if self._manifest.is_complete:
            return self._books
        self._count = self._source.count_runs()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_manifest(self._folder, self._manifest)
        parts = self._manifest.parts
        if not parts or parts[-1].end is not None:
            self._write_runs(parts[-1].end if parts else None)
        if self._source.is_whole:
            self._write_rest()
        self._note(replace(self._manifest, is_complete=True))
        return self._books

    def _write_runs(self, position: Position | None) -> None:
        portions = self._source.portions_after(position)
        for first in portions:
            with _Part(self._folder, len(self._manifest.parts) + 1) as part:
                end = self._write_portion(part, first)
                while end is not None and not part.is_full:
                    end = self._write_portion(part, next(portions))
                self._end(part, end)

    def _write_portion(self, part: _Part, portion: Portion) -> Position | None:
        for run_id in portion.run_ids:
            part.add_run(self._store, run_id)
        self._show(self._books.compared.plus(part.amounts), self._count)
        return portion.end

    def _write_rest(self) -> None:
        """Labels that wait for their runs, and tallies."""
        with _Part(self._folder, len(self._manifest.parts) + 1) as part:
            for portion in self._source.awaited():
                self._write_portion(part, portion)
            part.add_tallies(self._source.tallies())
            self._end(part, None)

    def _end(self, part: _Part, end: Position | None) -> None:
        """Read a part again; where it is the same, let it count."""
        differences = part.compare()
        amounts = part.amounts
        self._books.add(amounts, differences)
        if differences:
            raise StoreError(
                f"{differences[0].record} of run {differences[0].run_id} cannot be read from "
                f"{self._folder} as it was written.",
                hint="Check the disk; then call it again.",
                code="not_sound",
            )
        entry = PartEntry(number=part.number, amounts=amounts, files=part.settle(), end=end)
        self._note(replace(self._manifest, parts=[*self._manifest.parts, entry]))

    def _note(self, manifest: Manifest) -> None:
        self._manifest = manifest
        write_manifest(self._folder, manifest)


class _Part:
    """A part while it is written; nothing is left of one that is not settled."""

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self._folder = folder
        self._writer = PartWriter(folder, number)
        self._prints = Prints()
        self._is_settled = False

    def __enter__(self) -> _Part:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_settled:
            self._writer.abandon()

    @property
    def is_full(self) -> bool:
        """Whether the next runs belong into another part."""
        return self._writer.row_count >= PART_ROWS or self.amounts.runs >= PART_RUNS

    @property
    def amounts(self) -> Amounts:
        """The records in it."""
        return self._prints.amounts

    def add_run(self, store: Store, run_id: str) -> None:
        """Add a run as it is by now."""
        shown = store.run(run_id)
        steps = store.steps_of_run(run_id, is_sampled=False) if shown is not None else []
        facts = self._printed(store.export_runs([run_id]))
        self._writer.add_run(shown, {step.step_id: step for step in steps}, facts)

    def add_tallies(self, tallies: Iterable[Tallied]) -> None:
        """Add what is known of runs that were not kept."""
        for tally in tallies:
            self._prints.add(tally)
            self._writer.add_tally(tally)

    def _printed(self, facts: Iterable[StoredFact]) -> Iterator[StoredFact]:
        for fact in facts:
            self._prints.add(fact)
            yield fact

    def compare(self) -> list[Difference]:
        """Where what can be read from the disk is not what was written."""
        self._writer.close()
        reader = PartReader(self._folder, self.number, is_settled=False)
        stored = Prints.of(reader.facts())
        for tally in reader.tallies():
            stored.add(tally)
        run_ids = dict.fromkeys((*self._prints.by_run, *stored.by_run))
        return list(self._prints.differences(stored, list(run_ids)))

    def settle(self) -> dict[str, FileEntry]:
        """Let it count; its files."""
        self._is_settled = True
        return self._writer.settle()


class FolderSource:
    """The runs of a folder that an export wrote.

    Args:
        folder: the folder.

    Raises:
        ConfigurationError: it is none.
        StoreError: it is not whole.
    """

    def __init__(self, folder: Path) -> None:
        manifest = read_manifest(folder)
        if manifest is None:
            raise ConfigurationError(
                f"{folder} holds no export.",
                hint="Name a folder that xray export wrote.",
                code="foreign_folder",
            )
        if not manifest.is_complete:
            raise StoreError(
                f"The export into {folder} was stopped before its end.",
                hint=f"Call it again: xray export --store {manifest.source} --to {folder}",
                code="not_whole",
            )
        self._folder = folder
        self._manifest = manifest
        for part in manifest.parts:
            _check_files(folder, part)

    def portions(self) -> Iterator[Portion]:
        """Its runs, and those of which only labels are known."""
        for part in self._manifest.parts:
            reader = PartReader(self._folder, part.number)
            run_ids = reader.run_ids()
            if run_ids:
                yield Portion(run_ids, reader.facts)

    def tallies(self) -> Iterator[Tallied]:
        """What it knows of runs that were not kept."""
        for part in self._manifest.parts:
            yield from PartReader(self._folder, part.number).tallies()

    def count_runs(self) -> int | None:
        """How many runs there are."""
        return self._manifest.amounts.runs


def _check_files(folder: Path, part: PartEntry) -> None:
    for table in SCHEMAS:
        path, entry = find_file(folder, table, part.number), part.files.get(table)
        if entry is None or not path.is_file():
            raise StoreError(
                f"{path} is missing.",
                hint="Bring it back, or export again into another folder.",
                code="not_whole",
            )
        if os.path.getsize(path) != entry.bytes or count_rows(path) != entry.rows:
            raise StoreError(
                f"{path} is not the file that was exported.",
                hint="Bring it back, or export again into another folder.",
                code="not_whole",
            )
