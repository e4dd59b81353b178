"""What is known of runs, read again from the files of one part."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import msgspec

from xray.errors import StoreError
from xray.model.compact import CODE_BITS, encode_part
from xray.model.facts import DecisionRow, StepRows
from xray.model.fates import Fate, decode_fates
from xray.model.holdings import HashedEntries
from xray.model.labels import Labelled
from xray.model.stored_facts import HashedRoster, PackedRoster, StoredFact
from xray.model.tallies import Tallied
from xray.model.universe import Universe
from xray.transfer.parquet.cells import ROW_COLUMNS, restore_row, restore_run, restore_step
from xray.transfer.parquet.tables import TableReader
from xray.transfer.parquet.writing import find_file

_CONTENTS: Final = (
    "run_id", "kind", "step_id", "chunk", "rows", "total", "chunks", "fates",
)  # fmt: skip
_RUN_VALUES: Final = ("input", "params", "output")
_STEP_VALUES: Final = ("params", "input", "output", "stats")
_LABEL_COLUMNS: Final = (
    "label_id", "run_id", "candidate_id", "label", "note", "labelled_by", "labelled_at",
)  # fmt: skip
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, KeyError, TypeError, IndexError)
_decode_tally: Final = msgspec.msgpack.Decoder(Tallied).decode
_Entry = tuple[int, int, int]


class PartReader:
    """Reads one part.

    Args:
        folder: the folder.
        number: the part.
        is_settled: whether its files have their names.
    """

    def __init__(self, folder: Path, number: int, *, is_settled: bool = True) -> None:
        self._folder = folder
        self._number = number
        self._is_settled = is_settled

    def _open(self, table: str, *columns: str) -> TableReader:
        path = find_file(self._folder, table, self._number, is_settled=self._is_settled)
        return TableReader(path, columns)

    def run_ids(self) -> list[str]:
        """The runs it holds, in their order."""
        named = self._open("contents", "run_id").rest()
        return list(dict.fromkeys(run_id for (run_id,) in named))

    def facts(self) -> Iterator[StoredFact]:
        """What is known of its runs, in the order in which a store gives it.

        Raises:
            StoreError: the files are not as they were written.
        """
        try:
            yield from _Contents(self._open).facts()
        except _UNREADABLE as error:
            path = find_file(self._folder, "contents", self._number)
            raise StoreError(
                f"Part {self._number} of {self._folder} holds a record that cannot be read: "
                f"{type(error).__name__}: {error}",
                hint=f"Bring it and the files beside {path.name} back as they were exported.",
                code="not_whole",
            ) from error

    def tallies(self) -> Iterator[Tallied]:
        """The tallies it holds."""
        return (_decode_tally(record) for (record,) in self._open("tallies", "record").rest())


class _Contents:
    """Reads the tables of a part beside one another."""

    def __init__(self, open_table: Callable[..., TableReader]) -> None:
        self._contents = open_table("contents", *_CONTENTS)
        self._runs = open_table("runs", "record", *_RUN_VALUES)
        self._steps = open_table("steps", "record", *_STEP_VALUES)
        self._decisions = open_table("decisions", *ROW_COLUMNS)
        self._rosters = open_table("rosters", "hash", "fate", "place")
        self._labels = open_table("labels", *_LABEL_COLUMNS)

    def facts(self) -> Iterator[StoredFact]:
        """What is known of the runs."""
        for run_id, kind, step_id, chunk, rows, total, chunks, fates in self._contents.rest():
            if kind == "run":
                ((record, *values),) = self._runs.take(1)
                named = dict(zip(_RUN_VALUES, values, strict=True))
                yield from restore_run(record, named).facts()
            elif kind == "rows":
                listed = self._take_rows(rows)
                yield StepRows(run_id=run_id, step_id=step_id, chunk=chunk, rows=listed)
            elif kind == "step":
                ((record, *values),) = self._steps.take(1)
                named = dict(zip(_STEP_VALUES, values, strict=True))
                yield restore_step(record, named, self._take_rows(rows))
            elif kind == "roster":
                entries = self._rosters.walk(rows)
                known = decode_fates(fates)
                if chunk is None:
                    yield _pack_roster(run_id, step_id, total, chunks, known, entries)
                else:
                    yield _hash_roster(run_id, step_id, chunk, total, known, entries)
            elif kind == "label":
                ((*cells, labelled_at_us),) = self._labels.take(1)
                said = dict(zip(_LABEL_COLUMNS[:-1], cells, strict=True))
                yield Labelled(**said, labelled_at_us=labelled_at_us)
            else:
                raise ValueError(f"a record of the kind {kind!r}")

    def _take_rows(self, count: int) -> list[DecisionRow]:
        return [restore_row(cells) for cells in self._decisions.walk(count)]


def _pack_roster(
    run_id: str,
    step_id: str,
    total: int,
    chunks: bytes,
    fates: list[Fate],
    entries: Iterable[tuple[Any, ...]],
) -> PackedRoster:
    universe = Universe(total)
    parts: dict[int, bytes] = {}
    for part, some in groupby(entries, lambda entry: universe.place(entry[0])[0]):
        own: list[_Entry] = [(hashed, code, place) for hashed, code, place in some]
        coded = [hashed << CODE_BITS | code for hashed, code, _ in own]
        places = [place for _, _, place in own]
        parts[part] = encode_part(universe, part, coded, len(fates), places)
    return PackedRoster(
        run_id=run_id, step_id=step_id, total=total, chunks=chunks, fates=fates, parts=parts
    )


def _hash_roster(
    run_id: str,
    step_id: str,
    chunk: int,
    total: int,
    fates: list[Fate],
    entries: Iterable[tuple[Any, ...]],
) -> HashedRoster:
    own: list[_Entry] = [(hashed, code, place) for hashed, code, place in entries]
    places = array("Q", [place for _, _, place in own])
    held = HashedEntries(
        fates,
        array("Q", [hashed for hashed, _, _ in own]),
        array("H", [code for _, code, _ in own]),
        places if any(places) else array("Q"),
    )
    return HashedRoster(
        run_id=run_id,
        step_id=step_id,
        chunk=chunk,
        total=total,
        fates=fates,
        entries=held.encode(),
    )
